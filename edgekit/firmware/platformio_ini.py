"""The ``platformio.ini`` of a project: a template's options, then the target's and the library's.

Options that PlatformIO takes as lists are joined; of any other, the last one counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgekit.firmware.tflm_library import find_library
from edgekit.targets import EngineSupport, Target

DEFAULT_BAUD = 115_200
"""EEMBC's energyrunner and mlcommons/tiny's benchmark/runner open ports at this rate."""

AOT_BUILD_FLAGS = ("-std=gnu99", "-O2", "-ffp-contract=off")
"""How compiled C is built.

One optimisation for all files, so that sizes measured once hold. Contracting a
multiplication and an addition into one instruction would round once where TFLite
rounds twice.
"""

_SOURCE_FLAGS = ("-Wall", "-Wextra")
_LISTS = frozenset({"build_flags", "build_src_flags", "build_unflags", "lib_deps"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """One option: a single value, or a list's values, one a line."""

    name: str
    value: str = ""
    values: tuple[str, ...] = ()


def platformio_options(target: Target, engine: EngineSupport) -> tuple[Option, ...]:
    """Return the options of the project's one environment, in the order to write them."""
    platform = target.platform
    options: dict[str, tuple[str, ...]] = {
        "platform": (platform.name,),
        "board": (platform.board,),
    }
    if platform.framework:
        options["framework"] = (platform.framework,)
    if not target.is_emulated:
        options["monitor_speed"] = (str(baud_of(target)),)
    if engine.library:
        options["lib_deps"] = (find_library(engine.library).platformio,)
    base = _TEMPLATE_OPTIONS[engine.template]
    for extra in (base, platform.options, engine.options):
        for name, text in extra.items():
            if name in _LISTS:
                lines = (line.strip() for line in text.splitlines() if line.strip())
                options[name] = tuple(dict.fromkeys((*options.get(name, ()), *lines)))
            else:
                options[name] = (text.strip(),)
    return tuple(
        Option(name=name, values=values) if name in _LISTS else Option(name=name, value=values[0])
        for name, values in options.items()
    )


def baud_of(target: Target) -> int:
    """Return the rate of the target's serial port, or the usual one."""
    return target.serial.baud if target.serial else DEFAULT_BAUD


_TEMPLATE_OPTIONS: Mapping[str, Mapping[str, str]] = {
    "tflm_arduino": {
        # A library's kernels are slow below -O2: Espressif reports 1.8 times.
        "build_unflags": "-Os",
        "build_flags": "-O2",
        # The library has warnings of its own, so they are asked for in src/ only.
        "build_src_flags": " ".join(_SOURCE_FLAGS),
    },
    "aot_bare": {
        "build_flags": " ".join(AOT_BUILD_FLAGS),
        "build_src_flags": " ".join((*_SOURCE_FLAGS, "-Werror")),
    },
}
