"""Whole projects, file by file, against the folders beside this file.

``make golden`` rewrites them; the difference is then to be reviewed like any other.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from builders import make_plan
from tflite_writer import ModelWriter

from edgekit.aot.compiler import compile_graph
from edgekit.firmware.project import Project, TestVector, generate
from edgekit.model.reader import read_graph
from edgekit.targets import load_target

GOLDEN = Path(__file__).resolve().parent
MODEL = GOLDEN / "models" / "tiny.tflite"
UPDATE = bool(os.environ.get("EDGEKIT_UPDATE_GOLDEN"))

CASES = [("nano33ble", "tflm"), ("esp32", "tflm"), ("qemu-cortex-m4", "aot")]

VECTOR = TestVector(inputs=bytes(range(120, 136)), outputs=bytes([0x54, 0xAB, 0x81]))
"""The outputs are TFLite Micro's; tests/integration/test_firmware_projects.py holds them to it."""


def tiny_model() -> bytes:
    """Return a convolution per channel, a dense layer per tensor and a softmax, in int8."""
    random = np.random.default_rng(1)
    model = ModelWriter("tiny")
    x = model.input((1, 4, 4, 1), scale=0.0117647061, zero_point=-3, name="image")
    weights = random.integers(-127, 128, (2, 3, 3, 1)).astype(np.int8)
    kernel = model.constant(weights, scale=[0.01, 0.02], axis=0, name="conv/kernel")
    bias_scales = [0.01 * 0.0117647061, 0.02 * 0.0117647061]
    bias = model.constant(
        random.integers(-99, 99, 2).astype(np.int32), scale=bias_scales, name="conv/bias"
    )
    conv = model.tensor((1, 4, 4, 2), scale=0.05, zero_point=-10, name="conv")
    model.op(
        "CONV_2D",
        [x, kernel, bias],
        conv,
        version=3,
        padding="SAME",
        stride_w=1,
        stride_h=1,
        fused_activation_function="RELU",
    )
    shape = model.constant(np.array([1, 32], dtype=np.int32), name="flatten/shape")
    flat = model.tensor((1, 32), scale=0.05, zero_point=-10, name="flatten")
    model.op("RESHAPE", [conv, shape], flat, new_shape=[1, 32])
    weights = random.integers(-127, 128, (3, 32)).astype(np.int8)
    kernel = model.constant(weights, scale=0.01, name="dense/kernel")
    bias = model.constant(
        random.integers(-99, 99, 3).astype(np.int32), scale=0.01 * 0.05, name="dense/bias"
    )
    dense = model.tensor((1, 3), scale=0.2, zero_point=5, name="dense")
    model.op("FULLY_CONNECTED", [flat, kernel, bias], dense, version=4)
    softmax = model.tensor((1, 3), scale=1 / 256, zero_point=-128, name="probabilities")
    model.op("SOFTMAX", dense, softmax, version=2, beta=1.0)
    model.output(softmax)
    return model.bytes()


def golden_project(target_name: str, engine: str) -> Project:
    model = MODEL.read_bytes()
    graph = read_graph(model)
    target = load_target(target_name)
    compiled = compile_graph(graph) if engine == "aot" else None
    plan = make_plan(
        target,
        engine,
        arena_bytes=compiled.arena.size_bytes if compiled else 4096,
        sha256=graph.sha256,
    )
    return generate(
        graph, model, target, engine, plan, name="tiny", compiled=compiled, test_vector=VECTOR
    )


@pytest.mark.parametrize(("target", "engine"), CASES)
def test_golden_project_is_as_ever(target: str, engine: str) -> None:
    if UPDATE and not MODEL.exists():
        MODEL.parent.mkdir(parents=True, exist_ok=True)
        MODEL.write_bytes(tiny_model())
    project = golden_project(target, engine)
    folder = GOLDEN / f"tiny-{target}"
    if UPDATE:
        shutil.rmtree(folder, ignore_errors=True)
        for path, text in project.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8", newline="\n")
    expected = {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert sorted(project.files) == sorted(expected)
    for path, text in project.files.items():
        assert text == expected[path], f"{folder.name}/{path}: see 'make golden'"
