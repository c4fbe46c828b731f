"""The .tflite schema as tables: operator codes, enumerations, options and their fields.

Source:
    tensorflow/compiler/mlir/lite/schema/schema.fbs (version 3d).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from edgekit.graph import DType, OptionValue
from edgekit.model.schema_options import BUILTIN_OPTIONS, Row
from edgekit.model.schema_options2 import BUILTIN_OPTIONS_2

FILE_IDENTIFIER = b"TFL3"
"""Bytes 4 to 7 of every .tflite file; schema.fbs, file_identifier."""

SCHEMA_VERSION = 3
"""``Model.version`` of every file since 2017; schema.fbs, revision history."""

TENSOR_TYPES: tuple[DType, ...] = tuple(DType)
"""Enum TensorType: its members from code 0, in the order of :class:`DType`."""

_OPERATOR_NAMES = """
ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE
EMBEDDING_LOOKUP FLOOR FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D
LOCAL_RESPONSE_NORMALIZATION LOGISTIC LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU RELU_N1_TO_1
RELU6 RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH SVDF TANH CONCAT_EMBEDDINGS
SKIP_GRAM CALL CUSTOM EMBEDDING_LOOKUP_SPARSE PAD UNIDIRECTIONAL_SEQUENCE_RNN GATHER
BATCH_TO_SPACE_ND SPACE_TO_BATCH_ND TRANSPOSE MEAN SUB DIV SQUEEZE
UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE BIDIRECTIONAL_SEQUENCE_RNN EXP TOPK_V2 SPLIT
LOG_SOFTMAX DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM CAST PRELU MAXIMUM ARG_MAX MINIMUM LESS NEG
PADV2 GREATER GREATER_EQUAL LESS_EQUAL SELECT SLICE SIN TRANSPOSE_CONV SPARSE_TO_DENSE TILE
EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT RSQRT SHAPE POW ARG_MIN FAKE_QUANT REDUCE_PROD
REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT UNPACK REDUCE_MIN FLOOR_DIV
REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD RANGE RESIZE_NEAREST_NEIGHBOR LEAKY_RELU
SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL REVERSE_V2 ADD_N GATHER_ND COS WHERE
RANK ELU REVERSE_SEQUENCE MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG ROUND HARD_SWISH IF WHILE
NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 SCATTER_ND SELECT_V2 DENSIFY SEGMENT_SUM
BATCH_MATMUL PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM CALL_ONCE BROADCAST_TO RFFT2D CONV_3D
IMAG REAL COMPLEX_ABS HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL
CONV_3D_TRANSPOSE VAR_HANDLE READ_VARIABLE ASSIGN_VARIABLE BROADCAST_ARGS
RANDOM_STANDARD_NORMAL BUCKETIZE RANDOM_UNIFORM MULTINOMIAL GELU DYNAMIC_UPDATE_SLICE
RELU_0_TO_1 UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_SUM ATAN2
UNSORTED_SEGMENT_MIN SIGN BITCAST BITWISE_XOR RIGHT_SHIFT STABLEHLO_LOGISTIC STABLEHLO_ADD
STABLEHLO_DIVIDE STABLEHLO_MULTIPLY STABLEHLO_MAXIMUM STABLEHLO_RESHAPE STABLEHLO_CLAMP
STABLEHLO_CONCATENATE STABLEHLO_BROADCAST_IN_DIM STABLEHLO_CONVOLUTION STABLEHLO_SLICE
STABLEHLO_CUSTOM_CALL STABLEHLO_REDUCE STABLEHLO_ABS STABLEHLO_AND STABLEHLO_COSINE
STABLEHLO_EXPONENTIAL STABLEHLO_FLOOR STABLEHLO_LOG STABLEHLO_MINIMUM STABLEHLO_NEGATE
STABLEHLO_OR STABLEHLO_POWER STABLEHLO_REMAINDER STABLEHLO_RSQRT STABLEHLO_SELECT
STABLEHLO_SUBTRACT STABLEHLO_TANH STABLEHLO_SCATTER STABLEHLO_COMPARE STABLEHLO_CONVERT
STABLEHLO_DYNAMIC_SLICE STABLEHLO_DYNAMIC_UPDATE_SLICE STABLEHLO_PAD STABLEHLO_IOTA
STABLEHLO_DOT_GENERAL STABLEHLO_REDUCE_WINDOW STABLEHLO_SORT STABLEHLO_WHILE
STABLEHLO_GATHER STABLEHLO_TRANSPOSE DILATE STABLEHLO_RNG_BIT_GENERATOR REDUCE_WINDOW
STABLEHLO_COMPOSITE STABLEHLO_SHIFT_LEFT STABLEHLO_CBRT STABLEHLO_CASE
"""

OPERATORS: tuple[str, ...] = tuple(_OPERATOR_NAMES.split())
"""Enum BuiltinOperator: its members from code 0."""

PLACEHOLDER_OPERATOR = "PLACEHOLDER_FOR_GREATER_OP_CODES"
"""What the old one-byte field holds where the code is in the new field; no operator."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Enumeration:
    """An enumeration of options: how it is stored, and its members from code 0."""

    scalar: str
    members: tuple[str, ...]


def _enumeration(scalar: str, members: str, prefix: str = "") -> Enumeration:
    return Enumeration(scalar=scalar, members=tuple(prefix + item for item in members.split()))


ENUMERATIONS: Mapping[str, Enumeration] = {
    "TensorType": Enumeration(scalar="int8", members=tuple(item.value for item in TENSOR_TYPES)),
    "Padding": _enumeration("int8", "SAME VALID"),
    "ActivationFunctionType": _enumeration("int8", "NONE RELU RELU_N1_TO_1 RELU6 TANH SIGN_BIT"),
    "LSHProjectionType": _enumeration("int8", "UNKNOWN SPARSE DENSE"),
    "FullyConnectedOptionsWeightsFormat": _enumeration("int8", "DEFAULT SHUFFLED4x16INT8"),
    "LSTMKernelType": _enumeration("int8", "FULL BASIC"),
    "CombinerType": _enumeration("int8", "SUM MEAN SQRTN"),
    "MirrorPadMode": _enumeration("int8", "REFLECT SYMMETRIC"),
    "ReduceWindowFunction": _enumeration("int32", "UNSUPPORTED ADD MUL MINIMUM MAXIMUM ALL ANY"),
    "CustomOptionsFormat": _enumeration("int8", "FLEXBUFFERS"),
    "RngAlgorithm": _enumeration("int8", "DEFAULT PHILOX THREEFRY"),
    "StablehloComparisonDirection": _enumeration(
        "uint32", "EQ NE GE GT LE LT", prefix="STABLEHLO_COMPARISON_DIRECTION_"
    ),
    "StablehloComparisonType": _enumeration(
        "uint32",
        "NOTYPE FLOAT FLOAT_TOTAL_ORDER SIGNED UNSIGNED",
        prefix="STABLEHLO_COMPARISON_TYPE_",
    ),
}
"""The enumerations that options have."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One field of an options table.

    ``scalar`` is how a value (or each element, where ``is_vector``) is stored;
    empty for a string. ``enumeration`` names an enumeration, if it is one.
    """

    name: str
    slot: int
    scalar: str
    is_vector: bool
    enumeration: str
    default: int

    @property
    def default_value(self) -> OptionValue:
        """What the field is where a file does not store it."""
        if self.is_vector:
            return ()
        if not self.scalar:
            return ""
        if self.scalar == "float32":
            return float(self.default)
        if self.scalar == "bool":
            return bool(self.default)
        if self.enumeration:
            return ENUMERATIONS[self.enumeration].members[self.default]
        return self.default


def _field(slot: int, text: str) -> Field:
    name, _, rest = text.partition(":")
    kind, _, default = rest.partition("=")
    element = kind.strip("[]")
    enumeration = element if element in ENUMERATIONS else ""
    scalar = ENUMERATIONS[element].scalar if enumeration else element
    return Field(
        name=name,
        slot=slot,
        scalar="" if scalar == "string" else scalar,
        is_vector=kind.startswith("["),
        enumeration=enumeration,
        default=int(default or 0),
    )


@functools.cache
def options_fields(table: str) -> tuple[Field, ...]:
    """Return the fields of the options table ``table``, unused slots left out.

    Raises:
        KeyError: The schema has no such table.
    """
    texts = _ROWS[table].fields.split()
    return tuple(_field(slot, text) for slot, text in enumerate(texts) if text != "-")


_ROWS: Mapping[str, Row] = {row.table: row for row in (*BUILTIN_OPTIONS, *BUILTIN_OPTIONS_2)}

OPTIONS_OF: Mapping[str, str] = {
    operator: row.table for row in _ROWS.values() for operator in row.operators.split()
}
"""Operator → its options table; operators that have none are not in it."""
