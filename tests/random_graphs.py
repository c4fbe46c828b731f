"""Graphs of random operators that TFLM loads: for comparing plans with its own allocator.

The values make no sense, but shapes, types, scales and options are such that every
kernel's Prepare accepts them. :func:`random_model` draws a model from a seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from tflite_writer import ModelWriter

from edgekit.graph import DType
from edgekit.model.offline_plan import METADATA_NAME, ONLINE, encode_offline_plan

I8, I16, I32, F32, BOOL = DType.INT8, DType.INT16, DType.INT32, DType.FLOAT32, DType.BOOL

_NUMPY = {I8: np.int8, I16: np.int16, I32: np.int32, F32: np.float32, BOOL: np.bool_}
_SCALE = {I8: (1 / 256, -128), I16: (1 / 32768, 0)}
"""What SOFTMAX and LOGISTIC insist on for their outputs; all other kernels take it too."""


@dataclass(frozen=True, kw_only=True)
class Value:
    """A tensor of the graph at hand."""

    index: int
    shape: tuple[int, ...]
    dtype: DType

    @property
    def count(self) -> int:
        return math.prod(self.shape)


class Maker:
    """Adds operators to a model, each with random options on random tensors."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.model = ModelWriter()

    # tensors

    def tensor(
        self, shape: Sequence[int], dtype: DType, scale: tuple[float, int] | None = None
    ) -> Value:
        (factor, point) = scale or _SCALE.get(dtype, (None, 0))
        index = self.model.tensor(shape, dtype, scale=factor, zero_point=point)
        return Value(index=index, shape=tuple(shape), dtype=dtype)

    def input(self, shape: Sequence[int], dtype: DType) -> Value:
        (factor, point) = _SCALE.get(dtype, (None, 0))
        index = self.model.input(shape, dtype, scale=factor, zero_point=point)
        return Value(index=index, shape=tuple(shape), dtype=dtype)

    def constant(self, shape: Sequence[int], dtype: DType, scales: int = 0, axis: int = 0) -> int:
        """Add a constant of zeros, per channel if ``scales`` is more than one."""
        scale = [1 / 128] * scales if scales else None
        values = np.zeros(tuple(shape), _NUMPY[dtype])
        return self.model.constant(values, scale=scale, axis=axis)

    def weights(self, shape: Sequence[int], dtype: DType, scales: int, axis: int = 0) -> int:
        """Add a constant of zeros; of 8 bits an element, sometimes of 4."""
        if dtype is not I8 or scales != 1 or self.flip(0.85):
            return self.constant(shape, dtype, scales, axis)
        index = self.model.tensor(shape, DType.INT4, scale=1 / 128)
        size = -(-math.prod(shape) // 2)
        self.model.model.subgraphs[-1].tensors[index].buffer = self.model.buffer(bytes(size))
        return index

    def numbers(self, values: Sequence[int]) -> int:
        return self.model.constant(np.array(values, np.int32))

    def bias(self, image: Value, channels: int, scales: int) -> int | None:
        if self.flip(0.2):
            return None
        if image.dtype is F32:
            return self.model.constant(np.zeros(channels, np.float32))
        scale = [_SCALE[image.dtype][0] / 128] * scales
        kind = np.int64 if image.dtype is I16 else np.int32
        return self.model.constant(np.zeros(channels, kind), scale=scale)

    # dice

    def flip(self, chance: float = 0.5) -> bool:
        return self.random.random() < chance

    def pick(self, *values: int) -> int:
        return self.random.choice(values)

    def upto(self, most: int) -> int:
        return self.random.randint(1, max(most, 1))

    def op(self, name: str, inputs: Sequence[int | None], outputs: Sequence[Value], **options):
        self.model.op(name, list(inputs), [value.index for value in outputs], **options)


Rule = Callable[[Maker, Value], Sequence[Value] | None]
"""Adds an operator that reads a value; ``None`` where it can't."""

_RULES: dict[str, Rule] = {}


def _rule(*names: str) -> Callable[[Callable[..., Sequence[Value] | None]], Callable[..., object]]:
    def add(function: Callable[..., Sequence[Value] | None]) -> Callable[..., object]:
        for name in names:
            _RULES[name] = lambda maker, value, name=name: function(maker, value, name)
        return function

    return add


def _same(*kinds: DType) -> Callable[..., Sequence[Value] | None]:
    """Return a rule for operators of one input whose output is like it."""

    def rule(maker: Maker, value: Value, name: str) -> Sequence[Value] | None:
        if value.dtype not in kinds:
            return None
        result = maker.tensor(value.shape, value.dtype)
        maker.op(name, [value.index], [result])
        return [result]

    return rule


_rule("RELU", "RELU6", "LOGISTIC", "LEAKY_RELU")(_same(I8, I16, F32))
_rule("HARD_SWISH", "NEG", "ZEROS_LIKE")(_same(I8, F32))
_rule("ABS")(_same(I8, F32))
_rule("SIN", "COS", "LOG", "SQRT", "SQUARE", "EXP", "FLOOR", "CEIL", "ROUND", "RSQRT")(_same(F32))
_rule("ELU")(_same(I8, F32))
_rule("LOGICAL_NOT")(_same(BOOL))


@_rule("TANH", "L2_NORMALIZATION", "LOG_SOFTMAX")
def _own_scale(maker: Maker, value: Value, name: str) -> Sequence[Value] | None:
    scales = {"LOG_SOFTMAX": (16 / 256, 127)}
    if value.dtype not in ((I8, I16, F32) if name == "TANH" else (I8, F32)):
        return None
    scale = scales.get(name, (1 / 128, 0)) if value.dtype is I8 else None
    result = maker.tensor(value.shape, value.dtype, scale)
    maker.op(name, [value.index], [result])
    return [result]


@_rule("SOFTMAX")
def _softmax(maker: Maker, value: Value, name: str) -> Sequence[Value] | None:
    if value.dtype not in (I8, I16, F32):
        return None
    result = maker.tensor(value.shape, value.dtype)
    maker.op(name, [value.index], [result], beta=1.0)
    return [result]


def _windows(maker: Maker, value: Value, most: int = 4) -> tuple[int, int, str, int, int]:
    """Return filter height and width, padding, and strides."""
    padding = "SAME" if maker.flip() else "VALID"
    height, width = (maker.upto(min(most, size)) for size in value.shape[1:3])
    return height, width, padding, maker.pick(1, 1, 2), maker.pick(1, 1, 2)


def _outputs(size: int, window: int, stride: int, padding: str) -> int:
    return -(-size // stride) if padding == "SAME" else (size - window) // stride + 1


@_rule("CONV_2D", "DEPTHWISE_CONV_2D")
def _convolution(maker: Maker, value: Value, name: str) -> Sequence[Value] | None:
    if len(value.shape) != 4 or value.dtype not in (I8, I16, F32):
        return None
    (batch, rows, columns, channels) = value.shape
    height, width, padding, stride_h, stride_w = _windows(maker, value)
    dilation = 2 if maker.flip(0.2) and 2 * max(height, width) <= min(rows, columns) else 1
    weights = F32 if value.dtype is F32 else I8
    if name == "CONV_2D":
        groups = 2 if channels % 2 == 0 and maker.flip(0.1) else 1
        filters = 2 * maker.upto(8) if groups == 2 else maker.upto(17)
        shape, axis, extra = (filters, height, width, channels // groups), 0, {}
    else:
        multiplier = maker.pick(1, 1, 1, 2)
        filters = channels * multiplier
        shape, axis, extra = (1, height, width, filters), 3, {"depth_multiplier": multiplier}
    per_channel = filters if maker.flip(0.8) else 1
    scales = 0 if weights is F32 else per_channel
    narrow = value.dtype is I8
    kernel = (maker.weights if narrow else maker.constant)(shape, weights, scales, axis)
    bias = maker.bias(value, filters, max(scales, 1))
    spread = [(size - 1) * dilation + 1 for size in (height, width)]
    result = maker.tensor(
        (
            batch,
            _outputs(rows, spread[0], stride_h, padding),
            _outputs(columns, spread[1], stride_w, padding),
            filters,
        ),
        value.dtype,
    )
    inputs = [value.index, kernel] if bias is None else [value.index, kernel, bias]
    maker.op(
        name,
        inputs,
        [result],
        version=3,
        padding=padding,
        stride_h=stride_h,
        stride_w=stride_w,
        dilation_h_factor=dilation,
        dilation_w_factor=dilation,
        **extra,
    )
    return [result]


@_rule("TRANSPOSE_CONV")
def _transpose_conv(maker: Maker, value: Value, name: str) -> Sequence[Value] | None:
    if len(value.shape) != 4 or value.dtype not in (I8, I16, F32) or value.count > 2000:
        return None
    (batch, rows, columns, channels) = value.shape
    height, width, stride_h, stride_w = maker.upto(3), maker.upto(3), maker.upto(3), maker.upto(2)
    filters = maker.upto(6)
    weights = F32 if value.dtype is F32 else I8
    scales = 0 if weights is F32 else filters
    kernel = maker.constant((filters, height, width, channels), weights, scales)
    sizes = (batch, rows * stride_h, columns * stride_w, filters)
    result = maker.tensor(sizes, value.dtype)
    bias = maker.bias(value, filters, max(scales, 1))
    inputs = [maker.numbers(sizes), kernel, value.index] + ([] if bias is None else [bias])
    maker.op(name, inputs, [result], padding="SAME", stride_h=stride_h, stride_w=stride_w)
    return [result]


@_rule("AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D")
def _pool(maker: Maker, value: Value, name: str) -> Sequence[Value] | None:
    kinds = (F32,) if name == "L2_POOL_2D" else (I8, I16, F32)
    if len(value.shape) != 4 or value.dtype not in kinds:
        return None
    (batch, rows, columns, channels) = value.shape
    height, width, padding, stride_h, stride_w = _windows(maker, value)
    sizes = (
        batch,
        _outputs(rows, height, stride_h, padding),
        _outputs(columns, width, stride_w, padding),
        channels,
    )
    result = maker.tensor(sizes, value.dtype)
    maker.op(
        name,
        [value.index],
        [result],
        padding=padding,
        stride_h=stride_h,
        stride_w=stride_w,
        filter_height=height,
        filter_width=width,
    )
    return [result]


@_rule("FULLY_CONNECTED")
def _fully_connected(maker: Maker, value: Value, name: str) -> Sequence[Value] | None:
    if value.dtype not in (I8, I16, F32) or len(value.shape) < 2 or value.count > 4000:
        return None
    keep = maker.flip() and len(value.shape) in (3, 4)
    depth = value.shape[-1] if keep else value.count // value.shape[0]
    units = maker.upto(20)
    weights = F32 if value.dtype is F32 else I8
    scales = 0 if weights is F32 else units if maker.flip(0.3) and value.dtype is I8 else 1
    narrow = value.dtype is I8
    kernel = (maker.weights if narrow else maker.constant)((units, depth), weights, scales)
    bias = maker.bias(value, units, max(scales, 1))
    shape = (*value.shape[:-1], units) if keep else (value.shape[0], units)
    result = maker.tensor(shape, value.dtype)
    maker.op(name, [value.index, kernel, bias], [result], version=4, keep_num_dims=keep)
    return [result]


@_rule(
    "ADD", "SUB", "MUL", "DIV", "SQUARED_DIFFERENCE", "MAXIMUM", "MINIMUM", "FLOOR_DIV", "FLOOR_MOD"
)
def _binary(maker: Maker, value: Value, name: str) -> Sequence[Value] | None:
    floats = {"DIV": (I8, F32), "FLOOR_DIV": (F32,), "FLOOR_MOD": (F32,)}
    if value.dtype not in floats.get(
        name, (I8, I16, F32) if name in ("ADD", "SUB", "MUL") else (I8, F32)
    ):
        return None
    if maker.flip():
        other = value.index
    else:
        shape = value.shape if maker.flip() else (1,) * (len(value.shape) - 1) + value.shape[-1:]
        (factor, point) = _SCALE.get(value.dtype, (None, 0))
        other = maker.model.constant(
            np.ones(shape, _NUMPY[value.dtype]), scale=factor, zero_point=point
        )
    result = maker.tensor(value.shape, value.dtype)
    extra = {"pot_scale_int16": False} if value.dtype is I16 and name in ("ADD", "SUB") else {}
    maker.op(name, [value.index, other], [result], **extra)
    return [result]


@_rule("EQUAL", "NOT_EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL")
def _comparison(maker: Maker, value: Value, name: str) -> Sequence[Value] | None:
    if value.dtype not in (I8, F32):
        return None
    result = maker.tensor(value.shape, BOOL)
    maker.op(name, [value.index, value.index], [result])
    return [result]


@_rule("LOGICAL_AND", "LOGICAL_OR")
def _logical(maker: Maker, value: Value, name: str) -> Sequence[Value] | None:
    if value.dtype is not BOOL:
        return None
    result = maker.tensor(value.shape, BOOL)
    maker.op(name, [value.index, value.index], [result])
    return [result]


@_rule("SELECT_V2")
def _select(maker: Maker, value: Value, name: str) -> Sequence[Value] | None:
    if value.dtype is not BOOL:
        return None
    kind = maker.random.choice((I8, F32))
    (factor, point) = _SCALE.get(kind, (None, 0))
    sides = [
        maker.model.constant(np.zeros(value.shape, _NUMPY[kind]), scale=factor, zero_point=point)
        for _ in range(2)
    ]
    result = maker.tensor(value.shape, kind)
    maker.op(name, [value.index, *sides], [result])
    return [result]


@_rule("PRELU")
def _prelu(maker: Maker, value: Value, name: str) -> Sequence[Value] | None:
    if value.dtype not in (I8, F32):
        return None
    slope = maker.constant(value.shape[-1:], value.dtype, 0 if value.dtype is F32 else 1)
    result = maker.tensor(value.shape, value.dtype)
    maker.op(name, [value.index, slope], [result])
    return [result]


@_rule("QUANTIZE", "DEQUANTIZE")
def _quantize(maker: Maker, value: Value, name: str) -> Sequence[Value] | None:
    if name == "QUANTIZE":
        if value.dtype not in (F32, I8, I16):
            return None
        result = maker.tensor(value.shape, I8 if maker.flip(0.7) else I16)
    else:
        if value.dtype not in (I8, I16):
            return None
        result = maker.tensor(value.shape, F32)
    maker.op(name, [value.index], [result])
    return [result]


@_rule("RESHAPE", "EXPAND_DIMS", "SQUEEZE")
def _reshape(maker: Maker, value: Value, name: str) -> Sequence[Value] | None:
    if value.dtype not in (I8, I16, F32) or len(value.shape) > 5:
        return None
    if name == "EXPAND_DIMS":
        if value.dtype is I16 or len(value.shape) > 4:
            return None
        result = maker.tensor((1, *value.shape), value.dtype)
        maker.op(name, [value.index, maker.numbers([0])], [result])
    elif name == "SQUEEZE":
        if value.shape[0] != 1 or len(value.shape) < 3:
            return None
        result = maker.tensor(value.shape[1:], value.dtype)
        maker.op(name, [value.index], [result], squeeze_dims=[0])
    else:
        shape = (
            (value.shape[0], value.count // value.shape[0]) if maker.flip() else (1, 1, value.count)
        )
        result = maker.tensor(shape, value.dtype)
        inputs = [value.index, maker.numbers(shape)] if maker.flip(0.8) else [value.index]
        maker.op(name, inputs, [result], new_shape=list(shape))
    return [result]


@_rule("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN")
def _reduction(maker: Maker, value: Value, name: str) -> Sequence[Value] | None:
    kinds = (I8, I16, F32) if name in ("MEAN", "SUM") else (I8, F32)
    if value.dtype not in kinds or len(value.shape) < 2:
        return None
    axes = [1, 2] if len(value.shape) == 4 and maker.flip(0.7) else [len(value.shape) - 1]
    keep = maker.flip()
    shape = [
        1 if axis in axes else size
        for axis, size in enumerate(value.shape)
        if keep or axis not in axes
    ]
    result = maker.tensor(shape, value.dtype)
    maker.op(name, [value.index, maker.numbers(axes)], [result], keep_dims=keep)
    return [result]


@_rule("REDUCE_ALL")
def _reduce_all(maker: Maker, value: Value, name: str) -> Sequence[Value] | None:
    if value.dtype is not BOOL or len(value.shape) < 2:
        return None
    result = maker.tensor(value.shape[:-1], BOOL)
    maker.op(name, [value.index, maker.numbers([len(value.shape) - 1])], [result])
    return [result]


@_rule("CONCATENATION", "PACK", "ADD_N")
def _joined(maker: Maker, value: Value, name: str) -> Sequence[Value] | None:
    kinds = (I8, F32) if name == "ADD_N" else (I8, I16, F32)
    if value.dtype not in kinds or len(value.shape) > 4 or value.count > 3000:
        return None
    count = maker.pick(2, 2, 3)
    inputs = [value.index] * count
    if name == "CONCATENATION":
        axis = len(value.shape) - 1
        result = maker.tensor((*value.shape[:-1], count * value.shape[-1]), value.dtype)
        maker.op(name, inputs, [result], axis=axis)
    elif name == "PACK":
        if value.dtype is I16:
            return None
        result = maker.tensor((count, *value.shape), value.dtype)
        maker.op(name, inputs, [result], axis=0, values_count=count)
    else:
        result = maker.tensor(value.shape, value.dtype)
        maker.op(name, inputs, [result])
    return [result]


@_rule("SPLIT", "SPLIT_V", "UNPACK")
def _parts(maker: Maker, value: Value, name: str) -> Sequence[Value] | None:
    if value.dtype not in (I8, F32) or len(value.shape) < 2:
        return None
    last = len(value.shape) - 1
    size = value.shape[-1]
    if name == "UNPACK":
        if value.shape[0] > 3:
            return None
        results = [maker.tensor(value.shape[1:], value.dtype) for _ in range(value.shape[0])]
        maker.op(name, [value.index], results, num=value.shape[0], axis=0)
        return results
    if size % 2:
        return None
    results = [maker.tensor((*value.shape[:-1], size // 2), value.dtype) for _ in range(2)]
    axis = maker.model.constant(np.array(last, np.int32))
    if name == "SPLIT":
        maker.op(name, [axis, value.index], results, num_splits=2)
    else:
        sizes = maker.numbers([size // 2] * 2)
        maker.op(name, [value.index, sizes, axis], results, num_splits=2)
    return results


@_rule("PAD", "PADV2", "MIRROR_PAD")
def _pad(maker: Maker, value: Value, name: str) -> Sequence[Value] | None:
    kinds = (I8, F32) if name != "PAD" else (I8, I16, F32)
    if value.dtype not in kinds or len(value.shape) > 4 or value.count > 3000:
        return None
    sizes = [[0, 0] for _ in value.shape]
    sizes[-1] = [1 if value.shape[-1] > 1 else 0] * 2
    padding = maker.model.constant(np.array(sizes, np.int32))
    inputs = [value.index, padding]
    if name == "PADV2":
        (factor, point) = _SCALE.get(value.dtype, (None, 0))
        inputs.append(
            maker.model.constant(
                np.zeros((1,), _NUMPY[value.dtype]), scale=factor, zero_point=point
            )
        )
    shape = [size + sum(more) for size, more in zip(value.shape, sizes, strict=True)]
    result = maker.tensor(shape, value.dtype)
    maker.op(name, inputs, [result])
    return [result]


@_rule("SLICE", "STRIDED_SLICE")
def _slice(maker: Maker, value: Value, name: str) -> Sequence[Value] | None:
    if value.dtype not in (I8, I16, F32) or len(value.shape) > 4:
        return None
    sizes = [maker.upto(size) for size in value.shape]
    zeros = maker.numbers([0] * len(sizes))
    result = maker.tensor(sizes, value.dtype)
    if name == "SLICE":
        maker.op(name, [value.index, zeros, maker.numbers(sizes)], [result])
    else:
        ones = maker.numbers([1] * len(sizes))
        maker.op(name, [value.index, zeros, maker.numbers(sizes), ones], [result])
    return [result]


@_rule("TRANSPOSE", "REVERSE_V2", "BROADCAST_TO", "FILL", "CAST", "SHAPE", "CUMSUM")
def _moved(maker: Maker, value: Value, name: str) -> Sequence[Value] | None:
    kinds = {"CUMSUM": (I8, F32), "CAST": (I8, F32), "FILL": (I8, F32), "TRANSPOSE": (I8, F32)}
    if value.dtype not in kinds.get(name, (I8, I16, F32)) or len(value.shape) > 4:
        return None
    rank = len(value.shape)
    if name == "TRANSPOSE":
        result = maker.tensor(value.shape[::-1], value.dtype)
        maker.op(name, [value.index, maker.numbers(range(rank)[::-1])], [result])
    elif name == "REVERSE_V2":
        result = maker.tensor(value.shape, value.dtype)
        maker.op(name, [value.index, maker.numbers([rank - 1])], [result])
    elif name == "BROADCAST_TO":
        result = maker.tensor(value.shape, value.dtype)
        maker.op(name, [value.index, maker.numbers(value.shape)], [result])
    elif name == "FILL":
        result = maker.tensor(value.shape, value.dtype)
        filler = maker.constant((), value.dtype, 0)
        maker.op(name, [maker.numbers(value.shape), filler], [result])
    elif name == "CAST":
        result = maker.tensor(value.shape, F32 if value.dtype is I8 else I8)
        maker.op(name, [value.index], [result])
    elif name == "SHAPE":
        result = maker.tensor((rank,), I32)
        maker.op(name, [value.index], [result], out_type="INT32")
    else:
        result = maker.tensor(value.shape, value.dtype)
        maker.op(name, [value.index, maker.numbers([rank - 1])], [result])
    return [result]


@_rule("ARG_MAX", "ARG_MIN", "GATHER", "GATHER_ND", "EMBEDDING_LOOKUP")
def _indexed(maker: Maker, value: Value, name: str) -> Sequence[Value] | None:
    if value.dtype not in (I8, F32) or len(value.shape) < 2 or len(value.shape) > 4:
        return None
    rank = len(value.shape)
    if name in ("ARG_MAX", "ARG_MIN"):
        result = maker.tensor(value.shape[:-1], I32)
        maker.op(name, [value.index, maker.numbers([rank - 1])], [result], output_type="INT32")
    elif name == "GATHER":
        result = maker.tensor((2, *value.shape[1:]), value.dtype)
        maker.op(name, [value.index, maker.numbers([0, 0])], [result], axis=0)
    elif name == "GATHER_ND":
        result = maker.tensor((2, *value.shape[1:]), value.dtype)
        places = maker.model.constant(np.zeros((2, 1), np.int32))
        maker.op(name, [value.index, places], [result])
    else:
        if value.dtype is I8:
            return None
        result = maker.tensor((3, *value.shape[1:]), value.dtype)
        maker.op(name, [maker.numbers([0, 0, 0]), value.index], [result])
    return [result]


@_rule("SPACE_TO_DEPTH", "DEPTH_TO_SPACE", "SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND")
def _blocks(maker: Maker, value: Value, name: str) -> Sequence[Value] | None:
    if value.dtype not in (I8, F32) or len(value.shape) != 4:
        return None
    (batch, rows, columns, channels) = value.shape
    if name == "DEPTH_TO_SPACE":
        if channels % 4:
            return None
        result = maker.tensor((batch, 2 * rows, 2 * columns, channels // 4), value.dtype)
        maker.op(name, [value.index], [result], block_size=2)
        return [result]
    if name == "BATCH_TO_SPACE_ND":
        if batch % 4:
            return None
        result = maker.tensor((batch // 4, 2 * rows, 2 * columns, channels), value.dtype)
    elif rows % 2 or columns % 2:
        return None
    elif name == "SPACE_TO_DEPTH":
        result = maker.tensor((batch, rows // 2, columns // 2, channels * 4), value.dtype)
        maker.op(name, [value.index], [result], block_size=2)
        return [result]
    else:
        result = maker.tensor((batch * 4, rows // 2, columns // 2, channels), value.dtype)
    edges = maker.model.constant(np.zeros((2, 2), np.int32))
    maker.op(name, [value.index, maker.numbers([2, 2]), edges], [result])
    return [result]


@_rule("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR")
def _resize(maker: Maker, value: Value, name: str) -> Sequence[Value] | None:
    if value.dtype not in (I8, F32) or len(value.shape) != 4 or value.count > 3000:
        return None
    (batch, rows, columns, channels) = value.shape
    result = maker.tensor((batch, 2 * rows, 2 * columns, channels), value.dtype)
    maker.op(name, [value.index, maker.numbers([2 * rows, 2 * columns])], [result])
    return [result]


@_rule("BATCH_MATMUL")
def _batch_matmul(maker: Maker, value: Value, name: str) -> Sequence[Value] | None:
    if value.dtype not in (I8, I16, F32) or not 2 <= len(value.shape) <= 4 or value.count > 3000:
        return None
    adj_x, adj_y = maker.flip(0.3), maker.flip()
    (*outer, rows, depth) = value.shape
    if adj_x:
        rows, depth = depth, rows
    columns = maker.upto(9)
    shape = (*outer, columns, depth) if adj_y else (*outer, depth, columns)
    (factor, point) = _SCALE.get(value.dtype, (None, 0))
    other = maker.model.constant(
        np.zeros(shape, _NUMPY[value.dtype]), scale=factor, zero_point=point
    )
    result = maker.tensor((*outer, rows, columns), value.dtype)
    maker.op(name, [value.index, other], [result], adj_x=adj_x, adj_y=adj_y)
    return [result]


@_rule("DYNAMIC_UPDATE_SLICE")
def _update(maker: Maker, value: Value, name: str) -> Sequence[Value] | None:
    if value.dtype not in (I8, F32):
        return None
    (factor, point) = _SCALE.get(value.dtype, (None, 0))
    patch = maker.model.constant(
        np.zeros([1] * len(value.shape), _NUMPY[value.dtype]), scale=factor, zero_point=point
    )
    result = maker.tensor(value.shape, value.dtype)
    maker.op(name, [value.index, patch, maker.numbers([0] * len(value.shape))], [result])
    return [result]


@_rule("SVDF")
def _svdf(maker: Maker, value: Value, name: str) -> Sequence[Value] | None:
    if value.dtype not in (I8, F32) or len(value.shape) != 2:
        return None
    (batch, depth) = value.shape
    units, rank, memory = maker.upto(6), maker.pick(1, 2), maker.upto(5)
    filters = units * rank
    is_float = value.dtype is F32
    state_scale = None if is_float else 1 / 32768
    model = maker.model
    feature = maker.constant((filters, depth), value.dtype, 0 if is_float else 1)
    time = model.constant(
        np.zeros((filters, memory), np.float32 if is_float else np.int16), scale=state_scale
    )
    bias = model.constant(
        np.zeros(units, np.float32 if is_float else np.int32),
        scale=None if is_float else 1 / 32768**2,
    )
    state = model.variable((batch, filters * memory), F32 if is_float else I16, scale=state_scale)
    result = maker.tensor((batch, units), value.dtype)
    maker.op(name, [value.index, feature, time, bias, state], [result], rank=rank)
    return [result]


@_rule("UNIDIRECTIONAL_SEQUENCE_LSTM")
def _lstm(maker: Maker, value: Value, name: str) -> Sequence[Value] | None:
    if value.dtype not in (I8, I16, F32) or len(value.shape) != 3 or value.count > 1000:
        return None
    time_major = maker.flip(0.3)
    (steps, batch, depth) = (
        value.shape if time_major else (value.shape[1], value.shape[0], value.shape[2])
    )
    hidden = maker.upto(7)
    is_float = value.dtype is F32
    model = maker.model
    kind = F32 if is_float else I8
    one = 0 if is_float else 1
    inputs: list[int | None] = [value.index]
    inputs += [maker.constant((hidden, depth), kind, one) for _ in range(4)]
    inputs += [maker.constant((hidden, hidden), kind, one) for _ in range(4)]
    inputs += [None] * 3
    bias = np.float32 if is_float else np.int64 if value.dtype is I16 else np.int32
    inputs += [
        model.constant(np.zeros(hidden, bias), scale=None if is_float else 1 / 32768)
        for _ in range(4)
    ]
    inputs += [None] * 2
    (factor, point) = _SCALE.get(value.dtype, (None, 0))
    inputs.append(model.variable((batch, hidden), value.dtype, scale=factor, zero_point=point))
    cell = None if is_float else 1 / 2048
    inputs.append(model.variable((batch, hidden), F32 if is_float else I16, scale=cell))
    inputs += [None] * 4
    shape = (steps, batch, hidden) if time_major else (batch, steps, hidden)
    result = maker.tensor(shape, value.dtype)
    maker.op(name, inputs, [result], fused_activation_function="TANH", time_major=time_major)
    return [result]


OPERATORS = tuple(sorted(_RULES))
"""The operators that random graphs have, beside those of control flow."""

_SHAPES = ((1, 8, 6, 4), (1, 4, 4, 3), (4, 2, 2, 8), (1, 12), (2, 7, 5), (3, 10), (1, 9, 9, 20))


def random_model(seed: int, *, operators: int = 6) -> bytes:
    """Return a model of up to ``operators`` random operators, the same for the same seed."""
    random = Random(seed)
    maker = Maker(random)
    values = [
        maker.input(random.choice(_SHAPES), random.choice((I8, I8, I16, F32)))
        for _ in range(random.choice((1, 1, 2)))
    ]
    grow(maker, values, random.randint(1, operators))
    ending = random.random()
    if ending < 0.1:
        _branch(maker, values[-1])
    elif ending < 0.2:
        _variables(maker, values[-1])
    if random.random() < 0.15:
        _plan_offline(maker)
    return maker.model.bytes()


def _plan_offline(maker: Maker) -> None:
    """Bring a plan along that places some of the tensors, as senseless as it may be."""
    tensors = [tensor for graph in maker.model.model.subgraphs for tensor in graph.tensors]
    offsets = [16 * maker.random.randint(0, 99) if maker.flip(0.4) else ONLINE for _ in tensors]
    data = encode_offline_plan(offsets, subgraphs=len(maker.model.model.subgraphs))
    maker.model.metadata(METADATA_NAME, data)


def single(name: str, shape: Sequence[int], dtype: DType, seed: int = 0) -> bytes | None:
    """Return a model of the one operator, or ``None`` where it does not take such a tensor."""
    maker = Maker(Random(seed))
    value = maker.input(shape, dtype)
    made = _RULES[name](maker, value)
    if made is None:
        return None
    maker.model.output(*(result.index for result in made))
    return maker.model.bytes()


def grow(maker: Maker, values: list[Value], count: int) -> None:
    """Add ``count`` operators after the values, and declare some results as outputs."""
    added = 0
    for _ in range(20 * count):
        value = maker.random.choice(values[-4:])
        made = _RULES[maker.random.choice(OPERATORS)](maker, value)
        if made is not None and all(0 < result.count < 20000 for result in made):
            values.extend(made)
            added += 1
            if added == count:
                break
    outputs = maker.random.sample(values, min(len(values), maker.pick(1, 1, 2)))
    maker.model.output(*(value.index for value in outputs))


def _branch(maker: Maker, value: Value) -> None:
    """End with an IF or a WHILE on subgraphs of their own."""
    model = maker.model
    result = maker.tensor(value.shape, value.dtype)
    following = len(model.model.subgraphs)
    loop = maker.flip()
    if loop:
        maker.op(
            "WHILE",
            [value.index],
            [result],
            cond_subgraph_index=following,
            body_subgraph_index=following + 1,
        )
    else:
        condition = maker.model.input((1,), BOOL)
        maker.op(
            "IF",
            [condition, value.index],
            [result],
            then_subgraph_index=following,
            else_subgraph_index=following + 1,
        )
    model.output(result.index)
    for number in range(2):
        model.subgraph(f"branch {number}")
        inner = maker.input(value.shape, value.dtype)
        if loop and number == 0:
            answer = maker.tensor((1,), BOOL)
            one = maker.model.constant(np.ones((1,), np.float32))
            maker.op("LESS", [one, one], [answer])
            model.output(answer.index)
            continue
        outer = maker.tensor(value.shape, value.dtype)
        if value.dtype in (I8, I16, F32):
            maker.op(
                maker.random.choice(("RELU", "LOGISTIC", "CONCATENATION")), [inner.index], [outer]
            )
            model.output(outer.index)
        else:
            model.output(inner.index)


def _variables(maker: Maker, value: Value) -> None:
    """End with a resource variable that is read and assigned, set up by a CALL_ONCE."""
    if value.dtype not in (I8, F32):
        return
    model = maker.model
    following = len(model.model.subgraphs)
    model.op("CALL_ONCE", [], [], init_subgraph_index=following)

    def handle() -> int:
        index = model.tensor((1,), DType.RESOURCE)
        return model.op("VAR_HANDLE", [], [index], container="", shared_name="state")

    here = handle()
    old = maker.tensor(value.shape, value.dtype)
    model.op("READ_VARIABLE", [here], [old.index])
    new = maker.tensor(value.shape, value.dtype)
    maker.op("ADD", [old.index, value.index], [new])
    model.op("ASSIGN_VARIABLE", [here, new.index], [])
    model.output(new.index)
    model.subgraph("once")
    (factor, point) = _SCALE.get(value.dtype, (None, 0))
    zeros = model.constant(
        np.zeros(value.shape, _NUMPY[value.dtype]), scale=factor, zero_point=point
    )
    model.op("ASSIGN_VARIABLE", [handle(), zeros], [])
