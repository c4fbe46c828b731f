"""Per-channel Dense layers, refused operators and the audit, as a user meets them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tflite_writer import ModelWriter, finish, load
from tiny_models import tiny_int8_model

from edgekit.cli.main import main


def dense_model(*, per_channel: bool, version: int = 4) -> bytes:
    model = ModelWriter()
    scale = [0.1, 0.2, 0.3] if per_channel else 0.1
    x = model.input((1, 4), scale=0.5)
    weights = model.constant(np.arange(12, dtype=np.int8).reshape(3, 4), scale=scale, axis=0)
    y = model.tensor((1, 3), scale=0.5, name="dense")
    model.op("FULLY_CONNECTED", [x, weights], y, version=version)
    model.output(y)
    return model.bytes()


@pytest.fixture
def per_channel(tmp_path):
    path = tmp_path / "channels.tflite"
    path.write_bytes(dense_model(per_channel=True))
    return path


def run(capsys, *arguments):
    code = main([*map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("options", [(), ("--engine", "tflm")])
@pytest.mark.parametrize("target", ["nano33ble", "esp32"])
def test_wrong_numbers_are_refused_with_3_and_the_reason(capsys, per_channel, target, options):
    code, document = run(capsys, "check", per_channel, "--target", target, *options)
    assert code == document["exit_code"] == 3
    assert document["fits"] is False
    plan = document["plans"][0]
    assert (plan["engine"], plan["verdict"]) == ("tflm", "can't run")
    assert plan["computes_wrong"] is True
    assert "ignores all scales" in plan["problems"][0]["message"]
    assert "one scale for each Dense layer" in plan["problems"][0]["hint"]
    assert plan["operators"][0]["status"] == "computes wrong numbers"


def test_the_engine_that_computes_it_right_is_accepted_when_asked_for(capsys, per_channel):
    code, _ = run(capsys, "check", per_channel, "--target", "nano33ble", "--engine", "aot")
    assert code == 0


def test_one_scale_passes(capsys, tmp_path):
    path = tmp_path / "tensor.tflite"
    path.write_bytes(dense_model(per_channel=False))
    code, document = run(capsys, "check", path, "--target", "nano33ble")
    assert code == 0
    assert {item["status"] for plan in document["plans"] for item in plan["operators"]} == {"runs"}


def test_the_table_says_which_operators_and_the_way_out(capsys, per_channel):
    assert main(["check", str(per_channel), "--target", "nano33ble"]) == 3
    out = " ".join(capsys.readouterr().out.split())
    assert "operators: 0 of 1 run" in out
    assert "computes wrong numbers" in out
    assert "use the aot engine" in out


def test_a_project_is_refused_with_3_too(capsys, per_channel, tmp_path):
    code, document = run(
        capsys, "generate", per_channel, "-t", "nano33ble", "-o", tmp_path / "project"
    )
    assert code == 3
    assert "wrong numbers" in document["message"]
    assert not (tmp_path / "project").exists()


def test_what_is_odd_in_the_file_is_shown_by_check_and_inspect(capsys, tmp_path):
    path = tmp_path / "odd.tflite"
    path.write_bytes(dense_model(per_channel=False, version=12))
    _, document = run(capsys, "check", path, "--target", "nano33ble")
    (finding,) = document["models"][0]["audit"]
    assert (finding["code"], finding["severity"]) == ("versions", "warning")
    assert finding["operators"] == [0]
    main(["check", str(path), "--target", "nano33ble"])
    assert "warning: odd: 1 operator newer than Chirale" in capsys.readouterr().out


def test_inspect_shows_notes_too(capsys, tmp_path):
    model = load(tiny_int8_model())
    for tensor in model.subgraphs[0].tensors:
        tensor.shapeSignature = [-1, *tensor.shape[1:]] if len(tensor.shape) > 1 else None
    path = tmp_path / "dynamic.tflite"
    path.write_bytes(finish(model))
    _, document = run(capsys, "inspect", path)
    assert "dynamic-shapes" in {finding["code"] for finding in document["audit"]}
    assert main(["inspect", str(path)]) == 0
    assert "note: dynamic.tflite: " in capsys.readouterr().out
