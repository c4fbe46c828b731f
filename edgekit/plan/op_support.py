"""Why an engine can't run a model, said before anything is generated."""

from __future__ import annotations

from collections.abc import Iterator

from edgekit.graph import DType, Graph, Operator, Subgraph, Tensor
from edgekit.plan.tflm_libraries import LibraryFacts, library_facts
from edgekit.results import Problem
from edgekit.targets import Target

_INT8_HINT = "Convert the original model with 'edgekit convert --variant int8'."

_WEIGHTED = frozenset(
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

_STATE_OPERATORS = frozenset({"VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "CALL_ONCE"})
"""Operators on resource variables, for which TFLM needs a store that no sketch makes."""

_NAMES = """
    ABS ADD ADD_N ARG_MAX ARG_MIN AVERAGE_POOL_2D BATCH_MATMUL BATCH_TO_SPACE_ND
    BROADCAST_ARGS BROADCAST_TO CAST CEIL CONCATENATION CONV_2D COS CUMSUM
    DEPTH_TO_SPACE DEPTHWISE_CONV_2D DEQUANTIZE DIV DYNAMIC_UPDATE_SLICE ELU
    EMBEDDING_LOOKUP EQUAL EXP EXPAND_DIMS FILL FLOOR FLOOR_DIV FLOOR_MOD
    FULLY_CONNECTED GATHER GATHER_ND GREATER GREATER_EQUAL HARD_SWISH IF
    L2_NORMALIZATION L2_POOL_2D LEAKY_RELU LESS LESS_EQUAL LOG LOG_SOFTMAX LOGICAL_AND
    LOGICAL_NOT LOGICAL_OR LOGISTIC MAX_POOL_2D MAXIMUM MEAN MINIMUM MIRROR_PAD MUL NEG
    NOT_EQUAL PACK PAD PADV2 PRELU QUANTIZE REDUCE_ALL REDUCE_MAX REDUCE_MIN RELU RELU6
    RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_V2 ROUND RSQRT SELECT_V2
    SHAPE SIN SLICE SOFTMAX SPACE_TO_BATCH_ND SPACE_TO_DEPTH SPLIT SPLIT_V SQRT SQUARE
    SQUARED_DIFFERENCE SQUEEZE STRIDED_SLICE SUB SUM SVDF TANH TRANSPOSE TRANSPOSE_CONV
    UNIDIRECTIONAL_SEQUENCE_LSTM UNPACK WHILE ZEROS_LIKE
"""

TFLM_OPERATORS = frozenset(_NAMES.split())
"""Operators that a sketch can register, without those on resource variables.

Source:
    tensorflow/tflite-micro 90b983c, micro_mutable_op_resolver.h.
"""


def number_problems(graph: Graph) -> tuple[Problem, ...]:
    """Return the problem, if any, with the kind of numbers that a model computes in.

    Firmware runs models whose weights and activations are integers; a model with
    float inputs or outputs around them is one. Both engines share this rule.
    """
    for rule in (_stored_weights, _hybrid, _float32, _uint8):
        problem = rule(graph)
        if problem is not None:
            return (problem,)
    return ()


def tflm_problems(graph: Graph, target: Target) -> tuple[Problem, ...]:
    """Return why the ``tflm`` engine can't run a model on a target; nothing if it can."""
    engine = target.engines["tflm"]
    facts = library_facts(engine.library)
    problems = [*number_problems(graph)]
    named: set[str] = set()
    for subgraph, operator in _operators(graph):
        problem = _operator_problem(subgraph, operator, facts)
        name = operator.custom_name or operator.name
        if problem is not None and name not in named:
            named.add(name)
            problems.append(problem)
    per_channel = _per_channel_fully_connected(graph)
    if per_channel and engine.refuses_per_channel_fc:
        layer = layer_name(*per_channel[0])
        problems.append(
            Problem(
                message=(
                    f"{_count(per_channel, 'FULLY_CONNECTED')} (the first is {layer}) with one "
                    f"scale a channel: {engine.refuses_per_channel_fc}."
                ),
                hint=(
                    "Convert again with one scale for each Dense layer's weights, as 'edgekit "
                    "convert' does by default, or use the aot engine."
                ),
            )
        )
    elif per_channel and engine.kernels == "cmsis-nn" and _computes(graph, DType.INT16):
        problems.append(
            Problem(
                message="CMSIS-NN's FULLY_CONNECTED on int16 takes one scale only.",
                hint="Convert again with one scale for each Dense layer's weights.",
            )
        )
    return tuple(problems)


def layer_name(subgraph: Subgraph, operator: Operator) -> str:
    """Return how to name an operator to a person: its index, and its output's name.

    The converter joins the names of fused layers by semicolons; the first is enough.
    """
    if not operator.outputs:
        return f"operator {operator.index}"
    (name, _, _) = subgraph.tensors[operator.outputs[0]].name.partition(";")
    return f"operator {operator.index}, {name!r}"


def _operators(graph: Graph) -> Iterator[tuple[Subgraph, Operator]]:
    for subgraph in graph.subgraphs:
        for operator in subgraph.operators:
            yield subgraph, operator


def _operator_problem(
    subgraph: Subgraph, operator: Operator, facts: LibraryFacts
) -> Problem | None:
    where = layer_name(subgraph, operator)
    if operator.name == "CUSTOM":
        return Problem(
            message=f"The custom operator {operator.custom_name!r} ({where}) is not in TFLM.",
            hint="Build the model from standard layers.",
        )
    if operator.name in _STATE_OPERATORS:
        return Problem(
            message=f"{operator.name} ({where}) keeps state in a variable, which sketches lack.",
            hint="Give the state as an input and take it as an output, or build it from layers "
            "that TFLM has as one operator, such as a fused LSTM.",
        )
    if operator.name not in TFLM_OPERATORS:
        return Problem(
            message=f"TFLM has no {operator.name} ({where}).",
            hint="Replace the layer by others, or compute that step outside the model.",
        )
    if operator.name in facts.missing_operators:
        return Problem(
            message=f"{facts.title} is too old for {operator.name} ({where}).",
            hint="Replace the layer by others, or use the aot engine if it has the operator.",
        )
    if operator.name in facts.broken_operators:
        return Problem(
            message=f"{facts.title} {facts.broken_operators[operator.name]} ({where}).",
            hint="Replace the layer by others, or use the aot engine if it has the operator.",
        )
    return None


def _inputs(subgraph: Subgraph, operator: Operator) -> list[Tensor]:
    return [subgraph.tensors[index] for index in operator.inputs if index >= 0]


def _weighted(graph: Graph) -> list[tuple[Subgraph, Operator, list[Tensor]]]:
    return [
        (subgraph, operator, inputs)
        for subgraph, operator in _operators(graph)
        if operator.name in _WEIGHTED and len(inputs := _inputs(subgraph, operator)) > 1
    ]


def _activation(inputs: list[Tensor]) -> Tensor:
    """The first input that is computed (a TRANSPOSE_CONV's comes after two constants)."""
    return next((tensor for tensor in inputs if not tensor.is_constant), inputs[0])


def _stored_weights(graph: Graph) -> Problem | None:
    for subgraph, operator in _operators(graph):
        if operator.name != "DEQUANTIZE":
            continue
        stored = next((item for item in _inputs(subgraph, operator) if item.is_constant), None)
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
        if _activation(inputs).dtype.is_float and any(
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
        is_float = all(_activation(inputs).dtype.is_float for _, _, inputs in weighted)
    else:
        computed = [
            tensor
            for subgraph, operator in _operators(graph)
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
        if _activation(inputs).dtype is DType.UINT8:
            return Problem(
                message=(
                    "This model computes in uint8, TensorFlow 1's quantisation "
                    f"({layer_name(subgraph, operator)}); TFLM dropped it."
                ),
                hint=_INT8_HINT,
            )
    return None


def _per_channel_fully_connected(graph: Graph) -> list[tuple[Subgraph, Operator]]:
    found = []
    for subgraph, operator in _operators(graph):
        if operator.name == "FULLY_CONNECTED" and len(operator.inputs) > 1:
            weights = subgraph.tensors[operator.inputs[1]]
            if weights.quantization is not None and weights.quantization.is_per_channel:
                found.append((subgraph, operator))
    return found


def _computes(graph: Graph, dtype: DType) -> bool:
    return any(_activation(inputs).dtype is dtype for _, _, inputs in _weighted(graph))


def _count(items: list[tuple[Subgraph, Operator]], name: str) -> str:
    return f"1 {name}" if len(items) == 1 else f"{len(items)} {name}"
