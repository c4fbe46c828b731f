"""Search for a smaller arena than TFLM's greedy rule finds: offsets for buffers in time.

Placing buffers with fixed lifetimes in the least memory is NP-hard, but no arena can be
smaller than the most bytes alive in one step, and the search ends when it gets there.
It tries other orders for the greedy rule and hangs buffers from the bound, then searches
exactly until a fixed amount of work is done, then moves the buffers at the top forwards
in the order. Work is
counted, never timed: the same buffers get the same offsets on every computer.
"""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from edgekit.plan.arena import ARENA_ALIGNMENT_BYTES, plan_arena
from edgekit.plan.lifetimes import BufferRequest
from edgekit.units import align_up

EXACT_WORK = 1_500_000
"""Elementary steps that the exact search may take: about a second."""

EXACT_MAX_BUFFERS = 200
"""Buffers above which the exact search is not begun: it goes as deep as they are many."""

CLIMB_WORK = 3_000_000
"""Elementary steps that moving buffers in the order may take: one to two seconds."""

_CEILINGS = 6
"""Heights, from the bound to the best size known, that buffers are hung from."""

_SEED = 1

Block = tuple[int, int, int]
"""Size in bytes, a multiple of the alignment; first and last step."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """Offsets in bytes, in the order of the requests; what they take; and the bound.

    ``is_optimal``: no placement of these buffers takes less, as the bound is reached or
    the exact search has ended.
    """

    offsets: tuple[int, ...]
    size_bytes: int
    lower_bound_bytes: int
    is_optimal: bool


def place(
    requests: Sequence[BufferRequest],
    *,
    alignment: int = ARENA_ALIGNMENT_BYTES,
    exact_work: int = EXACT_WORK,
    climb_work: int = CLIMB_WORK,
    on_progress: Callable[[int, int], None] | None = None,
) -> Placement:
    """Return the best offsets found; never worse than TFLM's greedy rule.

    Args:
        requests: The buffers.
        alignment: What sizes are rounded up to, and offsets are a multiple of.
        exact_work: Elementary steps that the exact search may take.
        climb_work: The same for the local search.
        on_progress: Called with the best size so far and the lower bound.

    Raises:
        ValueError: As :func:`~edgekit.plan.arena.plan_arena`.
    """
    greedy = plan_arena(requests, alignment)
    search = _Search(_blocks(requests, alignment), on_progress)
    search.offer([buffer.offset_bytes for buffer in greedy.buffers])
    proved = search.is_done
    if not proved:
        search.try_orders()
    if not search.is_done and len(requests) <= EXACT_MAX_BUFFERS:
        proved = _Exact(search, exact_work).run()
    if not search.is_done and not proved:
        search.climb(climb_work)
    return Placement(
        offsets=tuple(search.best),
        size_bytes=search.size,
        lower_bound_bytes=search.bound,
        is_optimal=proved or search.is_done,
    )


def place_online(
    requests: Sequence[BufferRequest],
    fixed: Mapping[int, int],
    alignment: int = ARENA_ALIGNMENT_BYTES,
) -> tuple[int, ...]:
    """Return the offsets that TFLM gives where a plan in the model fixes some of them.

    ``fixed`` maps a tensor to its offset. The fixed ones are placed as told, whatever
    they overlap; the others, scratch buffers among them, go around them by the greedy
    rule.

    Source:
        tflite-micro 90b983c, greedy_memory_planner.cc, CalculateOffsetsIfNeeded.
    """
    plan = plan_arena(
        [
            dataclasses.replace(request, fixed_offset=fixed.get(request.tensor))
            for request in requests
        ],
        alignment,
    )
    return tuple(buffer.offset_bytes for buffer in plan.buffers)


def extent(
    requests: Sequence[BufferRequest],
    offsets: Sequence[int],
    alignment: int = ARENA_ALIGNMENT_BYTES,
) -> int:
    """Return the bytes that a placement takes."""
    return max(
        (
            offset + align_up(request.size_bytes, alignment)
            for request, offset in zip(requests, offsets, strict=True)
        ),
        default=0,
    )


def find_overlap(
    requests: Sequence[BufferRequest],
    offsets: Sequence[int],
    alignment: int = ARENA_ALIGNMENT_BYTES,
) -> tuple[BufferRequest, BufferRequest] | None:
    """Return two buffers that share bytes while both live; ``None`` if there are none."""
    blocks = _blocks(requests, alignment)
    for index, neighbours in enumerate(_neighbours(blocks)):
        start, end = offsets[index], offsets[index] + blocks[index][0]
        for other in neighbours:
            if start < offsets[other] + blocks[other][0] and offsets[other] < end:
                return requests[index], requests[other]
    return None


def _blocks(requests: Sequence[BufferRequest], alignment: int) -> list[Block]:
    return [
        (align_up(request.size_bytes, alignment), request.first_step, request.last_step)
        for request in requests
    ]


def _most_alive(blocks: Sequence[Block]) -> int:
    """Return the most bytes alive in one step."""
    changes = sorted(
        change for size, first, last in blocks for change in ((first, size), (last + 1, -size))
    )
    return max(itertools.accumulate((change for _, change in changes), initial=0))


def _neighbours(blocks: Sequence[Block]) -> list[list[int]]:
    """Return for each block those that live at the same time as it."""
    found: list[list[int]] = [[] for _ in blocks]
    alive: list[int] = []
    for index in sorted(range(len(blocks)), key=lambda index: (blocks[index][1], index)):
        first = blocks[index][1]
        alive = [other for other in alive if blocks[other][2] >= first]
        for other in alive:
            found[other].append(index)
        found[index] = list(alive)
        alive.append(index)
    return found


def _lowest_gap(
    index: int, blocks: Sequence[Block], neighbours: Sequence[int], offsets: Sequence[int]
) -> int:
    """Return the lowest offset where a block fits between its neighbours with an offset."""
    size = blocks[index][0]
    placed = sorted(
        (offsets[other], offsets[other] + blocks[other][0])
        for other in neighbours
        if offsets[other] >= 0
    )
    offset = 0
    for start, end in placed:
        if start - offset >= size:
            break
        if end > offset:
            offset = end
    return offset


class _Search:
    """The blocks, and the best placement found so far."""

    def __init__(
        self,
        blocks: Sequence[Block],
        on_progress: Callable[[int, int], None] | None,
    ) -> None:
        self.blocks = blocks
        self.bound = _most_alive(blocks)
        self.best: list[int] = []
        self.size = -1
        self.neighbours: list[list[int]] = []
        self._tell = on_progress

    @property
    def is_done(self) -> bool:
        return self.size == self.bound

    def offer(self, offsets: Sequence[int]) -> int:
        """Keep a placement if it is the best yet; return its size."""
        size = max(
            (at + block[0] for at, block in zip(offsets, self.blocks, strict=True)), default=0
        )
        if self.size < 0 or size < self.size:
            self.best, self.size = list(offsets), size
            if self._tell is not None:
                self._tell(size, self.bound)
        return size

    def in_order(self, order: Iterable[int]) -> list[int]:
        """Place the blocks in an order, each in the lowest gap that it fits in."""
        offsets = [-1] * len(self.blocks)
        for index in order:
            offsets[index] = _lowest_gap(index, self.blocks, self.neighbours[index], offsets)
        return offsets

    def from_both_ends(self, order: Iterable[int], ceiling: int) -> list[int]:
        """Place the blocks in an order, at the bottom where it is free, else at the top.

        What hangs from a ceiling leaves one gap in the middle, not many: a chain of
        tensors, each alive with its neighbour only, then takes no more than the bound.
        """
        offsets = [-1] * len(self.blocks)
        for index in order:
            size = self.blocks[index][0]
            placed = sorted(
                (offsets[other], offsets[other] + self.blocks[other][0])
                for other in self.neighbours[index]
                if offsets[other] >= 0
            )
            lowest, highest, end = -1, -1, 0
            for start, stop in (*placed, (ceiling, ceiling)):
                if start - end >= size:
                    highest = start - size
                    lowest = end if lowest < 0 else lowest
                end = max(end, stop)
            if lowest < 0:
                lowest = highest = end
            offsets[index] = highest if lowest else 0
        return offsets

    def try_orders(self) -> None:
        """Try orders other than by size alone."""
        blocks = self.blocks
        self.neighbours = _neighbours(blocks)
        pressure = [
            block[0] + sum(blocks[other][0] for other in self.neighbours[index])
            for index, block in enumerate(blocks)
        ]

        def length(index: int) -> int:
            return blocks[index][2] - blocks[index][1] + 1

        keys: tuple[Callable[[int], tuple[int, ...]], ...] = (
            lambda index: (-blocks[index][0], blocks[index][1]),
            lambda index: (-blocks[index][0] * length(index), blocks[index][1]),
            lambda index: (-length(index), -blocks[index][0]),
            lambda index: (-pressure[index], -blocks[index][0]),
            lambda index: (blocks[index][1], -length(index)),
            lambda index: (-blocks[index][2], -length(index)),
        )
        orders = [sorted(range(len(blocks)), key=key) for key in keys]
        for order in orders:
            self.offer(self.in_order(order))
            if self.is_done:
                return
        for part in range(_CEILINGS):
            ceiling = self.bound + (self.size - self.bound) * part // _CEILINGS
            for order in orders:
                self.offer(self.from_both_ends(order, ceiling))
                if self.is_done:
                    return

    def climb(self, work: int) -> None:
        """Move a block at the top, or one that it rests on, forwards in the order."""
        blocks = self.blocks
        count = len(blocks)
        generator = random.Random(_SEED)  # noqa: S311 - reproducible, nothing secret
        cost = count + sum(map(len, self.neighbours))
        offsets = self.best
        order = sorted(range(count), key=lambda index: (offsets[index], -blocks[index][0]))
        current = self.offer(offsets := self.in_order(order))
        for _ in range(work // max(1, cost)):
            top = [index for index in range(count) if offsets[index] + blocks[index][0] == current]
            chosen = generator.choice(top)
            around = self.neighbours[chosen]
            if around and generator.random() < 0.5:
                chosen = generator.choice(around)
            place_now = order.index(chosen)
            other = generator.randrange(count)
            changed = order.copy()
            if generator.random() < 0.5:
                changed.insert(min(other, place_now), changed.pop(place_now))
            else:
                changed[place_now], changed[other] = changed[other], changed[place_now]
            tried = self.in_order(changed)
            size = self.offer(tried)
            if size <= current:
                order, offsets, current = changed, tried, size
            if self.is_done:
                return


class _Exact:
    """Depth-first search that finds the optimum, if it ends.

    In some optimal placement each block rests at 0 or on a neighbour below. Taken from
    the lowest offset to the highest, each then lies at the highest end of the neighbours
    taken before: so it is enough to try orders, with offsets that never fall. A block is
    not taken while another could still go wholly below it, and a branch ends where, in
    some step, what is there and what must still come reach the best size known.
    """

    def __init__(self, search: _Search, work: int) -> None:
        self._search = search
        self._work = work
        blocks = search.blocks
        starts = sorted({first for _, first, _ in blocks})
        self._steps = [
            [number for number, step in enumerate(starts) if first <= step <= last]
            for _, first, last in blocks
        ]
        self._skyline = [0] * len(starts)
        self._waiting = [0] * len(starts)
        for (size, _, _), steps in zip(blocks, self._steps, strict=True):
            for step in steps:
                self._waiting[step] += size
        self._offsets = [-1] * len(blocks)

    def run(self) -> bool:
        """Search; return whether it came to its end, which proves the best optimal."""
        self._descend(0, len(self._search.blocks))
        return self._work > 0

    def _descend(self, level: int, left: int) -> None:
        search, blocks = self._search, self._search.blocks
        if left == 0:
            search.offer(self._offsets)
            return
        choices = []
        ceiling = search.size
        for index, steps in enumerate(self._steps):
            if self._offsets[index] < 0:
                self._work -= 1 + len(steps)
                offset = max(level, *(self._skyline[step] for step in steps))
                choices.append((offset, -blocks[index][0], index))
                ceiling = min(ceiling, offset + blocks[index][0])
        if self._work <= 0 or not self._can_improve(level):
            return
        tried = set()
        for offset, _, index in sorted(choices):
            is_late = offset >= ceiling and blocks[index][0] > 0
            if is_late or offset + blocks[index][0] >= search.size or blocks[index] in tried:
                continue
            tried.add(blocks[index])
            self._take(index, offset, left)
            if self._work <= 0 or search.is_done:
                return

    def _take(self, index: int, offset: int, left: int) -> None:
        size = self._search.blocks[index][0]
        steps = self._steps[index]
        before = [self._skyline[step] for step in steps]
        for step in steps:
            self._skyline[step] = offset + size
            self._waiting[step] -= size
        self._offsets[index] = offset
        self._descend(offset, left - 1)
        self._offsets[index] = -1
        for step, height in zip(steps, before, strict=True):
            self._skyline[step] = height
            self._waiting[step] += size

    def _can_improve(self, level: int) -> bool:
        """Whether the blocks that wait could, in every step, end below the best size."""
        best = self._search.size
        return all(
            not waiting or max(height, level) + waiting < best
            for height, waiting in zip(self._skyline, self._waiting, strict=True)
        )
