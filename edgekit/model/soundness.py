"""Check that a graph can be executed: indices in range, and nothing read before it exists."""

from __future__ import annotations

import graphlib
from collections.abc import Mapping

from edgekit.errors import InvalidModelError
from edgekit.graph import ABSENT, Graph, Operator, Subgraph
from edgekit.model.flatbuffer import WHOLE, corrupt

_REQUIRED_INPUTS = {
    0: "CALL CUSTOM DELEGATE IF WHILE",
    1: """
        ABS ADD_N AVERAGE_POOL_2D BIDIRECTIONAL_SEQUENCE_LSTM BIDIRECTIONAL_SEQUENCE_RNN BITCAST
        BUCKETIZE CAST CEIL COMPLEX_ABS CONCATENATION COS DENSIFY DEPTH_TO_SPACE DEQUANTIZE ELU
        EXP FAKE_QUANT FLOOR GELU HARD_SWISH IMAG L2_NORMALIZATION L2_POOL_2D LEAKY_RELU
        LOCAL_RESPONSE_NORMALIZATION LOG LOGICAL_NOT LOGISTIC LOG_SOFTMAX LSTM MATRIX_DIAG
        MAX_POOL_2D NEG PACK QUANTIZE RANK READ_VARIABLE REAL RELU RELU6 RELU_0_TO_1 RELU_N1_TO_1
        RESHAPE ROUND RSQRT SHAPE SIGN SIN SOFTMAX SPACE_TO_DEPTH SQRT SQUARE SQUEEZE TANH
        UNIDIRECTIONAL_SEQUENCE_LSTM UNIQUE UNPACK WHERE ZEROS_LIKE
        """,
    2: """
        ADD ARG_MAX ARG_MIN ASSIGN_VARIABLE ATAN2 BATCH_MATMUL BITWISE_XOR BROADCAST_ARGS
        BROADCAST_TO CONV_2D CONV_3D CUMSUM DEPTHWISE_CONV_2D DIV EMBEDDING_LOOKUP EQUAL
        EXPAND_DIMS FILL FLOOR_DIV FLOOR_MOD FULLY_CONNECTED GATHER GATHER_ND GREATER
        GREATER_EQUAL LESS LESS_EQUAL LOGICAL_AND LOGICAL_OR MATRIX_SET_DIAG MAXIMUM MEAN MINIMUM
        MIRROR_PAD MUL NOT_EQUAL PAD POW PRELU REDUCE_ALL REDUCE_ANY REDUCE_MAX REDUCE_MIN
        REDUCE_PROD RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_SEQUENCE REVERSE_V2 RFFT2D
        RIGHT_SHIFT SEGMENT_SUM SPLIT SQUARED_DIFFERENCE SUB SUM TILE TOPK_V2 TRANSPOSE
        """,
    3: """
        BATCH_TO_SPACE_ND CONV_3D_TRANSPOSE DYNAMIC_UPDATE_SLICE HASHTABLE_FIND PADV2 RANGE RNN
        SCATTER_ND SELECT SELECT_V2 SLICE SPACE_TO_BATCH_ND SPLIT_V SVDF TRANSPOSE_CONV
        UNIDIRECTIONAL_SEQUENCE_RNN UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_MIN
        UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_SUM
        """,
    4: "ONE_HOT SPARSE_TO_DENSE STRIDED_SLICE",
}

REQUIRED_INPUTS: Mapping[str, int] = {
    name: count for count, names in _REQUIRED_INPUTS.items() for name in names.split()
}
"""Operator → how many of its first inputs must be there; those behind may be absent.

The recurrent ones have optional inputs between required ones, and count as 1. An
operator that is not listed may have no absent input at all.

Source:
    NumInputs and the input constants in tensorflow/lite/kernels/*.cc.
"""

_WITHOUT_OUTPUT = frozenset(
    {"ASSIGN_VARIABLE", "CALL", "CALL_ONCE", "CUSTOM", "DELEGATE", "HASHTABLE_IMPORT", "IF"}
    | {"WHILE"}
)
"""Operators that may have no output."""

_POSITIVE_OPTIONS = ("stride_", "dilation_", "filter_")
"""How options begin that kernels divide by or loop over, and that 0 makes senseless."""


def check(graph: Graph) -> None:
    """Return if every subgraph can run in its order of operators.

    Raises:
        InvalidModelError: There is no subgraph, or no output; an index is out of range;
            an operator lacks a required input, or has a stride of 0; a tensor is read
            before it is computed, or computed twice; an operator calls a subgraph that
            does not exist, or that calls it in turn.
    """
    if not graph.subgraphs:
        raise corrupt(WHOLE, "it has no subgraph")
    if not graph.main.outputs:
        raise corrupt(WHOLE, "it has no output")
    for index, subgraph in enumerate(graph.subgraphs):
        _check_subgraph(subgraph, WHOLE if index == 0 else f"subgraph {index}")
    _check_calls(graph)


def _check_subgraph(subgraph: Subgraph, where: str) -> None:
    tensors = subgraph.tensors
    count = len(tensors)
    for role, indices in (("input", subgraph.inputs), ("output", subgraph.outputs)):
        for index in indices:
            if not 0 <= index < count:
                raise corrupt(where, f"{role} tensor {index} does not exist; there are {count}")
    if len(set(subgraph.inputs)) != len(subgraph.inputs):
        raise corrupt(where, "a tensor is listed twice as an input")
    available = {tensor.index for tensor in tensors if tensor.is_constant or tensor.is_variable}
    available.update(subgraph.inputs)
    for operator in subgraph.operators:
        _check_operator(operator, subgraph, available, _place(operator, where))
    for index in subgraph.outputs:
        if index not in available:
            raise corrupt(where, f"output tensor {_named(subgraph, index)} is never computed")


def _check_operator(
    operator: Operator, subgraph: Subgraph, available: set[int], place: str
) -> None:
    """Check one operator against the tensors ``available`` before it; add its outputs."""
    count = len(subgraph.tensors)
    required = REQUIRED_INPUTS.get(operator.name)
    if required is not None and len(operator.inputs) < required:
        raise corrupt(place, f"it has {len(operator.inputs)} inputs, and needs {required}")
    for position, index in enumerate(operator.inputs):
        if index == ABSENT and required is not None and position >= required:
            continue
        if index == ABSENT:
            raise corrupt(place, f"its input {position} is absent, but not optional")
        if not 0 <= index < count:
            raise corrupt(place, f"input tensor {index} does not exist; there are {count}")
        if index not in available:
            read = _named(subgraph, index)
            if operator.name == "CUSTOM":
                raise InvalidModelError(
                    f"{place} works in tensor {read}, which nothing computes.",
                    hint="A model compiled for an accelerator does so (e.g. by Vela, for Ethos-U):"
                    " give the .tflite from before.",
                )
            raise corrupt(place, f"it reads tensor {read} before it is computed")
    for index in operator.intermediates:
        if index != ABSENT and not 0 <= index < count:
            raise corrupt(place, f"intermediate tensor {index} does not exist; there are {count}")
    if not operator.outputs and operator.name not in _WITHOUT_OUTPUT:
        raise corrupt(place, "it has no output")
    for index in operator.outputs:
        if not 0 <= index < count:
            raise corrupt(place, f"output tensor {index} does not exist; there are {count}")
        tensor = subgraph.tensors[index]
        if tensor.is_constant:
            raise corrupt(place, f"it writes to the constant {_named(subgraph, index)}")
        if index in available and not tensor.is_variable:
            raise corrupt(place, f"it writes to tensor {_named(subgraph, index)} again")
        available.add(index)
    for name, value in operator.options.items():
        if name.startswith(_POSITIVE_OPTIONS) and isinstance(value, int) and value < 1:
            raise corrupt(place, f"its {name} is {value}")


def _place(operator: Operator, where: str) -> str:
    name = repr(operator.custom_name[:60]) if operator.custom_name else operator.name
    return f"operator {operator.index} ({name})" + ("" if where == WHOLE else f" of {where}")


def _named(subgraph: Subgraph, index: int) -> str:
    name = subgraph.tensors[index].name
    return f"{index} ({name[:60]!r})" if name else str(index)


def _check_calls(graph: Graph) -> None:
    """Check the subgraphs that options name, e.g. ``then_subgraph_index`` of IF."""
    calls: dict[int, set[int]] = {}
    count = len(graph.subgraphs)
    for caller, subgraph in enumerate(graph.subgraphs):
        called = calls.setdefault(caller, set())
        where = WHOLE if caller == 0 else f"subgraph {caller}"
        for operator in subgraph.operators:
            for name, value in operator.options.items():
                if "subgraph" not in name:
                    continue
                for index in value if isinstance(value, tuple) else (value,):
                    if not isinstance(index, int) or not 0 <= index < count:
                        raise corrupt(
                            _place(operator, where),
                            f"its {name} is {index}, but there are {count} subgraphs",
                        )
                    called.add(index)
    try:
        graphlib.TopologicalSorter(calls).prepare()
    except graphlib.CycleError as error:
        cycle = " → ".join(str(index) for index in error.args[1][:8])
        raise corrupt(WHOLE, f"its subgraphs call each other without end ({cycle})") from error
