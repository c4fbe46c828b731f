"""What kind of numbers a model computes in, and the kinds that firmware refuses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from edgekit.graph import DType, Graph, Operator, Subgraph, Tensor, layer_of
from edgekit.results import Problem

_INT8_HINT = "Convert the original model with 'edgekit convert --variant int8'."

_KINDS = {DType.INT8: "int8", DType.INT16: "int16x8", DType.FLOAT32: "float32"}
"""By the type of an operator's activations; as libraries.NUMBER_KINDS."""

_COUNTING = frozenset({DType.INT32, DType.INT64, DType.BOOL})
"""Types of indices, shapes and conditions."""

WEIGHTED = frozenset(
    {
        "BATCH_MATMUL",
        "CONV_2D",
        "CONV_3D",
        "DEPTHWISE_CONV_2D",
        "FULLY_CONNECTED",
        "SVDF",
        "TRANSPOSE_CONV",
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
    }
)
"""Operators that do a model's work: their types say what kind of model it is."""


def number_problems(graph: Graph) -> tuple[Problem, ...]:
    """Return the problem, if any, with the kind of numbers that a model computes in.

    Firmware runs models whose weights and activations are integers; a model with
    float inputs or outputs around them is one. Both engines share this rule.
    """
    for rule in (_stored_weights, _hybrid, _float32, _uint8):
        problem = rule(graph)
        if problem is not None:
            return (replace(problem, is_models=True),)
    return ()


def layer_name(subgraph: Subgraph, operator: Operator) -> str:
    """Return how to name an operator to a person: its index, and its output's name.

    The converter joins the names of fused layers by semicolons; the first is enough.
    """
    if not operator.outputs:
        return f"operator {operator.index}"
    name = layer_of(subgraph.tensors[operator.outputs[0]].name)
    return f"operator {operator.index}, {name!r}"


def operators_of(graph: Graph) -> Iterator[tuple[Subgraph, Operator]]:
    """Yield every operator with the subgraph that it is in."""
    for subgraph in graph.subgraphs:
        for operator in subgraph.operators:
            yield subgraph, operator


def inputs_of(subgraph: Subgraph, operator: Operator) -> list[Tensor]:
    """Return the tensors that an operator reads, absent ones left out."""
    return [subgraph.tensors[index] for index in operator.inputs if index >= 0]


def _weighted(graph: Graph) -> list[tuple[Subgraph, Operator, list[Tensor]]]:
    return [
        (subgraph, operator, inputs)
        for subgraph, operator in operators_of(graph)
        if operator.name in WEIGHTED and len(inputs := inputs_of(subgraph, operator)) > 1
    ]


def activation(inputs: list[Tensor]) -> Tensor:
    """Return the first input that is computed, indices and shapes only where there is no other.

    A TRANSPOSE_CONV's comes after the shape of its output and its weights.
    """
    computed = [tensor for tensor in inputs if not tensor.is_constant]
    numbers = [tensor for tensor in computed if tensor.dtype not in _COUNTING]
    return next(iter(numbers or computed), inputs[0])


def number_kind(subgraph: Subgraph, operator: Operator) -> str:
    """Return the kind of numbers that an operator computes in; empty where it is none."""
    inputs = inputs_of(subgraph, operator)
    if not inputs:
        return ""
    if any(tensor.dtype is DType.INT4 and tensor.is_constant for tensor in inputs):
        return "int4"
    return _KINDS.get(activation(inputs).dtype, "")


def _stored_weights(graph: Graph) -> Problem | None:
    for subgraph, operator in operators_of(graph):
        if operator.name != "DEQUANTIZE":
            continue
        stored = next((item for item in inputs_of(subgraph, operator) if item.is_constant), None)
        if stored is not None:
            kind = "float16" if stored.dtype is DType.FLOAT16 else f"{stored.dtype.value.lower()}"
            return Problem(
                message=(
                    f"This model only stores its weights as {kind} and computes in float32 "
                    f"({layer_name(subgraph, operator)}); microcontrollers need an int8 model."
                ),
                hint=_INT8_HINT,
            )
    return None


def _hybrid(graph: Graph) -> Problem | None:
    for subgraph, operator, inputs in _weighted(graph):
        weights = [tensor for tensor in inputs if tensor.is_constant and len(tensor.shape) > 1]
        if activation(inputs).dtype.is_float and any(
            tensor.dtype in (DType.INT8, DType.INT4, DType.UINT8) for tensor in weights
        ):
            return Problem(
                message=(
                    "This model has integer weights but computes in float32 (dynamic-range "
                    f"quantisation; {layer_name(subgraph, operator)}); microcontrollers need a "
                    "full int8 model."
                ),
                hint=_INT8_HINT,
            )
    return None


def _float32(graph: Graph) -> Problem | None:
    weighted = _weighted(graph)
    if weighted:
        is_float = all(activation(inputs).dtype.is_float for _, _, inputs in weighted)
    else:
        computed = [
            tensor
            for subgraph, operator in operators_of(graph)
            for tensor in (subgraph.tensors[index] for index in operator.outputs)
        ]
        is_float = bool(computed) and all(tensor.dtype.is_float for tensor in computed)
    if not is_float:
        return None
    return Problem(
        message="This is a float32 model; firmware for microcontrollers takes int8 models.",
        hint=_INT8_HINT,
    )


def _uint8(graph: Graph) -> Problem | None:
    for subgraph, operator, inputs in _weighted(graph):
        if activation(inputs).dtype is DType.UINT8:
            return Problem(
                message=(
                    "This model computes in uint8, TensorFlow 1's quantisation "
                    f"({layer_name(subgraph, operator)}); TFLM dropped it."
                ),
                hint=_INT8_HINT,
            )
    return None


def is_integer_model(graph: Graph) -> bool:
    """Return whether a model's work is done on integers: in most of its weighted operators.

    A model without any is one if a tensor that it computes is quantised.
    """
    weighted = _weighted(graph)
    if weighted:
        floats = sum(activation(inputs).dtype.is_float for _, _, inputs in weighted)
        return floats * 2 < len(weighted)
    return any(
        tensor.quantization is not None and not tensor.is_constant and not tensor.dtype.is_float
        for subgraph in graph.subgraphs
        for tensor in subgraph.tensors
    )
