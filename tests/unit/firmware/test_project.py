"""What a project is made of, and when there is none."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest
from builders import SOURCE, make_operator, make_plan, make_target, make_tensor
from firmware_cases import (
    FAKE_AOT,
    MODEL,
    PAIRS,
    VECTOR,
    classifier,
    graph_of,
    make_project,
)

from edgekit.errors import TargetError, UnsupportedModelError
from edgekit.firmware.project import TestVector
from edgekit.graph import DType
from edgekit.results import Problem
from edgekit.targets import Emulator, EngineSupport, load_target

SHARED = {
    "src/edgekit_config.h",
    "src/edgekit_model.h",
    "src/edgekit_port.h",
    "src/edgekit_protocol.c",
    "src/edgekit_protocol.h",
    "src/edgekit_quantize.h",
}
VECTOR_FILES = {"src/edgekit_test_vector.c", "src/edgekit_test_vector.h"}
TFLM = {
    "edgekit.json",
    "platformio.ini",
    "src/edgekit_model_data.cpp",
    "src/edgekit_model_data.h",
    "src/edgekit_model_tflm.cpp",
    "src/main.cpp",
    "src/port_arduino.cpp",
}
AOT = {"edgekit.json", "platformio.ini", "src/main.c", *(f"src/{name}" for name in FAKE_AOT)}


def macros(files: dict[str, str]) -> dict[str, str]:
    text = files["src/edgekit_config.h"]
    return {
        name: value.strip('"') for name, value in re.findall(r"#define EDGEKIT_(\w+) (.+)", text)
    }


@pytest.mark.parametrize(("target", "engine"), PAIRS)
def test_project_has_these_files(target: str, engine: str) -> None:
    files = make_project(target, engine, test_vector=VECTOR).files
    emulator = load_target(target).emulator
    port = {"qemu": {"src/port_mps2.c"}, "host": {"src/port_host.c"}, None: set()}
    own = TFLM if engine == "tflm" else AOT | port[emulator.kind if emulator else None]
    assert set(files) == own | SHARED | VECTOR_FILES


@pytest.mark.parametrize(("target", "engine"), PAIRS)
def test_project_is_deterministic_and_says_its_model(target: str, engine: str) -> None:
    project = make_project(target, engine)
    assert make_project(target, engine) == project
    assert list(project.files) == sorted(project.files)
    sha256 = classifier(model=MODEL).sha256
    for path, text in project.files.items():
        assert "\r" not in text, path
        assert text.endswith("\n"), path
        assert not text.endswith("\n\n"), path
        assert not any(line != line.rstrip() for line in text.splitlines()), path
    for path in ("src/edgekit_config.h", "src/edgekit_quantize.h", "platformio.ini"):
        assert sha256 in project.files[path]


def test_config_describes_the_model() -> None:
    files = make_project("nano33ble", test_vector=VECTOR).files
    expected = {
        "MODEL_NAME": "tiny",
        "MODEL_SHA256": classifier(model=MODEL).sha256,
        "ENGINE": "tflm",
        "TARGET": "nano33ble",
        "LIBRARY": "spaziochirale/Chirale_TensorFLowLite@2.0.0",
        "CLOCK": "us",
        "INPUT_COUNT": "1",
        "OUTPUT_COUNT": "1",
        "INPUT_BYTES": "6",
        "OUTPUT_BYTES": "3",
        "ARENA_BYTES": "2048",
        "BAUD": "115200",
        "DB_BYTES": "31",
        "HAS_TEST_VECTOR": "1",
    }
    found = macros(dict(files))
    assert {name: found[name] for name in expected} == expected


def test_emulated_board_counts_instructions() -> None:
    assert macros(dict(make_project("qemu-cortex-m4", "aot").files))["CLOCK"] == "instructions"
    assert macros(dict(make_project("host", "aot").files))["CLOCK"] == "us"


@pytest.mark.parametrize(
    ("sram_bytes", "input_bytes", "expected"),
    [
        (2_000, 4_000, 31),
        (8 * 1024, 4_000, 128),
        (32 * 1024, 4_000, 512),
        (32 * 1024, 100, 100),
        (32 * 1024, 4, 31),
    ],
)
def test_line_of_data_is_as_long_as_the_memory_allows(
    sram_bytes: int, input_bytes: int, expected: int
) -> None:
    graph = graph_of((make_tensor((1, input_bytes)), make_tensor((1, 4))), (make_operator(),))
    target = make_target(
        sram_bytes=sram_bytes,
        engines={"aot": EngineSupport(template="aot_bare", source=SOURCE)},
        emulator=Emulator(kind="host", source=SOURCE),
    )
    files = make_project(target, "aot", graph).files
    assert macros(dict(files))["DB_BYTES"] == str(expected)


@pytest.mark.parametrize(
    ("given", "shown"),
    [("kws01_int8", "kws01_int8"), ('a"b]; c%\\\n', "a_b_c_"), ("", "model"), ("Ünö", "_n_")],
)
def test_name_is_made_safe(given: str, shown: str) -> None:
    project = make_project("esp32", name=given)
    assert project.name == shown
    assert macros(dict(project.files))["MODEL_NAME"] == shown
    assert json.loads(project.files["edgekit.json"])["name"] == shown


def test_marker_lists_all_files() -> None:
    project = make_project("esp32", test_vector=VECTOR)
    marker = json.loads(project.files["edgekit.json"])
    assert marker["files"] == list(project.files)
    assert marker["target"] == "esp32"
    assert marker["engine"] == "tflm"
    assert marker["model_sha256"] == classifier(model=MODEL).sha256


def test_sketch_registers_the_operators_and_no_others() -> None:
    text = make_project("esp32").files["src/edgekit_model_tflm.cpp"]
    added = re.findall(r"resolver\.(\w+)\(\)", text)
    assert added == ["AddFullyConnected", "AddReshape", "AddSoftmax"]
    assert "MicroMutableOpResolver<3>" in text


def test_model_array_holds_the_model() -> None:
    text = make_project("esp32").files["src/edgekit_model_data.cpp"]
    assert bytes(int(byte, 16) for byte in re.findall(r"0x(..),", text)) == MODEL
    assert "alignas(16) const unsigned char edgekit_model_data[" in text


# ---- Refusals ----


def test_engine_that_the_target_lacks_is_refused() -> None:
    with pytest.raises(TargetError) as caught:
        make_project("host", "tflm", plan=make_plan("host"))
    assert caught.value.message == "Target 'host' has no engine 'tflm'."
    assert caught.value.hint == "Known: aot."
    assert caught.value.exit_code == 2


def test_pair_without_a_template_names_the_other_engine() -> None:
    with pytest.raises(TargetError) as caught:
        make_project("nano33ble", "aot")
    assert caught.value.message == (
        "There is no project template for engine 'aot' on target 'nano33ble' yet."
    )
    assert caught.value.hint == "Use engine 'tflm' on it."


def test_target_without_any_template_gets_a_way_out() -> None:
    with pytest.raises(TargetError) as caught:
        make_project("uno", "aot")
    assert "'host'" in caught.value.hint


def test_problem_of_the_plan_is_the_error() -> None:
    problem = Problem(message="It computes wrong numbers.", hint="Convert it per tensor.")
    with pytest.raises(UnsupportedModelError) as caught:
        make_project("esp32", plan=make_plan("esp32", problems=(problem,)))
    assert (caught.value.message, caught.value.hint) == (problem.message, problem.hint)


def test_type_that_firmware_does_not_carry_is_refused() -> None:
    tensors = (make_tensor((1, 4), DType.INT64, name="ids"), make_tensor((1, 4)))
    with pytest.raises(UnsupportedModelError) as caught:
        make_project("esp32", graph=graph_of(tensors, (make_operator(),)))
    assert "'ids' is INT64" in caught.value.message
    assert caught.value.hint == "It takes FLOAT32, INT16, INT32, INT8, UINT8."


def test_model_without_an_input_is_refused() -> None:
    graph = classifier()
    main = dataclasses.replace(graph.main, inputs=())
    with pytest.raises(UnsupportedModelError, match="no input"):
        make_project("esp32", graph=dataclasses.replace(graph, subgraphs=(main,)))


@pytest.mark.parametrize(
    ("library", "message"),
    [("nobodys", "Unknown TFLM library 'nobodys'"), ("tflite-micro", "PlatformIO can't get it")],
)
def test_library_that_no_project_can_have_is_refused(library: str, message: str) -> None:
    engine = EngineSupport(
        template="tflm_arduino", library=library, kernels="reference", source=SOURCE
    )
    with pytest.raises(TargetError, match=message) as caught:
        make_project(make_target(engines={"tflm": engine}))
    assert "chirale" in caught.value.hint


def test_test_vector_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"5 \+ 3 bytes, the model 6 \+ 3"):
        make_project("esp32", test_vector=TestVector(inputs=bytes(5), outputs=bytes(3)))
