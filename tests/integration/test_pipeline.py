"""The whole way on an emulated board, through the command line, as a user goes it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_models import tiny_int8_model

pytestmark = [
    pytest.mark.emulator,
    pytest.mark.skipif(shutil.which("qemu-system-arm") is None, reason="QEMU is not installed"),
    pytest.mark.skipif(
        shutil.which("arm-none-eabi-gcc") is None, reason="no cross compiler is installed"
    ),
]

BOARD = "qemu-cortex-m4"
REFERENCE_MODELS = ("kws01_int8", "ic01_int8", "ad01_int8")


@pytest.fixture
def edgekit(child_environment, tmp_path):
    """Give a function that runs ``edgekit`` as a program in a temporary folder."""

    def run(*arguments, expect=0, **environment):
        done = subprocess.run(
            [sys.executable, "-m", "edgekit", *map(str, arguments)],
            cwd=tmp_path,
            env={**child_environment, **environment},
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert done.returncode == expect, done.stdout + done.stderr
        return done

    return run


@pytest.fixture
def tiny(tmp_path):
    path = tmp_path / "tiny.tflite"
    path.write_bytes(tiny_int8_model())
    return path


@pytest.fixture
def project(edgekit, tiny, tmp_path):
    edgekit("generate", tiny, "--target", BOARD, "-o", "project")
    return tmp_path / "project"


def processes_with(text):
    """Return the command lines of the running processes that contain ``text``."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if text in line:
                found.append(line)
    return found


def test_deploy_takes_a_model_to_a_verified_and_measured_board(edgekit, tiny, tmp_path):
    done = edgekit("deploy", tiny, "--target", BOARD, "-o", "run", "--samples", 20, "--json")
    run = json.loads(done.stdout)["run"]
    assert run["verification"]["is_exact"] is True
    assert run["verification"]["samples"] == 20
    assert "tflite-micro" in run["verification"]["reference"]
    assert run["sizes"]["arena_is_exact"] is True
    assert abs(run["sizes"]["flash_error_percent"]) <= 2.0
    assert run["latency"]["basis"] == "emulated"
    assert run["latency"]["unit"] == "instructions"
    assert run["latency"]["median"] > run["plan"]["macs"]
    assert run["device"]["sha256"] == run["model_sha256"]
    report = tmp_path / "run" / "report.md"
    assert "**20 of 20** samples" in report.read_text(encoding="utf-8")
    written = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    assert written["run"]["latency"] == run["latency"]


def test_two_measurements_on_an_emulated_board_agree(edgekit, project):
    edgekit("build", "project")
    first, second = (
        json.loads(edgekit("measure", "project", "--json").stdout)["latency"] for _ in range(2)
    )
    assert first["median"] == pytest.approx(second["median"], rel=1e-4)
    assert first["inferences_per_window"] == second["inferences_per_window"]


@pytest.mark.parametrize("name", REFERENCE_MODELS)
def test_a_reference_model_goes_the_whole_way(edgekit, shared_models, name, tmp_path):
    model = shared_models / f"{name}.tflite"
    edgekit("inspect", model)
    edgekit("check", model, "--target", BOARD)
    edgekit("generate", model, "--target", "nano33ble", "--engine", "tflm", "-o", "tflm")
    edgekit("generate", model, "--target", BOARD, "--engine", "aot", "-o", "aot")
    sizes = json.loads(edgekit("build", "aot", "--json").stdout)["sizes"]
    assert sizes["arena_is_exact"] is True
    assert abs(sizes["flash_error_percent"]) <= 2.0
    verified = json.loads(edgekit("verify", "aot", model, "-n", 5, "--json").stdout)
    assert verified["verification"]["is_exact"] is True
    measured = json.loads(edgekit("measure", "aot", "--windows", 2, "--json").stdout)
    assert measured["latency"]["unit"] == "instructions"


def test_firmware_with_another_weight_fails_the_verification(edgekit, project, tiny):
    source = project / "src" / "edgekit_aot_model.c"
    text = source.read_text(encoding="utf-8")
    start = text.index("weights_0[")
    match = re.compile(r"-?\d+,").search(text, text.index("{", start))
    changed = str(-int(match[0][:-1]) - 1)
    source.write_text(text[: match.start()] + changed + "," + text[match.end() :], encoding="utf-8")
    edgekit("build", project)
    done = edgekit("verify", project, tiny, "--json", expect=8)
    verification = json.loads(done.stdout)["verification"]
    assert verification["is_exact"] is False
    assert verification["max_steps"] > 0


def test_another_model_than_the_projects_is_refused(edgekit, project, tmp_path):
    other = tmp_path / "other.tflite"
    other.write_bytes(tiny_int8_model(seed=5))
    done = edgekit("verify", project, other, expect=2)
    assert "was generated from the model" in done.stderr


def test_a_compiler_error_names_the_file_and_line(edgekit, project):
    main = project / "src" / "main.c"
    main.write_text(main.read_text(encoding="utf-8") + "\nint broken = ;\n", encoding="utf-8")
    done = edgekit("build", project, expect=6)
    assert re.search(r"main\.c:\d+", done.stderr)
    assert "Hint:" in done.stderr
    assert not (project / "build" / "firmware.elf").exists()


def test_firmware_that_never_answers_is_given_up(edgekit, project, tmp_path):
    main = project / "src" / "main.c"
    main.write_text("int main(void) { for (;;) { } }\n", encoding="utf-8")
    edgekit("build", project)
    done = edgekit("measure", project, expect=7)
    assert "does not answer" in done.stderr
    assert "Hint:" in done.stderr
    assert not processes_with(str(project))


def test_a_program_that_is_not_installed_is_named_with_its_package(edgekit, project):
    python_only = str(Path(sys.executable).parent)
    done = edgekit("build", project, expect=4, PATH=python_only)
    assert "arm-none-eabi-gcc" in done.stderr
    edgekit("build", project)
    done = edgekit("measure", project, expect=4, PATH=python_only)
    assert "qemu-system-arm" in done.stderr
    assert "Hint:" in done.stderr


def test_firmware_of_before_the_last_generation_is_not_measured(edgekit, project, tiny):
    edgekit("build", project)
    edgekit("generate", tiny, "--target", BOARD, "-o", project, "--force")
    done = edgekit("measure", project, expect=2)
    assert "older than the project" in done.stderr
    assert f"edgekit build {project}" in done.stderr


def test_a_folder_that_is_no_project_is_refused(edgekit, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("precious", encoding="utf-8")
    done = edgekit("build", "mine", expect=2)
    assert "not an EdgeKit project" in done.stderr


def test_generating_over_foreign_files_is_refused_and_leaves_them(edgekit, tiny, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("precious", encoding="utf-8")
    for force in ((), ("--force",)):
        edgekit("generate", tiny, "--target", BOARD, "-o", "mine", *force, expect=2)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("stage", "samples"),
    [
        ("Checking", 2000),
        ("Generating", 2000),
        ("Building", 2000),
        ("Verifying", 2000),
        ("Measuring", 1),
    ],
)
def test_ctrl_c_at_any_stage_leaves_no_process_and_no_report(
    child_environment, tiny, tmp_path, stage, samples
):
    with subprocess.Popen(
        [sys.executable, "-m", "edgekit", "deploy", tiny, "-t", BOARD, "-n", str(samples)],
        cwd=tmp_path,
        env=child_environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as child:
        for line in child.stderr:
            if stage in line:
                break
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=30)
    assert child.returncode == 130, err
    assert "Interrupted" in err
    assert "Traceback" not in err
    assert not list(tmp_path.rglob("report.*"))
    assert not list(tmp_path.rglob("*.edgekit-new"))
    assert not processes_with(str(tmp_path))
