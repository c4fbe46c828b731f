"""Random models of one operator: every option that TFLM honours.

Each die gives ``(description, file)``: what a failure prints, and the model.
"""

from __future__ import annotations

import dice
import numpy as np
from dice import Draw
from tflite_writer import ModelWriter

ACTIVATIONS = dice.sampled_from(["NONE", "NONE", "RELU", "RELU6", "RELU_N1_TO_1"])
ZERO_POINTS = dice.one_of(dice.sampled_from([-128, 0, 127]), dice.integers(-128, 127))
SIZES = dice.integers(1, 13)
CHANNELS = dice.sampled_from([1, 2, 3, 4, 5, 7, 8, 9, 13])
SMALL = dice.integers(1, 3)
SEEDS = dice.integers(0, 2**32 - 1)


def f32(value: float) -> float:
    """Round to float32, as the file does."""
    return float(np.float32(value))


SCALES = dice.floats(-6.0, 1.0).map(lambda exponent: f32(10.0**exponent))
"""Seven decades: effective scales reach from multipliers of 0 to left shifts."""


def _extent(padding: str, size: int, taps: int, stride: int, dilation: int) -> int:
    if padding == "SAME":
        return -(-size // stride)
    return (size + stride - (taps - 1) * dilation - 1) // stride


def _output_scale(draw: Draw, natural: float) -> float:
    """Draw a scale near the one that fills the range, or now and then any."""
    if draw(dice.integers(0, 3)):
        return f32(natural * draw(dice.floats(0.3, 3.0)))
    return f32(natural * draw(dice.sampled_from([0.02, 1e-3, 1e4, 1e7, 1e8, 1e10])))


def _weights(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    values = rng.integers(-128, 128, shape).astype(np.int8)
    if rng.random() < 0.3:
        values[rng.random(shape) < 0.5] = -128
    return values


def _bias(rng: np.random.Generator, count: int) -> np.ndarray:
    most = int(rng.choice([1, 1000, 100_000, 2**30]))
    return rng.integers(-most, most + 1, count).astype(np.int32)


@dice.composite
def convolutions(draw: Draw, kind: str) -> tuple[str, bytes]:
    """CONV_2D: ``kind`` is ``"plain"``, ``"grouped"`` or ``"depthwise"``."""
    rng = np.random.default_rng(draw(SEEDS))
    batches, height, width = draw(dice.sampled_from([1, 1, 2])), draw(SIZES), draw(SIZES)
    padding = draw(dice.sampled_from(["SAME", "VALID"]))
    stride_h, stride_w = draw(SMALL), draw(SMALL)
    dilation_h, dilation_w = draw(
        dice.sampled_from([(1, 1), (1, 1), (2, 1), (1, 3), (2, 2), (3, 2)])
    )
    taps_h, taps_w = draw(dice.integers(1, 5)), draw(dice.integers(1, 5))
    if draw(dice.integers(0, 3)) == 0:
        taps_h = taps_w = 1
    if padding == "VALID":
        taps_h = min(taps_h, (height - 1) // dilation_h + 1)
        taps_w = min(taps_w, (width - 1) // dilation_w + 1)
    channels = draw(CHANNELS)
    if kind == "depthwise":
        multiplier = draw(dice.sampled_from([1, 1, 1, 2, 3]))
        outputs = channels * multiplier
        shape, axis = (1, taps_h, taps_w, outputs), 3
        options = {"depth_multiplier": multiplier}
        name = "DEPTHWISE_CONV_2D"
    else:
        groups = draw(SMALL) + 1 if kind == "grouped" else 1
        outputs = draw(CHANNELS) * groups
        shape, axis = (outputs, taps_h, taps_w, channels), 0
        channels *= groups
        options = {}
        name = "CONV_2D"
    input_scale = draw(SCALES)
    per_channel = draw(dice.booleans())
    scales = rng.uniform(0.001, 0.02, outputs if per_channel else 1).astype(np.float32)
    depth = int(np.prod(shape)) / outputs
    output_scale = _output_scale(draw, input_scale * 0.01 * 40 * depth**0.5)
    has_bias = draw(dice.booleans()) or kind == "depthwise"
    model = ModelWriter()
    x = model.input((batches, height, width, channels), scale=input_scale,
                    zero_point=draw(ZERO_POINTS))  # fmt: skip
    inputs = [x, model.constant(_weights(rng, shape), scale=scales, axis=axis)]
    if has_bias:
        inputs.append(model.constant(_bias(rng, outputs), scale=input_scale * scales))
    y = model.tensor(
        (
            batches,
            _extent(padding, height, taps_h, stride_h, dilation_h),
            _extent(padding, width, taps_w, stride_w, dilation_w),
            outputs,
        ),
        scale=output_scale,
        zero_point=draw(ZERO_POINTS),
    )
    options |= {
        "padding": padding,
        "stride_h": stride_h,
        "stride_w": stride_w,
        "dilation_h_factor": dilation_h,
        "dilation_w_factor": dilation_w,
        "fused_activation_function": draw(ACTIVATIONS),
    }
    model.op(name, inputs, y, version=3, **options)
    model.output(y)
    what = (
        f"{name} {(batches, height, width, channels)} {shape} {options} per_channel={per_channel}"
    )
    return what, model.bytes()


@dice.composite
def fully_connected(draw: Draw) -> tuple[str, bytes]:
    rng = np.random.default_rng(draw(SEEDS))
    batches, columns, rows = draw(SMALL), draw(dice.integers(1, 70)), draw(dice.integers(1, 21))
    input_scale = draw(SCALES)
    per_channel = draw(dice.booleans())
    scales = rng.uniform(0.001, 0.02, rows if per_channel else 1).astype(np.float32)
    output_scale = _output_scale(draw, input_scale * 0.01 * 40 * columns**0.5)
    model = ModelWriter()
    shape = draw(dice.sampled_from([(batches, columns), (batches, 1, columns)]))
    x = model.input(shape, scale=input_scale, zero_point=draw(ZERO_POINTS))
    weights = model.constant(_weights(rng, (rows, columns)), scale=scales, axis=0)
    bias = None
    if draw(dice.booleans()):
        bias = model.constant(_bias(rng, rows), scale=input_scale * scales)
    y = model.tensor((batches, rows), scale=output_scale, zero_point=draw(ZERO_POINTS))
    options = {"fused_activation_function": draw(ACTIVATIONS)}
    model.op("FULLY_CONNECTED", [x, weights, bias], y, version=4, **options)
    model.output(y)
    what = f"FULLY_CONNECTED {shape} {(rows, columns)} {options} per_channel={per_channel}"
    return what, model.bytes()


@dice.composite
def pools(draw: Draw) -> tuple[str, bytes]:
    name = draw(dice.sampled_from(["MAX_POOL_2D", "AVERAGE_POOL_2D"]))
    batches, height, width = draw(dice.sampled_from([1, 1, 2])), draw(SIZES), draw(SIZES)
    channels = draw(CHANNELS)
    padding = draw(dice.sampled_from(["SAME", "VALID"]))
    stride_h, stride_w = draw(SMALL), draw(SMALL)
    taps_h, taps_w = draw(dice.integers(1, 6)), draw(dice.integers(1, 6))
    if padding == "VALID":
        taps_h, taps_w = min(taps_h, height), min(taps_w, width)
    scale, zero_point = draw(SCALES), draw(ZERO_POINTS)
    model = ModelWriter()
    x = model.input((batches, height, width, channels), scale=scale, zero_point=zero_point)
    y = model.tensor(
        (
            batches,
            _extent(padding, height, taps_h, stride_h, 1),
            _extent(padding, width, taps_w, stride_w, 1),
            channels,
        ),
        scale=scale,
        zero_point=zero_point,
    )
    options = {
        "padding": padding,
        "stride_h": stride_h,
        "stride_w": stride_w,
        "filter_height": taps_h,
        "filter_width": taps_w,
        "fused_activation_function": draw(ACTIVATIONS),
    }
    model.op(name, x, y, version=2, **options)
    model.output(y)
    return f"{name} {(batches, height, width, channels)} {options} {scale}", model.bytes()


@dice.composite
def additions(draw: Draw) -> tuple[str, bytes]:
    rng = np.random.default_rng(draw(SEEDS))
    shape = tuple(draw(dice.lists(dice.integers(1, 5), min_size=1, max_size=5)))
    sides = []
    for _ in range(2):
        side = tuple(1 if draw(dice.integers(0, 3)) == 0 else size for size in shape)
        sides.append(side[draw(dice.sampled_from([0, 0, 0, 1])) :])
    if draw(dice.booleans()):
        sides = [shape, shape]
    target = np.broadcast_shapes(*sides)
    left_scale, right_scale = draw(SCALES), draw(SCALES)
    spread = draw(dice.sampled_from([0.05, 0.5, 1.0, 1.0, 2.0, 100.0]))
    output_scale = f32(max(left_scale, right_scale) * spread)
    model = ModelWriter()
    x = model.input(sides[0], scale=left_scale, zero_point=draw(ZERO_POINTS))
    if draw(dice.booleans()):
        values = rng.integers(-128, 128, sides[1]).astype(np.int8)
        other = model.constant(values, scale=right_scale, zero_point=draw(ZERO_POINTS))
    else:
        other = model.input(sides[1], scale=right_scale, zero_point=draw(ZERO_POINTS))
    y = model.tensor(target, scale=output_scale, zero_point=draw(ZERO_POINTS))
    options = {"fused_activation_function": draw(ACTIVATIONS)}
    order = [x, other] if draw(dice.booleans()) else [other, x]
    model.op("ADD", order, y, version=2, **options)
    model.output(y)
    what = f"ADD {sides} {options} {left_scale} {right_scale} {output_scale}"
    return what, model.bytes()


@dice.composite
def means(draw: Draw) -> tuple[str, bytes]:
    if draw(dice.booleans()):
        shape = (draw(dice.sampled_from([1, 2])), draw(SIZES), draw(SIZES), draw(CHANNELS))
        axes = draw(dice.sampled_from([(1, 2), (2, 1), (-3, -2)]))
    else:
        shape = tuple(draw(dice.lists(dice.integers(1, 6), min_size=1, max_size=5)))
        rank = len(shape)
        axes = tuple(draw(dice.lists(dice.integers(-rank, rank - 1), min_size=1, max_size=rank)))
    keep_dims = draw(dice.booleans())
    gone = {axis % len(shape) for axis in axes}
    target = [
        1 if i in gone else size for i, size in enumerate(shape) if keep_dims or i not in gone
    ]
    input_scale = draw(SCALES)
    model = ModelWriter()
    x = model.input(shape, scale=input_scale, zero_point=draw(ZERO_POINTS))
    where = model.constant(np.array(axes, np.int32))
    output_scale = _output_scale(draw, input_scale)
    y = model.tensor(target, scale=output_scale, zero_point=draw(ZERO_POINTS))
    model.op("MEAN", [x, where], y, version=2, keep_dims=keep_dims)
    model.output(y)
    return f"MEAN {shape} {axes} {input_scale} {output_scale}", model.bytes()


@dice.composite
def softmaxes(draw: Draw) -> tuple[str, bytes]:
    columns = draw(dice.one_of(dice.integers(1, 20), dice.sampled_from([33, 100, 300])))
    shape = (*draw(dice.lists(SMALL, max_size=2)), columns)
    scale = draw(dice.floats(-4.0, 2.0).map(lambda exponent: f32(10.0**exponent)))
    beta = draw(dice.sampled_from([1.0, 1.0, 0.5, 3.0]))
    model = ModelWriter()
    x = model.input(shape, scale=scale, zero_point=draw(ZERO_POINTS))
    if draw(dice.integers(0, 3)):
        y = model.tensor(shape, scale=1 / 256, zero_point=-128)
    else:
        y = model.tensor(shape, "int16", scale=1 / 65536, zero_point=-32768)
    model.op("SOFTMAX", x, y, version=2, beta=beta)
    model.output(y)
    return f"SOFTMAX {shape} scale={scale} beta={beta}", model.bytes()


@dice.composite
def paddings(draw: Draw) -> tuple[str, bytes]:
    shape = tuple(draw(dice.lists(dice.integers(1, 5), min_size=1, max_size=5)))
    amounts = [(draw(dice.integers(0, 2)), draw(dice.integers(0, 2))) for _ in shape]
    amounts = [pair if draw(dice.booleans()) else (0, 0) for pair in amounts]
    scale, zero_point = draw(SCALES), draw(ZERO_POINTS)
    model = ModelWriter()
    x = model.input(shape, scale=scale, zero_point=zero_point)
    inputs = [x, model.constant(np.array(amounts, np.int32))]
    name = "PAD"
    if draw(dice.booleans()):
        name = "PADV2"
        value = np.array([draw(dice.integers(-128, 127))], np.int8)
        inputs.append(model.constant(value, scale=scale, zero_point=zero_point))
    target = [size + sum(pair) for size, pair in zip(shape, amounts, strict=True)]
    y = model.tensor(target, scale=scale, zero_point=zero_point)
    model.op(name, inputs, y, version=2)
    model.output(y)
    return f"{name} {shape} {amounts}", model.bytes()


@dice.composite
def conversions(draw: Draw) -> tuple[str, bytes]:
    """QUANTIZE and DEQUANTIZE between the types that TFLM takes."""
    source, target = draw(
        dice.sampled_from(
            [
                ("int8", "int8"),
                ("int8", "uint8"),
                ("uint8", "int8"),
                ("int8", "int16"),
                ("float32", "int8"),
                ("int8", "float32"),
                ("uint8", "float32"),
            ]
        )
    )
    shape = tuple(draw(dice.lists(dice.integers(1, 9), min_size=1, max_size=3)))

    def quantised(dtype: str, scale: float) -> dict[str, float | int]:
        if dtype == "float32":
            return {}
        offset = {"int8": 0, "uint8": 128, "int16": 0}[dtype]
        return {"scale": scale, "zero_point": draw(ZERO_POINTS) + offset}

    input_scale = draw(SCALES)
    output_scale = input_scale if draw(dice.booleans()) else _output_scale(draw, input_scale)
    model = ModelWriter()
    x = model.input(shape, source, **quantised(source, input_scale))
    y = model.tensor(shape, target, **quantised(target, output_scale))
    name = "DEQUANTIZE" if target == "float32" else "QUANTIZE"
    model.op(name, x, y, version=2)
    model.output(y)
    return f"{name} {source} {target} {shape} {input_scale} {output_scale}", model.bytes()


@dice.composite
def unaries(draw: Draw) -> tuple[str, bytes]:
    name = draw(dice.sampled_from(["RELU", "RELU6", "LOGISTIC"]))
    shape = (1, draw(dice.integers(1, 300)))
    input_scale = draw(SCALES)
    model = ModelWriter()
    x = model.input(shape, scale=input_scale, zero_point=draw(ZERO_POINTS))
    if name == "LOGISTIC":
        y = model.tensor(shape, scale=1 / 256, zero_point=-128)
    else:
        scale = _output_scale(draw, input_scale)
        y = model.tensor(shape, scale=scale, zero_point=draw(ZERO_POINTS))
    model.op(name, x, y, version=2)
    model.output(y)
    return f"{name} {shape} {input_scale}", model.bytes()


@dice.composite
def views(draw: Draw) -> tuple[str, bytes]:
    """RESHAPE, SQUEEZE and EXPAND_DIMS, alone: the output is the input."""
    name = draw(dice.sampled_from(["RESHAPE", "SQUEEZE", "EXPAND_DIMS"]))
    size = draw(dice.integers(1, 40))
    model = ModelWriter()
    x = model.input((1, size), scale=0.5)
    if name == "EXPAND_DIMS":
        y = model.tensor((1, 1, size), scale=0.5)
        model.op(name, [x, model.constant(np.array([0], np.int32))], y)
    elif name == "SQUEEZE":
        y = model.tensor((size,), scale=0.5)
        model.op(name, x, y, squeeze_dims=[0])
    else:
        y = model.tensor((size, 1), scale=0.5)
        model.op(name, [x, model.constant(np.array([size, 1], np.int32))], y)
    model.output(y)
    return f"{name} {size}", model.bytes()
