"""Python values as C text: arrays of bytes, numbers, names."""

from __future__ import annotations

import re
import struct

_BYTES_A_LINE = 12
_LITERALS = tuple(f"0x{byte:02x}," for byte in range(256))


def format_bytes(data: bytes) -> tuple[str, ...]:
    """Return the lines between the braces of a C array of bytes, without indentation."""
    return tuple(
        " ".join(_LITERALS[byte] for byte in data[start : start + _BYTES_A_LINE])
        for start in range(0, len(data), _BYTES_A_LINE)
    )


def format_float(value: float) -> str:
    """Return the C literal of a float that reads back as the same single-precision value.

    Raises:
        OverflowError: It is beyond single precision.
        ValueError: It is infinite or not a number.
    """
    single = struct.unpack("<f", struct.pack("<f", value))[0]
    text = f"{single:.9g}"
    if "n" in text:  # "inf", "nan"
        raise ValueError(f"{value} has no C literal")
    if "." not in text and "e" not in text:
        text += ".0"
    return text + "f"


def clean_name(name: str) -> str:
    """Return ``name`` with everything but ASCII letters, digits, ``.``, ``_`` and ``-`` as ``_``.

    What comes out is safe in a C string, a comment, an ini file and the protocol. It
    is never empty.
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name)[:64] or "model"
