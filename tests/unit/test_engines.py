"""What planning says of operators with each engine, and the way to the other one."""

from __future__ import annotations

import pytest
from builders import make_graph, make_operator, make_target, make_tensor

from edgekit.engines import plan_model
from edgekit.findings import OperatorStatus
from edgekit.graph import DType, Graph
from edgekit.results import to_json
from edgekit.targets import EngineSupport

ENGINES = {
    "tflm": EngineSupport(
        template="tflm_arduino", library="chirale", kernels="cmsis-nn", source="a test"
    ),
    "aot": EngineSupport(template="", source="a test"),
}


def dense(scales: list[float] | float) -> Graph:
    return make_graph(
        [
            make_tensor((1, 4), name="in"),
            make_tensor((5, 4), scale=scales, data=bytes(20), name="weights"),
            make_tensor((1, 5), name="dense"),
        ],
        [make_operator("FULLY_CONNECTED", [0, 1], [2], keep_num_dims=False,
                       fused_activation_function="NONE", weights_format="DEFAULT")],
    )  # fmt: skip


def test_the_aot_engine_is_a_way_out_of_wrong_numbers() -> None:
    graph = dense([0.1, 0.2, 0.3, 0.4, 0.5])
    plan = plan_model(graph, make_target(engines=ENGINES), "tflm", model="dense")
    (item,) = plan.operators
    assert item.status is OperatorStatus.WRONG
    assert [(way.kind, way.name) for way in item.ways_out] == [("convert", ""), ("engine", "aot")]
    assert plan.computes_wrong
    assert plan.is_refused
    assert plan.verdict == "can't run"
    (problem,) = plan.problems
    assert problem.hint.endswith(", or use the aot engine.")


def test_one_scale_for_all_weights_runs() -> None:
    plan = plan_model(dense(0.1), make_target(engines=ENGINES), "tflm", model="dense")
    assert [item.status for item in plan.operators] == [OperatorStatus.RUNS]
    assert plan.fits
    assert not plan.computes_wrong


def test_without_the_other_engine_it_is_no_way_out() -> None:
    graph = dense([0.1, 0.2, 0.3, 0.4, 0.5])
    target = make_target(engines={"tflm": ENGINES["tflm"]})
    (item,) = plan_model(graph, target, "tflm", model="dense").operators
    assert "engine" not in {way.kind for way in item.ways_out}


@pytest.mark.parametrize(
    ("engines", "kinds"), [(["aot"], ["model"]), (["tflm", "aot"], ["engine", "model"])]
)
def test_the_tflm_engine_is_a_way_out_where_it_has_the_operator(
    engines: list[str], kinds: list[str]
) -> None:
    graph = make_graph([make_tensor(), make_tensor(name="layer")], [make_operator("TANH")])
    target = make_target(engines={name: ENGINES[name] for name in engines})
    plan = plan_model(graph, target, "aot", model="tanh")
    (item,) = plan.operators
    assert item.status is OperatorStatus.FAILS
    assert item.reason == "the aot engine does not have this operator"
    assert [way.kind for way in item.ways_out] == kinds
    assert plan.is_refused
    assert not plan.computes_wrong


def test_a_float_model_is_itself_at_fault() -> None:
    graph = make_graph(
        [make_tensor(dtype=DType.FLOAT32), make_tensor(dtype=DType.FLOAT32)],
        [make_operator("RELU")],
    )
    for engine in ("tflm", "aot"):
        plan = plan_model(graph, make_target(engines=ENGINES), engine, model="float")
        assert not plan.is_refused
        assert any(problem.is_models for problem in plan.problems)


def test_operators_are_data_in_the_plan() -> None:
    graph = dense([0.1, 0.2, 0.3, 0.4, 0.5])
    plan = plan_model(graph, make_target(engines=ENGINES), "tflm", model="dense")
    (item,) = to_json(plan)["operators"]
    assert item["operator"] == "FULLY_CONNECTED"
    assert item["status"] == "computes wrong numbers"
    assert item["runs"] is False
    assert item["kind"] == "int8"
    assert item["layer"] == "dense"
    assert item["ways_out"][0]["kind"] == "convert"
