"""``edgekit check`` with several models and targets, by bank, and with ways out."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from builders import make_plan
from tflite_writer import ModelWriter
from tiny_models import tiny_float_model, tiny_int8_model

from edgekit.cli.check_view import show_plan
from edgekit.cli.main import main
from edgekit.cli.output import Output
from edgekit.results import BankUse, Basis, Item
from edgekit.targets import load_target, target_names

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def tiny(tmp_path):
    path = tmp_path / "tiny.tflite"
    path.write_bytes(tiny_int8_model())
    return path


@pytest.fixture
def large(tmp_path):
    path = tmp_path / "large.tflite"
    path.write_bytes(tiny_int8_model(dense_outputs=2000))
    return path


@pytest.fixture
def floats(tmp_path):
    path = tmp_path / "floats.tflite"
    path.write_bytes(tiny_float_model())
    return path


def check(capsys, *arguments):
    code = main(["check", *map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)


def shown(capsys, *arguments):
    main(["check", *map(str, arguments)])
    return capsys.readouterr().out


def test_all_is_every_target_with_each_engine(capsys, tiny):
    code, document = check(capsys, tiny, "--target", "all")
    assert code == 0
    cells = [(cell["target"], cell["engine"]) for cell in document["matrix"]]
    assert cells == [
        (name, engine) for name in target_names() for engine in load_target(name).engines
    ]
    assert document["matrix"] == check(capsys, tiny)[1]["matrix"]


def test_all_fits_if_one_target_does(capsys, large):
    code, document = check(capsys, large, "--target", "all")
    assert code == 0
    verdicts = {cell["target"]: cell["verdict"] for cell in document["matrix"]}
    assert verdicts["uno"] == "does not fit"


def test_the_matrix_has_what_the_plans_say(capsys, tiny, large):
    _, document = check(capsys, tiny, large, "-t", "uno", "-t", "nano33ble")
    plans = {(plan["model"], plan["target"], plan["engine"]): plan for plan in document["plans"]}
    assert len(document["matrix"]) == len(plans) == 6
    for cell in document["matrix"]:
        plan = plans[cell["model"], cell["target"], cell["engine"]]
        assert cell["verdict"] == plan["verdict"]
        assert cell["sram_slack_bytes"] == plan["sram"]["slack_bytes"]
        assert cell["flash_slack_bytes"] == plan["flash"]["slack_bytes"]


def test_several_models_must_all_fit(capsys, tiny, large):
    code, document = check(capsys, tiny, large, "--target", "uno")
    assert code == document["exit_code"] == 3
    assert [(model["model"], model["fits"]) for model in document["models"]] == [
        ("tiny", True),
        ("large", False),
    ]
    assert check(capsys, tiny, large, "--target", "nano33ble")[0] == 0


def test_several_models_are_shown_as_a_matrix(capsys, tiny, large, floats):
    out = shown(capsys, tiny, large, floats, "--target", "all")
    header = next(line for line in out.splitlines() if "target" in line)
    assert header.split() == ["target", "engine", "tiny", "large", "floats"]
    row = next(line for line in out.splitlines() if line.split()[:2] == ["uno", "aot"])
    assert row.split(maxsplit=2)[2].split() == ["fits", "does", "not", "fit", "can't", "run"]
    assert "floats, tflm: This is a float32 model" in out


def test_many_models_are_rows_so_that_the_table_stays_narrow(capsys, tmp_path):
    paths = []
    for number in range(6):
        paths.append(tmp_path / f"model_{number}.tflite")
        paths[-1].write_bytes(tiny_int8_model(seed=number))
    out = shown(capsys, *paths, "-t", "uno", "-t", "esp32")
    header = next(line for line in out.splitlines() if "target" in line)
    assert header.split() == ["model", "target", "aot", "tflm"]
    assert sum(line.split()[:1] == ["model_3"] for line in out.splitlines()) == 2


def test_models_of_the_same_name_are_told_apart(capsys, tmp_path, tiny):
    other = tmp_path / "other" / "tiny.tflite"
    other.parent.mkdir()
    other.write_bytes(tiny_int8_model(seed=1))
    _, document = check(capsys, tiny, other, "--target", "uno")
    assert [model["model"] for model in document["models"]] == [
        tiny.with_suffix("").as_posix(),
        other.with_suffix("").as_posix(),
    ]


def test_a_model_given_twice_is_bad_input(capsys, tiny):
    code, document = check(capsys, tiny, tiny, "--target", "uno")
    assert code == 2
    assert "twice" in document["message"]


def test_one_bad_file_among_several_is_bad_input(capsys, tmp_path, tiny):
    bad = tmp_path / "bad.tflite"
    bad.write_bytes(b"no model")
    code, document = check(capsys, tiny, bad, "--target", "all")
    assert code == 2
    assert document["kind"] == "error"


def test_each_bank_is_shown_with_its_verdict(capsys, tiny):
    out = shown(capsys, tiny, "--target", "esp32s3", "--engine", "aot")
    assert "data memory by bank" in out
    assert "fits in slow memory" in out
    _, document = check(capsys, tiny, "--target", "esp32s3")
    for plan in document["plans"]:
        assert [bank["bank"] for bank in plan["banks"]] == ["sram", "psram"]


def wide_model() -> bytes:
    """A 1×1 convolution on a large image: much to compute with, little to store."""
    model = ModelWriter("wide")
    image = model.input((1, 256, 256, 3), scale=0.5, name="image")
    weights = model.constant(np.ones((2, 1, 1, 3), np.int8), scale=[0.5, 0.5], axis=0)
    features = model.tensor((1, 256, 256, 2), scale=0.5)
    model.op(
        "CONV_2D", [image, weights, None], features, version=3, padding="SAME",
        stride_w=1, stride_h=1, dilation_w_factor=1, dilation_h_factor=1,
    )  # fmt: skip
    model.output(features)
    return model.bytes()


def test_an_arena_that_only_psram_holds_is_said_to_need_it(capsys, tmp_path):
    path = tmp_path / "wide.tflite"
    path.write_bytes(wide_model())
    code, document = check(capsys, path, "--target", "esp32s3")
    assert code == 3
    for plan in document["plans"]:
        assert plan["verdict"] == "fits only in slow memory"
        (way,) = (way for way in plan["suggestions"] if way["kind"] == "bank")
        assert "PSRAM" in way["message"]
        assert way["slack_bytes"] > 0
    out = shown(capsys, path, "--target", "esp32s3")
    assert "fits only in slow memory" in out
    assert "ps_malloc" in out


def test_what_would_help_is_planned_for_a_named_target(capsys, large):
    _, document = check(capsys, large, "--target", "uno")
    (plan,) = document["plans"]
    assert plan["suggestions"]
    for way in plan["suggestions"]:
        assert way["flash_change_bytes"] == way["flash_bytes"] - plan["flash"]["used_bytes"]
        assert way["fits"] == (way["verdict"] == "fits")
    boards = [way for way in plan["suggestions"] if way["kind"] == "target"]
    assert boards
    assert all(way["fits"] and way["slack_bytes"] >= 0 for way in boards)
    out = shown(capsys, large, "--target", "uno")
    assert "what would help" in out
    assert "The arena would have to be" in out or "No arena is small enough" in out


def test_a_float_model_is_told_what_it_takes_in_int8(capsys, floats):
    code, document = check(capsys, floats, "--target", "nano33ble")
    assert code == 2
    for plan in document["plans"]:
        ways = {way["kind"]: way for way in plan["suggestions"]}
        assert ways["int8"]["fits"]
        assert ways["int8"]["arena_bytes"] > 0
    assert "Convert it to int8" in shown(capsys, floats, "--target", "nano33ble")


def test_nothing_is_suggested_for_a_model_that_fits(capsys, tiny):
    _, document = check(capsys, tiny, "--target", "nano33ble")
    assert all(plan["suggestions"] == [] for plan in document["plans"])


def cpu_seconds(*arguments: str) -> float:
    """Return the least processor time of five runs of the whole program."""
    environment = {
        key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"
    }
    taken = []
    for _ in range(5):
        before = os.times()
        subprocess.run(
            [sys.executable, "-m", "edgekit", *arguments],
            cwd=ROOT, env=environment, capture_output=True, check=True,
        )  # fmt: skip
        after = os.times()
        taken.append(
            after.children_user + after.children_system
            - before.children_user - before.children_system
        )  # fmt: skip
    return min(taken)


@pytest.mark.shared_data
@pytest.mark.parametrize(("target", "seconds"), [("all", 0.5), ("nano33ble", 0.25)])
def test_check_answers_at_once(shared_models: Path, target: str, seconds: float) -> None:
    """Processor time, so that what else this computer does is left out."""
    model = shared_models / "ic01_int8.tflite"
    assert cpu_seconds("check", str(model), "--target", target) < seconds


@pytest.mark.parametrize(("slack_bytes", "is_said"), [(90, True), (-90, True), (110, False)])
def test_slack_within_the_estimates_margin_is_said(capsys, slack_bytes, is_said):
    item = Item(name="code", size_bytes=1000, basis=Basis.ESTIMATED, margin_bytes=100)
    bank = BankUse(bank="flash", items=(item,), usable_bytes=1000 + slack_bytes)
    plan = dataclasses.replace(make_plan(), flash=bank)
    show_plan(Output(as_json=False, quiet=False), plan)
    assert ("within the estimates' ± 100 B" in capsys.readouterr().out) == is_said
