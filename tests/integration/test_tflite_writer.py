"""The models that tests write run in TFLM's own interpreter, and mean what they say."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tflite_writer import ModelWriter

from edgekit.model.reader import read_graph

pytest.importorskip("tflite_micro", reason="TFLM's interpreter for the PC is not installed")

CHILD = """
import sys
import numpy as np
from tflite_micro import runtime

folder, shape = sys.argv[1], tuple(map(int, sys.argv[2].split(",")))
with open(folder + "/model.tflite", "rb") as file:
    interpreter = runtime.Interpreter.from_bytes(file.read())
values = np.fromfile(folder + "/input.bin", dtype=np.int8).reshape(shape)
interpreter.set_input(values, 0)
interpreter.invoke()
interpreter.get_output(0).astype(np.int8).tofile(folder + "/output.bin")
"""
"""A process of its own: the interpreter can crash on a model that is wrong."""

SHAPE = (1, 6, 5, 4)


def run(data: bytes, values: np.ndarray, folder: Path) -> np.ndarray:
    (folder / "model.tflite").write_bytes(data)
    values.astype(np.int8).tofile(folder / "input.bin")
    shape = ",".join(map(str, values.shape))
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder), shape],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert child.returncode == 0, child.stderr[-2000:]
    return np.fromfile(folder / "output.bin", dtype=np.int8)


def start(shape: tuple[int, ...] = SHAPE) -> tuple[ModelWriter, int]:
    model = ModelWriter()
    return model, model.input(shape, scale=0.5, zero_point=-3)


def finish(model: ModelWriter, output: int) -> bytes:
    model.output(output)
    return model.bytes()


def weights(*shape: int) -> np.ndarray:
    return np.random.default_rng(7).integers(-127, 128, shape, dtype=np.int8)


def conv_2d() -> bytes:
    model, x = start()
    w = model.constant(weights(2, 3, 3, 4), scale=[0.01, 0.02], axis=0)
    b = model.constant(np.array([9, -9], np.int32), scale=[0.005, 0.01])
    y = model.tensor((1, 3, 3, 2), scale=0.9, zero_point=4)
    options = {"padding": "SAME", "stride_w": 2, "stride_h": 2}
    model.op("CONV_2D", [x, w, b], y, version=3, fused_activation_function="RELU", **options)
    return finish(model, y)


def depthwise_conv_2d() -> bytes:
    model, x = start()
    w = model.constant(weights(1, 3, 2, 4), scale=[0.01, 0.02, 0.03, 0.04], axis=3)
    b = model.constant(np.arange(4, dtype=np.int32), scale=[0.005, 0.01, 0.015, 0.02])
    y = model.tensor((1, 4, 4, 4), scale=0.9, zero_point=4)
    options = {"padding": "VALID", "stride_w": 1, "stride_h": 1, "depth_multiplier": 1}
    model.op("DEPTHWISE_CONV_2D", [x, w, b], y, version=3, **options)
    return finish(model, y)


def fully_connected() -> bytes:
    model, x = start((1, 12))
    w = model.constant(weights(5, 12), scale=0.01)
    y = model.tensor((1, 5), scale=0.9, zero_point=4)
    model.op("FULLY_CONNECTED", [x, w, None], y, version=4)
    return finish(model, y)


def pool(name: str) -> bytes:
    model, x = start()
    y = model.tensor((1, 3, 2, 4), scale=0.5, zero_point=-3)
    options = {"stride_w": 2, "stride_h": 2, "filter_width": 2, "filter_height": 2}
    model.op(name, x, y, version=2, padding="VALID", **options)
    return finish(model, y)


def max_pool_2d() -> bytes:
    return pool("MAX_POOL_2D")


def average_pool_2d() -> bytes:
    return pool("AVERAGE_POOL_2D")


def add() -> bytes:
    model, x = start()
    other = model.constant(weights(*SHAPE), scale=0.25, zero_point=5)
    y = model.tensor(SHAPE, scale=0.8)
    model.op("ADD", [x, other], y, version=2)
    return finish(model, y)


def mean() -> bytes:
    model, x = start()
    axes = model.constant(np.array([1, 2], np.int32))
    y = model.tensor((1, 4), scale=0.4, zero_point=2)
    model.op("MEAN", [x, axes], y, version=2, keep_dims=False)
    return finish(model, y)


def reshape() -> bytes:
    model, x = start()
    shape = model.constant(np.array([1, 120], np.int32))
    y = model.tensor((1, 120), scale=0.5, zero_point=-3)
    model.op("RESHAPE", [x, shape], y, new_shape=[1, 120])
    return finish(model, y)


def softmax() -> bytes:
    model, x = start((1, 10))
    y = model.tensor((1, 10), scale=1 / 256, zero_point=-128)
    model.op("SOFTMAX", x, y, version=2, beta=1.0)
    return finish(model, y)


def pad() -> bytes:
    model, x = start()
    paddings = model.constant(np.array([[0, 0], [1, 2], [0, 1], [0, 0]], np.int32))
    y = model.tensor((1, 9, 6, 4), scale=0.5, zero_point=-3)
    model.op("PAD", [x, paddings], y, version=2)
    return finish(model, y)


def unary(name: str, scale: float, zero_point: int, version: int) -> bytes:
    model, x = start()
    y = model.tensor(SHAPE, scale=scale, zero_point=zero_point)
    model.op(name, x, y, version=version)
    return finish(model, y)


def quantize() -> bytes:
    return unary("QUANTIZE", 0.7, 9, 2)


def relu() -> bytes:
    return unary("RELU", 0.4, -20, 2)


def relu6() -> bytes:
    return unary("RELU6", 0.5, -3, 2)


def logistic() -> bytes:
    return unary("LOGISTIC", 1 / 256, -128, 2)


MODELS = (
    conv_2d,
    depthwise_conv_2d,
    fully_connected,
    max_pool_2d,
    average_pool_2d,
    add,
    mean,
    reshape,
    softmax,
    pad,
    quantize,
    relu,
    relu6,
    logistic,
)


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__.upper())
def test_a_single_op_model_runs_in_tflm(make: Callable[[], bytes], tmp_path: Path):
    data = make()
    graph = read_graph(data)
    (operator,) = graph.main.operators
    assert operator.name == make.__name__.upper()

    shape = graph.main.input_tensors[0].shape
    values = np.random.default_rng(1).integers(-128, 128, shape, dtype=np.int8)
    output = run(data, values, tmp_path)

    assert output.size == graph.main.output_tensors[0].element_count
    assert len(np.unique(output)) > 1, "an output that never varies tests nothing"


def test_scales_and_zero_points_are_those_that_tflm_computes_with(tmp_path: Path):
    values = np.arange(-60, 60, dtype=np.int8).reshape(SHAPE)
    real = 0.5 * (values.astype(np.float64) + 3)
    expected = np.clip(np.round(real / 0.7) + 9, -128, 127)

    output = run(quantize(), values, tmp_path)

    assert np.abs(output - expected.ravel()).max() <= 1


def test_several_operators_run_one_after_another(tmp_path: Path):
    model, x = start()
    pooled = model.tensor((1, 3, 2, 4), scale=0.5, zero_point=-3)
    options = {"stride_w": 2, "stride_h": 2, "filter_width": 2, "filter_height": 2}
    model.op("MAX_POOL_2D", x, pooled, version=2, padding="VALID", **options)
    flat = model.tensor((1, 24), scale=0.5, zero_point=-3)
    model.op("RESHAPE", [pooled, model.constant(np.array([1, 24], np.int32))], flat)
    data = finish(model, flat)

    values = np.arange(120, dtype=np.int8).reshape(SHAPE)
    windows = values[:, :6, :4].reshape(1, 3, 2, 2, 2, 4)

    assert run(data, values, tmp_path).tolist() == windows.max(axis=(2, 4)).ravel().tolist()


def test_an_option_that_the_operator_lacks_is_refused():
    model, x = start()
    with pytest.raises(TypeError, match="RELU has no option"):
        model.op("RELU", x, model.tensor(SHAPE), beta=1.0)
    with pytest.raises(TypeError, match="SOFTMAX has no option"):
        model.op("SOFTMAX", x, model.tensor(SHAPE), alpha=1.0)
