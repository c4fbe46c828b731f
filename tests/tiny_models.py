"""Whole small models for tests of more than one room."""

from __future__ import annotations

import numpy as np
from tflite_writer import ModelWriter


def tiny_int8_model(*, dense_outputs: int = 4, seed: int = 0) -> bytes:
    """Return a conv, pool, dense, softmax int8 model of an 8×8×1 input."""
    random = np.random.default_rng(seed)
    model = ModelWriter()
    image = model.input((1, 8, 8, 1), scale=1 / 255, zero_point=-128, name="image")
    filters = random.integers(-127, 128, (3, 3, 3, 1), dtype=np.int8)
    scales = [0.004, 0.005, 0.006]
    weights = model.constant(filters, scale=scales, axis=0)
    bias = model.constant(
        random.integers(-500, 500, 3, dtype=np.int32), scale=[s / 255 for s in scales]
    )
    conv = model.tensor((1, 6, 6, 3), scale=0.02, zero_point=-128, name="conv")
    model.op(
        "CONV_2D",
        [image, weights, bias],
        conv,
        version=3,
        padding="VALID",
        stride_w=1,
        stride_h=1,
        fused_activation_function="RELU",
    )
    pool = model.tensor((1, 3, 3, 3), scale=0.02, zero_point=-128, name="pool")
    model.op(
        "MAX_POOL_2D",
        [conv],
        pool,
        version=2,
        padding="VALID",
        stride_w=2,
        stride_h=2,
        filter_width=2,
        filter_height=2,
    )
    flat = model.tensor((1, 27), scale=0.02, zero_point=-128, name="flat")
    shape = model.constant(np.array([1, 27], dtype=np.int32))
    model.op("RESHAPE", [pool, shape], flat, new_shape=(1, 27))
    dense = model.tensor((1, dense_outputs), scale=0.1, zero_point=3, name="dense")
    matrix = random.integers(-127, 128, (dense_outputs, 27), dtype=np.int8)
    offsets = random.integers(-900, 900, dense_outputs, dtype=np.int32)
    model.op(
        "FULLY_CONNECTED",
        [
            flat,
            model.constant(matrix, scale=0.007),
            model.constant(offsets, scale=0.02 * 0.007),
        ],
        dense,
        version=4,
    )
    classes = model.tensor((1, dense_outputs), scale=1 / 256, zero_point=-128, name="classes")
    model.op("SOFTMAX", [dense], classes, version=2, beta=1.0)
    model.output(classes)
    return model.bytes()


def tiny_float_model() -> bytes:
    """Return a float32 model: one dense layer."""
    model = ModelWriter()
    values = model.input((1, 4), dtype="float32", name="values")
    weights = model.constant(np.eye(4, dtype=np.float32))
    out = model.tensor((1, 4), dtype="float32", name="out")
    model.op("FULLY_CONNECTED", [values, weights], out)
    model.output(out)
    return model.bytes()
