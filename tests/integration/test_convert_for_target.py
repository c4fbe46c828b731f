"""``edgekit convert --target`` with the real TensorFlow: what comes out runs on that board."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.cli.main import main

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.skipif(
        importlib.util.find_spec("tensorflow") is None, reason="TensorFlow is not installed"
    ),
]

PROGRAM = """
import keras, numpy as np
from keras import layers
keras.utils.set_random_seed(1)
model = keras.Sequential([keras.Input((8,)), layers.Dense(6, "relu"), layers.Dense(3, "softmax")])
model.save("dense.keras")
np.save("train.npy", np.random.default_rng(1).normal(size=(100, 8)).astype("float32"))
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a small Keras model and calibration data."""
    folder = tmp_path_factory.mktemp("dense")
    subprocess.run([sys.executable, "-c", PROGRAM], cwd=folder, check=True, capture_output=True)
    return folder


def convert(capsys, source: Path, output: Path, *options: str):
    arguments = [str(source / "dense.keras"), "-c", str(source / "train.npy"), "-o", str(output)]
    code = main(["convert", *arguments, *options, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_the_model_for_a_board_passes_its_check(capsys, source, tmp_path):
    code, document = convert(capsys, source, tmp_path / "m.tflite", "--target", "nano33ble")
    assert code == 0
    assert document["targets"] == ["nano33ble"]
    assert document["flags"]["per_channel_dense"] is False
    assert "one scale" in document["flags"]["reasons"][0]
    assert main(["check", str(tmp_path / "m.tflite"), "-t", "nano33ble", "-q"]) == 0


def test_per_channel_dense_is_wrong_on_that_board_and_right_elsewhere(capsys, source, tmp_path):
    wanted = ("--per-channel-dense", "--target", "nano33ble")
    code, document = convert(capsys, source, tmp_path / "m.tflite", *wanted)
    assert code == 3
    assert "ignores all scales" in document["message"]
    assert not (tmp_path / "m.tflite").exists()
    code, _ = convert(capsys, source, tmp_path / "m.tflite", "--per-channel-dense")
    assert code == 0
    assert main(["check", str(tmp_path / "m.tflite"), "-t", "nano33ble", "-q"]) == 3
    assert main(["check", str(tmp_path / "m.tflite"), "-t", "qemu-cortex-m4", "-q"]) == 0
