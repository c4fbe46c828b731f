"""Why the tflm engine refuses a model, and the way out that it names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from builders import make_graph, make_operator, make_subgraph, make_target, make_tensor

from edgekit.graph import DType, Graph, Tensor
from edgekit.model.reader import read_graph
from edgekit.plan.op_support import TFLM_OPERATORS, layer_name, number_problems, tflm_problems
from edgekit.plan.tflm_libraries import LIBRARIES
from edgekit.results import Problem
from edgekit.targets import EngineSupport, Target, load_target, target_names

CHIRALE = "spaziochirale/Chirale_TensorFLowLite@2.0.0"


def target(library: str = "other@1", kernels: str = "reference", refuses: str = "") -> Target:
    return make_target(
        engines={
            "tflm": EngineSupport(
                template="",
                library=library,
                kernels=kernels,
                refuses_per_channel_fc=refuses,
                source="a test",
            )
        }
    )


def dense(
    activation: DType, weights: DType, scales: Sequence[float] = (0.1,), name: str = "dense"
) -> Graph:
    data = bytes(weights.bits // 8 * 20)
    return make_graph(
        [
            make_tensor((1, 4), activation),
            make_tensor((5, 4), weights, scale=list(scales), data=data),
            make_tensor((1, 5), activation, name=name),
        ],
        [make_operator("FULLY_CONNECTED", [0, 1], [2])],
    )


def single(name: str, custom_name: str = "") -> Graph:
    return make_graph(
        [make_tensor(), make_tensor(name="layer/out;layer/in")],
        [make_operator(name, custom_name=custom_name)],
    )


def only(problems: Sequence[Problem]) -> Problem:
    (problem,) = problems
    assert problem.hint
    return problem


def test_an_int8_model_has_no_problem() -> None:
    assert tflm_problems(dense(DType.INT8, DType.INT8), target()) == ()


def test_int16_activations_with_int8_weights_are_fine() -> None:
    assert number_problems(dense(DType.INT16, DType.INT8)) == ()


def test_float_input_and_output_around_an_int8_model_are_fine() -> None:
    tensors: list[Tensor] = [
        make_tensor((1, 4), DType.FLOAT32),
        make_tensor((1, 4)),
        make_tensor((5, 4), data=[1] * 20),
        make_tensor((1, 5)),
        make_tensor((1, 5), DType.FLOAT32),
    ]
    operators = [
        make_operator("QUANTIZE", [0], [1]),
        make_operator("FULLY_CONNECTED", [1, 2], [3]),
        make_operator("DEQUANTIZE", [3], [4]),
    ]
    assert tflm_problems(make_graph(tensors, operators), target()) == ()


def test_a_float_model_is_refused_with_the_way_out() -> None:
    problem = only(number_problems(dense(DType.FLOAT32, DType.FLOAT32)))
    assert problem.message.startswith("This is a float32 model")
    assert "edgekit convert --variant int8" in problem.hint


def test_a_float_model_without_weights_is_refused_too() -> None:
    graph = make_graph(
        [make_tensor(dtype=DType.FLOAT32), make_tensor(dtype=DType.FLOAT32)], [make_operator()]
    )
    assert only(number_problems(graph)).message.startswith("This is a float32 model")


def test_a_dynamic_range_model_is_refused() -> None:
    problem = only(number_problems(dense(DType.FLOAT32, DType.INT8)))
    assert "dynamic-range" in problem.message
    assert "operator 0, 'dense'" in problem.message


@pytest.mark.parametrize(("stored", "word"), [(DType.FLOAT16, "float16"), (DType.INT8, "int8")])
def test_weights_that_are_only_stored_small_are_refused(stored: DType, word: str) -> None:
    tensors = [
        make_tensor((1, 4), DType.FLOAT32),
        make_tensor((5, 4), stored, data=bytes(stored.bits // 8 * 20)),
        make_tensor((5, 4), DType.FLOAT32),
        make_tensor((1, 5), DType.FLOAT32),
    ]
    operators = [
        make_operator("DEQUANTIZE", [1], [2]),
        make_operator("FULLY_CONNECTED", [0, 2], [3]),
    ]
    problem = only(number_problems(make_graph(tensors, operators)))
    assert f"stores its weights as {word}" in problem.message


def test_uint8_arithmetic_is_refused() -> None:
    assert "uint8" in only(number_problems(dense(DType.UINT8, DType.UINT8))).message


@pytest.mark.parametrize(
    "name", ["SELECT", "GELU", "TILE", "TOPK_V2", "RFFT2D", "RANGE", "CONV_3D"]
)
def test_an_operator_that_tflm_lacks_is_named_with_its_layer(name: str) -> None:
    problem = only(tflm_problems(single(name), target()))
    assert problem.message == f"TFLM has no {name} (operator 0, 'layer/out')."


def test_a_custom_operator_is_named() -> None:
    problem = only(tflm_problems(single("CUSTOM", "FlexErf"), target()))
    assert problem.message.startswith("The custom operator 'FlexErf' (operator 0,")


@pytest.mark.parametrize("name", ["VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE"])
def test_state_in_variables_is_refused(name: str) -> None:
    assert "keeps state" in only(tflm_problems(single(name), target())).message


def test_an_operator_is_named_once_however_often_it_occurs() -> None:
    graph = make_graph(
        [make_tensor() for _ in range(4)],
        [
            make_operator("GELU", [0], [1]),
            make_operator("GELU", [1], [2]),
            make_operator("TILE", [2], [3]),
        ],
    )
    messages = [problem.message for problem in tflm_problems(graph, target())]
    assert len(messages) == 2
    assert messages[0].startswith("TFLM has no GELU (operator 0")
    assert messages[1].startswith("TFLM has no TILE (operator 2")


def test_operators_of_called_subgraphs_count() -> None:
    body = make_subgraph([make_tensor(), make_tensor()], [make_operator("GELU")])
    assert "GELU" in only(tflm_problems(make_graph(subgraphs=[body]), target())).message


def test_an_old_library_lacks_newer_operators() -> None:
    problem = only(tflm_problems(single("REVERSE_V2"), target(CHIRALE)))
    assert problem.message.startswith("Chirale_TensorFLowLite 2.0.0 is too old for REVERSE_V2")
    assert tflm_problems(single("REVERSE_V2"), target()) == ()


def test_an_operator_on_which_the_library_fails_is_refused_with_what_happens() -> None:
    problem = only(tflm_problems(single("UNIDIRECTIONAL_SEQUENCE_LSTM"), target(CHIRALE)))
    assert "crashes while it prepares an int8 LSTM" in problem.message
    assert tflm_problems(single("UNIDIRECTIONAL_SEQUENCE_LSTM"), target()) == ()


def test_what_a_library_lacks_is_something_that_tflm_has() -> None:
    for facts in LIBRARIES.values():
        assert facts.missing_operators <= TFLM_OPERATORS
        assert facts.broken_operators.keys() <= TFLM_OPERATORS - facts.missing_operators


def test_one_scale_a_channel_is_refused_where_the_library_computes_it_wrong() -> None:
    graph = dense(DType.INT8, DType.INT8, [0.1, 0.2, 0.3, 0.4, 0.5])
    problem = only(tflm_problems(graph, target(refuses="it ignores them")))
    assert problem.message == (
        "1 FULLY_CONNECTED (the first is operator 0, 'dense') with one scale a channel: "
        "it ignores them."
    )
    assert "aot engine" in problem.hint
    assert tflm_problems(graph, target()) == ()


def test_cmsis_nn_takes_one_scale_only_on_int16() -> None:
    graph = dense(DType.INT16, DType.INT8, [0.1, 0.2, 0.3, 0.4, 0.5])
    assert "int16" in only(tflm_problems(graph, target(kernels="cmsis-nn"))).message
    assert tflm_problems(graph, target()) == ()


def test_an_operator_without_outputs_is_named_by_its_index() -> None:
    graph = make_graph([make_tensor()], [make_operator("ASSIGN_VARIABLE", [0], [])], outputs=[])
    assert layer_name(graph.main, graph.main.operators[0]) == "operator 0"


def test_every_reason_of_a_profile_reads_as_a_clause() -> None:
    for name in target_names():
        for engine in load_target(name).engines.values():
            assert not re.search(r"[.\s]$", engine.refuses_per_channel_fc)


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("model", "word"),
    [
        ("ic01_float32", None),
        ("kws01_float32", None),
        ("corpus/mlperf_ad_dynrange", "dynamic-range"),
        ("corpus/eloquent_iris", "This is a float32 model"),
        ("corpus/mlperf_kws_float32", None),
        ("corpus/keras_deep_mlp", "8 FULLY_CONNECTED (the first is operator 0,"),
        ("corpus/op_reverse", "REVERSE_V2"),
        ("corpus/op_batch_matmul_const", "BATCH_MATMUL"),
    ],
)
def test_reference_models_that_are_refused(
    shared_models: Path, model: str, word: str | None
) -> None:
    graph = read_graph((shared_models / f"{model}.tflite").read_bytes())
    problem = only(tflm_problems(graph, load_target("nano33ble")))
    assert (word or "float32") in problem.message


@pytest.mark.shared_data
@pytest.mark.parametrize(
    "model", ["kws01_int8", "ic01_int8", "ad01_int8", "micro_speech_int8", "corpus/op_slice"]
)
def test_reference_models_that_run(shared_models: Path, model: str) -> None:
    graph = read_graph((shared_models / f"{model}.tflite").read_bytes())
    assert tflm_problems(graph, load_target("nano33ble")) == ()
