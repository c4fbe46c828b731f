"""Third pass: a place in the one static arena for every buffer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgekit.aot.ir import Program
from edgekit.aot.schedule import Schedule
from edgekit.plan.arena import ARENA_ALIGNMENT_BYTES, plan_arena
from edgekit.plan.lifetimes import BufferRequest
from edgekit.results import ArenaPlan


@dataclass(frozen=True, kw_only=True, slots=True)
class Memory:
    """The arena, and the offset in it of each buffer that is used, by its index."""

    arena: ArenaPlan
    offsets: Mapping[int, int]


def place_buffers(program: Program, schedule: Schedule) -> Memory:
    """Place buffers so that those alive at the same step never overlap.

    Inputs live from step 0 (all are written before the first call), whether they are
    read or not; outputs to the end; scratch memory during its call; anything else from
    the call that writes it to the last that reads it. Offsets are multiples of 16.
    """
    lifetimes: dict[int, tuple[int, int]] = {}

    def use(buffer: int, step: int) -> None:
        first, _ = lifetimes.get(buffer, (step, step))
        lifetimes[buffer] = (first, step)

    for port in program.inputs:
        use(port.buffer, 0)
    for step, call in enumerate(schedule.calls, start=1):
        for buffer in (*call.reads, *call.writes, *call.scratch):
            use(buffer, step)
    for port in program.outputs:
        use(port.buffer, schedule.end)
    order = sorted(lifetimes)
    requests = [
        BufferRequest(
            tensor=program.buffers[buffer].tensor,
            name=program.buffers[buffer].name,
            size_bytes=program.buffers[buffer].size_bytes,
            first_step=lifetimes[buffer][0],
            last_step=lifetimes[buffer][1],
        )
        for buffer in order
    ]
    arena = plan_arena(requests, ARENA_ALIGNMENT_BYTES)
    return Memory(
        arena=arena,
        offsets={
            buffer: planned.offset_bytes
            for buffer, planned in zip(order, arena.buffers, strict=True)
        },
    )
