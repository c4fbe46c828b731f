"""Which of the recorded TFLM libraries a project can depend on."""

from __future__ import annotations

from edgekit.errors import TargetError
from edgekit.libraries import Library, all_libraries, load_library


def find_library(name: str) -> Library:
    """Return the record of the library that a sketch is made for.

    Raises:
        TargetError: There is no such record, or PlatformIO has no name for the library,
            so that no sketch can be made for it.
    """
    library = load_library(name)
    if not library.platformio:
        known = ", ".join(item.name for item in all_libraries() if item.platformio)
        raise TargetError(
            f"No sketch can be made for {library.title}: PlatformIO can't get it.",
            hint=f"Use one of: {known}.",
        )
    return library
