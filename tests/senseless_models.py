"""Well-formed files of senseless models: operators whose parts do not go together.

Each model starts as a sensible operator and has a few of its parts spoiled: shapes,
types, scales, options, the number of inputs and outputs, what is constant.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import numpy as np
from tflite_writer import ModelWriter

from edgekit.graph import DType

_MOST_CONSTANT_ELEMENTS = 4096
_NUMPY = {
    DType.INT8: np.int8,
    DType.UINT8: np.uint8,
    DType.INT16: np.int16,
    DType.INT32: np.int32,
    DType.INT64: np.int64,
    DType.FLOAT32: np.float32,
    DType.BOOL: np.bool_,
}
_SIZES = (0, 1, 1, 2, 2, 3, 4, 5, 7, 8, 16, 64, 8192, 65535, 65536, 2**24, 2**30, 2**31 - 1)
_SCALES = (None, 0.0, -0.5, 1e-45, 1.5e-39, 1e-30, 1e-9, 1e-3, 1 / 256, 0.1, 0.5, 1.0, 1e9)
_MORE_SCALES = (1e30, 3.4e38, "per channel")
_POINTS = (-128, 0, 0, 1, 127)
_NUMBERS = (-(2**31), -7, -1, 0, 1, 1, 2, 3, 4, 100, 65536, 2**30, 2**31 - 1)


@dataclass
class Part:
    """A tensor to be: its values where it is constant, else ``None``."""

    shape: tuple[int, ...]
    dtype: DType = DType.INT8
    scale: float | str | None = 0.5
    zero_point: int = 0
    values: np.ndarray | None = None
    signature: tuple[int, ...] | None = None
    is_variable: bool = False


@dataclass
class Sketch:
    """An operator to be."""

    name: str
    inputs: list[Part | None]
    outputs: list[Part]
    options: dict[str, object] = field(default_factory=dict)


def _image(*shape: int, scale: float = 0.5, zero_point: int = 0) -> Part:
    return Part(shape, scale=scale, zero_point=zero_point)


def _weights(random: Random, *shape: int) -> Part:
    values = np.array(
        [random.randint(-128, 127) for _ in range(math.prod(shape))], np.int8
    ).reshape(shape)
    return Part(shape, scale=0.01, values=values)


def _integers(*values: int) -> Part:
    return Part((len(values),), DType.INT32, None, values=np.array(values, np.int32))


def _conv_2d(random: Random) -> Sketch:
    size, taps, stride = random.randint(3, 9), random.randint(1, 3), random.randint(1, 3)
    padding = random.choice(("SAME", "VALID"))
    channels, filters = random.randint(1, 5), random.randint(1, 6)
    out = -(-size // stride) if padding == "SAME" else (size + stride - taps) // stride
    options: dict[str, object] = {"padding": padding, "stride_w": stride, "stride_h": stride}
    kind = random.choice(("CONV_2D", "DEPTHWISE_CONV_2D"))
    if kind == "DEPTHWISE_CONV_2D":
        multiplier = random.randint(1, 3)
        filters = channels * multiplier
        kernel = _weights(random, 1, taps, taps, filters)
        options["depth_multiplier"] = multiplier
    else:
        kernel = _weights(random, filters, taps, taps, channels)
    bias = _integers(*(random.randint(-1000, 1000) for _ in range(filters)))
    image = _image(1, size, size, channels, zero_point=random.choice(_POINTS))
    return Sketch(
        kind,
        [image, kernel, random.choice((bias, None))],
        [_image(1, out, out, filters)],
        options,
    )


def _transpose_conv(random: Random) -> Sketch:
    return Sketch(
        "TRANSPOSE_CONV",
        [_integers(1, 8, 8, 2), _weights(random, 2, 2, 2, 3), _image(1, 4, 4, 3)],
        [_image(1, 8, 8, 2)],
        {"padding": "SAME", "stride_w": 2, "stride_h": 2},
    )


def _fully_connected(random: Random) -> Sketch:
    columns, rows, batch = random.randint(1, 20), random.randint(1, 9), random.randint(1, 3)
    return Sketch(
        "FULLY_CONNECTED",
        [
            _image(batch, columns, zero_point=random.choice(_POINTS)),
            _weights(random, rows, columns),
            random.choice((None, _integers(*range(rows)))),
        ],
        [_image(batch, rows)],
    )


def _pool(random: Random) -> Sketch:
    size, taps = random.randint(3, 9), random.randint(1, 3)
    return Sketch(
        random.choice(("AVERAGE_POOL_2D", "MAX_POOL_2D", "AVERAGE_POOL_2D", "L2_POOL_2D")),
        [_image(1, size, size, 3)],
        [_image(1, -(-size // 2), -(-size // 2), 3)],
        {
            "padding": "SAME",
            "stride_w": 2,
            "stride_h": 2,
            "filter_height": taps,
            "filter_width": taps,
        },
    )


def _binary(random: Random) -> Sketch:
    shape = tuple(random.randint(1, 4) for _ in range(random.randint(0, 5)))
    other = tuple(random.choice((1, size)) for size in shape)
    name = random.choice(("ADD", "ADD", "ADD", "SUB", "MUL", "MAXIMUM", "DIV", "EQUAL"))
    return Sketch(name, [_image(*shape), _image(*other)], [_image(*shape)])


def _unary(random: Random) -> Sketch:
    shape = tuple(random.randint(1, 4) for _ in range(random.randint(0, 5)))
    names = (
        "RELU", "RELU6", "LOGISTIC", "TANH", "HARD_SWISH", "ABS", "LEAKY_RELU", "ELU", "RSQRT",
        "LOG_SOFTMAX", "L2_NORMALIZATION", "ADD_N", "CUMSUM", "QUANTIZE", "SHAPE",
    )  # fmt: skip
    name = random.choice((*names, "RELU6", "RELU", "LOGISTIC"))
    output = _image(*shape)
    if name == "LOGISTIC":
        output = _image(*shape, scale=1 / 256, zero_point=-128)
    inputs = [_image(*shape), _integers(0)] if name == "CUMSUM" else [_image(*shape)]
    return Sketch(name, [*inputs], [output])


def _conversion(random: Random) -> Sketch:
    shape = tuple(random.randint(1, 4) for _ in range(random.randint(0, 4)))
    name, before, after = random.choice(
        (
            ("QUANTIZE", DType.FLOAT32, DType.INT8),
            ("QUANTIZE", DType.INT8, DType.INT16),
            ("QUANTIZE", DType.UINT8, DType.INT8),
            ("DEQUANTIZE", DType.INT8, DType.FLOAT32),
            ("DEQUANTIZE", DType.UINT8, DType.FLOAT32),
            ("CAST", DType.INT8, DType.INT32),
        )
    )
    scales = [None if kind is DType.FLOAT32 else 0.5 for kind in (before, after)]
    return Sketch(name, [Part(shape, before, scales[0])], [Part(shape, after, scales[1])])


def _softmax(random: Random) -> Sketch:
    shape = tuple(random.randint(1, 9) for _ in range(random.randint(1, 4)))
    return Sketch(
        "SOFTMAX",
        [_image(*shape)],
        [_image(*shape, scale=1 / 256, zero_point=-128)],
        {"beta": 1.0},
    )


def _reduction(random: Random) -> Sketch:
    shape = tuple(random.randint(1, 4) for _ in range(4))
    return Sketch(
        random.choice(("MEAN", "MEAN", "SUM", "REDUCE_MAX")),
        [_image(*shape), _integers(1, 2)],
        [_image(shape[0], shape[3])],
    )


def _view(random: Random) -> Sketch:
    name = random.choice(("RESHAPE", "SQUEEZE", "EXPAND_DIMS"))
    inputs: list[Part | None] = [_image(1, 2, 3, 4)]
    if name == "EXPAND_DIMS":
        return Sketch(name, [*inputs, _integers(0)], [_image(1, 1, 2, 3, 4)])
    if name == "RESHAPE":
        inputs.append(_integers(6, 4))
    return Sketch(name, inputs, [_image(6, 4) if name == "RESHAPE" else _image(2, 3, 4)])


def _pad(random: Random) -> Sketch:
    name = random.choice(("PAD", "PADV2", "MIRROR_PAD"))
    paddings = Part(
        (4, 2), DType.INT32, None, values=np.array([[0, 0], [1, 1], [1, 0], [0, 0]], np.int32)
    )
    inputs: list[Part | None] = [_image(1, 3, 4, 2), paddings]
    if name == "PADV2":
        inputs.append(Part((1,), values=np.array([0], np.int8)))
    return Sketch(name, inputs, [_image(1, 5, 5, 2)])


def _rearrangement(random: Random) -> Sketch:
    name = random.choice(
        (
            "CONCATENATION", "PACK", "SPLIT", "UNPACK", "TRANSPOSE", "SLICE", "STRIDED_SLICE",
            "GATHER", "GATHER_ND", "SPACE_TO_DEPTH", "DEPTH_TO_SPACE", "RESIZE_BILINEAR",
            "ARG_MAX", "SPACE_TO_BATCH_ND", "REVERSE_V2", "BROADCAST_TO", "TILE",
        )
    )  # fmt: skip
    image = _image(1, 4, 4, 4)
    inputs: list[Part | None] = [image, _integers(1, 2, 1, 0)]
    outputs = [_image(1, 4, 4, 4)]
    if name in ("CONCATENATION", "PACK"):
        inputs = [_image(1, 4, 4, 2), _image(1, 4, 4, 2)]
    elif name == "SPLIT":
        inputs, outputs = [_integers(1), image], [_image(1, 2, 4, 4), _image(1, 2, 4, 4)]
    elif name == "UNPACK":
        inputs, outputs = [_image(2, 3)], [_image(3), _image(3)]
    elif name in ("SLICE", "SPACE_TO_BATCH_ND"):
        inputs = [image, _integers(0, 0, 0, 0), _integers(1, 4, 4, 4)]
    elif name == "STRIDED_SLICE":
        inputs = [image, _integers(0, 0, 0, 0), _integers(1, 4, 4, 4), _integers(1, 1, 1, 1)]
    return Sketch(name, inputs, outputs)


def _matrix(random: Random) -> Sketch:
    adjoint = random.random() < 0.5
    right = _image(2, 5, 4) if adjoint else _image(2, 4, 5)
    return Sketch("BATCH_MATMUL", [_image(2, 3, 4), right], [_image(2, 3, 5)], {"adj_y": adjoint})


def _svdf(random: Random) -> Sketch:
    memory = Part((2, 3), DType.INT16, values=np.ones((2, 3), np.int16))
    state = Part((1, 6), DType.INT16, is_variable=True)
    return Sketch(
        "SVDF",
        [_image(1, 4), _weights(random, 2, 4), memory, None, state],
        [_image(1, 2)],
        {"rank": 1},
    )


def _lstm(random: Random) -> Sketch:
    inputs: list[Part | None] = [_image(1, 3, 4)]
    inputs += [_weights(random, 5, 4) for _ in range(4)]
    inputs += [_weights(random, 5, 5) for _ in range(4)]
    inputs += [None, None, None]
    inputs += [_integers(*range(5)) for _ in range(4)]
    inputs += [None, None, Part((1, 5), is_variable=True)]
    inputs += [Part((1, 5), DType.INT16, is_variable=True), None, None, None, None]
    return Sketch("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, [_image(1, 3, 5)])


_KINDS: tuple[Callable[[Random], Sketch], ...] = (
    _conv_2d, _conv_2d, _transpose_conv, _fully_connected, _pool, _binary, _unary, _conversion,
    _softmax, _reduction, _view, _pad, _rearrangement, _matrix, _svdf, _lstm,
)  # fmt: skip


def senseless_model(random: Random, *, modest: bool = False) -> bytes:
    """Return a file of one to three operators that are spoiled in none to four places.

    ``modest`` models have small sizes only, so that they can be run.
    """
    model = ModelWriter()
    for number in range(random.choice((1, 1, 1, 2, 3))):
        sketch = random.choice(_KINDS)(random)
        for _ in range(random.choice((0, 1, 1, 1, 2, 3, 4))):
            random.choice(_SPOILERS)(random, sketch, modest)
        _write(random, model, sketch)
        if number == 0 and random.random() < 0.05:
            model.output(0)
    return model.bytes()


def _write(random: Random, model: ModelWriter, sketch: Sketch) -> None:
    inputs = [None if part is None else _tensor(model, part, "input") for part in sketch.inputs]
    outputs = [_tensor(model, part, "output") for part in sketch.outputs]
    model.op(sketch.name, inputs, outputs, **sketch.options)
    model.output(*outputs)
    if random.random() < 0.05 and inputs and inputs[0] is not None:
        model.output(inputs[0])


def _tensor(model: ModelWriter, part: Part, role: str) -> int:
    scale, point = part.scale, part.zero_point
    axis = 0
    if scale == "per channel":
        axis = next((i for i, size in enumerate(part.shape) if 1 < size < 1000), 0)
        count = part.shape[axis] if part.shape else 1
        scale = [0.01 * (1 + i % 3) for i in range(count if count < 1000 else 1)]
    if part.values is not None and role == "input":
        return model.constant(part.values, scale=scale, zero_point=point, axis=axis)
    options = {"scale": scale, "zero_point": point, "shape_signature": part.signature}
    if part.is_variable or role == "output":
        return model.tensor(
            part.shape, part.dtype, axis=axis, is_variable=part.is_variable, **options
        )
    index = model.tensor(part.shape, part.dtype, axis=axis, **options)
    model.model.subgraphs[0].inputs.append(index)
    return index


def _parts(sketch: Sketch) -> list[Part]:
    return [part for part in (*sketch.inputs, *sketch.outputs) if part is not None]


def _reshape(random: Random, part: Part, shape: tuple[int, ...]) -> None:
    part.shape = shape
    if part.values is not None:
        count = math.prod(shape)
        if count > _MOST_CONSTANT_ELEMENTS or part.dtype not in _NUMPY:
            part.values = None
        else:
            values = [random.choice((0, 1, 2, 3, -1, 127)) for _ in range(count)]
            part.values = np.array(values, np.int64).astype(_NUMPY[part.dtype]).reshape(shape)


def _spoil_size(random: Random, sketch: Sketch, modest: bool) -> None:
    part = random.choice(_parts(sketch))
    if not part.shape:
        return
    shape = list(part.shape)
    sizes = _SIZES[1:11] if modest else _SIZES
    shape[random.randrange(len(shape))] = random.choice(sizes)
    if math.prod(shape) < 2**31:
        _reshape(random, part, tuple(shape))


def _spoil_rank(random: Random, sketch: Sketch, modest: bool) -> None:
    part = random.choice(_parts(sketch))
    shape = list(part.shape)
    if shape and random.random() < 0.6:
        del shape[random.randrange(len(shape))]
    else:
        shape.insert(random.randint(0, len(shape)), random.choice((1, 2, 3)))
    _reshape(random, part, random.choice((tuple(shape), tuple(shape), ())))


def _spoil_type(random: Random, sketch: Sketch, modest: bool) -> None:
    part = random.choice(_parts(sketch))
    part.dtype = random.choice((*_NUMPY, *DType))
    _reshape(random, part, part.shape)


def _spoil_scale(random: Random, sketch: Sketch, modest: bool) -> None:
    random.choice(_parts(sketch)).scale = random.choice(_SCALES + _MORE_SCALES)


def _spoil_zero_point(random: Random, sketch: Sketch, modest: bool) -> None:
    random.choice(_parts(sketch)).zero_point = random.choice(_POINTS)


def _spoil_all_scales(random: Random, sketch: Sketch, modest: bool) -> None:
    scale = random.choice(_SCALES + _MORE_SCALES)
    for part in _parts(sketch):
        part.scale = scale


_OPTIONS: dict[str, tuple[object, ...]] = {
    "padding": ("SAME", "VALID"),
    "fused_activation_function": (
        "NONE", "RELU", "RELU6", "RELU_N1_TO_1", "TANH", "SIGN_BIT",
    ),
    "beta": (0.0, -1.0, 1e-45, 1e-9, 1.0, 1e9, 3e38),
    "alpha": (0.0, -1.0, 1e-45, 3e38),
    "keep_dims": (True, False),
    "keep_num_dims": (True, False),
    "weights_format": ("DEFAULT", "SHUFFLED4x16INT8"),
}  # fmt: skip


def _spoil_option(random: Random, sketch: Sketch, modest: bool) -> None:
    from edgekit.model import schema

    table = schema.OPTIONS_OF.get(sketch.name)
    fields = [item for item in schema.options_fields(table) if item.name] if table else []
    fields = [item for item in fields if item.name in _OPTIONS or item.scalar == "int32"]
    if not fields:
        return
    chosen = random.choice(fields)
    numbers = _NUMBERS[1:10] if modest else _NUMBERS
    if chosen.is_vector:
        sketch.options[chosen.name] = [random.choice(numbers) for _ in range(random.randint(0, 4))]
    else:
        sketch.options[chosen.name] = random.choice(_OPTIONS.get(chosen.name, numbers))


def _spoil_values(random: Random, sketch: Sketch, modest: bool) -> None:
    held = [
        part
        for part in _parts(sketch)
        if part.values is not None and part.dtype is DType.INT32 and part.values.size
    ]
    if held:
        values = random.choice(held).values
        assert values is not None
        numbers = _NUMBERS[1:10] if modest else _NUMBERS
        values.flat[random.randrange(values.size)] = random.choice(numbers)


def _spoil_inputs(random: Random, sketch: Sketch, modest: bool) -> None:
    way = random.random()
    position = random.randrange(len(sketch.inputs) + 1)
    if way < 0.35 and position < len(sketch.inputs):
        del sketch.inputs[position]
    elif way < 0.6 and sketch.inputs:
        sketch.inputs.insert(position, random.choice(sketch.inputs))
    elif way < 0.8 and position < len(sketch.inputs):
        sketch.inputs[position] = None
    else:
        sketch.inputs.reverse()


def _spoil_outputs(random: Random, sketch: Sketch, modest: bool) -> None:
    if random.random() < 0.7:
        sketch.outputs.append(random.choice(sketch.outputs))
    elif len(sketch.outputs) > 1:
        sketch.outputs.pop()


def _spoil_constancy(random: Random, sketch: Sketch, modest: bool) -> None:
    for part in sketch.inputs:
        if part is None or random.random() < 0.4:
            continue
        if part.values is not None:
            part.values = None
        else:
            part.values = np.zeros((0,))
            _reshape(random, part, part.shape)


def _spoil_signature(random: Random, sketch: Sketch, modest: bool) -> None:
    part = random.choice(_parts(sketch))
    part.signature = tuple(random.choice((-1, size)) for size in part.shape)


_SPOILERS = (
    _spoil_size, _spoil_size, _spoil_rank, _spoil_type, _spoil_scale, _spoil_scale,
    _spoil_all_scales, _spoil_zero_point, _spoil_option, _spoil_option, _spoil_values,
    _spoil_inputs, _spoil_outputs, _spoil_constancy, _spoil_signature,
)  # fmt: skip
