"""Units: how sizes, counts and durations are rounded and shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.units import KIB, align_up, format_bytes, format_count, format_us


@pytest.mark.parametrize(
    ("value", "alignment", "expected"), [(0, 16, 0), (1, 16, 16), (16, 16, 16), (17, 4, 20)]
)
def test_a_size_is_aligned_upwards(value: int, alignment: int, expected: int):
    assert align_up(value, alignment) == expected


@given(st.integers(0, 2**40), st.integers(1, 4096))
def test_the_aligned_size_is_the_nearest_multiple_above(value: int, alignment: int):
    aligned = align_up(value, alignment)
    assert aligned % alignment == 0
    assert value <= aligned < value + alignment


@pytest.mark.parametrize(
    ("size_bytes", "expected"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (KIB, "1.0 KiB"),
        (25190, "24.6 KiB"),
        (1310720, "1.25 MiB"),
        (-2048, "-2.0 KiB"),
    ],
)
def test_bytes_are_shown_in_binary_units(size_bytes: int, expected: str):
    assert format_bytes(size_bytes) == expected


@pytest.mark.parametrize(
    ("count", "expected"), [(812, "812"), (24600, "24.6 k"), (3_100_000, "3.10 M"), (-5, "-5")]
)
def test_counts_are_shown_in_decimal_units(count: float, expected: str):
    assert format_count(count) == expected


@pytest.mark.parametrize(
    ("duration_us", "expected"),
    [(812.4, "812 µs"), (0.0432, "0.0432 µs"), (24_600, "24.60 ms"), (3_100_000, "3.10 s")],
)
def test_durations_are_shown_in_the_unit_that_suits(duration_us: float, expected: str):
    assert format_us(duration_us) == expected
