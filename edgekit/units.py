"""Units: one name each, and how they are shown."""

from __future__ import annotations

KIB = 1024
"""Bytes in a KiB. Sizes are shown in KiB and bytes, never in a bare "K"."""

MICROSECONDS_PER_SECOND = 1_000_000


def align_up(value: int, alignment: int) -> int:
    """Return the smallest multiple of ``alignment`` that is not below ``value``."""
    return -(-value // alignment) * alignment


def format_bytes(size_bytes: int) -> str:
    """Return a size for people: ``"812 B"``, ``"24.6 KiB"``, ``"1.25 MiB"``."""
    if abs(size_bytes) < KIB:
        return f"{size_bytes} B"
    if abs(size_bytes) < KIB * KIB:
        return f"{size_bytes / KIB:.1f} KiB"
    return f"{size_bytes / KIB / KIB:.2f} MiB"


def format_count(count: float) -> str:
    """Return a count for people: ``"812"``, ``"24.6 k"``, ``"3.10 M"``."""
    if abs(count) < 1000:
        return f"{count:.0f}"
    if abs(count) < 1_000_000:
        return f"{count / 1000:.1f} k"
    return f"{count / 1_000_000:.2f} M"


def format_us(duration_us: float) -> str:
    """Return a duration for people: ``"0.043 µs"``, ``"812 µs"``, ``"24.6 ms"``, ``"3.10 s"``."""
    if abs(duration_us) < 1000:
        return f"{duration_us:.3g} µs"
    if abs(duration_us) < MICROSECONDS_PER_SECOND:
        return f"{duration_us / 1000:.2f} ms"
    return f"{duration_us / MICROSECONDS_PER_SECOND:.2f} s"
