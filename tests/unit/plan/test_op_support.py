"""Why the tflm engine refuses a model, and the way out that it names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from builders import make_graph, make_operator, make_subgraph, make_target, make_tensor

from edgekit.findings import OperatorStatus, OperatorSupport
from edgekit.graph import DType, Graph, Tensor
from edgekit.libraries import all_libraries, load_library
from edgekit.model.reader import read_graph
from edgekit.plan.op_support import (
    TFLM_OPERATORS,
    layer_name,
    number_problems,
    operator_support,
    target_support,
    tflm_problems,
)
from edgekit.results import Problem
from edgekit.targets import EngineSupport, Target, load_target

CHIRALE = "chirale"
PER_CHANNEL = (0.1, 0.2, 0.3, 0.4, 0.5)


def target(library: str = "tflite-micro", kernels: str = "reference") -> Target:
    return make_target(
        engines={
            "tflm": EngineSupport(
                template="",
                library=library,
                kernels=kernels,
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
    assert problem.message.startswith("The custom operator 'FlexErf' is not in TFLM (operator 0")


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


def test_what_tflm_has_is_what_its_record_lists() -> None:
    recorded = set(load_library("tflite-micro").operators)
    assert recorded - TFLM_OPERATORS == {
        "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "CALL_ONCE",
    }  # fmt: skip
    assert recorded >= TFLM_OPERATORS
    for library in all_libraries():
        assert set(library.operators) <= recorded


def test_one_scale_a_channel_is_refused_where_the_library_computes_it_wrong() -> None:
    graph = dense(DType.INT8, DType.INT8, PER_CHANNEL)
    problem = only(tflm_problems(graph, target(CHIRALE)))
    assert problem.message == (
        "1 FULLY_CONNECTED (the first is operator 0, 'dense') would compute wrong numbers: "
        "Chirale_TensorFLowLite 2.0.0 holds TFLM of January 2023, which ignores all scales of a "
        "FULLY_CONNECTED's weights but the first."
    )
    assert problem.hint.startswith("Convert again with one scale for each Dense layer's weights")
    assert not problem.is_models
    assert tflm_problems(graph, target()) == ()


def test_cmsis_nn_takes_one_scale_only_on_int16() -> None:
    graph = dense(DType.INT16, DType.INT8, PER_CHANNEL)
    assert "int16" in only(tflm_problems(graph, target(kernels="cmsis-nn"))).message
    assert tflm_problems(graph, target()) == ()


def test_an_operator_without_outputs_is_named_by_its_index() -> None:
    graph = make_graph([make_tensor()], [make_operator("ASSIGN_VARIABLE", [0], [])], outputs=[])
    assert layer_name(graph.main, graph.main.operators[0]) == "operator 0"


def support(graph: Graph, library: str, kernels: str = "reference") -> OperatorSupport:
    (item,) = operator_support(graph, load_library(library), kernels)
    return item


@pytest.mark.parametrize(
    ("library", "kernels", "activation", "status"),
    [
        ("chirale", "cmsis-nn", DType.INT8, OperatorStatus.WRONG),
        ("chirale", "cmsis-nn", DType.INT16, OperatorStatus.WRONG),
        ("tflm-cortexm", "cmsis-nn", DType.INT8, OperatorStatus.WRONG),
        ("microtflite", "cmsis-nn", DType.INT8, OperatorStatus.WRONG),
        ("arduino-tensorflowlite", "cmsis-nn", DType.INT8, OperatorStatus.WRONG),
        ("tflm-esp32", "reference", DType.INT8, OperatorStatus.FAILS),
        ("pico-tflmicro", "cmsis-nn", DType.INT8, OperatorStatus.RUNS),
        ("pico-tflmicro", "cmsis-nn", DType.INT16, OperatorStatus.FAILS),
        ("esp-tflite-micro", "esp-nn", DType.INT8, OperatorStatus.RUNS),
        ("esp-tflite-micro", "esp-nn", DType.INT16, OperatorStatus.WRONG),
        ("tflite-micro", "reference", DType.INT8, OperatorStatus.RUNS),
        ("tflite-micro", "reference", DType.INT16, OperatorStatus.RUNS),
        ("tflite-micro", "cmsis-nn", DType.INT16, OperatorStatus.FAILS),
    ],
)
def test_what_each_library_makes_of_one_scale_a_channel(
    library: str, kernels: str, activation: DType, status: OperatorStatus
) -> None:
    item = support(dense(activation, DType.INT8, PER_CHANNEL), library, kernels)
    assert item.status is status
    assert bool(item.reason) is (status is not OperatorStatus.RUNS)
    assert support(dense(activation, DType.INT8), library, kernels).runs


def test_the_cheapest_way_out_of_wrong_numbers_comes_first() -> None:
    item = support(dense(DType.INT8, DType.INT8, PER_CHANNEL), CHIRALE)
    assert [way.kind for way in item.ways_out] == ["convert", "library"]
    assert item.ways_out[1].name == "esp-tflite-micro"


def test_a_library_for_other_processors_is_no_way_out() -> None:
    graph = dense(DType.INT8, DType.INT8, PER_CHANNEL)
    (item,) = target_support(graph, target(CHIRALE))  # an Arm board
    assert [way.kind for way in item.ways_out] == ["convert"]


def test_an_operator_that_the_library_has_not_in_that_type_fails() -> None:
    graph = make_graph(
        [make_tensor(dtype=DType.INT16), make_tensor(dtype=DType.INT16)],
        [make_operator("MAX_POOL_2D")],
    )
    item = support(graph, CHIRALE)
    assert (item.status, item.kind) == (OperatorStatus.FAILS, "int16x8")
    assert item.reason == "Chirale_TensorFLowLite 2.0.0 has no MAX_POOL_2D in int16x8"
    assert item.ways_out[0].text.startswith("convert the original model")
    assert support(graph, "tflite-micro").runs


def test_int4_weights_are_a_kind_of_their_own() -> None:
    assert support(dense(DType.INT8, DType.INT4), CHIRALE).kind == "int4"
    assert support(dense(DType.INT8, DType.INT4), "tflite-micro").runs


def test_the_type_of_a_transposed_convolution_is_that_of_its_third_input() -> None:
    tensors = [
        make_tensor((4,), DType.INT32),
        make_tensor((1, 2, 2, 1), data=bytes(4)),
        make_tensor((1, 2, 2, 1), DType.INT16),
        make_tensor((1, 4, 4, 1), DType.INT16),
    ]
    graph = make_graph(tensors, [make_operator("TRANSPOSE_CONV", [0, 1, 2], [3])], inputs=(0, 2))
    assert support(graph, "tflite-micro").kind == "int16x8"


def test_weights_stored_as_int8_with_one_scale_a_channel_are_computed_wrong() -> None:
    graph = make_graph(
        [
            make_tensor((2, 4), scale=[0.1, 0.2], data=bytes(8)),
            make_tensor((2, 4), DType.FLOAT32),
        ],
        [make_operator("DEQUANTIZE")],
        inputs=(),
    )
    assert support(graph, "tflite-micro").status is OperatorStatus.WRONG


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
