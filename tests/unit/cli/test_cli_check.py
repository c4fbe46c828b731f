"""``edgekit check`` and ``edgekit inspect`` as a user meets them."""

from __future__ import annotations

import json

import pytest
from tiny_models import tiny_float_model, tiny_int8_model

from edgekit.cli.main import main


@pytest.fixture
def tiny(tmp_path):
    path = tmp_path / "tiny.tflite"
    path.write_bytes(tiny_int8_model())
    return path


def check(capsys, *arguments):
    code = main(["check", *map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_small_model_fits_and_every_part_is_itemised(capsys, tiny):
    code, document = check(capsys, tiny, "--target", "nano33ble")
    assert code == document["exit_code"] == 0
    assert document["fits"] is True
    engines = [plan["engine"] for plan in document["plans"]]
    assert engines == ["tflm", "aot"]
    for plan in document["plans"]:
        for bank in (plan["flash"], plan["sram"]):
            assert bank["used_bytes"] == sum(item["size_bytes"] for item in bank["items"])
            assert bank["slack_bytes"] == bank["usable_bytes"] - bank["used_bytes"]


def test_a_model_too_large_for_the_target_ends_with_3(capsys, tmp_path):
    path = tmp_path / "large.tflite"
    path.write_bytes(tiny_int8_model(dense_outputs=2000))
    code, document = check(capsys, path, "--target", "uno")
    assert code == 3
    assert document["plans"][0]["verdict"] == "does not fit"
    assert min(document["plans"][0][bank]["slack_bytes"] for bank in ("flash", "sram")) < 0


def test_a_float_model_is_bad_input_and_the_hint_says_convert(capsys, tmp_path):
    path = tmp_path / "float.tflite"
    path.write_bytes(tiny_float_model())
    code, document = check(capsys, path, "--target", "nano33ble")
    assert code == 2
    for plan in document["plans"]:
        assert plan["verdict"] == "can't run"
        assert "float32" in plan["problems"][0]["message"]
        assert "int8" in plan["problems"][0]["hint"]


def test_without_a_target_every_target_is_judged(capsys, tiny):
    code, document = check(capsys, tiny)
    assert code == 0
    assert {"uno", "esp32", "qemu-cortex-m4"} <= {plan["target"] for plan in document["plans"]}


def test_several_targets_must_all_fit(capsys, tmp_path):
    path = tmp_path / "large.tflite"
    path.write_bytes(tiny_int8_model(dense_outputs=2000))
    code, _ = check(capsys, path, "--target", "nano33ble", "--target", "uno")
    assert code == 3


def test_an_engine_that_the_target_lacks_is_bad_input(capsys, tiny):
    code, document = check(capsys, tiny, "--target", "uno", "--engine", "tflm")
    assert code == 2
    assert "no engine 'tflm'" in document["message"]
    assert "aot" in document["hint"]


def test_an_engine_that_no_target_has_is_bad_input(capsys, tiny):
    code, document = check(capsys, tiny, "--engine", "toml")
    assert code == 2
    assert "No target has an engine 'toml'" in document["message"]
    assert "tflm" in document["hint"]


@pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"TFL3" * 8, bytes(range(256))])
def test_a_file_that_is_no_model_is_bad_input(capsys, tmp_path, content):
    path = tmp_path / "bad.tflite"
    path.write_bytes(content)
    code, document = check(capsys, path, "--target", "uno")
    assert code == document["exit_code"] == 2
    assert document["kind"] == "error"
    assert document["hint"]


def test_a_truncated_model_is_bad_input(capsys, tmp_path):
    path = tmp_path / "cut.tflite"
    path.write_bytes(tiny_int8_model()[:700])
    code, document = check(capsys, path, "--target", "uno")
    assert code == 2
    assert document["kind"] == "error"


def test_the_table_shows_each_part_and_its_basis(capsys, tiny):
    assert main(["check", str(tiny), "--target", "nano33ble"]) == 0
    out = capsys.readouterr().out
    assert "fits" in out
    assert "exact" in out
    assert "estimated ±" in out


def test_inspect_shows_operators_and_quantisation(capsys, tiny):
    assert main(["inspect", str(tiny), "--tensors"]) == 0
    out = capsys.readouterr().out
    for text in ("CONV_2D", "SOFTMAX", "1×6×6×3", "3 scales along axis 0", "zero point -128"):
        assert text in out


def test_inspect_as_json_has_every_option_and_no_weights(capsys, tiny):
    assert main(["inspect", str(tiny), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    subgraph = document["subgraphs"][0]
    assert subgraph["operators"][0]["options"]["padding"] == "VALID"
    assert subgraph["operators"][0]["macs"] == 6 * 6 * 3 * 9
    assert all("data" not in tensor for tensor in subgraph["tensors"])
