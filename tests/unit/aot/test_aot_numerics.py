"""TFLM's integer arithmetic, held against definitions, real arithmetic and known values."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.aot import numerics

INT32 = st.integers(-(2**31), 2**31 - 1)


@given(st.floats(2.0**-30, 2.0**30))
def test_a_multiplier_is_the_nearest_of_31_bits(real: float) -> None:
    multiplier, shift = numerics.quantize_multiplier(real)
    assert 2**30 <= multiplier < 2**31
    assert abs(multiplier * 2.0 ** (shift - 31) - real) <= 2.0 ** (shift - 32)


@pytest.mark.parametrize(
    ("real", "expected"),
    [
        (0.0, (0, 0)),
        (1.0, (2**30, 1)),
        (0.5, (2**30, 0)),
        (1.0 - 2.0**-40, (2**30, 1)),  # rounds up to a power of two
        (2.0**-33, (0, 0)),  # below 2^-32: nothing is left
        (2.0**-32, (2**30, -31)),
    ],
)
def test_multipliers_at_the_edges(real: float, expected: tuple[int, int]) -> None:
    assert numerics.quantize_multiplier(real) == expected


@given(INT32, st.integers(0, 31))
def test_division_by_a_power_rounds_halves_away_from_zero(value: int, exponent: int) -> None:
    sign = -1 if value < 0 else 1
    expected = sign * ((2 * abs(value) + 2**exponent) // 2 ** (exponent + 1))
    assert numerics.divide_by_power(value, exponent) == expected


@given(INT32, st.integers(0, 2**31 - 1))
def test_the_high_multiply_rounds_halves_upwards(value: int, multiplier: int) -> None:
    assert numerics.high_multiply(value, multiplier) == math.floor(
        (value * multiplier * 2 + 2**31) / 2**32
        if abs(value * multiplier) < 2**50
        else (value * multiplier * 2 + 2**31) // 2**32
    )


def test_scaling_shifts_left_before_and_right_after_the_multiplication() -> None:
    assert numerics.scale(3, 2**30, 3) == 12
    assert numerics.scale(-3, 2**30, 0) == -1  # -1.5 upwards
    assert numerics.scale(-6, 2**30, -1) == -2  # -3, then -1.5 away from zero
    assert numerics.scale(2**30, 2**30, 2) == 0  # wraps as TFLM's code does


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        ("NONE", (-128, 127)),
        ("RELU", (-10, 127)),
        ("RELU6", (-10, 50)),
        ("RELU_N1_TO_1", (-20, 0)),
    ],
)
def test_activations_clip_the_type(activation: str, expected: tuple[int, int]) -> None:
    assert numerics.activation_range(activation, scale=0.1, zero_point=-10) == expected


def test_an_activation_that_tflm_ignores_has_no_range() -> None:
    with pytest.raises(KeyError):
        numerics.activation_range("TANH", scale=0.1, zero_point=0)


@given(st.integers(-(2**31), 0))
def test_the_exponential_is_near_the_real_one(value: int) -> None:
    real = math.exp(value / 2**26)
    assert abs(numerics.exp_of_negative(value, 5) / 2**31 - real) < 3e-7


@given(st.integers(0, 2**31 - 1))
def test_the_reciprocal_is_near_the_real_one(value: int) -> None:
    assert abs(numerics.reciprocal_of_one_plus(value) / 2**31 - 1 / (1 + value / 2**31)) < 2e-8


@given(st.integers(-(2**31) + 1, 2**31 - 1))
def test_the_logistic_is_near_the_real_one(value: int) -> None:
    real = 1 / (1 + math.exp(-value / 2**27))
    assert abs(numerics.logistic(value, 4) / 2**31 - real) < 3e-7


FLOATS = st.floats(width=32, allow_nan=False)


@given(FLOATS, FLOATS)
def test_keys_order_as_the_numbers_do(left: float, right: float) -> None:
    if left < right:
        assert numerics.float_key(left) < numerics.float_key(right)


@given(FLOATS)
def test_a_key_gives_its_number_back(value: float) -> None:
    found = numerics.float_of_key(numerics.float_key(value))
    assert struct.pack("<f", found) == struct.pack("<f", value)


@given(st.floats(-1e6, 1e6))
def test_rounding_halves_goes_away_from_zero(value: float) -> None:
    assert numerics.round_half_away(value) == math.copysign(
        math.floor(abs(value)) + (abs(value) % 1 >= 0.5), value
    )


def test_float32_beyond_its_range_is_infinite() -> None:
    assert numerics.to_float32(1e39) == math.inf
    assert numerics.to_float32(-1e39) == -math.inf
