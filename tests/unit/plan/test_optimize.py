"""A model's plan made better: what the figures promise, and what is left alone."""

from __future__ import annotations

import dataclasses

import pytest
from builders import make_graph, make_operator, make_subgraph, make_tensor
from planned_models import branches, skips
from tiny_models import tiny_int8_model
from written_models import control_flow_model, stateful_model

from edgekit.errors import InvalidModelError, UnsupportedModelError
from edgekit.graph import DType
from edgekit.model.offline_plan import METADATA_NAME, ONLINE, encode_offline_plan
from edgekit.model.reader import read_graph
from edgekit.model.rewrite import with_offline_plan
from edgekit.plan.arena import live_lower_bound
from edgekit.plan.optimize import KERNELS, optimise, reordered


class Told:
    """Progress that remembers its stages."""

    def __init__(self) -> None:
        self.stages: list[str] = []

    def stage(self, title: str) -> None:
        self.stages.append(title)

    def detail(self, text: str) -> None:
        assert "bound" in text

    def advance(self, done: int, total: int) -> None:
        raise AssertionError("nobody knows the total")


def test_operators_are_reordered_where_that_takes_less():
    told = Told()
    plan = optimise(read_graph(branches().bytes()), progress=told)
    assert plan.is_reordered
    assert plan.reaches_bound
    assert plan.gain_bytes == 4352 - 1664
    assert [figure.kernels for figure in plan.figures] == list(KERNELS)
    assert [(figure.before_bytes, figure.after_bytes) for figure in plan.figures] == [
        (4352, 1664),
        (4496, 1808),
        (4496, 1808),
        (4496, 1808),
    ]
    assert told.stages == [
        "Searching for a smaller placement",
        "Searching for a better order of operators",
    ]


@pytest.mark.parametrize("seed", range(12))
def test_no_set_of_kernels_needs_more_than_before(seed):
    graph = read_graph(skips(seed).bytes())
    plan = optimise(graph)
    for figure in plan.figures:
        assert figure.any_order_bound_bytes <= figure.bound_bytes <= figure.after_bytes
        assert figure.after_bytes <= figure.before_bytes
        assert figure.after_bytes < figure.minimum_after_bytes <= figure.minimum_before_bytes
    assert plan.gain_bytes >= 0
    assert sorted(plan.order) == list(range(len(graph.main.operators)))


def test_some_random_graphs_gain_by_placement_and_some_by_order():
    plans = [optimise(read_graph(skips(seed).bytes())) for seed in range(12)]
    assert any(plan.gain_bytes and plan.is_reordered for plan in plans)
    assert any(set(plan.offsets) != {ONLINE} for plan in plans)
    assert any(not plan.gain_bytes for plan in plans)


def test_where_nothing_can_be_gained_nothing_is_planned():
    graph = read_graph(tiny_int8_model())
    plan = optimise(graph)
    assert plan.gain_bytes == 0
    assert not plan.is_reordered
    assert plan.reaches_bound
    assert set(plan.offsets) == {ONLINE}
    assert len(plan.offsets) == len(graph.main.tensors)


@pytest.mark.parametrize("model", [control_flow_model, stateful_model])
def test_models_with_subgraphs_and_states_are_planned(model):
    plan = optimise(read_graph(model().bytes()))
    assert all(figure.after_bytes <= figure.before_bytes for figure in plan.figures)


def test_a_plan_in_the_file_is_what_counts_as_before():
    data = branches().bytes()
    graph = read_graph(data)
    wasteful = [
        ONLINE if tensor.is_constant else 8192 + 4096 * number
        for number, tensor in enumerate(graph.main.tensors)
    ]
    planned = read_graph(with_offline_plan(data, wasteful))
    plan = optimise(planned)
    first = plan.figures[0]
    assert first.before_bytes > 8192
    assert first.after_bytes == 1664
    again = read_graph(with_offline_plan(data, plan.offsets, order=plan.order))
    assert optimise(again).gain_bytes == 0
    assert optimise(again).figures[0].before_bytes == 1664


def test_a_plan_for_other_tensors_is_refused():
    graph = read_graph(branches().bytes())
    broken = dataclasses.replace(
        graph, metadata={METADATA_NAME: encode_offline_plan([0], subgraphs=1)}
    )
    with pytest.raises(InvalidModelError, match="no plan for its"):
        optimise(broken)


def test_a_plan_that_places_variables_is_left_to_its_maker():
    graph = read_graph(stateful_model().bytes())
    offsets = [0 if tensor.is_variable else ONLINE for tensor in graph.main.tensors]
    plan = encode_offline_plan(offsets, subgraphs=1)
    with pytest.raises(UnsupportedModelError, match="also places variables"):
        optimise(dataclasses.replace(graph, metadata={METADATA_NAME: plan}))


def test_a_plan_in_which_living_tensors_overlap_is_left_to_its_maker():
    data = branches().bytes()
    offsets = [ONLINE if tensor.is_constant else 16 for tensor in read_graph(data).main.tensors]
    with pytest.raises(UnsupportedModelError, match="overlap while both are in use") as caught:
        optimise(read_graph(with_offline_plan(data, offsets)))
    assert "before that plan was made" in caught.value.hint


def test_handles_of_variables_take_no_place():
    """VAR_HANDLE's output lies in the kernel's own data."""
    graph = make_graph(
        [make_tensor((1,), DType.RESOURCE, scale=None), make_tensor((1, 64))],
        [make_operator("VAR_HANDLE", (), (0,)), make_operator("READ_VARIABLE", (0,), (1,))],
    )
    for figure in optimise(graph).figures:
        assert figure.any_order_bound_bytes == figure.bound_bytes == figure.after_bytes == 64


def test_an_order_that_metadata_refer_to_is_kept():
    graph = read_graph(branches().bytes())
    named = dataclasses.replace(graph, metadata={"model_control_dependencies": b"\0"})
    assert not optimise(named).is_reordered


def test_tensors_that_tflm_mistakes_for_another_subgraphs_variables_get_no_offset():
    """Variable 1 of subgraph 1 makes TFLM look at entry 1 of the plan, the main subgraph's."""
    tensors = [make_tensor((size,), dtype=DType.INT8) for size in (96, 112, 96, 112, 64, 96, 80)]
    chain = [make_operator("RELU", (n,), (n + 1,), index=n) for n in range(len(tensors) - 1)]
    called = make_subgraph(
        [make_tensor((4,)), make_tensor((4,), is_variable=True)],
        [make_operator("ASSIGN_VARIABLE", (0, 1), ())],
        inputs=[],
        outputs=[],
    )
    far = [ONLINE] * 9
    far[0] = 4096
    graph = make_graph(
        tensors,
        chain,
        subgraphs=[called],
        metadata={METADATA_NAME: encode_offline_plan(far, subgraphs=2)},
    )
    plan = optimise(graph)
    assert plan.gain_bytes > 0
    assert plan.offsets[1] == ONLINE
    assert plan.offsets[0] != ONLINE


def test_reordered_renumbers_the_operators():
    graph = read_graph(branches().bytes())
    order = (1, 0, *range(2, len(graph.main.operators)))
    moved = reordered(graph, order).main.operators
    assert [operator.index for operator in moved] == list(range(len(moved)))
    assert moved[0].outputs == graph.main.operators[1].outputs
    with pytest.raises(ValueError, match="each operator once"):
        reordered(graph, (0, 0))


def test_the_bound_is_that_of_the_written_order():
    plan = optimise(read_graph(branches().bytes()))
    moved = reordered(read_graph(branches().bytes()), plan.order)
    from edgekit.plan.lifetimes import tensor_lifetimes

    assert plan.figures[0].bound_bytes == live_lower_bound(tensor_lifetimes(moved))
