"""Lowering of convolutions and fully connected layers: int8 weights, int32 sums."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence

from edgekit.aot.ir import Argument
from edgekit.aot.lowering import Lowering, Node, RefusalError, int8_quantization
from edgekit.aot.numerics import quantize_multiplier, wrap_int32
from edgekit.aot.window import Window, window_of
from edgekit.graph import DType, Tensor


def conv_2d(node: Node, lowering: Lowering) -> None:
    """CONV_2D: filters [out, height, width, in / groups]."""
    source, target = node.input(0), node.output
    int8_quantization(source, "input")
    filters, weights = node.constant(1, DType.INT8, "weights")
    if len(filters.shape) != 4:
        raise RefusalError(f"its weights have the shape {list(filters.shape)}")
    rows, height, width, channels = filters.shape
    window = window_of(
        node,
        source,
        target,
        height=height,
        width=width,
        dilation_y=node.positive("dilation_h_factor"),
        dilation_x=node.positive("dilation_w_factor"),
    )
    if not channels or source.shape[3] % channels:
        raise RefusalError(f"its weights have {channels} input channels of {source.shape[3]}")
    groups = source.shape[3] // channels
    if rows != target.shape[3] or rows % groups:
        raise RefusalError(f"it has {rows} filters for {target.shape[3]} channels")
    _convolve(node, lowering, filters, weights, window, rows=rows, groups=groups)


def depthwise_conv_2d(node: Node, lowering: Lowering) -> None:
    """DEPTHWISE_CONV_2D: weights [1, height, width, channels · multiplier].

    With a multiplier above 1 it is a convolution with as many groups as channels.
    """
    source, target = node.input(0), node.output
    _, zero_point = int8_quantization(source, "input")
    filters, weights = node.constant(1, DType.INT8, "weights")
    if len(filters.shape) != 4 or filters.shape[0] != 1:
        raise RefusalError(f"its weights have the shape {list(filters.shape)}")
    _, height, width, rows = filters.shape
    window = window_of(
        node,
        source,
        target,
        height=height,
        width=width,
        dilation_y=node.positive("dilation_h_factor"),
        dilation_x=node.positive("dilation_w_factor"),
    )
    channels = source.shape[3]
    if rows != target.shape[3] or rows != channels * node.positive("depth_multiplier"):
        raise RefusalError(
            f"it makes {target.shape[3]} channels of {channels} with {rows} filters and the "
            f"depth multiplier {node.option('depth_multiplier')}"
        )
    if rows != channels:
        transposed = b"".join(weights[row::rows] for row in range(rows))
        _convolve(node, lowering, filters, transposed, window, rows=rows, groups=channels)
        return
    multipliers = _channel_multipliers(node, filters, rows, source, target)
    scaling = _scaling(node, lowering, multipliers, target)
    bias = _bias(node, rows)
    lowering.call(
        "depthwise_conv_2d",
        node.operator,
        {
            "input": lowering.place(source),
            "output": lowering.buffer(target),
            "weights": lowering.constant("weights", node.number, "int8_t", weights),
            "bias": lowering.constant("bias", node.number, "int32_t", bias),
            "multiplier": scaling["multiplier"],
            "shift": scaling["shift"],
            "window": window.arguments(),
            "channel_step": scaling["channel_step"],
            "input_zero_point": zero_point,
            "output_zero_point": scaling["output_zero_point"],
            "output_min": scaling["output_min"],
            "output_max": scaling["output_max"],
        },
        macs=target.element_count * height * width,
    )


def fully_connected(node: Node, lowering: Lowering) -> None:
    """FULLY_CONNECTED: weights [out, in]."""
    source, target = node.input(0), node.output
    _, zero_point = int8_quantization(source, "input")
    filters, weights = node.constant(1, DType.INT8, "weights")
    if len(filters.shape) != 2:
        raise RefusalError(f"its weights have the shape {list(filters.shape)}")
    if node.option("weights_format") != "DEFAULT":
        raise RefusalError(f"its weights are stored as {node.option('weights_format')}")
    rows, columns = filters.shape
    batches = target.element_count // max(rows, 1)
    if (
        not target.shape
        or target.shape[-1] != rows
        or source.element_count != batches * columns
        or not columns
    ):
        raise RefusalError(
            f"its shapes {list(source.shape)}, {list(filters.shape)} and "
            f"{list(target.shape)} do not go together"
        )
    multipliers = _channel_multipliers(node, filters, rows, source, target)
    lowering.call(
        "fully_connected",
        node.operator,
        {
            "input": lowering.place(source),
            "output": lowering.buffer(target),
            "weights": _matrix(
                node, lowering, weights, rows, columns, zero_point, multipliers, target
            ),
            "batches": batches,
        },
        macs=target.element_count * columns,
    )


def _convolve(
    node: Node,
    lowering: Lowering,
    filters: Tensor,
    weights: bytes,
    window: Window,
    *,
    rows: int,
    groups: int,
) -> None:
    source, target = node.input(0), node.output
    _, zero_point = int8_quantization(source, "input")
    columns = window.height * window.width * (window.channels // groups)
    multipliers = _channel_multipliers(node, filters, rows, source, target)
    patch = None
    if not window.is_unbroken(groups):
        patch = lowering.scratch(f"{target.name} (window)", columns)
    lowering.call(
        "conv_2d",
        node.operator,
        {
            "input": lowering.place(source),
            "output": lowering.buffer(target),
            "patch": patch,
            "filters": _matrix(
                node, lowering, weights, rows, columns, zero_point, multipliers, target
            ),
            "window": window.arguments(),
            "groups": groups,
            "input_zero_point": zero_point,
        },
        macs=target.element_count * columns,
    )


def _matrix(
    node: Node,
    lowering: Lowering,
    weights: bytes,
    rows: int,
    columns: int,
    zero_point: int,
    multipliers: Sequence[tuple[int, int]],
    target: Tensor,
) -> Mapping[str, Argument]:
    """Return the matrix structure; the input's zero point goes into the bias."""
    bias = _bias(node, rows)
    if zero_point:
        signed = memoryview(weights).cast("b")
        bias = [
            wrap_int32(value - zero_point * sum(signed[row * columns : (row + 1) * columns]))
            for row, value in enumerate(bias)
        ]
    scaling = _scaling(node, lowering, multipliers, target)
    return {
        "weights": lowering.constant("weights", node.number, "int8_t", weights),
        "bias": lowering.constant("bias", node.number, "int32_t", bias),
        "multiplier": scaling["multiplier"],
        "shift": scaling["shift"],
        "rows": rows,
        "columns": columns,
        "channel_step": scaling["channel_step"],
        "output_zero_point": scaling["output_zero_point"],
        "output_min": scaling["output_min"],
        "output_max": scaling["output_max"],
    }


def _bias(node: Node, rows: int) -> list[int]:
    if node.optional_input(2) is None:
        return [0] * rows
    tensor, data = node.constant(2, DType.INT32, "biases")
    if tensor.element_count != rows:
        raise RefusalError(f"it has {tensor.element_count} biases for {rows} channels")
    return list(struct.unpack(f"<{rows}i", data))


def _scaling(
    node: Node,
    lowering: Lowering,
    multipliers: Sequence[tuple[int, int]],
    target: Tensor,
) -> Mapping[str, Argument]:
    scale, zero_point = int8_quantization(target, "output")
    output_min, output_max = node.activation(scale, zero_point)
    if len(set(multipliers)) == 1:
        multipliers = multipliers[:1]
    return {
        "multiplier": lowering.constant(
            "multiplier", node.number, "int32_t", (item[0] for item in multipliers)
        ),
        "shift": lowering.constant(
            "shift", node.number, "int8_t", (_check_shift(item[1]) for item in multipliers)
        ),
        "channel_step": int(len(multipliers) > 1),
        "output_zero_point": zero_point,
        "output_min": output_min,
        "output_max": output_max,
    }


def _channel_multipliers(
    node: Node, filters: Tensor, rows: int, source: Tensor, target: Tensor
) -> list[tuple[int, int]]:
    """Return each output channel's (multiplier, shift), from the product in float64.

    FULLY_CONNECTED with one scale too: tflite-micro 90b983c multiplied these in float32,
    the wheel 0.dev20261023182759 does not (a test holds us to it).
    """
    scale, _ = int8_quantization(source, "input")
    output_scale, _ = int8_quantization(target, "output")
    quantization = _check_symmetric(filters)
    if len(quantization) not in (1, rows):
        raise RefusalError(f"its weights have {len(quantization)} scales for {rows} channels")
    found = {item: quantize_multiplier(scale * item / output_scale) for item in set(quantization)}
    return [found[item] for item in quantization]


def _check_symmetric(filters: Tensor) -> tuple[float, ...]:
    """Return the weights' scales; refuse weights with a zero point."""
    quantization = filters.quantization
    if quantization is None or not quantization.scales:
        raise RefusalError("its weights have no scale")
    if any(quantization.zero_points):
        raise RefusalError("its weights have a zero point that is not 0")
    if not all(0.0 <= item < math.inf for item in quantization.scales):
        raise RefusalError("its weights have a scale that is not a positive number")
    return quantization.scales


def _check_shift(shift: int) -> int:
    """Refuse scales so far apart that TFLM's own shift is out of range."""
    if shift > 31:
        raise RefusalError("its scales are too far apart")
    return shift
