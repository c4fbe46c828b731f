"""What becomes of each operator of a model with a TFLM library, and the ways out.

Everything is judged by the library's record (``targets/libraries``): whether it has the
operator, on that kind of numbers, and whether it computes it right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from edgekit.findings import OperatorStatus, OperatorSupport, WayOut
from edgekit.graph import DType, Graph, Operator, Subgraph, layer_of
from edgekit.libraries import Library, all_libraries, load_library
from edgekit.plan.number_kinds import (
    WEIGHTED,
    activation,
    inputs_of,
    layer_name,
    number_kind,
    number_problems,
)
from edgekit.results import Problem
from edgekit.targets import Target

__all__ = [
    "TFLM_OPERATORS",
    "layer_name",
    "number_problems",
    "operator_support",
    "target_support",
    "tflm_problems",
]

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

_ON_WEIGHTS = WEIGHTED | {"DEQUANTIZE"}

_CONVERT_INT8 = WayOut(
    kind="convert", text="convert the original model with 'edgekit convert --variant int8'"
)
_PER_TENSOR_DENSE = WayOut(
    kind="convert",
    text="convert again with one scale for each Dense layer's weights, as 'edgekit convert' "
    "does by default",
)
_REPLACE = WayOut(kind="model", text="replace the layer by others")

_Judgement = tuple[OperatorStatus, str]
"""What becomes of an operator, and why (a clause; empty where it runs)."""

_RUNS: _Judgement = (OperatorStatus.RUNS, "")


def operator_support(
    graph: Graph, library: Library, kernels: str, *, architecture: str = ""
) -> tuple[OperatorSupport, ...]:
    """Return what becomes of each operator of a model with a library, in order.

    Args:
        graph: The parsed model.
        library: The library's record.
        kernels: Which of its kernels: ``"reference"``, ``"cmsis-nn"`` or ``"esp-nn"``.
        architecture: The board's, as the compiler names it: only libraries that run on it
            are ways out; empty for any.
    """
    found = []
    for number, subgraph in enumerate(graph.subgraphs):
        for operator in subgraph.operators:
            kind = number_kind(subgraph, operator)
            status, reason = _judge(subgraph, operator, library, kernels)
            support = OperatorSupport(
                subgraph=number,
                index=operator.index,
                operator=operator.custom_name or operator.name,
                version=operator.version,
                layer=_layer(subgraph, operator),
                kind=kind,
                status=status,
                reason=reason,
            )
            if not support.runs:
                ways = tuple(_ways_out(subgraph, operator, library, kind, architecture))
                support = replace(support, ways_out=ways)
            found.append(support)
    return tuple(found)


def target_support(graph: Graph, target: Target) -> tuple[OperatorSupport, ...]:
    """Return what becomes of each operator with the ``tflm`` engine of a target."""
    engine = target.engines["tflm"]
    return operator_support(
        graph,
        load_library(engine.library),
        engine.kernels,
        architecture=target.core.architecture,
    )


def tflm_problems(
    graph: Graph, target: Target, support: Sequence[OperatorSupport] | None = None
) -> tuple[Problem, ...]:
    """Return why the ``tflm`` engine can't run a model on a target; nothing if it can.

    Args:
        graph: The parsed model.
        target: The board.
        support: ``target_support`` of these two, where it is known already.
    """
    problems = [*number_problems(graph)]
    judged = target_support(graph, target) if support is None else support
    refused = [item for item in judged if not item.runs]
    if problems:  # of the numbers: what is wrong with weights is said by those
        refused = [item for item in refused if item.operator not in _ON_WEIGHTS]
    alike = Counter((item.operator, item.reason) for item in refused)
    firsts = {(item.operator, item.reason): item for item in reversed(refused)}
    problems += [_problem(firsts[key], count) for key, count in alike.items()]
    return tuple(problems)


def _problem(item: OperatorSupport, count: int) -> Problem:
    where = f"operator {item.index}, {item.layer!r}" if item.layer else f"operator {item.index}"
    hint = ", or ".join(way.text for way in item.ways_out)
    hint = hint[:1].upper() + hint[1:] + "." if hint else _REPLACE.text.capitalize() + "."
    if item.status is OperatorStatus.WRONG:
        return Problem(
            message=f"{count} {item.operator} (the first is {where}) would compute wrong numbers: "
            f"{item.reason}.",
            hint=hint,
        )
    return Problem(message=f"{item.reason} ({where}).", hint=hint)


def _layer(subgraph: Subgraph, operator: Operator) -> str:
    if not operator.outputs:
        return ""
    return layer_of(subgraph.tensors[operator.outputs[0]].name)


def _judge(subgraph: Subgraph, operator: Operator, library: Library, kernels: str) -> _Judgement:
    fails = OperatorStatus.FAILS
    name = operator.name
    if name == "CUSTOM":
        return fails, f"The custom operator {operator.custom_name!r} is not in TFLM"
    if name in _STATE_OPERATORS:
        return fails, f"{name} keeps state in a variable, which sketches lack"
    if name not in TFLM_OPERATORS:
        return fails, f"TFLM has no {name}"
    entry = library.operators.get(name)
    if entry is None:
        return fails, f"{library.title} is too old for {name}"
    kind = number_kind(subgraph, operator)
    broken = library.broken_operators.get(name)
    if broken is not None and (not broken.types or kind in broken.types):
        return fails, f"{library.title} {broken.reason}"
    if kind and entry.types and kind not in entry.types:
        return fails, f"{library.title} has no {name} in {kind}"
    return (
        _judge_weights(subgraph, operator)
        or _judge_per_channel(subgraph, operator, library, kernels, kind)
        or _RUNS
    )


def _judge_weights(subgraph: Subgraph, operator: Operator) -> _Judgement | None:
    """Judge weights of another type than the numbers that TFLM computes in.

    Source:
        Measured with tflite-micro and on boards: float16 and dynamic-range files are
        refused, weights stored as int8 with one scale a channel are dequantised wrong.
    """
    inputs = inputs_of(subgraph, operator)
    weights = [tensor for tensor in inputs if tensor.is_constant and len(tensor.shape) > 1]
    if operator.name == "DEQUANTIZE" and weights:
        stored = weights[0]
        if stored.dtype is DType.FLOAT16:
            return OperatorStatus.FAILS, "TFLM can't expand weights that are stored as float16"
        if stored.quantization is not None and stored.quantization.is_per_channel:
            return (
                OperatorStatus.WRONG,
                "TFLM expands stored weights by the first of their scales only",
            )
    if operator.name not in WEIGHTED or not weights:
        return None
    computed = activation(inputs).dtype
    if computed is DType.UINT8:
        return OperatorStatus.FAILS, f"TFLM dropped {operator.name} in uint8"
    stored_small = (DType.INT8, DType.INT4, DType.UINT8)
    if computed.is_float and any(tensor.dtype in stored_small for tensor in weights):
        return (
            OperatorStatus.FAILS,
            f"TFLM has no {operator.name} on float32 with integer weights",
        )
    return None


def _judge_per_channel(
    subgraph: Subgraph, operator: Operator, library: Library, kernels: str, kind: str
) -> _Judgement | None:
    """Judge a FULLY_CONNECTED whose weights have one scale a channel."""
    if operator.name != "FULLY_CONNECTED" or len(operator.inputs) < 2:
        return None
    quantization = subgraph.tensors[operator.inputs[1]].quantization
    if quantization is None or not quantization.is_per_channel:
        return None
    record = library.per_channel_fully_connected
    outcome = record.outcome(kind)
    if outcome == "wrong":
        return OperatorStatus.WRONG, record.reason
    if outcome == "refused":
        return OperatorStatus.FAILS, record.reason
    if kernels == "cmsis-nn" and kind == "int16x8":  # in TFLM until today, fully_connected.cc
        return OperatorStatus.FAILS, "CMSIS-NN's FULLY_CONNECTED on int16 takes one scale only"
    return None


def _ways_out(
    subgraph: Subgraph, operator: Operator, library: Library, kind: str, architecture: str
) -> Iterable[WayOut]:
    """Yield the ways to have an operator run, the cheapest first.

    The aot engine is not known here: whoever knows it adds it.
    """
    others = [
        other
        for other in all_libraries()
        if other.platformio
        and (not architecture or not other.architectures or architecture in other.architectures)
        # What fails in one library of an age was not tried in the others.
        and (
            other.structures != library.structures or operator.name not in library.broken_operators
        )
        and _judge(subgraph, operator, other, other.kernels[0]) == _RUNS
    ]
    if operator.name == "FULLY_CONNECTED" and _per_channel(subgraph, operator):
        yield _PER_TENSOR_DENSE
    elif kind in ("float32", "int16x8", "int4") or _is_uint8(subgraph, operator):
        int8 = library.operators.get(operator.name)
        if int8 is not None and "int8" in int8.types:
            yield _CONVERT_INT8
    for other in others:
        yield WayOut(kind="library", name=other.name, text=f"use {other.title}")
    if operator.name in _STATE_OPERATORS:
        yield WayOut(
            kind="model",
            text="give the state as an input and take it as an output, or build it from layers "
            "that TFLM has as one operator, such as a fused LSTM",
        )
    elif operator.name == "CUSTOM":
        yield WayOut(kind="model", text="build the model from standard layers")
    elif not (operator.name == "FULLY_CONNECTED" and _per_channel(subgraph, operator)):
        yield _REPLACE


def _per_channel(subgraph: Subgraph, operator: Operator) -> bool:
    if len(operator.inputs) < 2 or operator.inputs[1] < 0:
        return False
    quantization = subgraph.tensors[operator.inputs[1]].quantization
    return quantization is not None and quantization.is_per_channel


def _is_uint8(subgraph: Subgraph, operator: Operator) -> bool:
    inputs = inputs_of(subgraph, operator)
    return bool(inputs) and activation(inputs).dtype is DType.UINT8
