"""Places buffers in one arena: TFLM's greedy rule, largest first, lowest gap that fits."""

from __future__ import annotations

import bisect
import functools
from collections.abc import Sequence

from edgekit.plan.lifetimes import BufferRequest
from edgekit.results import ArenaPlan, PlannedBuffer
from edgekit.units import align_up

ARENA_ALIGNMENT_BYTES = 16
"""tflite-micro 90b983c, micro_arena_constants.h, MicroArenaBufferAlignment()."""


def plan_arena(
    requests: Sequence[BufferRequest], alignment: int = ARENA_ALIGNMENT_BYTES
) -> ArenaPlan:
    """Place each buffer at the lowest offset that is free over its lifetime.

    Buffers with a fixed offset come first, in the order of the requests, and stay
    there; then the largest, and among equals the one requested last. Each takes its
    size rounded up to ``alignment``, and so does the arena; the planned buffers keep
    their own sizes and the order of the requests.

    Raises:
        ValueError: A buffer ends before it begins, has a negative size, or the
            alignment is not positive.

    Source:
        tflite-micro 90b983c, greedy_memory_planner.cc, CalculateOffsetsIfNeeded.
    """
    if alignment < 1:
        raise ValueError(f"alignment {alignment} is not positive")
    for request in requests:
        if request.size_bytes < 0:
            raise ValueError(f"buffer {request.name!r} has a negative size")
        if request.last_step < request.first_step:
            raise ValueError(f"buffer {request.name!r} ends before it begins")
    blocks = tuple(
        (align_up(request.size_bytes, alignment), request.first_step, request.last_step)
        for request in requests
    )
    offsets = _offsets(blocks, tuple(request.fixed_offset for request in requests))
    return ArenaPlan(
        size_bytes=max(
            (offset + size for offset, (size, _, _) in zip(offsets, blocks, strict=True)),
            default=0,
        ),
        buffers=tuple(
            PlannedBuffer(
                tensor=request.tensor,
                name=request.name,
                size_bytes=request.size_bytes,
                offset_bytes=offset,
                first_step=request.first_step,
                last_step=request.last_step,
            )
            for request, offset in zip(requests, offsets, strict=True)
        ),
    )


_Placed = tuple[int, int, int, int, int]
"""Offset, turn, end, first step, last step: sorted by offset, then by who came first."""

_PERIODS = 64
"""Parts that the steps are divided into, to find what is alive at the same time."""

_FEW = 4
"""Periods from which what was placed is brought together; for more, all is looked at."""


@functools.lru_cache(maxsize=8)
def _offsets(
    blocks: tuple[tuple[int, int, int], ...], fixed: tuple[int | None, ...]
) -> tuple[int, ...]:
    """Return the offset of each block of (size, first step, last step).

    Plain integers, kept by period, and the answer kept for the next target with the
    same buffers: with thousands of operators this loop is most of a plan's time.
    """
    offsets = [0] * len(blocks)
    start = min((first for _, first, _ in blocks), default=0)
    steps = max((last for _, _, last in blocks), default=0) - start + 1
    width = -(-steps // _PERIODS)
    everything: list[_Placed] = []
    periods: list[list[_Placed]] = [[] for _ in range(_PERIODS)]
    given = [index for index in range(len(blocks)) if fixed[index] is not None]
    free = [index for index in range(len(blocks)) if fixed[index] is None]
    free.sort(key=lambda index: (-blocks[index][0], -index))
    for turn, index in enumerate((*given, *free)):
        size, first, last = blocks[index]
        lived = periods[(first - start) // width : (last - start) // width + 1]
        nearby: Sequence[_Placed] = everything
        if turn < len(given):
            nearby = ()
        elif len(lived) == 1:
            nearby = lived[0]
        elif len(lived) < _FEW:
            nearby = sorted(set().union(*lived))
        offset = fixed[index] or 0
        for other_start, _, end, other_first, other_last in nearby:
            if other_first <= last and other_last >= first:
                if other_start - offset >= size:
                    break
                if end > offset:
                    offset = end
        offsets[index] = offset
        placed = (offset, turn, offset + size, first, last)
        for period in (*lived, everything):
            bisect.insort(period, placed)
    return tuple(offsets)


def live_lower_bound(
    requests: Sequence[BufferRequest], alignment: int = ARENA_ALIGNMENT_BYTES
) -> int:
    """Return the most bytes alive in any one step: no arena can be smaller."""
    steps = {request.first_step for request in requests}
    return max(
        (
            sum(
                align_up(request.size_bytes, alignment)
                for request in requests
                if request.first_step <= step <= request.last_step
            )
            for step in steps
        ),
        default=0,
    )
