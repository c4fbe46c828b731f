"""The search for an order of operators: legal, never worse, and the best where it ends."""

from __future__ import annotations

import itertools
import random

import pytest
from builders import make_tensor
from hypothesis import given
from hypothesis import strategies as st

from edgekit.graph import DType, Operator, Subgraph
from edgekit.plan.operator_order import search_order

ALIGNMENT = 16


def subgraph(sizes, operators, outputs, *, variables=(), inputs=(0,)):
    """Return a subgraph: bytes of each tensor; (name, inputs, outputs) of each operator."""
    return Subgraph(
        name="main",
        tensors=tuple(
            make_tensor((size,), index=index, is_variable=index in variables)
            for index, size in enumerate(sizes)
        ),
        operators=tuple(
            Operator(index=index, name=name, version=1, inputs=read, outputs=made, options={})
            for index, (name, read, made) in enumerate(operators)
        ),
        inputs=inputs,
        outputs=outputs,
    )


def peak_of(graph: Subgraph, order, extra) -> int:
    """Return the most bytes alive in one step, by TFLM's rules told once more."""
    last = len(order)
    born, dies = dict.fromkeys(graph.inputs, 0), dict.fromkeys(graph.inputs, 0)
    for step, index in enumerate(order, start=1):
        for tensor in graph.operators[index].outputs:
            born[tensor] = dies[tensor] = step
        for tensor in graph.operators[index].inputs:
            dies[tensor] = step
    for tensor in graph.outputs:
        dies[tensor] = last
    return max(
        sum(
            -(-graph.tensors[tensor].size_bytes // ALIGNMENT) * ALIGNMENT
            for tensor in born
            if not graph.tensors[tensor].is_variable and born[tensor] <= step <= dies[tensor]
        )
        + (extra.get(order[step - 1], 0) if step else 0)
        for step in range(last + 1)
    )


def legal_orders(graph: Subgraph):
    made_by = {t: op.index for op in graph.operators for t in op.outputs}
    for order in itertools.permutations(range(len(graph.operators))):
        place = {index: number for number, index in enumerate(order)}
        if all(
            place[made_by[tensor]] < place[operator.index]
            for operator in graph.operators
            for tensor in operator.inputs
            if tensor in made_by
        ):
            yield order


def random_subgraph(seed: int, operators: int) -> tuple[Subgraph, dict[int, int]]:
    dice = random.Random(seed)
    sizes = [dice.randint(1, 200)]
    rows = []
    for _ in range(operators):
        read = tuple(dice.sample(range(len(sizes)), min(len(sizes), dice.randint(1, 2))))
        made = tuple(range(len(sizes), len(sizes) + dice.choice([1, 1, 1, 2])))
        sizes += [dice.randint(1, 200) for _ in made]
        rows.append(("ADD", read, made))
    outputs = tuple(dice.sample(range(1, len(sizes)), min(len(sizes) - 1, dice.randint(1, 2))))
    extra = {index: dice.choice([0, 0, 64]) for index in range(operators)}
    return subgraph(sizes, rows, outputs), extra


@given(st.integers(0, 10**9), st.integers(1, 6))
def test_the_search_finds_the_lowest_peak_of_all_orders(seed, operators):
    graph, extra = random_subgraph(seed, operators)
    found = search_order(graph, extra, alignment=ALIGNMENT)
    best = min(peak_of(graph, order, extra) for order in legal_orders(graph))
    assert found.order in set(legal_orders(graph))
    assert found.peak_bytes == peak_of(graph, found.order, extra) == best
    assert found.bound_bytes == best
    assert found.is_optimal


@given(st.integers(0, 10**9), st.integers(7, 30))
def test_a_search_cut_short_is_legal_and_never_worse(seed, operators):
    graph, extra = random_subgraph(seed, operators)
    found = search_order(graph, extra, alignment=ALIGNMENT, max_states=3)
    present = tuple(range(operators))
    done: set[int] = set()
    made_by = {t: op.index for op in graph.operators for t in op.outputs}
    for index in found.order:
        needs = {made_by[t] for t in graph.operators[index].inputs if t in made_by}
        assert needs <= done
        done.add(index)
    assert done == set(present)
    assert found.peak_bytes == peak_of(graph, found.order, extra)
    assert found.bound_bytes <= found.peak_bytes <= peak_of(graph, present, extra)


def test_an_order_as_good_as_any_is_left_as_it_is():
    graph = subgraph([64, 64, 64], [("RELU", (0,), (1,)), ("RELU", (1,), (2,))], (2,))
    assert search_order(graph, {}, alignment=ALIGNMENT).order == (0, 1)


def two_branches(first, second, *, variables=(), extra_tensors=()):
    """Two operators open wide, two close: better in pairs, if they may be moved."""
    return subgraph(
        [16, 800, 800, 16, 16, 16, *extra_tensors],
        [
            (first, (0,), (1,)),
            (second, (0, *variables), (2,)),
            ("MEAN", (1, *variables), (3,)),
            ("MEAN", (2,), (4,)),
            ("ADD", (3, 4), (5,)),
        ],
        (5,),
        variables=variables,
    )


def test_branches_are_run_one_after_another():
    found = search_order(two_branches("RELU", "RELU"), {}, alignment=ALIGNMENT)
    assert found.order in {(0, 2, 1, 3, 4), (1, 3, 0, 2, 4)}
    assert found.peak_bytes == 16 + 800 + 16


@pytest.mark.parametrize("name", ["CUSTOM", "IF", "WHILE", "CALL_ONCE", "SVDF", "READ_VARIABLE"])
def test_operators_with_a_state_stay_in_order_among_themselves(name):
    graph = two_branches(name, name)
    order = search_order(graph, {}, alignment=ALIGNMENT).order
    assert order == (0, 2, 1, 3, 4)  # (1, 3, 0, 2, 4) is as good, but not allowed


def test_operators_on_variables_stay_in_order():
    graph = two_branches("RELU", "RELU", variables=(6,), extra_tensors=(32,))
    order = search_order(graph, {}, alignment=ALIGNMENT).order
    assert order.index(1) < order.index(2)


def test_operators_on_resources_stay_in_order():
    graph = two_branches("RELU", "RELU")
    tensors = list(graph.tensors)
    tensors[0] = make_tensor((1,), DType.RESOURCE, index=0)
    graph = Subgraph(
        name="main",
        tensors=tuple(tensors),
        operators=graph.operators,
        inputs=graph.inputs,
        outputs=graph.outputs,
    )
    order = search_order(graph, {}, alignment=ALIGNMENT).order
    assert order == (0, 2, 1, 3, 4)


def test_a_long_chain_is_searched_at_once():
    count = 2_000
    graph = subgraph([16] * (count + 1), [("RELU", (n,), (n + 1,)) for n in range(count)], (count,))
    found = search_order(graph, {}, alignment=ALIGNMENT)
    assert found.is_optimal
    assert found.peak_bytes == 32
