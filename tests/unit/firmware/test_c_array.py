"""Values as C text."""

from __future__ import annotations

import math
import re
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.firmware.c_array import clean_name, format_bytes, format_float


@given(st.binary(max_size=100))
def test_bytes_are_all_there_in_order(data: bytes) -> None:
    lines = format_bytes(data)
    assert bytes(int(byte, 16) for byte in re.findall(r"0x(..),", "".join(lines))) == data
    assert all(len(line) <= 12 * 6 for line in lines)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_float_reads_back_as_the_same_single(value: float) -> None:
    text = format_float(value)
    assert re.fullmatch(r"-?\d+(\.\d+)?(e[+-]\d+)?f", text)
    assert "." in text or "e" in text
    assert struct.pack("<f", np.float32(text[:-1])) == struct.pack("<f", value)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_float_that_c_has_no_literal_for_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="no C literal"):
        format_float(value)


@given(st.text())
def test_clean_name_is_safe_everywhere(name: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", clean_name(name))


@given(st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True))
def test_clean_name_leaves_a_clean_one(name: str) -> None:
    assert clean_name(name) == name
