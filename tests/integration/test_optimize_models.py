"""Optimised models in TFLM's own interpreter: the same bytes, and as much less arena as told."""

from __future__ import annotations

import json

import pytest
from planned_models import branches, skips
from random_graphs import random_model
from tflite_writer import ModelWriter

from edgekit.cli.main import main
from edgekit.errors import EdgeKitError, UnsupportedModelError, VerificationError
from edgekit.graph import DType
from edgekit.model.interpreters import Engine, ModelJob, run_models
from edgekit.model.offline_plan import ONLINE
from edgekit.model.proof import prove_same, random_inputs
from edgekit.model.reader import read_graph
from edgekit.model.rewrite import with_offline_plan
from edgekit.model.witness import RecordedArena, record_allocations
from edgekit.plan.arena import live_lower_bound
from edgekit.plan.lifetimes import tensor_lifetimes
from edgekit.plan.optimize import optimise
from edgekit.plan.placement import place_online

pytest.importorskip("tflite_micro")


def optimised(data: bytes):
    plan = optimise(read_graph(data))
    order = plan.order if plan.is_reordered else None
    return plan, with_offline_plan(data, plan.offsets, order=order)


@pytest.mark.parametrize("seed", [None, *range(6)])
def test_the_outputs_are_the_same_and_the_arena_shrinks_as_promised(seed):
    data = (branches() if seed is None else skips(seed)).bytes()
    plan, changed = optimised(data)
    proof = prove_same(data, changed, random_inputs(read_graph(data), 5))
    reference = plan.figures[0]
    assert proof.before.head_bytes == reference.before_bytes
    assert proof.after.head_bytes == reference.after_bytes
    assert proof.after.tail_bytes <= proof.before.tail_bytes


def test_a_plan_of_offsets_alone_is_honoured():
    """Every tensor is moved up by 4 KiB: TFLM's head grows by as much."""
    data = branches().bytes()
    graph = read_graph(data)
    offsets = [
        ONLINE if tensor.is_constant else 4096 + 2048 * number
        for number, tensor in enumerate(graph.main.tensors)
    ]
    (used,) = record_allocations([with_offline_plan(data, offsets)])
    assert isinstance(used, RecordedArena)
    last = max(number for number, tensor in enumerate(graph.main.tensors) if not tensor.is_constant)
    assert used.head_bytes == 4096 + 2048 * last + graph.main.tensors[last].size_bytes


def branching() -> bytes:
    """An IF whose subgraphs have tensors of their own."""
    model = ModelWriter()

    def tensor() -> int:
        return model.tensor((1, 64), DType.FLOAT32)

    condition = model.input((1,), DType.BOOL)
    x = model.input((1, 64), DType.FLOAT32)
    kept = model.op("ADD", [x, x], tensor())
    given = model.op("MUL", [x, kept], tensor())
    chosen = model.op(
        "IF", [condition, given], tensor(), then_subgraph_index=1, else_subgraph_index=2
    )
    model.output(model.op("ADD", [chosen, kept], tensor()))
    for name in ("RELU", "TANH"):
        model.subgraph(name.lower())
        x = model.input((1, 64), DType.FLOAT32)
        doubled = model.op("ADD", [x, x], tensor())
        model.output(model.op("MUL", [model.op(name, doubled, tensor()), doubled], tensor()))
    return model.bytes()


def test_tensors_of_called_subgraphs_are_placed_too():
    data = branching()
    graph = read_graph(data)
    requests = tensor_lifetimes(graph)
    offsets = [ONLINE] * sum(len(subgraph.tensors) for subgraph in graph.subgraphs)
    for request, offset in zip(requests, place_online(requests, {}), strict=True):
        offsets[request.tensor] = offset
    assert ONLINE not in offsets
    proof = prove_same(data, with_offline_plan(data, offsets), random_inputs(graph, 6))
    assert proof.before == proof.after
    wasteful = with_offline_plan(data, [offset + 512 for offset in offsets])
    plan, changed = optimised(wasteful)
    assert plan.gain_bytes == 512
    proof = prove_same(wasteful, changed, random_inputs(graph, 6))
    assert proof.before.total_bytes - proof.after.total_bytes == 512


def test_a_plan_in_which_living_tensors_overlap_is_found_out():
    data = branches().bytes()
    graph = read_graph(data)
    offsets = [ONLINE if tensor.is_constant else 0 for tensor in graph.main.tensors]
    with pytest.raises(VerificationError, match="other outputs for 5 of 5 inputs") as caught:
        prove_same(data, with_offline_plan(data, offsets), random_inputs(graph, 5))
    assert caught.value.exit_code == 8
    assert "Nothing was written" in caught.value.hint


def test_a_plan_that_takes_more_is_found_out():
    data = branches().bytes()
    graph = read_graph(data)
    offsets = [
        ONLINE if tensor.is_constant else 4096 * number
        for number, tensor in enumerate(graph.main.tensors)
    ]
    with pytest.raises(VerificationError, match="takes an arena of"):
        prove_same(data, with_offline_plan(data, offsets), random_inputs(graph, 2))


def test_random_operators_compute_the_same_after_planning():
    """Whatever gains, in one child; what TFLM refuses, it refuses before and after."""
    jobs = []
    for seed in range(80):
        data = random_model(seed)
        graph = read_graph(data)
        try:
            plan, changed = optimised(data)
        except UnsupportedModelError:  # its own plan is senseless
            continue
        if plan.gain_bytes:
            inputs = random_inputs(graph, 3)
            jobs += [ModelJob(model=model, inputs=inputs) for model in (data, changed)]
    results = run_models(jobs, Engine.MICRO, timeout_seconds=60.0)
    ran = 0
    for before, after in zip(results[::2], results[1::2], strict=True):
        if isinstance(before, EdgeKitError):
            assert isinstance(after, EdgeKitError)
        else:
            assert after == before
            ran += 1
    assert ran > 10


def test_no_reference_model_gets_worse_and_each_has_its_bound(shared_models):
    paths = sorted(shared_models.rglob("*.tflite"))
    assert paths
    for path in paths:
        data = path.read_bytes()
        graph = read_graph(data)
        plan, changed = optimised(data)
        for figure in plan.figures:
            assert figure.bound_bytes <= figure.after_bytes <= figure.before_bytes, path.name
            assert figure.bound_bytes >= live_lower_bound(tensor_lifetimes(graph)), path.name
        if changed != data:
            prove_same(data, changed, random_inputs(graph, 3))


FIXED = ["ic01_int8", "kws01_int8", "ad01_int8", "corpus/keras_lstm", "corpus/eloquent_lstm"]


@pytest.mark.parametrize("name", FIXED)
def test_reference_models_are_planned_by_offsets_too(shared_models, name):
    """TFLM's own plan written down as a fixed one: the same arena, the same bytes."""
    data = (shared_models / f"{name}.tflite").read_bytes()
    graph = read_graph(data)
    requests = tensor_lifetimes(graph)
    offsets = [ONLINE] * len(graph.main.tensors)
    for request, offset in zip(requests, place_online(requests, {}), strict=True):
        offsets[request.tensor] = offset
    proof = prove_same(data, with_offline_plan(data, offsets), random_inputs(graph, 3))
    assert proof.before == proof.after


def test_the_command_proves_what_it_writes(capsys, tmp_path):
    model, output = tmp_path / "model.tflite", tmp_path / "out.tflite"
    model.write_bytes(branches().bytes())
    assert main(["optimize", str(model), "-o", str(output), "--samples", "4", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    proof = document["proof"]
    assert proof["samples"] == 4
    assert "tflite-micro" in proof["reference"]
    gained = proof["before"]["total_bytes"] - proof["after"]["total_bytes"]
    assert gained == document["gain_bytes"] == 2688
    assert output.exists()
