"""Lowering of views, padding, pooling, means and softmax."""

from __future__ import annotations

import struct

from edgekit.aot.lowering import Lowering, Node, RefusalError, int8_quantization
from edgekit.aot.numerics import (
    exp_of_negative,
    input_radius,
    quantize_multiplier,
    scale,
    to_float32,
    wrap_int32,
)
from edgekit.aot.window import window_of
from edgekit.graph import DType, Tensor

_PAD_DIMENSIONS = 5
"""Dimensions that the padding's kernel steps through, after merging; TFLM's limit too."""
_MEAN_DIMENSIONS = 3
"""Runs of dimensions that stay, and that go, which the mean's kernel steps through."""
_MOST_COLUMNS = 1 << 13
"""Equal values whose exponentials, 2^19 each, no longer have a sum in 32 bits."""
_MOST_TAPS = 1 << 23
"""Values of -128 whose sum, and half their number, still is an int32."""
_LEAST_EXPONENTIAL = 1 << 11
"""In units of 2^-31. A smaller exponential counts for nothing: TFLM adds it to the sum
divided by 2^12, and an output of it is below half a step."""


def view(node: Node, lowering: Lowering) -> None:
    """RESHAPE, SQUEEZE, EXPAND_DIMS: another shape for the same bytes."""
    source, target = node.input(0), node.output
    if source.dtype is not target.dtype or source.size_bytes != target.size_bytes:
        raise RefusalError(
            f"it turns {source.dtype.value} {list(source.shape)} into "
            f"{target.dtype.value} {list(target.shape)}"
        )
    lowering.alias(target, source)


def pad(node: Node, lowering: Lowering) -> None:
    """PAD and PADV2, with the output's zero point or a given value."""
    source, target = node.input(0), node.output
    int8_quantization(source, "input")
    _, value = int8_quantization(target, "output")
    _, data = node.constant(1, DType.INT32, "paddings")
    rank = len(source.shape)
    if rank > _PAD_DIMENSIONS or len(data) != 8 * rank or len(target.shape) != rank:
        raise RefusalError(f"it pads {rank} dimensions with {len(data) // 8} pairs")
    amounts = struct.unpack(f"<{2 * rank}i", data)
    before, after = amounts[::2], amounts[1::2]
    expected = tuple(map(sum, zip(source.shape, before, after, strict=True)))
    if min(amounts, default=0) < 0 or target.shape != expected:
        raise RefusalError(f"its paddings {list(amounts)} do not make {list(target.shape)}")
    if node.optional_input(2) is not None:
        given, value_data = node.constant(2, DType.INT8, "padding value")
        if given.element_count != 1 or (given.scale, given.zero_point) != (target.scale, value):
            raise RefusalError("its padding value is quantised otherwise than its output")
        (value,) = struct.unpack("<b", value_data)
    if not any(amounts):
        lowering.alias(target, source)
        return
    sizes, paddings = [1], [(0, 0)]  # merged with the next slower dimension where unpadded
    for size, *padding in zip(source.shape, before, after, strict=True):
        if any(padding):
            sizes.append(size)
            paddings.append((padding[0], padding[1]))
        else:
            sizes[-1] *= size
            paddings[-1] = (paddings[-1][0] * size, paddings[-1][1] * size)
    missing = _PAD_DIMENSIONS - len(sizes)
    if missing < 0:  # all five are padded: the slowest, a 1, adds nothing
        sizes, paddings, missing = sizes[1:], paddings[1:], 0
    sizes = [1] * missing + sizes
    paddings = [(0, 0)] * missing + paddings
    steps, start, pitch = [], 0, 1
    for size, (first, last) in reversed(list(zip(sizes, paddings, strict=True))):
        steps.append(pitch)
        start += first * pitch
        pitch *= size + first + last
    lowering.call(
        "pad",
        node.operator,
        {
            "input": lowering.place(source),
            "output": lowering.buffer(target),
            "input_shape": tuple(sizes),
            "output_steps": tuple(reversed(steps[1:])),
            "start": start,
            "output_size": target.element_count,
            "value": value,
        },
    )


def max_pool_2d(node: Node, lowering: Lowering) -> None:
    """MAX_POOL_2D."""
    _pool(node, lowering, "max_pool_2d")


def average_pool_2d(node: Node, lowering: Lowering) -> None:
    """AVERAGE_POOL_2D: values outside the image do not count."""
    _pool(node, lowering, "average_pool_2d")


def _pool(node: Node, lowering: Lowering, kernel: str) -> None:
    source, target = node.input(0), node.output
    input_scale, input_point = int8_quantization(source, "input")
    output_scale, output_point = int8_quantization(target, "output")
    if abs(to_float32(input_scale - output_scale)) > 1e-6 or input_point != output_point:
        raise RefusalError("its input and output are quantised differently, which TFLM refuses")
    window = window_of(
        node,
        source,
        target,
        height=node.positive("filter_height"),
        width=node.positive("filter_width"),
    )
    if source.shape[3] != target.shape[3]:
        raise RefusalError(f"it makes {target.shape[3]} channels of {source.shape[3]}")
    if min(window.height, source.shape[1]) * min(window.width, source.shape[2]) > _MOST_TAPS:
        raise RefusalError(f"its window takes more than {_MOST_TAPS} values")
    output_min, output_max = node.activation(output_scale, output_point)
    lowering.call(
        kernel,
        node.operator,
        {
            "input": lowering.place(source),
            "output": lowering.buffer(target),
            "window": window.arguments(),
            "output_min": output_min,
            "output_max": output_max,
        },
    )


def mean(node: Node, lowering: Lowering) -> None:
    """MEAN over any axes.

    Source:
        tflite-micro 90b983c, reference/reduce.h, QuantizedMeanOrSum: the multiplier is
        divided by the count, raised as far as its shift leaves room.
    """
    source, target = node.input(0), node.output
    input_scale, input_point = int8_quantization(source, "input")
    output_scale, output_point = int8_quantization(target, "output")
    axes = _axes(node, len(source.shape))
    keep, keep_steps, reduce, reduce_steps = _split_dimensions(source, axes)
    count = 1
    for axis in axes:
        count *= source.shape[axis]
    if target.element_count * count != source.element_count:
        raise RefusalError(f"its output is {list(target.shape)} of {list(source.shape)}")
    multiplier, shift = quantize_multiplier(input_scale / output_scale)
    if shift > 31:
        raise RefusalError("its scales are too far apart")
    raised = min(count.bit_length() - 1, 32, 31 + shift)
    lowering.call(
        "mean",
        node.operator,
        {
            "input": lowering.place(source),
            "output": lowering.buffer(target),
            "keep": keep,
            "keep_steps": keep_steps,
            "reduce": reduce,
            "reduce_steps": reduce_steps,
            "offset": wrap_int32(-input_point * count),
            "multiplier": (multiplier << raised) // count,
            "shift": shift - raised,
            "output_zero_point": output_point,
        },
    )


def _axes(node: Node, rank: int) -> frozenset[int]:
    tensor, data = node.constant(1, DType.INT32, "axes")
    axes = struct.unpack(f"<{tensor.element_count}i", data)
    if any(not -rank <= axis < rank for axis in axes):
        raise RefusalError(f"its axes are {list(axes)} of {rank}")
    return frozenset(axis % rank for axis in axes)


def _split_dimensions(
    source: Tensor, axes: frozenset[int]
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Return sizes and steps of the dimensions that stay, and those that go.

    Neighbours that share their fate are one; sizes of 1 are left out.
    """
    runs: list[tuple[int, int, bool]] = []  # (size, step, goes), fastest first
    step = 1
    for axis in reversed(range(len(source.shape))):
        size, goes = source.shape[axis], axis in axes
        if size != 1:
            if runs and runs[-1][2] == goes:
                runs[-1] = (runs[-1][0] * size, runs[-1][1], goes)
            else:
                runs.append((size, step, goes))
        step *= size
    sides = []
    for wanted in (False, True):
        side = [(size, step) for size, step, goes in reversed(runs) if goes is wanted]
        if len(side) > _MEAN_DIMENSIONS:
            raise RefusalError(f"its axes {sorted(axes)} are too scattered")
        side = [(1, 0)] * (_MEAN_DIMENSIONS - len(side)) + side
        sides += [tuple(size for size, _ in side), tuple(step for _, step in side)]
    return sides[0], sides[1], sides[2], sides[3]


def softmax(node: Node, lowering: Lowering) -> None:
    """SOFTMAX over the last dimension, int8 to int8 or int16.

    Source:
        tflite-micro 90b983c, kernels/softmax_common.cc, CalculateSoftmaxParams.
    """
    source, target = node.input(0), node.output
    input_scale, _ = int8_quantization(source, "input")
    bits = _softmax_bits(target)
    if not source.shape or source.shape != target.shape:
        raise RefusalError(f"its output is {list(target.shape)} of {list(source.shape)}")
    if source.shape[-1] >= _MOST_COLUMNS:
        raise RefusalError(f"it has {source.shape[-1]} values in a row, {_MOST_COLUMNS} or more")
    beta = node.option("beta")
    rescale = min(float(beta) * input_scale * (1 << 26), (1 << 31) - 1.0)  # type: ignore[arg-type]
    if not rescale > 1.0:
        raise RefusalError(f"its input's scale {input_scale} with the beta {beta} is too small")
    multiplier, shift = quantize_multiplier(rescale)
    reach = min(input_radius(5, shift), 255)
    exponentials = []
    for distance in range(reach + 1):
        value = exp_of_negative(scale(-distance, multiplier, shift), 5)
        if value < _LEAST_EXPONENTIAL:
            break
        exponentials.append(value)
    lowering.call(
        "softmax",
        node.operator,
        {
            "input": lowering.place(source),
            "output": lowering.buffer(target),
            "exponentials": lowering.constant("exponentials", node.number, "int32_t", exponentials),
            "exponential_count": len(exponentials),
            "rows": source.element_count // source.shape[-1],
            "columns": source.shape[-1],
            "output_bits": bits,
        },
    )


def _softmax_bits(target: Tensor) -> int:
    """Return the output's bits; TFLM fixes its quantisation."""
    if target.dtype is DType.INT8:
        good = target.scale == 1 / 256 and target.zero_point == -128
    elif target.dtype is DType.INT16:
        good = abs(target.scale * 65536 - 1) <= 0.001 and target.zero_point == -32768
    else:
        int8_quantization(target, "output")
        good = False
    if not good:
        raise RefusalError(
            f"its output has the scale {target.scale} and the zero point {target.zero_point}, "
            f"which TFLM refuses"
        )
    return target.dtype.bits
