"""How much code a TFLM build is: a base, and a figure for each operator of the model.

Only a model's operators are linked, so its code is estimated as a base plus a figure an
operator, and parts that several operators share. The figures are non-negative
least-squares fits to linked builds for a Cortex-M4F (arm-none-eabi-gcc 12.2), one a set of
operators. Operators that only occur together in those builds share their sum.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_REQUANTISING = """
    ABS ADD BATCH_MATMUL CONV_2D DEPTHWISE_CONV_2D ELU FULLY_CONNECTED HARD_SWISH
    LEAKY_RELU LOGISTIC MEAN MUL QUANTIZE REDUCE_MAX RELU RSQRT SOFTMAX SUB TRANSPOSE_CONV
    UNIDIRECTIONAL_SEQUENCE_LSTM
"""
_MATHEMATICAL = "ELU L2_NORMALIZATION LOGISTIC RSQRT SOFTMAX UNIDIRECTIONAL_SEQUENCE_LSTM"
_MATRIX = "CONV_2D DEPTHWISE_CONV_2D FULLY_CONNECTED TRANSPOSE_CONV"


@dataclass(frozen=True, kw_only=True, slots=True)
class CodeSizes:
    """Code of one kind of TFLM build, in bytes.

    ``shared``: what the first operator of a group brings, by the names in the group.
    ``error_text_bytes``: messages on top, where the figures leave them out.
    ``margin``: the share by which another compiler or version may differ.
    """

    base_bytes: int
    operator_bytes: Mapping[str, int]
    shared: Mapping[frozenset[str], int]
    error_text_bytes: int = 0
    error_text_margin_bytes: int = 0
    unmeasured_bytes: int = 4_000
    margin: float = 0.25

    def parts(self, operators: frozenset[str]) -> tuple[tuple[str, int, int], ...]:
        """Return name, bytes, and ± for what was never measured, of each part of the code.

        The interpreter is first, then each operator's own kernel, and at the end what
        several of them share.
        """
        found = [("interpreter", self.base_bytes, 0)]
        for name in sorted(operators):
            if name in self.operator_bytes:
                found.append((f"{name} kernel", self.operator_bytes[name], 0))
            else:
                found.append((f"{name} kernel", self.unmeasured_bytes, self.unmeasured_bytes))
        shared_bytes = sum(size for group, size in self.shared.items() if group & operators)
        if shared_bytes:
            found.append(("shared by kernels", shared_bytes, 0))
        return tuple(found)

    def estimate(self, operators: frozenset[str]) -> tuple[int, int]:
        """Return the bytes for a set of operators, and the ± for those never measured."""
        parts = self.parts(operators)
        return sum(size for _, size, _ in parts), sum(margin for _, _, margin in parts)


def _parse(table: str) -> Iterator[tuple[str, int]]:
    for line in table.split("\n"):
        for entry in line.split(","):
            if entry.strip():
                (name, size) = entry.split()
                yield name, int(size)


_REFERENCE_BYTES = dict(
    _parse("""
    ABS 1200, ADD 8500, AVERAGE_POOL_2D 2700, BATCH_MATMUL 6400, CONCATENATION 2900
    CONV_2D 6300, DEPTHWISE_CONV_2D 4600, DEQUANTIZE 1200, ELU 1300, FULLY_CONNECTED 4200
    GATHER 0, HARD_SWISH 400, L2_NORMALIZATION 100, LEAKY_RELU 300, LOGISTIC 3700
    MAXIMUM 6000, MAX_POOL_2D 2400, MEAN 4300, MUL 6400, NEG 2400, QUANTIZE 1200
    REDUCE_MAX 6000, RELU 300, RESHAPE 1100, REVERSE_V2 2700, RSQRT 1200, SLICE 600
    SOFTMAX 6700, SPACE_TO_BATCH_ND 0, STRIDED_SLICE 3200, SUB 6000
    UNIDIRECTIONAL_SEQUENCE_LSTM 17000
    """)
)
_CMSIS_NN_ADDS_BYTES = dict(
    _parse("""
    ADD 2000, AVERAGE_POOL_2D 700, BATCH_MATMUL 3700, CONV_2D 17700
    DEPTHWISE_CONV_2D 11400, FULLY_CONNECTED 8500, MAXIMUM 300, MAX_POOL_2D 700, MEAN 400
    MUL 1400, NEG 400, REDUCE_MAX 300, RESHAPE 300, SOFTMAX 1000, STRIDED_SLICE 600
    SUB 300, UNIDIRECTIONAL_SEQUENCE_LSTM 3500
    """)
)
_CMSIS_NN_2023_BYTES = dict(
    _parse("""
    ABS 2300, ADD 8800, AVERAGE_POOL_2D 2000, CONCATENATION 4400, CONV_2D 11800
    DEPTHWISE_CONV_2D 11100, DEQUANTIZE 3200, ELU 1500, FULLY_CONNECTED 5600, GATHER 1200
    HARD_SWISH 1000, L2_NORMALIZATION 0, LEAKY_RELU 2000, LOGISTIC 3400, MAXIMUM 5600
    MAX_POOL_2D 1900, MEAN 6800, MUL 8000, NEG 2400, PAD 4200, QUANTIZE 3200
    REDUCE_MAX 5500, RELU 500, RESHAPE 2300, RSQRT 2300, SLICE 1000, SOFTMAX 7800
    SPACE_TO_BATCH_ND 700, STRIDED_SLICE 11000, SUB 5500, TRANSPOSE_CONV 4700
    UNIDIRECTIONAL_SEQUENCE_LSTM 32400
    """)
)

REFERENCE = CodeSizes(
    base_bytes=13_500,
    operator_bytes=_REFERENCE_BYTES,
    shared={frozenset(_REQUANTISING.split()): 1_900},
    error_text_bytes=13_000,
    error_text_margin_bytes=4_000,
)
CMSIS_NN = CodeSizes(
    base_bytes=13_500,
    operator_bytes={
        name: size + _CMSIS_NN_ADDS_BYTES.get(name, 0) for name, size in _REFERENCE_BYTES.items()
    },
    shared={frozenset(_REQUANTISING.split()): 1_900, frozenset(_MATRIX.split()): 3_200},
    error_text_bytes=13_000,
    error_text_margin_bytes=4_000,
)
"""tensorflow/tflite-micro 90b983c, core at -Os and kernels at -O2, newlib included.

64 builds. The figures, rounded, are within 800 bytes of each of them; with the build in
question left out of the fit, the median error is 1.3 % and the largest 17 %. Error texts
add 9 to 17 KB. Today's TFLM is not yet used by any target: the margin is a judgement.
"""

CMSIS_NN_2023 = CodeSizes(
    base_bytes=14_800,
    operator_bytes=_CMSIS_NN_2023_BYTES,
    shared={frozenset(_MATHEMATICAL.split()): 1_300, frozenset(_MATRIX.split()): 3_200},
    margin=0.2,
)
"""Chirale_TensorFLowLite 2.0.0 (46da2f9) at -O2 with its error texts, beyond a program
that only prints and allocates, which a framework's code holds already.

33 builds. The figures, rounded, are within 350 bytes of each of them; with the build in
question left out, the median error is 1.6 % and 18 of 20 are within 11 %. The margin is a
judgement: other boards' compilers were not tried.
"""
