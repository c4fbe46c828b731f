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


@functools.lru_cache(maxsize=8)
def _offsets(
    blocks: tuple[tuple[int, int, int], ...], fixed: tuple[int | None, ...]
) -> tuple[int, ...]:
    """Return the offset of each block of (size, first step, last step).

    Plain integers, and kept for the next target with the same buffers: with thousands
    of operators this loop is most of the time that a plan takes.
    """
    offsets = [0] * len(blocks)
    placed: list[tuple[int, int, int, int, int]] = []  # offset, turn, end, first, last
    given = [index for index in range(len(blocks)) if fixed[index] is not None]
    free = [index for index in range(len(blocks)) if fixed[index] is None]
    free.sort(key=lambda index: (-blocks[index][0], -index))
    for turn, index in enumerate((*given, *free)):
        size, first, last = blocks[index]
        offset = fixed[index] or 0
        for start, _, end, other_first, other_last in placed if turn >= len(given) else ():
            if other_first <= last and other_last >= first:
                if start - offset >= size:
                    break
                if end > offset:
                    offset = end
        offsets[index] = offset
        bisect.insort(placed, (offset, turn, offset + size, first, last))
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
