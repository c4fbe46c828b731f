"""The estimate of a TFLM build's flash, against linked builds."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import make_graph, make_operator, make_target, make_tensor
from ground_truth import BUILDS, measurements

from edgekit.graph import Graph
from edgekit.model.reader import read_graph
from edgekit.plan.flash import framework_flash, runtime_code, tflm_flash
from edgekit.plan.tflm_overhead import tflm_build
from edgekit.results import Basis
from edgekit.targets import load_target

REFERENCE = BUILDS["m4_ref_rel"]
CMSIS = BUILDS["m4_cmsis_rel"]


def with_operator(name: str) -> Graph:
    return make_graph([make_tensor(), make_tensor()], [make_operator(name)])


@pytest.mark.parametrize(
    ("name", "build", "linked_bytes"),
    [
        ("FULLY_CONNECTED", REFERENCE, 19664),
        ("FULLY_CONNECTED", CMSIS, 31216),
        ("GATHER", REFERENCE, 13536),
        ("GATHER", CMSIS, 13536),
        ("CONV_2D", REFERENCE, 22168),
        ("CONV_2D", CMSIS, 42556),
        ("LOGISTIC", REFERENCE, 19308),
        ("ADD", CMSIS, 25696),
    ],
)
def test_one_operators_build(name: str, build: object, linked_bytes: int) -> None:
    """Linked under arm-none-eabi-gcc 12.2 from tflite-micro 90b983c, model subtracted."""
    (size_bytes, margin_bytes) = runtime_code(with_operator(name), build)  # type: ignore[arg-type]
    assert abs(size_bytes - linked_bytes) <= 800
    assert margin_bytes == 0


CHIRALE_LINKED_BYTES = {
    "arduino_hello_world": 67576,
    "keras_cnn28": 92936,
    "mlperf_kws_dscnn_int8": 103856,
    "mlperf_ic_resnet8_int8": 101616,
    "arduino_micro_speech": 90224,
    "arduino_magic_wand": 95456,
    "keras_dilated_mix": 120016,
    "keras_two_in_two_out": 97176,
    "op_gather": 59944,
}
CHIRALE_BASELINE_BYTES = 43892
"""text + data of Chirale_TensorFLowLite 2.0.0 (commit 46da2f9) linked with just a model's
operators by arm-none-eabi-gcc 12.2 -O2 for a Cortex-M4F, the model left out; and of a
program that only prints and allocates."""


@pytest.mark.shared_data
@pytest.mark.parametrize("model", CHIRALE_LINKED_BYTES)
def test_linked_builds_of_the_library_of_2023(shared_models: Path, model: str) -> None:
    graph = read_graph((shared_models / "corpus" / f"{model}.tflite").read_bytes())
    (size_bytes, margin_bytes) = runtime_code(graph, tflm_build(load_target("nano33ble")))
    assert margin_bytes == 0
    assert abs(size_bytes - (CHIRALE_LINKED_BYTES[model] - CHIRALE_BASELINE_BYTES)) <= 350


@pytest.mark.shared_data
def test_every_linked_build_is_within_what_the_module_says(shared_models: Path) -> None:
    checked = 0
    for row in measurements(shared_models):
        if row.flash_minus_model is None or not row.variant.startswith("m4"):
            continue
        graph = read_graph((shared_models / "corpus" / f"{row.model}.tflite").read_bytes())
        (size_bytes, margin_bytes) = runtime_code(graph, row.build)
        assert abs(size_bytes - row.flash_minus_model) <= 800 + margin_bytes, row
        checked += 1
    assert checked >= 60


def test_an_operator_counts_once() -> None:
    twice = make_graph(
        [make_tensor() for _ in range(3)],
        [make_operator("CONV_2D", [0], [1]), make_operator("CONV_2D", [1], [2])],
    )
    assert runtime_code(twice, CMSIS) == runtime_code(with_operator("CONV_2D"), CMSIS)


def test_an_unmeasured_operator_widens_the_margin() -> None:
    (size_bytes, margin_bytes) = runtime_code(with_operator("RESIZE_BILINEAR"), REFERENCE)
    assert size_bytes > runtime_code(with_operator("GATHER"), REFERENCE)[0]
    assert margin_bytes > 0


def test_the_items_are_the_model_the_runtime_and_the_framework() -> None:
    target = load_target("nano33ble")
    graph = with_operator("FULLY_CONNECTED")
    items = {item.name: item for item in tflm_flash(graph, target, tflm_build(target))}
    assert list(items) == [
        "model",
        "interpreter",
        "FULLY_CONNECTED kernel",
        "shared by kernels",
        "sketch and protocol",
        "arduino framework",
    ]
    assert items["model"].size_bytes == graph.size_bytes
    assert items["model"].basis is Basis.EXACT
    assert items["arduino framework"].size_bytes == target.flash.framework_bytes
    assert items["arduino framework"].margin_bytes == target.flash.framework_margin_bytes
    for name, item in items.items():
        assert (item.basis is Basis.ESTIMATED) == (name != "model")
        assert (item.margin_bytes > 0) == (name != "model")


def test_the_code_is_itemised_by_operator_and_variant() -> None:
    graph = with_operator("CONV_2D")
    (small, large) = (
        {item.name: item for item in tflm_flash(graph, make_target(), build)}
        for build in (REFERENCE, CMSIS)
    )
    assert small["interpreter"].size_bytes == large["interpreter"].size_bytes
    assert small["CONV_2D kernel"].size_bytes < large["CONV_2D kernel"].size_bytes
    assert (small["CONV_2D kernel"].note, large["CONV_2D kernel"].note) == (
        "reference",
        "cmsis-nn",
    )
    names = ("interpreter", "CONV_2D kernel", "shared by kernels")
    for items, build in ((small, REFERENCE), (large, CMSIS)):
        assert sum(items[name].size_bytes for name in names) == runtime_code(graph, build)[0]


def test_a_kernel_that_was_never_measured_says_so() -> None:
    items = tflm_flash(with_operator("RESIZE_BILINEAR"), make_target(), REFERENCE)
    (kernel,) = (item for item in items if item.name == "RESIZE_BILINEAR kernel")
    assert "never measured" in kernel.note
    assert kernel.margin_bytes >= kernel.size_bytes


def test_error_texts_are_an_item_where_the_figures_leave_them_out() -> None:
    names = [item.name for item in tflm_flash(with_operator("ADD"), make_target(), REFERENCE)]
    assert "error texts" in names


def test_a_target_without_a_framework_has_no_such_item() -> None:
    assert framework_flash(make_target()) == ()
