"""Processor cores by name, for the plan of an arena without a board: what TFLM's needs of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgekit.errors import InputError, did_you_mean
from edgekit.libraries import Library
from edgekit.plan.tflm_kernels import TflmBuild

KERNELS = ("reference", "cmsis-nn")


@dataclass(frozen=True, kw_only=True, slots=True)
class Cpu:
    """A core: whether CMSIS-NN uses its DSP instructions, and how long enumerations are."""

    has_dsp: bool
    short_enums: bool = True


CPUS: Mapping[str, Cpu] = {
    "cortex-m0": Cpu(has_dsp=False),
    "cortex-m0plus": Cpu(has_dsp=False),
    "cortex-m23": Cpu(has_dsp=False),
    "cortex-m3": Cpu(has_dsp=False),
    "cortex-m33": Cpu(has_dsp=True),
    "cortex-m4": Cpu(has_dsp=True),
    "cortex-m7": Cpu(has_dsp=True),
    "riscv32": Cpu(has_dsp=False, short_enums=False),
    "xtensa": Cpu(has_dsp=False, short_enums=False),
}
"""By the name that GCC's -mcpu gives an Arm core; the others by their architecture.

Source:
    GCC 12, "ARM Options" (which cores have __ARM_FEATURE_DSP; cortex-m33 unless +nodsp);
    AAPCS: enumerations of arm-none-eabi are as short as they can be.
"""


def build_for(library: Library, *, kernels: str, cpu: str) -> TflmBuild:
    """Return how TFLM of a library is compiled for a core.

    Raises:
        InputError: No core is known by that name, or it does not run those kernels.
    """
    if cpu not in CPUS:
        raise InputError(f"Unknown core {cpu!r}.", hint=did_you_mean(cpu, CPUS))
    core = CPUS[cpu]
    if kernels == "cmsis-nn" and not core.short_enums:
        raise InputError(
            f"CMSIS-NN's kernels do not run on {cpu}.", hint="Plan with --kernels reference."
        )
    return TflmBuild(
        kernels=kernels,
        has_dsp=core.has_dsp,
        short_enums=core.short_enums,
        static_memory=library.static_memory,
        is_2023=library.is_2023,
    )
