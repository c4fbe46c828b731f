"""Places buffers in one arena: TFLM's greedy rule, largest first, lowest gap that fits."""

from __future__ import annotations

import bisect
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

    The largest comes first; among equals, the one requested last. Each takes its size
    rounded up to ``alignment``, and so does the arena; the planned buffers keep their
    own sizes and the order of the requests.

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
    sizes = [align_up(request.size_bytes, alignment) for request in requests]
    offsets = [0] * len(sizes)
    placed: list[tuple[int, int]] = []  # (offset, request), by offset
    for index in sorted(range(len(sizes)), key=lambda item: (-sizes[item], -item)):
        wanted = requests[index]
        offset = 0
        for other_offset, other in placed:
            if _overlap_in_time(wanted, requests[other]):
                if other_offset - offset >= sizes[index]:
                    break
                offset = max(offset, other_offset + sizes[other])
        offsets[index] = offset
        bisect.insort_right(placed, (offset, index), key=lambda entry: entry[0])
    return ArenaPlan(
        size_bytes=max(
            (offset + size for offset, size in zip(offsets, sizes, strict=True)), default=0
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


def _overlap_in_time(one: BufferRequest, other: BufferRequest) -> bool:
    return one.first_step <= other.last_step and other.first_step <= one.last_step
