"""Sizes of TFLM's structures: what each kernel keeps, and each operator's options.

Source:
    tensorflow/tflite-micro 90b983c compiled by arm-none-eabi-gcc 12.2 for a 32-bit Arm
    target, and for the options also without -fshort-enums.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class CoreSizes:
    """sizeof the structures that TFLM's core allocates, in bytes.

    ``tensor`` is a TfLiteTensor, ``quantization`` the TfLiteAffineQuantization beside
    it; ``request`` and ``handle`` are for one scratch buffer, ``allocation`` describes
    a buffer to the planner, which needs ``planned_buffer`` more of its own.
    """

    pointer: int
    arena_allocator: int
    planner: int
    allocator: int
    data_allocator: int
    subgraph: int
    eval_tensor: int
    node: int
    tensor: int
    quantization: int
    request: int
    handle: int
    allocation: int
    planned_buffer: int
    variables: int
    variable: int


NODE_BYTES: Mapping[bool, int] = {True: 32, False: 44}
"""sizeof(NodeAndRegistration), with TF_LITE_STATIC_MEMORY and without."""

TENSOR_BYTES: Mapping[tuple[bool, bool], int] = {
    (True, True): 32,
    (True, False): 40,
    (False, True): 64,
    (False, False): 64,
}
"""sizeof(TfLiteTensor), by TF_LITE_STATIC_MEMORY and short enums."""


def core_sizes_32(*, static_memory: bool, short_enums: bool) -> CoreSizes:
    """Return the sizes on a 32-bit target."""
    return CoreSizes(
        pointer=4,
        arena_allocator=36,
        planner=44,
        allocator=36,
        data_allocator=8,
        subgraph=8,
        eval_tensor=12,
        node=NODE_BYTES[static_memory],
        tensor=TENSOR_BYTES[static_memory, short_enums],
        quantization=12,
        request=12,
        handle=4,
        allocation=24,
        planned_buffer=40,
        variables=12,
        variable=20,
    )


RECORDING_64 = CoreSizes(
    pointer=8,
    arena_allocator=104,
    planner=72,
    allocator=272,
    data_allocator=16,
    subgraph=24,
    eval_tensor=24,
    node=64,
    tensor=64,
    quantization=24,
    request=16,
    handle=8,
    allocation=32,
    planned_buffer=40,
    variables=16,
    variable=40,
)
"""The recording interpreter on x86-64, as the ``tflite-micro`` package has it.

Source:
    tflite-micro 90b983c: sizeof of each, compiled by g++ for x86-64 with
    TF_LITE_STATIC_MEMORY and USE_TFLM_COMPRESSION; RecordingMicroAllocator and
    RecordingSingleArenaBufferAllocator in place of the plain ones.
"""

INIT_BYTES: Mapping[str, tuple[int, int]] = {
    "ABS": (28, 28),
    "ADD": (60, 60),
    "AVERAGE_POOL_2D": (32, 36),
    "BATCH_MATMUL": (16, 36),
    "CALL_ONCE": (8, 8),
    "CIRCULAR_BUFFER": (8, 8),
    "CONCATENATION": (24, 24),
    "CONV_2D": (56, 60),
    "DEPTHWISE_CONV_2D": (56, 60),
    "DEQUANTIZE": (32, 32),
    "DIV": (28, 28),
    "ELU": (256, 256),
    "EQUAL": (32, 32),
    "FULLY_CONNECTED": (48, 72),
    "GREATER": (32, 32),
    "GREATER_EQUAL": (32, 32),
    "HARD_SWISH": (20, 20),
    "IF": (8, 8),
    "L2_NORMALIZATION": (4, 4),
    "LEAKY_RELU": (24, 24),
    "LESS": (32, 32),
    "LESS_EQUAL": (32, 32),
    "LOGISTIC": (16, 16),
    "MAX_POOL_2D": (32, 36),
    "MEAN": (44, 44),
    "MIRROR_PAD": (20, 20),
    "MUL": (36, 36),
    "NOT_EQUAL": (32, 32),
    "PAD": (56, 56),
    "PADV2": (56, 56),
    "PRELU": (28, 28),
    "QUANTIZE": (32, 32),
    "REDUCE_ALL": (44, 44),
    "REDUCE_MAX": (44, 44),
    "REDUCE_MIN": (44, 44),
    "RELU": (28, 28),
    "RELU6": (8, 8),
    "RSQRT": (28, 28),
    "SELECT_V2": (1, 1),
    "SOFTMAX": (56, 64),
    "SPACE_TO_BATCH_ND": (4, 4),
    "SQUARED_DIFFERENCE": (112, 112),
    "STRIDED_SLICE": (84, 84),
    "SUB": (52, 52),
    "SUM": (44, 44),
    "SVDF": (36, 40),
    "TANH": (16, 16),
    "TRANSPOSE_CONV": (72, 76),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (688, 912),
    "VAR_HANDLE": (4, 4),
    "WHILE": (8, 8),
}
"""sizeof the kernel's OpData: (reference, CMSIS-NN). Kernels not listed have none."""

OPTIONS_STRUCT: Mapping[str, tuple[int, int, int, int]] = {
    "ADD": (2, 1, 8, 4),
    "ARG_MAX": (1, 1, 4, 4),
    "ARG_MIN": (1, 1, 4, 4),
    "AVERAGE_POOL_2D": (40, 4, 40, 4),
    "BATCH_MATMUL": (3, 1, 3, 1),
    "CALL_ONCE": (4, 4, 4, 4),
    "CAST": (2, 1, 8, 4),
    "CONCATENATION": (8, 4, 8, 4),
    "CONV_2D": (28, 4, 28, 4),
    "CUMSUM": (2, 1, 2, 1),
    "DEPTHWISE_CONV_2D": (28, 4, 28, 4),
    "DEPTH_TO_SPACE": (4, 4, 4, 4),
    "DIV": (1, 1, 4, 4),
    "FULLY_CONNECTED": (5, 1, 16, 4),
    "GATHER": (8, 4, 8, 4),
    "IF": (8, 4, 8, 4),
    "L2_NORMALIZATION": (1, 1, 4, 4),
    "L2_POOL_2D": (40, 4, 40, 4),
    "LEAKY_RELU": (4, 4, 4, 4),
    "MAX_POOL_2D": (40, 4, 40, 4),
    "MEAN": (1, 1, 1, 1),
    "MIRROR_PAD": (1, 1, 4, 4),
    "MUL": (1, 1, 4, 4),
    "PACK": (8, 4, 8, 4),
    "REDUCE_ALL": (1, 1, 1, 1),
    "REDUCE_MAX": (1, 1, 1, 1),
    "REDUCE_MIN": (1, 1, 1, 1),
    "RESHAPE": (36, 4, 36, 4),
    "RESIZE_BILINEAR": (2, 1, 2, 1),
    "RESIZE_NEAREST_NEIGHBOR": (2, 1, 2, 1),
    "SHAPE": (1, 1, 4, 4),
    "SOFTMAX": (4, 4, 4, 4),
    "SPACE_TO_DEPTH": (4, 4, 4, 4),
    "SPLIT": (4, 4, 4, 4),
    "SPLIT_V": (4, 4, 4, 4),
    "SQUEEZE": (36, 4, 36, 4),
    "STRIDED_SLICE": (24, 4, 24, 4),
    "SUB": (2, 1, 8, 4),
    "SUM": (1, 1, 1, 1),
    "SVDF": (8, 4, 12, 4),
    "TRANSPOSE_CONV": (16, 4, 20, 4),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (16, 4, 16, 4),
    "UNPACK": (8, 4, 8, 4),
    "VAR_HANDLE": (8, 4, 8, 4),
    "WHILE": (8, 4, 8, 4),
}
"""Parsed options: size and alignment with short enums, then with four-byte enums."""

INIT_BYTES_2023: Mapping[str, int] = {
    "ABS": 20,
    "FULLY_CONNECTED": 60,
    "MEAN": 40,
    "REDUCE_MAX": 40,
    "RELU6": 2,
    "RSQRT": 20,
    "SELECT_V2": 2,
    "SUM": 40,
    "TRANSPOSE_CONV": 72,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": 384,
}
OPTIONS_STRUCT_2023: Mapping[str, tuple[int, int, int, int]] = {
    "CONV_2D": (24, 4, 24, 4),
    "FULLY_CONNECTED": (4, 1, 12, 4),
    "STRIDED_SLICE": (20, 4, 20, 4),
    "TRANSPOSE_CONV": (16, 4, 16, 4),
}
"""What differs in TFLM of January 2023 with CMSIS-NN's kernels.

Source:
    spaziochirale/Chirale_TensorFlowLite 46da2f9 compiled by arm-none-eabi-gcc 12.2: the
    constant that each kernel's Init hands to AllocatePersistentBuffer, and sizeof.
"""

INIT_BYTES_64: Mapping[str, int] = {
    "ASSIGN_VARIABLE": 4,
    "BATCH_MATMUL": 32,
    "CONCATENATION": 80,
    "CONV_2D": 80,
    "DEPTHWISE_CONV_2D": 80,
    "FULLY_CONNECTED": 72,
    "SOFTMAX": 80,
    "TRANSPOSE_CONV": 88,
}
"""sizeof the kernel's OpData on x86-64, where it differs from a 32-bit target's.

Source:
    tflite-micro 90b983c's package for x86-64: what its recording interpreter reports as
    requested for a model of the one operator.
"""

OPTIONS_STRUCT_64: Mapping[str, tuple[int, int]] = {
    "FULLY_CONNECTED": (32, 8),
    "VAR_HANDLE": (16, 8),
}
"""Parsed options whose size and alignment differ from those with four-byte enums.

Source:
    tflite-micro 90b983c, builtin_op_data.h: sizeof compiled by g++ for x86-64; of
    FULLY_CONNECTED, what the tails of models with it leave for it.
"""
