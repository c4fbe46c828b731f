"""The search for offsets: what holds of every placement, and that the best are found."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.plan.arena import live_lower_bound, plan_arena
from edgekit.plan.lifetimes import BufferRequest
from edgekit.plan.placement import extent, find_overlap, place, place_online
from edgekit.units import align_up


def request(size: int, first: int, last: int, tensor: int = 0) -> BufferRequest:
    return BufferRequest(
        tensor=tensor, name="buffer", size_bytes=size, first_step=first, last_step=last
    )


@st.composite
def many_requests(draw, *, most: int = 30, steps: int = 12, largest: int = 900):
    rows = draw(
        st.lists(
            st.tuples(st.integers(0, largest), st.integers(-1, steps), st.integers(0, steps // 2)),
            max_size=most,
        )
    )
    return [
        request(size, first, first + length, tensor)
        for tensor, (size, first, length) in enumerate(rows)
    ]


def meet(one: BufferRequest, other: BufferRequest) -> bool:
    return one.first_step <= other.last_step and other.first_step <= one.last_step


def overlaps(requests, offsets):
    """Return the pairs that share bytes while both live."""
    rows = list(zip(requests, offsets, strict=True))
    return [
        (one, other)
        for (one, at), (other, there) in itertools.combinations(rows, 2)
        if meet(one, other)
        and at < there + align_up(other.size_bytes, 16)
        and there < at + align_up(one.size_bytes, 16)
        and one.size_bytes
        and other.size_bytes
    ]


@given(many_requests())
def test_what_holds_of_every_placement(requests):
    placement = place(requests, exact_work=20_000, climb_work=20_000)
    assert overlaps(requests, placement.offsets) == []
    assert find_overlap(requests, placement.offsets) is None
    assert all(offset >= 0 and offset % 16 == 0 for offset in placement.offsets)
    assert placement.size_bytes == extent(requests, placement.offsets)
    assert placement.lower_bound_bytes == live_lower_bound(requests)
    assert placement.lower_bound_bytes <= placement.size_bytes <= plan_arena(requests).size_bytes


def smallest(requests) -> int:
    """Return the least that any placement takes: all orders, each buffer as low as it may."""
    best = None
    for order in itertools.permutations(requests):
        ends: list[tuple[BufferRequest, int]] = []
        for item in order:
            offset = max((end for other, end in ends if meet(item, other)), default=0)
            ends.append((item, offset + align_up(item.size_bytes, 16)))
        size = max((end for _, end in ends), default=0)
        best = size if best is None else min(best, size)
    return best or 0


@given(many_requests(most=6, steps=6, largest=90))
def test_the_exact_search_finds_the_optimum(requests):
    placement = place(requests, climb_work=0)
    assert placement.is_optimal
    assert placement.size_bytes == smallest(requests)


HARD = [
    request(size, first, last, tensor)
    for tensor, (size, first, last) in enumerate(
        [(112, 2, 4), (80, 5, 5), (96, 3, 5), (96, 1, 4), (112, 0, 3), (64, 4, 7), (96, 1, 4)]
    )
]


def test_greedy_is_beaten_where_it_can_be():
    placement = place(HARD)
    assert plan_arena(HARD).size_bytes == 576
    assert placement.size_bytes == placement.lower_bound_bytes == 512
    assert placement.is_optimal


def test_the_local_search_alone_gets_there_too():
    assert place(HARD, exact_work=0).size_bytes == 512


def chain(sizes):
    """Return tensors of which each lives until the next one is made."""
    return [request(size, step, step + 1, step) for step, size in enumerate(sizes)]


def test_mobilenets_chain_takes_no_more_than_its_two_largest_neighbours():
    """MobileNetV1 0.25 at 96 × 96 × 3, int8: MLPerf Tiny's visual wake words."""
    layers = [(96, 3), (48, 8), (48, 8), (48, 16), (24, 16), (24, 32), (24, 32), (24, 32)]
    layers += [(12, 32), (12, 64), (12, 64), (12, 64), (6, 64), (6, 128), (6, 128), (3, 256)]
    requests = chain([side * side * channels for side, channels in layers])
    placement = place(requests)
    assert plan_arena(requests).size_bytes == 73_728
    assert placement.size_bytes == placement.lower_bound_bytes == 55_296


@given(st.lists(st.integers(1, 5000), max_size=60))
def test_every_chain_reaches_its_bound(sizes):
    placement = place(chain(sizes))
    assert placement.size_bytes == placement.lower_bound_bytes
    assert placement.is_optimal


def test_the_same_buffers_get_the_same_offsets():
    requests = [request((7 * n) % 31 * 16 + 16, n % 13, n % 13 + n % 5) for n in range(60)]
    assert place(requests) == place(requests)


def test_many_buffers_are_placed_without_the_exact_search():
    requests = [request((7 * n) % 31 * 16 + 16, n, n + n % 7) for n in range(600)]
    placement = place(requests, climb_work=100_000)
    assert overlaps(requests, placement.offsets) == []
    assert placement.size_bytes <= plan_arena(requests).size_bytes


def test_progress_tells_each_better_size_and_the_bound():
    told: list[tuple[int, int]] = []
    placement = place(HARD, on_progress=lambda size, bound: told.append((size, bound)))
    assert told[-1] == (placement.size_bytes, placement.lower_bound_bytes)
    assert [size for size, _ in told] == sorted({size for size, _ in told}, reverse=True)


def test_nothing_takes_nothing():
    placement = place([])
    assert (placement.offsets, placement.size_bytes, placement.is_optimal) == ((), 0, True)


def test_senseless_requests_are_refused():
    with pytest.raises(ValueError, match="ends before it begins"):
        place([request(16, 2, 1)])


@given(many_requests())
def test_without_fixed_offsets_tflm_places_by_its_greedy_rule(requests):
    greedy = [buffer.offset_bytes for buffer in plan_arena(requests).buffers]
    assert list(place_online(requests, {})) == greedy


@given(many_requests(), st.data())
def test_what_is_fixed_stays_and_the_rest_goes_around_it(requests, data):
    """A whole plan is fixed in part: what TFLM adds overlaps nothing."""
    placement = place(requests, exact_work=5_000, climb_work=5_000)
    fixed = {
        index: placement.offsets[index]
        for index in range(len(requests))
        if data.draw(st.booleans(), label=f"fix {index}")
    }
    offsets = place_online(requests, fixed)
    assert all(offsets[index] == offset for index, offset in fixed.items())
    assert overlaps(requests, offsets) == []


def test_an_overlap_is_found():
    requests = [request(32, 0, 1, 0), request(32, 1, 2, 1), request(32, 2, 3, 2)]
    assert find_overlap(requests, (0, 32, 0)) is None
    assert find_overlap(requests, (0, 16, 64)) == (requests[0], requests[1])


def test_fixed_buffers_may_overlap_and_the_others_go_above_the_higher():
    """As greedy_memory_planner.cc: an offset from the model is not questioned."""
    requests = [request(32, 0, 1, 0), request(64, 0, 1, 1), request(16, 0, 1, -1)]
    assert place_online(requests, {0: 0, 1: 16}) == (0, 16, 80)
    assert place_online(requests, {0: 16, 1: 64}) == (16, 64, 0)
