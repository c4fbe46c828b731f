"""The generated C and C++, compiled with warnings as errors, and run."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from builders import make_graph, make_operator, make_tensor
from firmware_cases import (
    MODEL,
    TFLM_TARGETS,
    VECTOR,
    classifier,
    graph_of,
    half_away_from_zero,
    make_project,
)

import edgekit.firmware.sketch
from edgekit.firmware.project import Project, write_project
from edgekit.firmware.tflm_ops import CUSTOM_RESOLVER_METHOD, RESOLVER_METHOD
from edgekit.graph import DType, Graph
from edgekit.libraries import load_library

API = Path(__file__).resolve().parents[2] / "fixtures" / "tflm_api"
WARNINGS = ("-Wall", "-Wextra", "-Werror")
HOST = ("gcc", "g++")
ARM = ("arm-none-eabi-gcc", "arm-none-eabi-g++")
ARM_FLAGS = ("-mcpu=cortex-m4", "-mthumb")

both_compilers = pytest.mark.parametrize(
    "compilers",
    [pytest.param(HOST, id="host"), pytest.param(ARM, id="arm", marks=pytest.mark.emulator)],
)


def run(*command: object, **options: object) -> subprocess.CompletedProcess[bytes]:
    arguments = [str(part) for part in command]
    return subprocess.run(arguments, capture_output=True, timeout=120, check=False, **options)


def check_syntax(folder: Path, compilers: tuple[str, str], cxx_standard: str) -> None:
    """Compile all of a written project's sources, and each header on its own."""
    if shutil.which(compilers[0]) is None:
        pytest.skip(f"{compilers[0]} is not installed")
    flags = [*WARNINGS, "-fsyntax-only", f"-isystem{API}", f"-I{folder / 'src'}"]
    flags += ARM_FLAGS if compilers == ARM else ()
    c_files = sorted((folder / "src").glob("*.c"))
    cxx_files = sorted((folder / "src").glob("*.cpp"))
    headers = sorted((folder / "src").glob("*.h"))
    for command in (
        [compilers[0], "-std=gnu99", "-Wconversion", *flags, *c_files],
        [compilers[1], f"-std={cxx_standard}", *flags, *cxx_files],
        [compilers[1], f"-std={cxx_standard}", *flags, "-x", "c++", "-include", headers[0]]
        + [item for header in headers[1:] for item in ("-include", header)]
        + [os.devnull],
    ):
        done = run(*command)
        assert done.returncode == 0, done.stderr.decode()


@both_compilers
@pytest.mark.parametrize("standard", ["gnu++14", "gnu++17"])
@pytest.mark.parametrize("target", TFLM_TARGETS)
def test_sketch_compiles_without_a_warning(
    target: str, standard: str, compilers: tuple[str, str], tmp_path: Path
) -> None:
    write_project(make_project(target, test_vector=VECTOR), tmp_path / "project")
    check_syntax(tmp_path / "project", compilers, standard)


@both_compilers
def test_sketch_with_every_operator_and_type_compiles(
    compilers: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = load_library("tflite-micro")
    complete = dataclasses.replace(
        load_library("chirale"),
        operators=everything.operators,
        custom_operators=everything.custom_operators,
        broken_operators={},
    )
    monkeypatch.setattr(edgekit.firmware.sketch, "find_library", lambda _: complete)
    types = (DType.INT8, DType.UINT8, DType.INT16, DType.INT32, DType.FLOAT32)
    inputs = [make_tensor((1, 3), dtype, name=f"in_{dtype.value}") for dtype in types]
    outputs = [make_tensor((1, 3), dtype, name=f"out_{dtype.value}") for dtype in types]
    made = list(range(len(types), 2 * len(types)))
    operators = [make_operator(name, range(len(types)), made) for name in RESOLVER_METHOD]
    operators += [
        make_operator("CUSTOM", range(len(types)), made, custom_name=name)
        for name in CUSTOM_RESOLVER_METHOD
    ]
    graph = make_graph(
        (*inputs, *outputs), operators, inputs=tuple(range(len(types))), outputs=tuple(made)
    )
    project = make_project("nano33ble", graph=graph)
    text = project.files["src/edgekit_model_tflm.cpp"]
    assert text.count("resolver.Add") == len(RESOLVER_METHOD) + len(CUSTOM_RESOLVER_METHOD)
    write_project(project, tmp_path / "project")
    check_syntax(tmp_path / "project", compilers, "gnu++17")


# ---- The sketch on a board and an interpreter of ours ----


def link(project: Project, folder: Path) -> Path:
    write_project(project, folder / "project")
    source = folder / "project" / "src"
    flags = [*WARNINGS, "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    flags += [f"-isystem{API}", f"-I{source}"]
    for c_file in source.glob("*.c"):
        done = run("gcc", "-std=gnu99", *flags, "-c", c_file, "-o", folder / (c_file.stem + ".o"))
        assert done.returncode == 0, done.stderr.decode()
    program = folder / "sketch"
    cxx = [*source.glob("*.cpp"), API / "fake_board.cpp"]
    done = run("g++", "-std=gnu++17", *flags, *cxx, *folder.glob("*.o"), "-o", program)
    assert done.returncode == 0, done.stderr.decode()
    return program


@pytest.fixture(scope="module")
def sketch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the program of a sketch with 6 inputs and 3 outputs."""
    return link(make_project("nano33ble", test_vector=VECTOR), tmp_path_factory.mktemp("sketch"))


def talk(program: Path, sent: bytes, **environment: str) -> list[str]:
    given = {"FAKE_INPUT_BYTES": "6", "FAKE_OUTPUT_BYTES": "3", **environment}
    done = run(program, input=sent, env=given)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode("ascii").split("\r\n")


BOOT = ["m-timestamp-mode-performance", "m-init-done", "m-ready"]


def test_sketch_infers_through_the_protocol(sketch: Path) -> None:
    lines = talk(sketch, b"db load 6%db 010203fafbfc%infer 2 1%raw%laps 2%raw%")
    assert lines[:3] == BOOT
    assert lines.count("m-raw-[020304]") == 2
    assert "m-results-[1.500,2.000,2.500]" in lines
    assert sum(line.startswith("m-laps-us-[5,5]") for line in lines) == 1
    assert not any(line.startswith("e-") for line in lines)


def test_sketch_passes_its_self_test(sketch: Path) -> None:
    assert "m-selftest-[pass]" in talk(sketch, b"selftest%")


def test_sketch_says_what_it_is(sketch: Path) -> None:
    info = next(line for line in talk(sketch, b"info%") if line.startswith("m-info-"))
    assert f";sha256={classifier(model=MODEL).sha256};target=nano33ble;" in info
    assert ";arena_planned=2048;arena_used=64;" in info
    assert ";library=spaziochirale/Chirale_TensorFLowLite@2.0.0;" in info


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({"FAKE_SCHEMA": "4"}, 1),
        ({"FAKE_ALLOCATE": "fail"}, 3),
        ({"FAKE_INPUT_BYTES": "5"}, 4),
        ({"FAKE_OUTPUT_BYTES": "4"}, 4),
    ],
)
def test_model_that_can_not_be_prepared_is_reported(
    sketch: Path, environment: dict[str, str], code: int
) -> None:
    lines = talk(sketch, b"infer%info%selftest%", **environment)
    error = f"e-[Model failed: {code}]"
    assert lines[:4] == [error, *BOOT]
    assert lines.count(error) == 3
    assert any(";arena_used=0;" in line and f";model_error={code};" in line for line in lines)


def test_inference_that_fails_is_reported(sketch: Path) -> None:
    assert "e-[Model failed: 5]" in talk(sketch, b"infer%", FAKE_INVOKE="fail")


def test_operator_that_does_not_fit_the_resolver_is_reported(tmp_path: Path) -> None:
    project = make_project("nano33ble")
    path = "src/edgekit_model_tflm.cpp"
    smaller = project.files[path].replace("OpResolver<3>", "OpResolver<2>")
    program = link(dataclasses.replace(project, files={**project.files, path: smaller}), tmp_path)
    assert talk(program, b"")[0] == "e-[Model failed: 2]"


# ---- Quantising helpers ----

QUANTIZED = [
    (DType.INT8, 0.0117647061, -3),
    (DType.UINT8, 1 / 255, 17),
    (DType.INT16, 3.0517578e-05, 0),
    (DType.INT8, 1.0, 127),
    (DType.UINT8, 1e-30, 0),
]

REALS = [0.0, -0.0, 0.5, -0.5, 1.5, -1.5, 2.5, 0.49999997, -0.49999997, 1e9, -1e9, 3e38, -3e38]
REALS += [126.5, 127.4, 127.5, -128.4, -128.5, 1e-45, 8388609.0, float("inf"), float("-inf")]


@pytest.mark.parametrize(("dtype", "scale", "zero_point"), QUANTIZED)
def test_helpers_round_half_away_from_zero_and_saturate(
    dtype: DType, scale: float, zero_point: int, tmp_path: Path
) -> None:
    tensor = make_tensor((1, 4), dtype, scale=float(np.float32(scale)), zero_point=zero_point)
    files = make_project("esp32", graph=graph_of((tensor, tensor), (make_operator(),))).files
    (tmp_path / "edgekit_quantize.h").write_text(files["src/edgekit_quantize.h"])
    (tmp_path / "main.c").write_text(
        '#include "edgekit_quantize.h"\n#include <stdio.h>\n'
        "int main(void) {\n  float real;\n  while (fread(&real, 4, 1, stdin) == 1) {\n"
        "    const int stored = edgekit_quantize_input_0(real);\n"
        "    const float back = edgekit_dequantize_output_0(stored);\n"
        '    printf("%d %a\\n", stored, (double)back);\n  }\n  return 0;\n}\n'
    )
    done = run(
        *("gcc", "-std=c99", *WARNINGS, "-fsanitize=undefined,float-cast-overflow"),
        *("-fno-sanitize-recover=all", tmp_path / "main.c", "-o", tmp_path / "main"),
    )
    assert done.returncode == 0, done.stderr.decode()
    random = np.random.default_rng(1).uniform(-300, 300, 2000) * scale
    halves = np.arange(-300, 300) * scale / 2
    reals = np.array([*REALS, *random, *halves, np.nan]).astype(np.float32)
    done = run(tmp_path / "main", input=reals.tobytes())
    assert (done.returncode, done.stderr) == (0, b"")
    answers = [line.split() for line in done.stdout.decode().splitlines()]

    single = np.float32(scale)
    limits = np.iinfo(dtype.value.lower())
    with np.errstate(all="ignore"):
        steps = half_away_from_zero((reals / single).astype(np.float32)) + zero_point
    steps[np.isnan(reals)] = zero_point
    expected = np.clip(steps, limits.min, limits.max).astype(int)
    assert [int(stored) for stored, _ in answers] == expected.tolist()
    back = (expected - zero_point).astype(np.float32) * single
    assert [float.fromhex(real) for _, real in answers] == back.tolist()


def test_tensor_without_a_scale_has_no_helpers() -> None:
    tensors = (make_tensor((1, 4), DType.FLOAT32), make_tensor((1, 4), DType.INT32, scale=None))
    graph: Graph = graph_of(tensors, (make_operator(),))
    text = make_project("esp32", graph=graph).files["src/edgekit_quantize.h"]
    assert "_input_0" not in text
    assert "_output_0" not in text
