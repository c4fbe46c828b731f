"""Projects in the hands of real tools: PlatformIO reads them, compilers build them."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgekit.aot.budget import aot_plan
from edgekit.aot.compiler import compile_graph
from edgekit.errors import UnsupportedModelError
from edgekit.firmware.project import TestVector, generate, write_project
from edgekit.model.reader import read_graph, read_model
from edgekit.model.reference import run_reference
from edgekit.plan.budget import tflm_plan
from edgekit.targets import load_target, target_names

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
MODEL = GOLDEN / "models" / "tiny.tflite"
PLANNERS = {"tflm": tflm_plan, "aot": aot_plan}
PAIRS = [
    (name, engine)
    for name in target_names()
    for engine, support in load_target(name).engines.items()
    if support.template
]
WARNINGS = ("-std=gnu99", "-O2", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror")


def write(folder: Path, target_name: str, engine: str, model: Path, vector: TestVector) -> Path:
    graph, data = read_model(model)
    target = load_target(target_name)
    plan = PLANNERS[engine](graph, target, model="model")
    project = generate(graph, data, target, engine, plan, name=model.stem, test_vector=vector)
    write_project(project, folder / "project")
    return folder / "project"


@pytest.fixture(scope="module")
def vector() -> TestVector:
    """Return an input of the tiny model, and what TFLite Micro makes of it."""
    inputs = bytes(range(120, 136))
    return TestVector(inputs=inputs, outputs=run_reference(MODEL.read_bytes(), [inputs]).outputs[0])


def test_vector_of_the_golden_projects_is_true(vector: TestVector) -> None:
    text = (GOLDEN / "tiny-esp32" / "src" / "edgekit_test_vector.c").read_text()
    shown = text.split("edgekit_test_output[3] = {")[1].split("}")[0]
    assert bytes(int(item, 16) for item in shown.split(",")[:-1]) == vector.outputs


@pytest.mark.parametrize(("target", "engine"), PAIRS)
def test_platformio_accepts_the_project(
    target: str, engine: str, vector: TestVector, tmp_path: Path
) -> None:
    folder = write(tmp_path, target, engine, MODEL, vector)
    kept = {name: value for name, value in os.environ.items() if "PLATFORMIO" not in name}
    environment = {
        **kept,
        "PLATFORMIO_CORE_DIR": str(tmp_path / "core"),
        "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "no",
        "PLATFORMIO_DISABLE_UPGRADE_CHECK": "true",
    }
    command = [sys.executable, "-m", "platformio", "project", "config", "--lint", "--json-output"]
    done = subprocess.run(
        [*command, "-d", str(folder)],
        capture_output=True,
        env=environment,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    # What PlatformIO calls JSON here is a Python literal.
    found = ast.literal_eval(done.stdout.decode().splitlines()[-1])
    assert found == {"errors": [], "warnings": []}


def compile_all(folder: Path, compiler: str, *flags: str) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    sources = [str(path) for path in sorted((folder / "src").glob("*.c"))]
    done = subprocess.run(
        [compiler, *WARNINGS, *flags, *sources], capture_output=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.emulator
@pytest.mark.parametrize("target", [name for name, engine in PAIRS if engine == "aot"])
def test_compiled_project_has_no_warning(target: str, vector: TestVector, tmp_path: Path) -> None:
    folder = write(tmp_path, target, "aot", MODEL, vector)
    is_host = load_target(target).core.architecture == "host"
    flags = [] if is_host else ["-mcpu=cortex-m3", "-mthumb"]
    compiler = "gcc" if is_host else "arm-none-eabi-gcc"
    compile_all(folder, compiler, *flags, "-fsyntax-only")


def talk(program: Path, sent: str) -> list[str]:
    done = subprocess.run(
        [program], input=sent.encode(), capture_output=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode().split("\r\n")


def test_host_program_passes_its_self_test(vector: TestVector, tmp_path: Path) -> None:
    folder = write(tmp_path, "host", "aot", MODEL, vector)
    sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    compile_all(folder, "gcc", *sanitizers, "-lm", "-o", str(tmp_path / "firmware"))
    lines = talk(tmp_path / "firmware", "selftest%raw%")
    assert "m-selftest-[pass]" in lines
    assert f"m-raw-[{vector.outputs.hex()}]" in lines


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["kws01_int8", "ic01_int8", "ad01_int8"])
def test_reference_model_runs_from_its_project(
    name: str, shared_models: Path, tmp_path: Path
) -> None:
    model = shared_models / f"{name}.tflite"
    graph = read_graph(model.read_bytes())
    size = sum(tensor.size_bytes for tensor in graph.main.input_tensors)
    inputs = np.random.default_rng(1).integers(0, 256, size, dtype=np.uint8).tobytes()
    outputs = run_reference(model.read_bytes(), [inputs]).outputs[0]
    vector = TestVector(inputs=inputs, outputs=outputs)
    folder = write(tmp_path, "host", "aot", model, vector)
    compile_all(folder, "gcc", "-lm", "-o", str(tmp_path / "firmware"))
    assert "m-selftest-[pass]" in talk(tmp_path / "firmware", "selftest%")
    assert (
        compile_graph(graph).arena.size_bytes
        == aot_plan(graph, load_target("host"), model=name).arena_bytes
    )
    for target in ("nano33ble", "esp32"):
        project = tmp_path / target
        try:
            write(project, target, "tflm", model, vector)
        except UnsupportedModelError:
            assert tflm_plan(graph, load_target(target), model=name).problems
            assert not (project / "project").exists()
