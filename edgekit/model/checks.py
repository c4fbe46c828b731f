"""What is checked after a conversion: the converter succeeds on models that answer wrongly."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from edgekit.errors import ConversionError
from edgekit.graph import ABSENT, SMALLEST_RANGE, DType, Graph, Operator, Subgraph, Tensor, layer_of
from edgekit.model.evaluate import Agreement
from edgekit.model.variants import VARIANTS, Variant

SMALLEST_TOP1 = 0.9
"""Below this share of equal answers, quantisation has cost too much to be silent."""

LARGEST_RELATIVE_ERROR = 0.3
"""About 10 dB of signal to quantisation noise; above, the same."""

NEAR_RELATIVE_ERROR = 0.05
"""Up to here other answers are the original's near ties and not quantisation's doing: 26 dB,
which good int8 models reach."""

LARGEST_FLOAT_ERROR = 0.01
"""A float32 model repeats the original to rounding; above, the conversion is wrong."""

_STATE = frozenset({"VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "CALL_ONCE"})
_CASTS = frozenset({"QUANTIZE", "DEQUANTIZE"})
_INTEGER_IO = frozenset({DType.INT32, DType.INT64, DType.BOOL})
"""Input and output types that an integer variant leaves alone (token numbers, argmax)."""


def check_converted(
    graph: Graph, variant: Variant, io_type: str, *, inputs: int
) -> tuple[str, ...]:
    """Check that a converted model is what was asked for.

    Args:
        graph: The converted model.
        variant: What it was converted to.
        io_type: The type that its inputs and outputs should have.
        inputs: How many inputs the original has.

    Returns:
        Warnings.

    Raises:
        ConversionError: It keeps state in variables, has other inputs or types, no
            usable scale, or stayed in float although integers were asked for.
    """
    names = {operator.name for _, operator in _operators(graph)}
    state = sorted(names & _STATE)
    if state:
        raise ConversionError(
            f"The {variant.value} model keeps state in variables ({', '.join(state)}).",
            hint="Make the state an input and an output of the model.",
        )
    if len(graph.main.inputs) != inputs:
        raise ConversionError(
            f"The {variant.value} model has {len(graph.main.inputs)} inputs, "
            f"the original {inputs}.",
            hint="An input that has no effect is dropped; remove it from the model.",
        )
    _check_io(graph, variant, io_type)
    warnings = [*_dynamic(graph, names)]
    if VARIANTS[variant].computes_in_integers:
        warnings += _check_scales(graph, variant)
        warnings += _float_operators(graph, variant)
    return tuple(warnings)


def _operators(graph: Graph) -> Iterator[tuple[Subgraph, Operator]]:
    for subgraph in graph.subgraphs:
        for operator in subgraph.operators:
            yield subgraph, operator


def _check_io(graph: Graph, variant: Variant, io_type: str) -> None:
    wanted = DType(io_type.upper())
    for tensor in (*graph.main.input_tensors, *graph.main.output_tensors):
        if tensor.dtype is not wanted and tensor.dtype not in _INTEGER_IO:
            raise ConversionError(
                f"{tensor.name!r} of the {variant.value} model is {tensor.dtype.value}, "
                f"not {wanted.value}.",
                hint="The converter did not keep to the type; choose the other one with --io.",
            )


def _dynamic(graph: Graph, names: set[str]) -> Iterator[str]:
    """Give a warning for shapes that are only known when the model runs."""
    dynamic = [
        tensor.name
        for subgraph in graph.subgraphs
        for tensor in subgraph.tensors
        if -1 in tensor.shape_signature
    ]
    if dynamic:
        yield (
            f"{len(dynamic)} tensors have dynamic shapes (the first: {dynamic[0]!r}); "
            "microcontrollers need fixed ones."
        )
    if "SHAPE" in names:
        yield (
            "The model computes a shape while it runs (operator SHAPE): a layer works with a "
            "dynamic dimension."
        )


def _check_scales(graph: Graph, variant: Variant) -> tuple[str, ...]:
    """Refuse scales of zero or infinity; warn of tensors without a range.

    Raises:
        ConversionError: A scale can't be used.
    """
    constant: list[str] = []
    for subgraph in graph.subgraphs:
        for tensor in subgraph.tensors:
            if tensor.quantization is None:
                continue
            if any(not math.isfinite(scale) or scale <= 0 for scale in tensor.quantization.scales):
                raise ConversionError(
                    f"{tensor.name!r} of the {variant.value} model has a quantisation scale of "
                    "zero or infinity.",
                    hint="Its values are all the same on the calibration data, or not finite. "
                    "Give more varied samples; look for a layer that is dead or untrained.",
                )
            steps = (1 << tensor.dtype.bits) - 1
            if not tensor.is_constant and tensor.scale * steps < SMALLEST_RANGE:
                constant.append(layer_of(tensor.name))
    if not constant:
        return ()
    return (
        f"{len(constant)} tensors are constant on the calibration data (the first: "
        f"{constant[0]!r}): a layer is dead or untrained, or the samples are too alike.",
    )


def _float_operators(graph: Graph, variant: Variant) -> Iterator[str]:
    """Give a warning if operators stayed in float between DEQUANTIZE and QUANTIZE.

    Raises:
        ConversionError: All of them did.
    """
    computing = [
        (subgraph, operator)
        for subgraph, operator in _operators(graph)
        if operator.name not in _CASTS
    ]
    floats = Counter(
        operator.custom_name or operator.name
        for subgraph, operator in computing
        if any(tensor.dtype.is_float for tensor in _tensors(subgraph, operator))
    )
    if not floats:
        return
    count = sum(floats.values())
    named = ", ".join(f"{name} ×{times}" for name, times in sorted(floats.items()))
    if count == len(computing):
        raise ConversionError(
            f"The whole {variant.value} model stayed in float ({named}).",
            hint="None of its operators has an integer form; convert to float32, or replace them.",
        )
    yield (
        f"{count} of {len(computing)} operators stayed in float, between DEQUANTIZE and QUANTIZE "
        f"({named}): they have no integer form, and cost time and code on a microcontroller."
    )


def _tensors(subgraph: Subgraph, operator: Operator) -> Iterator[Tensor]:
    for index in (*operator.inputs, *operator.outputs):
        if index != ABSENT:
            yield subgraph.tensors[index]


def judge_agreement(agreement: Agreement, variant: Variant) -> tuple[str, ...]:
    """Return warnings about a variant that answers otherwise than the original model.

    Raises:
        ConversionError: A float variant does, so the conversion is wrong.
    """
    error = agreement.relative_error
    shown = f"relative error {100 * error:.1f} %" if math.isfinite(error) else "no common scale"
    if agreement.top1 is not None:
        shown = f"{100 * agreement.top1:.1f} % of the answers the same, {shown}"
    shown += f", on {agreement.samples} samples"
    if not VARIANTS[variant].optimizes:
        if error > LARGEST_FLOAT_ERROR:
            raise ConversionError(
                f"The {variant.value} model computes something else than the original ({shown}).",
                hint="Look for layers that act at random or differ in training (Dropout called "
                "with training=True, GaussianNoise), or simplify the model until it agrees.",
            )
        return ()
    differs = agreement.top1 is not None and agreement.top1 < SMALLEST_TOP1
    if differs and error <= NEAR_RELATIVE_ERROR:
        return (
            f"The {variant.value} model's outputs are near the original's, but the largest is "
            f"often another: {shown}. For a classifier the classes are nearly tied, as in one "
            "that is hardly trained: compare accuracies on labelled samples.",
        )
    if differs or error > LARGEST_RELATIVE_ERROR:
        return (
            f"The {variant.value} model answers otherwise than the original: {shown}. Calibrate "
            "on more typical samples, or look for layers with a very wide range.",
        )
    return ()
