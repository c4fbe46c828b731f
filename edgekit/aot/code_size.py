"""Bytes of compiled code per processor: read from ``code_size.toml``, which a tool measures."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.aot.kernels import KERNELS
from edgekit.targets import Core

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TABLE = Path(__file__).with_name("code_size.toml")
"""Written by ``tools/measure_code_size.py``."""

_SHARED = ("matrix",)
"""Fragments with a function of their own, which kernels share."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Firmware:
    """What is around a model of at least ``input_bytes``, as linked.

    ``functions`` are those of the library that kernels may need too.
    """

    input_bytes: int
    flash_bytes: int
    data_bytes: int
    functions: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class CodeSizes:
    """Sizes in bytes for one processor, and how far they may be off.

    ``model_bytes`` are the model's functions without any call, ``call_bytes`` one call of
    a kernel, ``firmware`` everything around the model: start-up, port, protocol and C
    library, by ascending bytes of input. ``library`` are functions of the compiler's
    libraries that kernels call, ``kernel_library`` those of each kernel. ``measured_on``
    names the processor that they were measured on; where it is another than the
    target's, they are estimates, scaled, with ``margin_share``.
    """

    measured_on: str
    compiler: str
    kernels: Mapping[str, int]
    model_bytes: int
    call_bytes: int
    firmware: tuple[Firmware, ...]
    library: Mapping[str, int]
    kernel_library: Mapping[str, tuple[str, ...]]
    scale: float = 1.0
    margin_share: float = 0.0

    def kernel_bytes(self, kernels: Iterable[str], firmware: Firmware) -> int:
        """Return the bytes of kernels and of all that they need and the firmware has not."""
        wanted = set(kernels)
        wanted |= {name for kernel in wanted for name in KERNELS[kernel].needs if name in _SHARED}
        called = {name for kernel in wanted for name in self.kernel_library.get(kernel, ())}
        library_bytes = sum(self.library[name] for name in called - set(firmware.functions))
        return self.scaled(sum(self.kernels[name] for name in wanted) + library_bytes)

    def firmware_for(self, input_bytes: int) -> Firmware:
        """Return the firmware around a model with so many bytes of input.

        The compiler clears and receives small buffers with other code than large ones.
        """
        fitting = [item for item in self.firmware if item.input_bytes <= input_bytes]
        return fitting[-1] if fitting else self.firmware[0]

    def scaled(self, size_bytes: int) -> int:
        """Return a measured size as it is on the target's processor."""
        return round(size_bytes * self.scale)

    def margin(self, size_bytes: int) -> int:
        """Return how far an estimate may be off."""
        return round(size_bytes * self.margin_share)


_STAND_INS: Mapping[str, tuple[str, float, float]] = {
    "armv6-m": ("cortex-m0plus", 1.0, 0.15),
    "armv7-m": ("cortex-m3", 1.0, 0.1),
    "armv7e-m": ("cortex-m4", 1.0, 0.1),
    "avr5": ("cortex-m3", 2.2, 0.4),
    "host": ("cortex-m3", 1.28, 0.3),
}
_OTHERS = ("cortex-m3", 1.25, 0.3)
"""For processors that were not measured: the one to go by, the ratio, and the ± share.
Judgements, the margins wide: Xtensa's code is a little longer than Thumb-2's, AVR's with
its 8-bit registers more than twice as long for 32-bit arithmetic. The host's ratio fits
six programs linked by Debian 12's gcc 12.2 for x86-64; other compilers differ."""


def code_sizes(core: Core) -> CodeSizes:
    """Return the sizes for a target's processor; estimates where it was not measured."""
    table = _table()
    name = core.name.lower().replace("+", "plus")
    measured = next((key for key in table if name.startswith(key)), None)
    if measured is not None:
        return _entry(table[measured], measured)
    stand_in, scale, margin_share = _STAND_INS.get(core.architecture, _OTHERS)
    return _entry(table[stand_in], stand_in, scale=scale, margin_share=margin_share)


def _entry(
    values: Mapping[str, Any], name: str, *, scale: float = 1.0, margin_share: float = 0.0
) -> CodeSizes:
    return CodeSizes(
        measured_on=name,
        compiler=values["compiler"],
        kernels=values["kernels"],
        model_bytes=values["model_bytes"],
        call_bytes=values["call_bytes"],
        firmware=tuple(
            Firmware(
                input_bytes=item["input_bytes"],
                flash_bytes=item["flash_bytes"],
                data_bytes=item["data_bytes"],
                functions=tuple(item["functions"]),
            )
            for item in values["firmware"]
        ),
        library=values["library"],
        kernel_library={key: tuple(item) for key, item in values["kernel_library"].items()},
        scale=scale,
        margin_share=max(margin_share, values["margin_share"]),
    )


@functools.cache
def _table() -> Mapping[str, Any]:
    cores: Mapping[str, Any] = tomllib.loads(TABLE.read_text(encoding="utf-8"))["cores"]
    return cores
