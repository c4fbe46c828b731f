"""What each TFLM kernel takes from the arena's tail, and which scratch buffers it asks for.

The rules are those of tensorflow/tflite-micro 90b983c, read from its kernels and
confirmed by measurement under QEMU (Cortex-M3 and M4, arm-none-eabi-gcc 12.2), for two
sets of kernels: TFLM's reference ones and CMSIS-NN.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from edgekit.graph import DType, Tensor
from edgekit.plan.tflm_node import HOST_BUILD, Node, Prepared, TflmBuild, make_node
from edgekit.plan.tflm_sizes import (
    INIT_BYTES,
    INIT_BYTES_64,
    INIT_BYTES_2023,
    OPTIONS_STRUCT,
    OPTIONS_STRUCT_64,
    OPTIONS_STRUCT_2023,
)
from edgekit.units import align_up

__all__ = [
    "HOST_BUILD",
    "Node",
    "Prepared",
    "TflmBuild",
    "element_bytes",
    "init_bytes",
    "make_node",
    "options_struct",
    "prepare",
    "quantization_bytes",
]

_INT = 4
"""sizeof(int), a pointer, int32_t on every target that TFLM runs on."""


def options_struct(node: Node) -> tuple[int, int]:
    """Return size and alignment of the operator's parsed options; (0, 1) if it has none.

    Source:
        tflite-micro 90b983c: flatbuffer_conversions.cc (which struct an operator has),
        builtin_op_data.h (the structs), sizes as compiled by arm-none-eabi-gcc 12.2 with
        and without -fshort-enums.
    """
    name = node.operator.name
    sizes = OPTIONS_STRUCT.get(name, (0, 1, 0, 1))
    if node.build.is_2023:
        sizes = OPTIONS_STRUCT_2023.get(name, sizes)
    if node.build.is_host and name in OPTIONS_STRUCT_64:
        return OPTIONS_STRUCT_64[name]
    (short_size, short_align, long_size, long_align) = sizes
    return (short_size, short_align) if node.build.short_enums else (long_size, long_align)


def init_bytes(node: Node) -> int:
    """Return the size of the kernel's own data, allocated by Init; 0 if it has none."""
    name = node.kernel
    reference, cmsis = INIT_BYTES.get(name, (0, 0))
    if node.build.is_host:
        return INIT_BYTES_64.get(name, reference)
    if node.build.is_2023 and name in INIT_BYTES_2023:
        return INIT_BYTES_2023[name]
    return cmsis if node.build.is_cmsis else reference


def prepare(node: Node) -> Prepared:
    """Return what the kernel's Prepare allocates.

    The operator must fit its tensors (``consistency.py``).
    """
    rule = _PREPARE.get(node.kernel)
    return rule(node) if rule is not None else Prepared()


def _is_quantized(tensor: Tensor | None) -> bool:
    return tensor is not None and tensor.dtype in (DType.INT8, DType.INT16)


def _scale_count(tensor: Tensor | None) -> int:
    return len(tensor.quantization.scales) if tensor is not None and tensor.quantization else 0


def _windows(node: Node, image: Tensor, kernel: Tensor) -> tuple[bool, bool, int, int]:
    """Return (padded at all, dilated, top padding, left padding) of a convolution."""
    dilation = (node.option("dilation_h_factor", 1), node.option("dilation_w_factor", 1))
    if node.operator.options.get("padding") != "SAME":
        return (False, max(dilation) > 1, 0, 0)
    strides = (node.option("stride_h", 1), node.option("stride_w", 1))
    before: list[int] = []
    for axis in (0, 1):
        size = image.shape[1 + axis]
        window = (kernel.shape[1 + axis] - 1) * dilation[axis] + 1
        output = -(-size // max(strides[axis], 1))
        before.append(max((output - 1) * strides[axis] + window - size, 0) // 2)
    return (any(before), max(dilation) > 1, before[0], before[1])


def _conv_2d(node: Node) -> Prepared:
    image, kernel = node.input(0), node.input(1)
    if image is None or kernel is None or len(kernel.shape) != 4 or len(image.shape) != 4:
        return Prepared()
    per_channel = (_INT * kernel.shape[0],) * 2
    if not node.build.is_cmsis:
        scratch = (kernel.element_count,) if kernel.dtype is DType.INT4 else ()
        return Prepared(persistent=per_channel, scratch=scratch)
    if not _is_quantized(image):
        return Prepared()
    (_, height, width, channels) = kernel.shape
    padded, dilated, _, _ = _windows(node, image, kernel)
    if image.dtype is DType.INT16:
        scratch_bytes = _INT * image.shape[3] * height * width
    elif height == width == 1 and not padded and not dilated and channels == image.shape[3]:
        scratch_bytes = 0
    else:
        scratch_bytes = _INT * align_up(height * width * image.shape[3], 4)
    return Prepared(
        persistent=per_channel,
        scratch=(scratch_bytes,) if scratch_bytes else (),
    )


def _depthwise_conv_2d(node: Node) -> Prepared:
    image, kernel = node.input(0), node.input(1)
    if image is None or kernel is None or len(kernel.shape) != 4 or len(image.shape) != 4:
        return Prepared()
    per_channel = (_INT * kernel.shape[3],) * 2
    if not node.build.is_cmsis:
        scratch = (kernel.element_count,) if kernel.dtype is DType.INT4 else ()
        return Prepared(persistent=per_channel, scratch=scratch)
    if not _is_quantized(image):
        return Prepared()
    (_, height, width, channels) = kernel.shape
    _, dilated, top, left = _windows(node, image, kernel)
    optimised = (
        image.dtype is DType.INT8
        and channels == image.shape[3]
        and image.shape[0] == 1
        and not dilated
    )
    if kernel.dtype is DType.INT4:  # one path, with DSP instructions or without
        takes = optimised
    else:
        is_small = height == width == 3 and top <= 1 and left <= 1
        takes = optimised and node.build.has_dsp and (node.build.is_2023 or not is_small)
    scratch_bytes = 2 * channels * height * width if takes else 0
    return Prepared(
        persistent=per_channel,
        scratch=(scratch_bytes,) if scratch_bytes else (),
    )


def _fully_connected(node: Node) -> Prepared:
    image, weights = node.input(0), node.input(1)
    if image is None or weights is None or not weights.shape:
        return Prepared()
    if node.build.is_2023:
        return _fully_connected_2023(node, image, weights)
    scales = _scale_count(weights)
    per_channel = scales > 1 and _is_quantized(image)
    scratch: tuple[int, ...] = ()
    if not node.build.is_cmsis:
        if weights.dtype is DType.INT4:
            scratch = (weights.element_count,)
    elif (
        image.dtype is DType.INT8
        and weights.dtype is not DType.INT4
        and len(node.outputs[0].shape) > 2
        and weights.shape[-1] % 4 == 0
        and not per_channel
    ):
        scratch = (2 * _INT * node.outputs[0].shape[-1],)
    return Prepared(persistent=(_INT * scales,) * 2 if per_channel else (), scratch=scratch)


def _fully_connected_2023(node: Node, image: Tensor, weights: Tensor) -> Prepared:
    """CMSIS-NN's of January 2023: no figures a channel, but for what it runs as a CONV_2D."""
    output = node.outputs[0].shape
    if image.dtype is DType.INT8 and len(output) > 2 and weights.shape[-1] % 4 == 0:
        return Prepared(persistent=(_INT * output[-1],) * 2)
    return Prepared()


def _average_pool_2d(node: Node) -> Prepared:
    image = node.input(0)
    if node.build.is_cmsis and node.build.has_dsp and image is not None and _is_quantized(image):
        return Prepared(scratch=(_INT * image.shape[-1],))
    return Prepared()


def _softmax(node: Node) -> Prepared:
    image = node.input(0)
    if image is not None and image.dtype is DType.INT16:
        return Prepared(persistent=(1026, 1026))
    return Prepared()


def _concatenation(node: Node) -> Prepared:
    image = node.input(0)
    if node.build.is_2023 and image is not None and image.dtype is DType.INT8:
        return Prepared(persistent=(_INT * len(node.inputs),) * 2)
    return Prepared()


def _mirror_pad(node: Node) -> Prepared:
    image = node.input(0)
    return Prepared(scratch=(_INT * len(image.shape),) * 2 if image is not None else ())


def _reduce(node: Node) -> Prepared:
    image, axes = node.input(0), node.input(1)
    if image is None or axes is None:
        return Prepared()
    return Prepared(scratch=(_INT * len(image.shape), _INT * axes.element_count))


def _mean(node: Node) -> Prepared:
    sums = (_INT * node.outputs[0].element_count,) if _is_quantized(node.input(0)) else ()
    return Prepared(scratch=sums + _reduce(node).scratch)


def _transpose_conv(node: Node) -> Prepared:
    kernel, image = node.input(1), node.input(2)
    if kernel is None or image is None or len(kernel.shape) != 4 or len(image.shape) != 4:
        return Prepared()
    (out_channels, height, width, in_channels) = kernel.shape
    output = node.outputs[0].element_count
    scratch: tuple[int, ...] = ()
    bias = node.input(3)
    if image.dtype is DType.INT16:
        wide = (8 * bias.element_count,) if bias is not None and bias.dtype is DType.INT16 else ()
        scratch = (8 * output, *wide)
    elif image.dtype is DType.INT8 and (node.build.is_2023 or not node.build.is_cmsis):
        scratch = (_INT * output,)
    elif image.dtype is DType.INT8:
        strides = (node.option("stride_h", 1), node.option("stride_w", 1))
        if max(strides) <= 2 and in_channels > 16:
            columns = height * width * in_channels
            scratch = (_INT * align_up(columns, 4), columns * out_channels)
        else:
            row = (image.shape[2] - 1) * strides[1] + max(width, strides[0])
            scratch = (row * out_channels * max(height, strides[0]) * _INT, 0)
    return Prepared(persistent=(_INT * out_channels,) * 2, scratch=scratch)


def _svdf(node: Node) -> Prepared:
    image, feature = node.input(0), node.input(1)
    if image is None or feature is None or not image.shape or not feature.shape:
        return Prepared()
    (batch, filters) = (image.shape[0], feature.shape[0])
    first = _INT * batch * filters
    if image.dtype is DType.INT8:
        return Prepared(scratch=(first, _INT * batch * (filters // max(node.option("rank", 1), 1))))
    return Prepared(scratch=(first,))


_LSTM_CELL_STATE = 19
_LSTM_RECURRENT_WEIGHTS = 5
"""Positions among the inputs: tflite-micro 90b983c, lstm_shared.h."""


def _lstm(node: Node) -> Prepared:
    image, recurrent = node.input(0), node.input(_LSTM_RECURRENT_WEIGHTS)
    cell = node.input(_LSTM_CELL_STATE)
    if image is None or recurrent is None or cell is None or len(image.shape) != 3:
        return Prepared()
    hidden = recurrent.shape[-1]
    batch = image.shape[1 if node.operator.options.get("time_major") else 0]
    buffer = batch * hidden * cell.dtype.bits // 8
    if node.build.is_cmsis and _is_quantized(image) and cell.dtype is DType.INT16:
        sums = hidden * (4 if image.dtype is DType.INT8 else 8)
        return Prepared(persistent=(sums,) * 8, scratch=(buffer,) * 3)
    return Prepared(scratch=(buffer,) * 4)


def _batch_matmul(node: Node) -> Prepared:
    left, right = node.input(0), node.input(1)
    if left is None or right is None:
        return Prepared()
    persistent: list[int] = [28] if _is_quantized(left) else []
    transposed = [left] if node.operator.options.get("adj_x") else []
    transposed += [] if node.operator.options.get("adj_y") else [right]
    for tensor in transposed:
        persistent += [
            node.build.sizes.eval_tensor,
            _INT * (1 + len(tensor.shape)),
            tensor.size_bytes,
        ]
    persistent.append(_INT * (1 + len(node.outputs[0].shape)))
    return Prepared(persistent=tuple(persistent))


def _add_n(node: Node) -> Prepared:
    persistent = (40,) if _is_quantized(node.input(0)) else ()
    pointers = node.build.sizes.pointer * len(node.inputs)
    return Prepared(persistent=persistent, scratch=(pointers,))


def _output_shape(node: Node) -> Prepared:
    """Kernels that copy their output's dimensions into the tail, to change them."""
    return Prepared(persistent=(_INT * (1 + len(node.outputs[0].shape)),))


def _log_softmax(node: Node) -> Prepared:
    return _if_int8(node, 40 if node.build.is_host else 28)


def _cumsum(node: Node) -> Prepared:
    return _if_int8(node, 36)


def _if_int8(node: Node, size_bytes: int) -> Prepared:
    image = node.input(0)
    is_int8 = image is not None and image.dtype is DType.INT8
    return Prepared(persistent=(size_bytes,) if is_int8 else ())


def _embedding_lookup(node: Node) -> Prepared:
    """Return the output's dimensions, then a float and a size_t."""
    return Prepared(persistent=(*_output_shape(node).persistent, 2 * node.build.sizes.pointer))


_PREPARE: Mapping[str, Callable[[Node], Prepared]] = {
    "ADD_N": _add_n,
    "AVERAGE_POOL_2D": _average_pool_2d,
    "BATCH_MATMUL": _batch_matmul,
    "CONCATENATION": _concatenation,
    "CONV_2D": _conv_2d,
    "CUMSUM": _cumsum,
    "DEPTH_TO_SPACE": _output_shape,
    "DEPTHWISE_CONV_2D": _depthwise_conv_2d,
    "EMBEDDING_LOOKUP": _embedding_lookup,
    "FULLY_CONNECTED": _fully_connected,
    "GATHER": _output_shape,
    "GATHER_ND": _output_shape,
    "L2_POOL_2D": _output_shape,
    "LOG_SOFTMAX": _log_softmax,
    "MEAN": _mean,
    "MIRROR_PAD": _mirror_pad,
    "REDUCE_ALL": _reduce,
    "REDUCE_MAX": _reduce,
    "REDUCE_MIN": _reduce,
    "SOFTMAX": _softmax,
    "SPACE_TO_DEPTH": _output_shape,
    "SUM": _mean,
    "SVDF": _svdf,
    "TRANSPOSE_CONV": _transpose_conv,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _lstm,
}


def quantization_bytes(tensor: Tensor, build: TflmBuild) -> tuple[int, ...]:
    """Return what a tensor's quantisation takes beside its TfLiteTensor; () if it has none.

    TFLM keeps it where the file has both scales and zero points: the structure, and its
    own list of zero points.
    """
    quantization = tensor.quantization
    if quantization is None or not quantization.has_zero_points:
        return ()
    return (build.sizes.quantization, _INT * (1 + len(quantization.scales)))


def element_bytes(tensor: Tensor) -> int:
    """Return the bytes of a tensor as TFLM allocates it (a variable, for instance)."""
    return math.prod(tensor.shape) * max(tensor.dtype.bits // 8, 1)
