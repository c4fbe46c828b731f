"""Models whose arena TFLM's own planner makes larger than it need be."""

from __future__ import annotations

import random

import numpy as np
from tflite_writer import ModelWriter


def branches(*, count: int = 4, wide: int = 16, seed: int = 1) -> ModelWriter:
    """Wide convolutions one after another, then narrow ones: better run in pairs."""
    generator = np.random.default_rng(seed)
    model = ModelWriter("branches")
    x = model.input((1, 8, 8, 4), scale=0.05, zero_point=1, name="image")

    def convolve(source: int, channels: int, filters: int, taps: int) -> int:
        weights = generator.integers(-127, 128, (filters, taps, taps, channels)).astype(np.int8)
        kernel = model.constant(weights, scale=[0.01] * filters, axis=0)
        bias = model.constant(np.arange(filters, dtype=np.int32), scale=[0.0005] * filters)
        result = model.tensor((1, 8, 8, filters), scale=0.05)
        return model.op(
            "CONV_2D",
            [source, kernel, bias],
            result,
            version=3,
            padding="SAME",
            stride_w=1,
            stride_h=1,
            dilation_w_factor=1,
            dilation_h_factor=1,
        )

    opened = [convolve(x, 4, wide, 3) for _ in range(count)]
    closed = [convolve(tensor, wide, 2, 1) for tensor in opened]
    joined = model.tensor((1, 8, 8, 2 * count), scale=0.05)
    model.op("CONCATENATION", closed, joined, version=2, axis=3)
    model.output(convolve(joined, 2 * count, 4, 3))
    return model


def skips(seed: int, operators: int = 14) -> ModelWriter:
    """A random graph of int8 convolutions 1×1 and concatenations with long skips."""
    dice = random.Random(seed)
    generator = np.random.default_rng(seed)
    model = ModelWriter(f"skips {seed}")
    side = 4
    made = [(model.input((1, side, side, 3), scale=0.05, name="image"), 3)]
    unread = {made[0][0]}
    for _ in range(operators):
        if len(made) > 2 and dice.random() < 0.3:
            chosen = dice.sample(made[-5:], 2)
            channels = sum(count for _, count in chosen)
            result = model.tensor((1, side, side, channels), scale=0.05)
            model.op("CONCATENATION", [t for t, _ in chosen], result, version=2, axis=3)
            unread -= {tensor for tensor, _ in chosen}
        else:
            source, before = dice.choice(made[-4:])
            channels = dice.randint(1, 40)
            weights = generator.integers(-127, 128, (channels, 1, 1, before)).astype(np.int8)
            kernel = model.constant(weights, scale=[0.01] * channels, axis=0)
            bias = model.constant(np.zeros(channels, np.int32), scale=[0.0005] * channels)
            result = model.tensor((1, side, side, channels), scale=0.05)
            model.op(
                "CONV_2D",
                [source, kernel, bias],
                result,
                version=3,
                padding="SAME",
                stride_w=1,
                stride_h=1,
                dilation_w_factor=1,
                dilation_h_factor=1,
            )
            unread.discard(source)
        made.append((result, channels))
        unread.add(result)
    model.output(*sorted(unread - {made[0][0]}))
    return model
