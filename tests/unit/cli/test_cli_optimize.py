"""``edgekit optimize`` as a user meets it."""

from __future__ import annotations

import json

import pytest
from planned_models import branches
from tiny_models import tiny_int8_model
from written_models import small_model

from edgekit.cli.main import main
from edgekit.errors import UnsupportedModelError, VerificationError
from edgekit.model import interpreters, proof
from edgekit.model.offline_plan import read_offline_plan
from edgekit.model.reader import read_graph


@pytest.fixture
def wide(tmp_path):
    path = tmp_path / "wide.tflite"
    path.write_bytes(branches().bytes())
    return path


@pytest.fixture
def unproved(monkeypatch):
    monkeypatch.setattr(interpreters, "has_micro", lambda: False)


def optimize(capsys, *arguments):
    code = main(["optimize", *map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_better_plan_is_written_and_a_missing_proof_is_told(capsys, wide, tmp_path, unproved):
    output = tmp_path / "out.tflite"
    code, document = optimize(capsys, wide, "-o", output)
    assert code == 0
    assert document["kind"] == "optimize"
    assert document["is_changed"] is True
    assert document["is_reordered"] is True
    assert document["gain_bytes"] == 2688
    assert document["proof"] is None
    assert "pip install --pre 'edgekit[micro]'" in document["unproved"]
    head = document["heads"][0]
    assert head["minimum_before_bytes"] - head["minimum_after_bytes"] == 2688
    figures = {key: value for key, value in head.items() if not key.startswith("minimum")}
    assert figures == {
        "kernels": "reference",
        "before_bytes": 4352,
        "after_bytes": 1664,
        "bound_bytes": 1664,
        "any_order_bound_bytes": 1664,
    }
    written = read_graph(output.read_bytes())
    assert written.sha256 == document["output_sha256"]
    assert document["added_bytes"] == written.size_bytes - wide.stat().st_size
    assert [op.outputs for op in written.main.operators] == [
        read_graph(wide.read_bytes()).main.operators[index].outputs for index in document["order"]
    ]
    plan = read_offline_plan(written)
    assert plan is None or list(plan) == document["offsets_bytes"]


def test_where_nothing_can_be_gained_the_model_is_copied(capsys, tmp_path):
    model, output = tmp_path / "tiny.tflite", tmp_path / "out.tflite"
    model.write_bytes(tiny_int8_model())
    assert main(["optimize", str(model), "-o", str(output)]) == 0
    shown = capsys.readouterr().out
    assert "Nothing to gain: TFLM's own plan reaches the bound." in shown
    assert output.read_bytes() == model.read_bytes()


def test_an_output_that_is_there_is_overwritten_only_by_force(capsys, wide, tmp_path, unproved):
    output = tmp_path / "out.tflite"
    output.write_bytes(b"precious")
    code, document = optimize(capsys, wide, "-o", output)
    assert (code, document["kind"]) == (2, "error")
    assert "--force" in document["hint"]
    assert output.read_bytes() == b"precious"
    assert main(["optimize", str(wide), "-o", str(output), "--force", "-q"]) == 0
    assert read_graph(output.read_bytes())


@pytest.mark.parametrize("error", [VerificationError("other outputs", hint="report it")])
def test_a_copy_that_is_not_proved_equal_is_not_written(capsys, wide, tmp_path, monkeypatch, error):
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(interpreters, "has_micro", lambda: True)
    monkeypatch.setattr(proof, "prove_same", fail)
    code, document = optimize(capsys, wide, "-o", tmp_path / "out.tflite")
    assert code == 8
    assert document["message"] == "other outputs"
    assert not (tmp_path / "out.tflite").exists()


def test_a_model_that_tflm_refuses_anyway_is_written_with_a_warning(
    capsys, wide, tmp_path, monkeypatch
):
    def refuse(*_: object) -> None:
        raise UnsupportedModelError("TFLM refuses the model", hint="")

    monkeypatch.setattr(interpreters, "has_micro", lambda: True)
    monkeypatch.setattr(proof, "prove_same", refuse)
    assert main(["optimize", str(wide), "-o", str(tmp_path / "out.tflite")]) == 0
    told = capsys.readouterr()
    assert "The copy is not proved: TFLM refuses the model" in told.err
    assert "less arena, operators in another order" in told.out
    assert (tmp_path / "out.tflite").exists()


def test_a_file_that_is_no_model_is_bad_input(capsys, tmp_path):
    (tmp_path / "bad.tflite").write_bytes(b"no model")
    code, document = optimize(capsys, tmp_path / "bad.tflite", "-o", tmp_path / "out.tflite")
    assert (code, document["kind"]) == (2, "error")


def test_small_models_take_no_time_to_speak_of(capsys, tmp_path, unproved):
    model = tmp_path / "small.tflite"
    model.write_bytes(small_model().bytes())
    code, document = optimize(capsys, model, "-o", tmp_path / "out.tflite")
    assert code == 0
    assert document["is_changed"] is (document["gain_bytes"] > 0)
