"""What planning must know of a TFLM library: its record."""

from __future__ import annotations

from edgekit.libraries import Library, load_library


def library_facts(name: str) -> Library:
    """Return the record of the library that a target names."""
    return load_library(name)
