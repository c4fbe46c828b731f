"""Search for an order of operators that keeps fewer bytes alive at once.

What an interpreter runs one after another may run in any order in which each tensor is
computed before it is read. Operators with a state or an effect stay in order among
themselves: those that touch variables, that call subgraphs, and those of unknown make.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from edgekit.graph import DType, Operator, Subgraph
from edgekit.plan.lifetimes import buffer_bytes, is_planned, variable_handles
from edgekit.units import align_up

MAX_STATES = 20_000
"""Sets of done operators that the exact search may look at: about a second."""

BEAM_WIDTH = 24
"""Partial orders kept after each operator, where the exact search is too long."""

MAX_WORK = 4_000_000
"""Operators looked at in either search, which narrows it where there are many."""

MAX_OPERATORS = 1_500
"""Operators above which no other order is sought."""

_WITH_STATE = """
    CALL CALL_ONCE CUSTOM DELEGATE IF WHILE VAR_HANDLE READ_VARIABLE ASSIGN_VARIABLE
    HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_LOOKUP HASHTABLE_SIZE MULTINOMIAL
    RANDOM_STANDARD_NORMAL RANDOM_UNIFORM LSTM RNN SVDF BIDIRECTIONAL_SEQUENCE_LSTM
    BIDIRECTIONAL_SEQUENCE_RNN UNIDIRECTIONAL_SEQUENCE_LSTM UNIDIRECTIONAL_SEQUENCE_RNN
    STABLEHLO_CASE STABLEHLO_COMPOSITE STABLEHLO_CUSTOM_CALL STABLEHLO_RNG_BIT_GENERATOR
    STABLEHLO_WHILE
"""
"""Operators that remember, draw numbers, call subgraphs, or may do anything."""

_NAMES_WITH_STATE = frozenset(_WITH_STATE.split())


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderSearch:
    """The best order found: indices of operators, as many as the subgraph has.

    ``peak_bytes`` is the most that is alive during one operator in this order.
    ``bound_bytes`` holds for every order: what one operator alone needs, or the peak
    itself where ``is_optimal``, that is where all orders were considered.
    """

    order: tuple[int, ...]
    peak_bytes: int
    bound_bytes: int
    is_optimal: bool


def search_order(
    subgraph: Subgraph,
    extra_bytes: Mapping[int, int],
    *,
    alignment: int,
    max_states: int = MAX_STATES,
) -> OrderSearch:
    """Return an order with the lowest peak of live bytes, or the best one found.

    Args:
        subgraph: Tensors and operators in the order of the file.
        extra_bytes: What an operator needs beside its tensors while it runs: scratch
            buffers, subgraphs that it calls; by operator index.
        alignment: What sizes are rounded up to.
        max_states: How many sets of done operators the exact search may look at.
    """
    flow = _Flow(subgraph, extra_bytes, alignment)
    present = tuple(range(len(subgraph.operators)))
    peak = flow.peak(present)
    if peak == flow.bound or len(present) > MAX_OPERATORS:
        return OrderSearch(
            order=present,
            peak_bytes=peak,
            bound_bytes=flow.bound,
            is_optimal=peak == flow.bound,
        )
    found = _exact(flow, peak, min(max_states, MAX_WORK // len(present)))
    if found is not None:
        return OrderSearch(
            order=found, peak_bytes=flow.peak(found), bound_bytes=flow.peak(found), is_optimal=True
        )
    found = _beam(flow)
    best = min((present, found), key=flow.peak)
    return OrderSearch(
        order=best,
        peak_bytes=flow.peak(best),
        bound_bytes=flow.bound,
        is_optimal=flow.peak(best) == flow.bound,
    )


@dataclass(frozen=True, slots=True, order=True)
class _State:
    """Operators done so far; sorted by peak, the furthest first, then as they were found."""

    peak: int
    minus_depth: int
    number: int
    done: int
    live: int


class _Flow:
    """Which operator needs what, and what each makes and frees; sets are bits of integers."""

    def __init__(self, subgraph: Subgraph, extra_bytes: Mapping[int, int], alignment: int) -> None:
        operators = subgraph.operators
        handles = variable_handles(subgraph)
        size = {
            tensor.index: align_up(buffer_bytes(tensor), alignment)
            if is_planned(tensor) and tensor.index not in handles
            else 0
            for tensor in subgraph.tensors
        }
        kept = set(subgraph.outputs)
        readers: dict[int, int] = {}
        maker: dict[int, int] = {}
        for operator in operators:
            for index in operator.inputs:
                if index >= 0:
                    readers[index] = readers.get(index, 0) | 1 << operator.index
            for index in operator.outputs:
                maker[index] = operator.index
        self.count = len(operators)
        self.needs = [0] * self.count
        self._makes = [0] * self.count
        self._drops = [0] * self.count
        self._frees: list[list[tuple[int, int]]] = [[] for _ in operators]
        self._extra = [extra_bytes.get(index, 0) for index in range(self.count)]
        before = -1
        for operator in operators:
            number = operator.index
            for index in operator.inputs:
                if index in maker and maker[index] != number:
                    self.needs[number] |= 1 << maker[index]
            if _has_state(operator, subgraph):
                if before >= 0:
                    self.needs[number] |= 1 << before
                before = number
            for index in operator.outputs:
                self._makes[number] += size[index]
                if index not in kept and not readers.get(index):
                    self._drops[number] += size[index]
            for index in {index for index in operator.inputs if index >= 0} - kept:
                self._frees[number].append((readers[index], size[index]))
        self.start_live = sum(
            size[index] for index in subgraph.inputs if readers.get(index) or index in kept
        )
        self.start_peak = sum(size[index] for index in subgraph.inputs)
        self.bound = max(
            self.start_peak,
            sum(size[index] for index in kept),
            *(
                self._extra[operator.index]
                + sum(size[index] for index in {*operator.inputs, *operator.outputs} - {-1})
                for operator in operators
            ),
            0,
        )

    def run(self, number: int, done: int, live: int) -> tuple[int, int]:
        """Return the bytes alive while an operator runs, and afterwards."""
        during = live + self._makes[number] + self._extra[number]
        after = done | 1 << number
        freed = self._drops[number] + sum(
            size for readers, size in self._frees[number] if readers & ~after == 0
        )
        return during, live + self._makes[number] - freed

    def ready(self, done: int) -> Iterator[int]:
        """Yield the operators that could run next, in the order of the file."""
        for number in range(self.count):
            if not done >> number & 1 and self.needs[number] & ~done == 0:
                yield number

    def peak(self, order: Sequence[int]) -> int:
        """Return the most bytes alive during one operator, or before the first."""
        done, live, peak = 0, self.start_live, self.start_peak
        for number in order:
            during, live = self.run(number, done, live)
            done |= 1 << number
            peak = max(peak, during)
        return peak


def _has_state(operator: Operator, subgraph: Subgraph) -> bool:
    if operator.name in _NAMES_WITH_STATE or not operator.outputs:
        return True
    touched = (subgraph.tensors[i] for i in (*operator.inputs, *operator.outputs) if i >= 0)
    return any(tensor.is_variable or tensor.dtype is DType.RESOURCE for tensor in touched)


def _exact(flow: _Flow, limit: int, max_states: int) -> tuple[int, ...] | None:
    """Return an order of the lowest peak; ``None`` if there are too many sets to look at.

    The sets of done operators are nodes, the peak on the way is what a path costs: the
    cheapest set is always looked at next, so the first complete one is the best. An
    operator that raises no peak and leaves no more alive than before is run at once:
    doing so can't harm what follows.
    """
    everything = (1 << flow.count) - 1
    queue = [_State(flow.start_peak, 0, 0, 0, flow.start_live)]
    came_from: dict[int, tuple[int, int]] = {}
    best = {0: flow.start_peak}
    looked_at = 0
    number = 0
    while queue:
        state = heapq.heappop(queue)
        if state.done == everything:
            return _path(came_from, state.done)
        if state.peak > best[state.done]:
            continue
        looked_at += 1
        if looked_at > max_states:
            return None
        followers = []
        for operator in flow.ready(state.done):
            during, live = flow.run(operator, state.done, state.live)
            if during <= state.peak and live <= state.live:
                followers = [(operator, during, live)]
                break
            followers.append((operator, during, live))
        for operator, during, live in followers:
            done = state.done | 1 << operator
            peak = max(state.peak, during)
            if peak > limit or peak >= best.get(done, peak + 1):
                continue
            best[done] = peak
            came_from[done] = (state.done, operator)
            number += 1
            heapq.heappush(queue, _State(peak, state.minus_depth - 1, number, done, live))
    return None


def _path(came_from: Mapping[int, tuple[int, int]], done: int) -> tuple[int, ...]:
    order = []
    while done:
        done, operator = came_from[done]
        order.append(operator)
    return tuple(reversed(order))


def _beam(flow: _Flow) -> tuple[int, ...]:
    """Return the best order that a search of fixed width finds."""
    width = max(1, min(BEAM_WIDTH, MAX_WORK // flow.count**2))
    layer: list[tuple[int, int, int, tuple[int, ...]]] = [(flow.start_peak, flow.start_live, 0, ())]
    for _ in range(flow.count):
        found: dict[int, tuple[int, int, int, tuple[int, ...]]] = {}
        for peak, live, done, order in layer:
            for operator in flow.ready(done):
                during, after = flow.run(operator, done, live)
                state = (max(peak, during), after, done | 1 << operator, (*order, operator))
                if state[2] not in found or state < found[state[2]]:
                    found[state[2]] = state
        layer = heapq.nsmallest(width, found.values())
    return layer[0][3]
