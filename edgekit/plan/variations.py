"""The same graph as it would be in int8, or with a smaller input: to plan, never to run.

Both keep the operators and change tensors: their types, or the height and width of the
images in them. What a changed model computes is another matter: an int8 model is
converted with calibration data, one for a smaller input is trained again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from edgekit.graph import DType, Graph, Operator, OptionValue, Quantization, Tensor

_QUANTIZATION_BYTES = 48
_BYTES_A_SCALE = 12
"""What a tensor's quantisation takes in the file: the table with its vectors, and for each
scale a float32 and an int64 zero point (schema.fbs, QuantizationParameters)."""

_FIXED_OUTPUTS: Mapping[str, tuple[float, int]] = {
    "SOFTMAX": (1 / 256, -128),
    "LOGISTIC": (1 / 256, -128),
    "TANH": (1 / 128, 0),
    "L2_NORMALIZATION": (1 / 128, 0),
}
"""Scale and zero point that the operators' int8 kernels demand (TFLite's quantisation
specification)."""

_CHANNEL_AXES: Mapping[str, int] = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "TRANSPOSE_CONV": 0}
_BIASED = frozenset({*_CHANNEL_AXES, "FULLY_CONNECTED"})
_ACTIVATION_SCALE = 1 / 16
"""Made up; what is planned does not depend on them."""


def as_int8(graph: Graph) -> Graph | None:
    """Return a float32 model's graph with a byte an element, or ``None`` if it is no such.

    Weights of convolutions get a scale a channel, those of Dense layers one, biases are
    int32: as the converter does it. Values and scales are made up, different for each
    tensor, as an engine may store equal constants once.
    """
    if len(graph.subgraphs) != 1:
        return None
    main = graph.main
    floats = [tensor for tensor in main.tensors if tensor.dtype is DType.FLOAT32]
    if not any(not tensor.is_constant for tensor in floats) or _mixes(graph):
        return None
    made = {tensor.index: _int8_tensor(tensor) for tensor in floats}
    for operator in main.operators:
        if operator.name in _FIXED_OUTPUTS:
            (scale, zero_point) = _FIXED_OUTPUTS[operator.name]
            for index in operator.outputs:
                if index in made:
                    made[index] = replace(made[index], quantization=_scaled(1, scale, zero_point))
        axis = _CHANNEL_AXES.get(operator.name)
        weights = operator.inputs[1] if len(operator.inputs) > 1 else -1
        if axis is not None and weights >= 0:
            tensor = made.get(weights, main.tensors[weights])
            if tensor.is_constant and len(tensor.shape) > axis:
                scales = _scaled(tensor.shape[axis], _weight_scale(weights), axis=axis)
                made[weights] = replace(tensor, quantization=scales)
        bias = operator.inputs[2] if len(operator.inputs) > 2 else -1
        if operator.name in _BIASED and bias in made and made[bias].is_constant:
            count = made[bias].element_count
            channels = count if axis is not None else 1
            made[bias] = replace(
                made[bias],
                dtype=DType.INT32,
                data=_made_up(bias, 4 * count),
                quantization=_scaled(channels, _ACTIVATION_SCALE * _weight_scale(weights)),
            )
    size_bytes = graph.size_bytes
    for index, tensor in made.items():
        size_bytes += _stored_bytes(tensor) - _stored_bytes(main.tensors[index])
    return _with_tensors(graph, made, size_bytes=size_bytes)


def _mixes(graph: Graph) -> bool:
    """Whether the graph already goes from one kind of numbers to another."""
    return any(operator.name in ("QUANTIZE", "DEQUANTIZE") for operator in graph.main.operators)


def _int8_tensor(tensor: Tensor) -> Tensor:
    scale = _weight_scale(tensor.index) if tensor.is_constant else _ACTIVATION_SCALE
    return replace(
        tensor,
        dtype=DType.INT8,
        quantization=_scaled(1, scale),
        data=_made_up(tensor.index, tensor.element_count) if tensor.is_constant else None,
        is_sparse=False,
    )


def _weight_scale(index: int) -> float:
    return (1 + index / 4096) / 128


def _made_up(index: int, size_bytes: int) -> bytes:
    """Return bytes that differ from those of another tensor of the same size."""
    return index.to_bytes(2, "little").ljust(size_bytes, b"\0")[:size_bytes]


def _scaled(count: int, scale: float, zero_point: int = 0, *, axis: int = 0) -> Quantization:
    return Quantization(scales=(scale,) * count, zero_points=(zero_point,) * count, axis=axis)


def _stored_bytes(tensor: Tensor) -> int:
    """Bytes of a tensor's elements and quantisation in the file."""
    quantization = tensor.quantization
    scales = len(quantization.scales) if quantization else 0
    return len(tensor.data or b"") + (
        _QUANTIZATION_BYTES + _BYTES_A_SCALE * scales if scales else 0
    )


def _with_tensors(graph: Graph, made: Mapping[int, Tensor], *, size_bytes: int) -> Graph:
    tensors = tuple(made.get(tensor.index, tensor) for tensor in graph.main.tensors)
    return replace(
        graph, subgraphs=(replace(graph.main, tensors=tensors),), size_bytes=size_bytes, sha256=""
    )


class _UndefinedError(Exception):
    """A smaller input has no meaning for this operator."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SmallerInput:
    """A graph for a smaller image, and the image's (height, width) before and after."""

    graph: Graph
    before: tuple[int, int]
    after: tuple[int, int]


def with_smaller_input(graph: Graph, numerator: int, denominator: int) -> SmallerInput | None:
    """Return a convolutional graph for an image of ``numerator / denominator`` the size.

    Height and width of the one input shrink, and with them every tensor computed from
    it, by each operator's own rule. Pooling over the whole image stays that; the
    weights of a Dense layer that reads a flattened image shrink. ``None`` where the
    model has no such input, an image gets too small, or an operator has no such rule.
    """
    main = graph.main
    if len(graph.subgraphs) != 1 or len(main.inputs) != 1:
        return None
    shape = main.input_tensors[0].shape
    if len(shape) != 4 or max(shape[1:3]) < 2 or not any(
        operator.name in ("CONV_2D", "DEPTHWISE_CONV_2D") for operator in main.operators
    ):  # fmt: skip
        return None
    (height, width) = (max(1, size * numerator // denominator) for size in shape[1:3])
    walk = _Shrinking(main.tensors)
    walk.shapes[main.inputs[0]] = (shape[0], height, width, shape[3])
    try:
        operators = tuple(walk.shrink(operator) for operator in main.operators)
    except _UndefinedError:
        return None
    made = {index: walk.tensor(index) for index in walk.shapes}
    size_bytes = graph.size_bytes + sum(
        len(tensor.data or b"") - len(main.tensors[index].data or b"")
        for index, tensor in made.items()
    )
    changed = _with_tensors(graph, made, size_bytes=size_bytes)
    return SmallerInput(
        graph=replace(changed, subgraphs=(replace(changed.main, operators=operators),)),
        before=(shape[1], shape[2]),
        after=(height, width),
    )


Shape = tuple[int, ...]


class _Shrinking:
    """Follows changed shapes from the input through the operators."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self._tensors = tensors
        self.shapes: dict[int, Shape] = {}

    def tensor(self, index: int) -> Tensor:
        """Return a tensor with its new shape, and as much data as that has."""
        tensor = self._tensors[index]
        changed = replace(tensor, shape=self.shapes[index], shape_signature=())
        if tensor.data is None:
            return changed
        return replace(changed, data=tensor.data[: changed.size_bytes])

    def shrink(self, operator: Operator) -> Operator:
        """Note the shapes of an operator's outputs; return it with options that match."""
        changed = [index for index in operator.inputs if index in self.shapes]
        if not changed:
            return operator
        rule = _RULES.get(operator.name)
        if rule is None or len(operator.outputs) != 1:
            raise _UndefinedError(operator.name)
        (shape, options) = rule(self, operator)
        if min(shape, default=1) < 1:
            raise _UndefinedError(operator.name)
        (output,) = operator.outputs
        if shape != self._tensors[output].shape:
            self.shapes[output] = shape
        return replace(operator, options={**operator.options, **options}) if options else operator

    def old(self, index: int) -> Shape:
        return self._tensors[index].shape

    def new(self, index: int) -> Shape:
        return self.shapes.get(index, self._tensors[index].shape)

    def constant(self, index: int) -> tuple[int, ...]:
        """Return the elements of a constant of int32."""
        tensor = self._tensors[index]
        if tensor.data is None or tensor.dtype is not DType.INT32:
            raise _UndefinedError(tensor.name)
        return tuple(
            int.from_bytes(tensor.data[start : start + 4], "little", signed=True)
            for start in range(0, len(tensor.data), 4)
        )

    def set_shape(self, index: int, shape: Shape) -> None:
        self.shapes[index] = shape

    def is_constant(self, index: int) -> bool:
        return self._tensors[index].is_constant


Ruled = tuple[Shape, Mapping[str, OptionValue]]


def _number(operator: Operator, key: str, default: int = 1) -> int:
    value = operator.options.get(key, default)
    return value if isinstance(value, int) else default


def _windows(size: int, window: int, stride: int, operator: Operator) -> int:
    if operator.options.get("padding") == "SAME":
        return -(-size // stride)
    return (size - window) // stride + 1


def _image(walk: _Shrinking, index: int) -> tuple[int, int, int, int]:
    shape = walk.new(index)
    if len(shape) != 4:
        raise _UndefinedError
    (batch, height, width, channels) = shape
    return batch, height, width, channels


def _convolution(walk: _Shrinking, operator: Operator) -> Ruled:
    (batch, height, width, _) = _image(walk, operator.inputs[0])
    if not walk.is_constant(operator.inputs[1]):
        raise _UndefinedError
    (_, rows, columns, _) = walk.old(operator.inputs[1])
    rows = (rows - 1) * _number(operator, "dilation_h_factor") + 1
    columns = (columns - 1) * _number(operator, "dilation_w_factor") + 1
    return (
        batch,
        _windows(height, rows, _number(operator, "stride_h"), operator),
        _windows(width, columns, _number(operator, "stride_w"), operator),
        walk.old(operator.outputs[0])[3],
    ), {}


def _pool(walk: _Shrinking, operator: Operator) -> Ruled:
    (batch, height, width, channels) = _image(walk, operator.inputs[0])
    (_, old_height, old_width, _) = walk.old(operator.inputs[0])
    options: dict[str, OptionValue] = {}
    sizes = []
    for new, old, letter in ((height, old_height, "h"), (width, old_width, "w")):
        key = "filter_height" if letter == "h" else "filter_width"
        window = _number(operator, key)
        stride = _number(operator, f"stride_{letter}")
        if window >= old:  # over the whole image, and so it stays
            window = options[key] = new
            stride = options[f"stride_{letter}"] = new
        sizes.append(_windows(new, window, stride, operator))
    return (batch, *sizes, channels), options


def _same_shape(walk: _Shrinking, operator: Operator) -> Ruled:
    return walk.new(operator.inputs[0]), {}


def _broadcast(walk: _Shrinking, operator: Operator) -> Ruled:
    (first, second) = (walk.new(index) for index in operator.inputs)
    rank = max(len(first), len(second))
    (first, second) = ((1,) * (rank - len(shape)) + shape for shape in (first, second))
    if any(a != b and 1 not in (a, b) for a, b in zip(first, second, strict=True)):
        raise _UndefinedError
    return tuple(b if a == 1 else a for a, b in zip(first, second, strict=True)), {}


def _concatenation(walk: _Shrinking, operator: Operator) -> Ruled:
    shapes = [walk.new(index) for index in operator.inputs]
    rank = len(shapes[0])
    axis = _number(operator, "axis", 0) % rank
    for shape in shapes:
        if shape[:axis] + shape[axis + 1 :] != shapes[0][:axis] + shapes[0][axis + 1 :]:
            raise _UndefinedError
    joined = sum(shape[axis] for shape in shapes)
    return (*shapes[0][:axis], joined, *shapes[0][axis + 1 :]), {}


def _reduction(walk: _Shrinking, operator: Operator) -> Ruled:
    shape = walk.new(operator.inputs[0])
    axes = {axis % len(shape) for axis in walk.constant(operator.inputs[1])}
    if operator.options.get("keep_dims"):
        return tuple(1 if axis in axes else size for axis, size in enumerate(shape)), {}
    return tuple(size for axis, size in enumerate(shape) if axis not in axes), {}


def _padding(walk: _Shrinking, operator: Operator) -> Ruled:
    shape = walk.new(operator.inputs[0])
    pads = walk.constant(operator.inputs[1])
    return tuple(size + pads[2 * axis] + pads[2 * axis + 1] for axis, size in enumerate(shape)), {}


def _reshape(walk: _Shrinking, operator: Operator) -> Ruled:
    """Dimensions that were joined, split off ones aside, are joined again."""
    old_in, new_in = walk.old(operator.inputs[0]), walk.new(operator.inputs[0])
    old_out = walk.old(operator.outputs[0])
    sizes: list[int] = []
    position = 0
    for size in old_out:
        joined, new = 1, 1
        while joined < size and position < len(old_in):
            joined *= old_in[position]
            new *= new_in[position]
            position += 1
        if joined != size:
            raise _UndefinedError
        sizes.append(new)
    if math.prod(sizes) != math.prod(new_in):
        raise _UndefinedError
    return tuple(sizes), {}


def _dense(walk: _Shrinking, operator: Operator) -> Ruled:
    (source, weights) = operator.inputs[:2]
    (outputs, depth) = walk.old(weights)
    old_out = walk.old(operator.outputs[0])
    batch = math.prod(walk.old(source)) // depth
    if walk.new(source)[-1] == depth:  # each place of the image by itself
        if len(old_out) != len(walk.new(source)):
            raise _UndefinedError
        return (*walk.new(source)[:-1], outputs), {}
    if batch != 1 or not walk.is_constant(weights):
        raise _UndefinedError
    walk.set_shape(weights, (outputs, math.prod(walk.new(source))))
    return old_out, {}


_RULES: Mapping[str, Callable[[_Shrinking, Operator], Ruled]] = {
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D"), _convolution),
    **dict.fromkeys(("AVERAGE_POOL_2D", "MAX_POOL_2D"), _pool),
    **dict.fromkeys(("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM"), _broadcast),
    **dict.fromkeys(("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN"), _reduction),
    **dict.fromkeys(("PAD", "PADV2", "MIRROR_PAD"), _padding),
    **dict.fromkeys(("RESHAPE", "SQUEEZE", "EXPAND_DIMS"), _reshape),
    **dict.fromkeys(("ABS", "DEQUANTIZE", "ELU", "HARD_SWISH", "LEAKY_RELU"), _same_shape),
    **dict.fromkeys(("LOGISTIC", "NEG", "QUANTIZE", "RELU", "RELU6"), _same_shape),
    **dict.fromkeys(("SOFTMAX", "TANH"), _same_shape),
    "CONCATENATION": _concatenation,
    "FULLY_CONNECTED": _dense,
}
