"""TFLM's integer arithmetic, computed beforehand: multipliers, ranges and tables.

Every function gives the same integer as tflite-micro's code of the same purpose; what
can overflow there wraps here as it does on the processors that we know.
"""

from __future__ import annotations

import math
import struct

INT32_MIN = -(1 << 31)
INT32_MAX = (1 << 31) - 1
_EXP_MINUS_EIGHTH = 1895147668
_ONE_THIRD = 715827883
_EXP_BARREL = (
    (-2, 1672461947),
    (-1, 1302514674),
    (0, 790015084),
    (1, 290630308),
    (2, 39332535),
    (3, 720401),
    (4, 242),
)
"""e^(-2^k) in units of 2^-31, for k = -2 … 4.

Source:
    google/gemmlowp, fixedpoint/fixedpoint.h, exp_on_negative_values.
"""


def to_float32(value: float) -> float:
    """Round to the nearest float32; beyond its range to infinity."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def wrap_int32(value: int) -> int:
    """Return the int32 with the same low 32 bits."""
    return ((value + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)


def round_half_away(value: float) -> int:
    """Round to the nearest integer, halves away from zero, as C's ``round``."""
    whole = math.floor(abs(value))
    if abs(value) - whole >= 0.5:
        whole += 1
    return whole if value >= 0 else -whole


def quantize_multiplier(real: float) -> tuple[int, int]:
    """Return (multiplier, shift) with real ≈ multiplier · 2^(shift − 31).

    Source:
        tflite-micro 90b983c, kernels/internal/quantization_util.cc, QuantizeMultiplier.
    """
    if real == 0.0:
        return 0, 0
    fraction, shift = math.frexp(real)
    multiplier = round_half_away(fraction * (1 << 31))
    if multiplier == 1 << 31:
        multiplier //= 2
        shift += 1
    if shift < -31:
        return 0, 0
    return multiplier, shift


def high_multiply(left: int, right: int) -> int:
    """Half of the product's high word, rounded (gemmlowp's doubling high multiply)."""
    return min((left * right + (1 << 30)) >> 31, INT32_MAX)


def divide_by_power(value: int, exponent: int) -> int:
    """Divide by 2^exponent, rounded to nearest, halves away from zero."""
    mask = (1 << exponent) - 1
    threshold = (mask >> 1) + (value < 0)
    return (value >> exponent) + ((value & mask) > threshold)


def scale(value: int, multiplier: int, shift: int) -> int:
    """TFLM's MultiplyByQuantizedMultiplier for int32, rounding twice."""
    raised = wrap_int32(value << max(shift, 0))
    return divide_by_power(high_multiply(raised, multiplier), max(-shift, 0))


def activation_range(
    activation: str, *, scale: float, zero_point: int, lowest: int = -128, highest: int = 127
) -> tuple[int, int]:
    """Return the range that a fused activation leaves of an output type's.

    Raises:
        KeyError: TFLM does not honour this activation.
        OverflowError: A limit is beyond int32, which TFLM refuses.

    Source:
        tflite-micro 90b983c, kernels/kernel_util.cc, CalculateActivationRangeQuantized.
    """
    least, most = _ACTIVATION_LIMITS[activation]
    if least is not None:
        lowest = max(lowest, quantized_limit(least, scale, zero_point))
    if most is not None:
        highest = min(highest, quantized_limit(most, scale, zero_point))
    return lowest, highest


def quantized_limit(real: float, scale: float, zero_point: int) -> int:
    """Return the stored number of a real one, rounded in float32.

    Raises:
        OverflowError: It is beyond int32.
    """
    steps = to_float32(real / scale)
    if abs(steps) >= float(1 << 31):
        raise OverflowError(f"{real} / {scale} is beyond int32")
    limit = zero_point + round_half_away(steps)
    if not INT32_MIN <= limit <= INT32_MAX:
        raise OverflowError(f"{limit} is beyond int32")
    return limit


_ACTIVATION_LIMITS: dict[str, tuple[float | None, float | None]] = {
    "NONE": (None, None),
    "RELU": (0.0, None),
    "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
}


def input_radius(integer_bits: int, left_shift: int) -> int:
    """Largest input difference that stays in range after scaling.

    Source:
        tflite-micro 90b983c, quantization_util.cc, CalculateInputRadius.
    """
    return ((1 << integer_bits) - 1) * (1 << (31 - integer_bits)) >> left_shift


def exp_of_negative(value: int, integer_bits: int) -> int:
    """e^value in units of 2^-31, for value ≤ 0 with ``integer_bits`` integer bits (≤ 5).

    Source:
        google/gemmlowp, fixedpoint/fixedpoint.h, exp_on_negative_values.
    """
    if value == 0:
        return INT32_MAX
    fraction_bits = 31 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    near = (value & (quarter - 1)) - quarter
    result = _exp_above_minus_quarter(near << integer_bits)
    remainder = wrap_int32(near - value)
    for power, factor in _EXP_BARREL:
        if integer_bits > power and remainder & (1 << (fraction_bits + power)):
            result = high_multiply(result, factor)
    return result


def _exp_above_minus_quarter(value: int) -> int:
    """e^value for value in [-1/4, 0), both in units of 2^-31: Taylor around -1/8."""
    x = value + (1 << 28)
    x2 = high_multiply(x, x)
    x3 = high_multiply(x2, x)
    x4 = high_multiply(x2, x2)
    third = high_multiply(divide_by_power(x4, 2) + x3, _ONE_THIRD)
    rest = divide_by_power(third + x2, 1)
    return _EXP_MINUS_EIGHTH + high_multiply(_EXP_MINUS_EIGHTH, x + rest)


def reciprocal_of_one_plus(value: int) -> int:
    """1 / (1 + value) for value in [0, 1), both in units of 2^-31.

    Source:
        google/gemmlowp, fixedpoint/fixedpoint.h, one_over_one_plus_x_for_x_in_0_1.
    """
    half = (value + INT32_MAX + 1) // 2
    estimate = 1515870810 + high_multiply(half, -1010580540)
    for _ in range(3):
        rest = (1 << 29) - high_multiply(half, estimate)
        estimate += high_multiply(estimate, rest) << 2
    return INT32_MAX if estimate > (1 << 30) - 1 else estimate << 1


def logistic(value: int, integer_bits: int) -> int:
    """1 / (1 + e^-value) in units of 2^-31 (gemmlowp's logistic)."""
    if value == 0:
        return 1 << 30
    positive = reciprocal_of_one_plus(exp_of_negative(-abs(value), integer_bits))
    return positive if value > 0 else INT32_MAX - positive


def float_key(value: float) -> int:
    """Return the 32-bit key of a float32: keys order as the numbers do."""
    bits = int(struct.unpack("<I", struct.pack("<f", value))[0])
    return (~bits & 0xFFFFFFFF) if bits & 0x80000000 else bits | 0x80000000


def float_of_key(key: int) -> float:
    """Return the float32 of a key (see :func:`float_key`)."""
    bits = key & 0x7FFFFFFF if key & 0x80000000 else ~key & 0xFFFFFFFF
    return float(struct.unpack("<f", struct.pack("<I", bits))[0])
