"""The arena's planner: TFLM's own cases, and what must hold of any plan."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.plan.arena import live_lower_bound, plan_arena
from edgekit.plan.lifetimes import BufferRequest


def request(size: int, first: int, last: int, tensor: int = 0) -> BufferRequest:
    return BufferRequest(
        tensor=tensor, name="buffer", size_bytes=size, first_step=first, last_step=last
    )


def offsets(requests: list[BufferRequest], alignment: int = 1) -> list[int]:
    return [buffer.offset_bytes for buffer in plan_arena(requests, alignment).buffers]


def test_nothing_takes_nothing() -> None:
    plan = plan_arena([])
    assert plan.size_bytes == 0
    assert plan.buffers == ()


# The next three are TFLM's own: greedy_memory_planner_test.cc of tflite-micro 90b983c.


def test_buffers_that_never_meet_share_their_place() -> None:
    requests = [request(10, 0, 1), request(20, 2, 3)]
    assert offsets(requests) == [0, 0]
    assert plan_arena(requests, 1).size_bytes == 20


def test_a_buffer_goes_into_the_lowest_gap_that_fits() -> None:
    requests = [
        request(10, 0, 1),
        request(20, 1, 2),
        request(30, 2, 3),
        request(40, 3, 4),
        request(50, 0, 1),
    ]
    assert offsets(requests) == [50, 70, 40, 0, 0]
    assert plan_arena(requests, 1).size_bytes == 90


def test_a_small_buffer_that_overlaps_two_goes_above_both() -> None:
    assert (
        plan_arena([request(100, 0, 1), request(50, 2, 3), request(20, 1, 2)], 1).size_bytes == 120
    )


def test_among_equals_the_one_requested_last_comes_first() -> None:
    assert offsets([request(8, 0, 3), request(8, 0, 3), request(8, 0, 3)]) == [16, 8, 0]


def test_sizes_are_rounded_up_for_placing_and_kept_in_the_plan() -> None:
    plan = plan_arena([request(17, 0, 1, tensor=4), request(3, 0, 1, tensor=7)])
    assert [buffer.offset_bytes for buffer in plan.buffers] == [0, 32]
    assert [buffer.size_bytes for buffer in plan.buffers] == [17, 3]
    assert [buffer.tensor for buffer in plan.buffers] == [4, 7]
    assert plan.size_bytes == 48


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (request(1, 2, 1), "ends before it begins"),
        (request(-1, 0, 1), "negative size"),
    ],
)
def test_senseless_requests_are_refused(bad: BufferRequest, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan_arena([request(4, 0, 1), bad])


def test_a_senseless_alignment_is_refused() -> None:
    with pytest.raises(ValueError, match="alignment 0"):
        plan_arena([], 0)


def test_the_lower_bound_is_the_fullest_step() -> None:
    assert live_lower_bound([request(16, 0, 1), request(32, 1, 2), request(64, 3, 3)]) == 64
    assert live_lower_bound([request(16, 0, 1), request(60, 1, 2), request(64, 2, 3)]) == 128
    assert live_lower_bound([]) == 0


REQUESTS = st.lists(
    st.builds(
        lambda size, first, length: request(size, first, first + length),
        st.integers(0, 300),
        st.integers(0, 12),
        st.integers(0, 6),
    ),
    max_size=24,
)


@given(REQUESTS, st.sampled_from([1, 4, 8, 16, 32]))
def test_what_holds_of_every_plan(requests: list[BufferRequest], alignment: int) -> None:
    plan = plan_arena(requests, alignment)
    ends = [0]
    for buffer, wanted in zip(plan.buffers, requests, strict=True):
        assert buffer.size_bytes == wanted.size_bytes
        assert (buffer.first_step, buffer.last_step) == (wanted.first_step, wanted.last_step)
        assert buffer.offset_bytes % alignment == 0
        ends.append(buffer.offset_bytes + -(-buffer.size_bytes // alignment) * alignment)
    assert plan.size_bytes == max(ends)
    assert plan.size_bytes >= live_lower_bound(requests, alignment)
    for one, other in combinations(plan.buffers, 2):
        meet_in_time = one.first_step <= other.last_step and other.first_step <= one.last_step
        apart = (
            one.offset_bytes + one.size_bytes <= other.offset_bytes
            or other.offset_bytes + other.size_bytes <= one.offset_bytes
        )
        assert apart or not meet_in_time or 0 in (one.size_bytes, other.size_bytes)


@given(REQUESTS)
def test_no_buffer_could_lie_lower_among_larger_ones(requests: list[BufferRequest]) -> None:
    """The greedy rule itself, by brute force: try every lower offset."""
    plan = plan_arena(requests, 16)
    rounded = [-(-buffer.size_bytes // 16) * 16 for buffer in plan.buffers]
    order = sorted(range(len(rounded)), key=lambda index: (-rounded[index], -index))
    for place, index in enumerate(order):
        buffer = plan.buffers[index]
        earlier = [
            other
            for other in order[:place]
            if plan.buffers[other].first_step <= buffer.last_step
            and buffer.first_step <= plan.buffers[other].last_step
        ]
        for offset in range(0, buffer.offset_bytes, 16):
            assert any(
                offset < plan.buffers[other].offset_bytes + rounded[other]
                and plan.buffers[other].offset_bytes < offset + rounded[index]
                for other in earlier
            )
