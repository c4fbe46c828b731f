"""The plan's sizes beside the linked ones."""

from __future__ import annotations

from typing import overload

from edgekit.firmware.marker import Marker
from edgekit.results import BuildSizes, Plan, SizeComparison

ARENA_SYMBOL = "edgekit_arena"
"""The arena's name in every engine's C code."""


@overload
def compare_sizes(plan: Plan | Marker, sizes: BuildSizes) -> SizeComparison: ...
@overload
def compare_sizes(plan: Plan | Marker, sizes: None) -> None: ...


def compare_sizes(plan: Plan | Marker, sizes: BuildSizes | None) -> SizeComparison | None:
    """Return the estimated and the linked sizes, side by side.

    Args:
        plan: The plan, or what a project's marker keeps of it.
        sizes: What the linker placed; ``None`` where that is unknown, and so is then
            the comparison.
    """
    if sizes is None:
        return None
    if isinstance(plan, Plan):
        flash_bytes, sram_bytes = plan.flash.used_bytes, plan.sram.used_bytes
        arena_bytes = plan.arena_bytes
    else:
        flash_bytes, sram_bytes = plan.flash_estimated_bytes, plan.sram_estimated_bytes
        arena_bytes = plan.arena_planned_bytes
    return SizeComparison(
        flash_estimated_bytes=flash_bytes,
        flash_linked_bytes=sizes.flash_bytes,
        sram_estimated_bytes=sram_bytes,
        sram_linked_bytes=sizes.sram_bytes,
        arena_planned_bytes=arena_bytes,
        arena_linked_bytes=sizes.symbols.get(ARENA_SYMBOL),
    )
