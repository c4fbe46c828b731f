"""Lowering of operators that work element by element: tables, and ADD."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence

from edgekit.aot.ir import Argument
from edgekit.aot.lowering import (
    FloatRefusalError,
    Lowering,
    Node,
    RefusalError,
    int8_quantization,
    per_tensor_quantization,
)
from edgekit.aot.numerics import (
    divide_by_power,
    float_key,
    float_of_key,
    input_radius,
    logistic,
    quantize_multiplier,
    quantized_limit,
    round_half_away,
    scale,
    to_float32,
)
from edgekit.graph import DType, Tensor

_RANGES = {DType.INT8: (-128, 127), DType.UINT8: (0, 255), DType.INT16: (-32768, 32767)}
_ADD_SHIFT = 20
"""tflite-micro 90b983c, kernels/add_common.cc: inputs are raised by 2^20."""
_DIMENSIONS = 5
"""Dimensions that the addition's kernel steps through, after merging."""


def relu(node: Node, lowering: Lowering) -> None:
    """RELU, with requantisation.

    The scales are divided in float64, as the wheel 0.dev20261023182759 of tflite-micro
    does (90b983c had it in float32; a test holds us to it).
    """
    input_scale, input_point = int8_quantization(node.input(0), "input")
    output_scale, output_point = int8_quantization(node.output, "output")
    multiplier, shift = quantize_multiplier(input_scale / output_scale)
    _check_shift(shift)
    _lookup(
        node,
        lowering,
        lambda value: _clamp(
            output_point + scale(value - input_point, multiplier, shift), output_point, 127
        ),
    )


def relu6(node: Node, lowering: Lowering) -> None:
    """RELU6. TFLM clamps to the input's 0 and 6 and does not requantise."""
    input_scale, zero = int8_quantization(node.input(0), "input")
    int8_quantization(node.output, "output")
    try:
        six = min(quantized_limit(6.0, input_scale, zero), 127)
    except OverflowError:
        raise RefusalError(f"its input's scale {input_scale} is too small") from None
    _lookup(node, lowering, lambda value: six if value > six else max(value, zero))


def logistic_table(node: Node, lowering: Lowering) -> None:
    """LOGISTIC: the output's zero point is -128, its scale taken for 1/256."""
    input_scale, input_point = int8_quantization(node.input(0), "input")
    _, output_point = int8_quantization(node.output, "output")
    if output_point != -128:
        raise RefusalError(f"its output has the zero point {output_point} instead of -128")
    multiplier, shift = quantize_multiplier(input_scale * (1 << 27))
    if not 0 <= shift <= 31:
        raise RefusalError(f"its input has the scale {input_scale}")
    radius = input_radius(4, shift)

    def value_of(value: int) -> int:
        value -= input_point
        if value <= -radius:
            return -128
        if value >= radius:
            return 127
        result = logistic(scale(value, multiplier, shift), 4)
        return _clamp(divide_by_power(result, 23) - 128, -128, 127)

    _lookup(node, lowering, value_of)


def quantize(node: Node, lowering: Lowering) -> None:
    """QUANTIZE: between 8-bit types, from int8 to int16, from float32 to int8."""
    source, target = node.input(0), node.output
    if source.dtype is DType.FLOAT32 and target.dtype is DType.INT8:
        _quantize_float(node, lowering)
        return
    if (source.dtype, target.dtype) not in _REQUANTIZED:
        raise RefusalError(f"it turns {source.dtype.value} into {target.dtype.value}")
    lowest, highest = _RANGES[target.dtype]
    input_scale, input_point = per_tensor_quantization(source, "input", *_RANGES[source.dtype])
    output_scale, output_point = per_tensor_quantization(target, "output", lowest, highest)
    multiplier, shift = quantize_multiplier(input_scale / output_scale)
    _check_shift(shift)

    def value_of(value: int) -> int:
        result = scale(value - input_point, multiplier, shift) + output_point
        return _clamp(result, lowest, highest)

    if target.dtype is DType.INT16:
        table = [value_of(value) & 0xFFFF for value in _values(source)]
        _wide_lookup(node, lowering, "lookup_16", "uint16_t", table)
    else:
        _lookup(node, lowering, value_of)


_REQUANTIZED = frozenset(
    {
        (DType.INT8, DType.INT8),
        (DType.INT8, DType.UINT8),
        (DType.UINT8, DType.INT8),
        (DType.INT8, DType.INT16),
    }
)


def dequantize(node: Node, lowering: Lowering) -> None:
    """DEQUANTIZE: 8-bit types to float32, by a table of the 256 results."""
    source, target = node.input(0), node.output
    if source.dtype not in (DType.INT8, DType.UINT8) or target.dtype is not DType.FLOAT32:
        raise RefusalError(f"it turns {source.dtype.value} into {target.dtype.value}")
    input_scale, input_point = per_tensor_quantization(source, "input", *_RANGES[source.dtype])
    reals = (to_float32(input_scale * (value - input_point)) for value in _values(source))
    table = [struct.unpack("<I", struct.pack("<f", real))[0] for real in reals]
    _wide_lookup(node, lowering, "lookup_32", "uint32_t", table)


def add(node: Node, lowering: Lowering) -> None:
    """ADD with broadcasting."""
    left, right, target = node.input(0), node.input(1), node.output
    left_scale, left_point = int8_quantization(left, "input")
    right_scale, right_point = int8_quantization(right, "input")
    output_scale, output_point = int8_quantization(target, "output")
    output_min, output_max = node.activation(output_scale, output_point)
    twice_larger = 2.0 * max(left_scale, right_scale)
    multiplier, shift = quantize_multiplier(twice_larger / ((1 << _ADD_SHIFT) * output_scale))
    if shift > 0:
        raise RefusalError("its output's scale is too small beside its inputs'")
    shape, left_steps, right_steps = _broadcast(left, right, target)
    lowering.call(
        "add",
        node.operator,
        {
            "left": _addend(lowering, left, left_scale / twice_larger, left_point, left_steps),
            "right": _addend(lowering, right, right_scale / twice_larger, right_point, right_steps),
            "output": lowering.buffer(target),
            "shape": shape,
            "multiplier": multiplier,
            "shift": -shift,
            "output_zero_point": output_point,
            "output_min": output_min,
            "output_max": output_max,
        },
    )


def _addend(
    lowering: Lowering, tensor: Tensor, real: float, zero_point: int, steps: tuple[int, ...]
) -> Mapping[str, Argument]:
    multiplier, shift = quantize_multiplier(real)
    return {
        "data": lowering.place(tensor),
        "zero_point": zero_point,
        "multiplier": multiplier,
        "shift": -shift,
        "steps": steps,
    }


def _broadcast(
    left: Tensor, right: Tensor, target: Tensor
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Return (shape, left steps, right steps), neighbours that step alike merged."""
    rank = len(target.shape)
    shapes = []
    for tensor in (left, right):
        if len(tensor.shape) > rank:
            raise RefusalError(_mismatch(left, right, target))
        shapes.append((1,) * (rank - len(tensor.shape)) + tensor.shape)
    merged: list[tuple[int, bool, bool]] = []  # (size, left steps, right steps), fastest first
    for size, *sides in reversed(list(zip(target.shape, *shapes, strict=True))):
        if max(sides) != size or any(side not in (1, size) for side in sides):
            raise RefusalError(_mismatch(left, right, target))
        if size == 1:
            continue
        moves = (sides[0] == size, sides[1] == size)
        if merged and merged[-1][1:] == moves:
            merged[-1] = (merged[-1][0] * size, *moves)
        else:
            merged.append((size, *moves))
    if len(merged) > _DIMENSIONS:
        raise RefusalError(f"its broadcast needs more than {_DIMENSIONS} dimensions")
    merged += [(1, False, False)] * (_DIMENSIONS - len(merged))
    steps: list[list[int]] = [[], []]
    pitches = [1, 1]
    for size, *moving in merged:
        for side, moves_here in enumerate(moving):
            steps[side].append(pitches[side] if moves_here else 0)
            pitches[side] *= size if moves_here else 1
    shape = tuple(size for size, *_ in reversed(merged))
    return shape, tuple(reversed(steps[0])), tuple(reversed(steps[1]))


def _mismatch(left: Tensor, right: Tensor, target: Tensor) -> str:
    shapes = [list(tensor.shape) for tensor in (left, right, target)]
    return f"its shapes {shapes[0]}, {shapes[1]} and {shapes[2]} do not go together"


def _quantize_float(node: Node, lowering: Lowering) -> None:
    """float32 → int8: the least number of each level, as keys that order like the numbers."""
    source, target = node.input(0), node.output
    output_scale, output_point = int8_quantization(target, "output")
    if target.element_count != source.element_count:
        raise FloatRefusalError(f"its output is {list(target.shape)} of {list(source.shape)}")

    if output_scale < 2.0**-31:
        raise RefusalError(f"its output's scale {output_scale} puts 1.0 beyond int32")

    def level_of(key: int) -> int:
        real = float_of_key(key) / output_scale
        if abs(real) > 1e6:
            return 127 if real > 0 else -128
        return _clamp(round_half_away(to_float32(real)) + output_point, -128, 127)

    lowest, highest = float_key(float("-inf")), float_key(float("inf"))
    thresholds = []
    for level in range(-127, 128):
        guess = float_key(to_float32((level - 0.5 - output_point) * output_scale))
        low, high = max(guess - 8, lowest), min(guess + 8, highest)
        if level_of(low) >= level or level_of(high) < level:
            low, high = lowest, highest
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if level_of(middle) >= level else (middle, high)
        thresholds.append(high)
    lowering.call(
        "quantize_float",
        node.operator,
        {
            "input": lowering.place(source),
            "output": lowering.buffer(target),
            "thresholds": lowering.constant("thresholds", node.number, "uint32_t", thresholds),
            "count": target.element_count,
        },
    )


def _lookup(node: Node, lowering: Lowering, value_of: Callable[[int], int]) -> None:
    """Lower to a table of 256 bytes; to nothing where the table changes nothing."""
    source, target = node.input(0), node.output
    if target.element_count != source.element_count:
        raise RefusalError(f"its output is {list(target.shape)} of {list(source.shape)}")
    table = bytes(value_of(value) & 0xFF for value in _values(source))
    known = lowering.data(source)
    if known is not None:
        lowering.fold(target, known.translate(table))
    elif table == bytes(range(256)):
        lowering.alias(target, source)
    else:
        lowering.call(
            "lookup",
            node.operator,
            {
                "input": lowering.place(source),
                "output": lowering.buffer(target),
                "table": lowering.constant("table", node.number, "uint8_t", table),
                "count": target.element_count,
            },
        )


def _wide_lookup(
    node: Node, lowering: Lowering, kernel: str, ctype: str, table: Sequence[int]
) -> None:
    source, target = node.input(0), node.output
    if target.element_count != source.element_count:
        raise RefusalError(f"its output is {list(target.shape)} of {list(source.shape)}")
    lowering.call(
        kernel,
        node.operator,
        {
            "input": lowering.place(source),
            "output": lowering.buffer(target),
            "table": lowering.constant("table", node.number, ctype, table),
            "count": target.element_count,
        },
    )


def _values(tensor: Tensor) -> list[int]:
    """Return the value of each of the 256 bytes that an 8-bit element can be."""
    if tensor.dtype is DType.UINT8:
        return list(range(256))
    return [*range(128), *range(-128, 0)]


def _clamp(value: int, lowest: int, highest: int) -> int:
    return max(lowest, min(value, highest))


def _check_shift(shift: int) -> None:
    if shift > 31:
        raise RefusalError("its scales are too far apart")
