"""What must hold between inputs, weights and output of operators that multiply or pool.

A kernel of either engine that is given other shapes reads or writes beyond its tensors.

Source:
    tensorflow/tflite-micro 90b983c, tensorflow/lite/micro/kernels and
    tensorflow/lite/kernels/internal/reference.
"""

from __future__ import annotations

from edgekit.graph import DType, Tensor
from edgekit.plan.site import MissingError, Shape, Site, of_rank, unlike

LARGEST = 2**31 - 1
"""Kernels count in int32."""


def _extents(site: Site, source: Shape, window: Shape) -> Shape:
    """Return the output's height and width of a window that moves over an image."""
    sizes = []
    for letter, size, taps in zip("hw", source[1:3], window, strict=True):
        stride = site.number(f"stride_{letter}", 1)
        reach = (taps - 1) * site.number(f"dilation_{letter}_factor", 1) + 1
        if reach + size + stride > LARGEST:
            raise MissingError(f"its window reaches over {reach} of {size} places")
        if site.operator.options.get("padding") == "SAME":
            sizes.append(-(-size // stride))
        else:
            sizes.append((size + stride - reach) // stride)
    return tuple(sizes)


def _windowed(site: Site, source: Tensor, target: Tensor, window: Shape) -> str | None:
    rows, columns = _extents(site, source.shape, window)
    if min(rows, columns) < 1 or target.shape[:3] != (source.shape[0], rows, columns):
        return (
            f"its output is {list(target.shape)} where {site.operator.options.get('padding')} "
            f"padding makes it [{source.shape[0]}, {rows}, {columns}, …]"
        )
    return None


def _channels(site: Site, filters: Tensor, axis: int, bias: int, rows: int) -> str | None:
    """Check that there are as many scales and biases as channels, or one scale."""
    quantization = filters.quantization
    if quantization is not None and len(quantization.scales) > 1:
        count = len(quantization.scales)
        if count != rows or quantization.axis != axis:
            return (
                f"its weights have {count} scales along axis {quantization.axis} for {rows} "
                f"channels along axis {axis}"
            )
    added = site.given(bias)
    if added is not None and added.element_count != rows:
        return f"it has {added.element_count} biases for {rows} channels"
    return None


def conv_2d(site: Site) -> str | None:
    """CONV_2D: filters [out, height, width, in / groups]."""
    source, filters, target = site.input(0), site.input(1), site.output
    if wrong := of_rank(4, source, filters, target):
        return wrong
    rows, height, width, depth = filters.shape
    channels = source.shape[3]
    if not depth or channels % depth or rows != target.shape[3] or rows % (channels // depth):
        return unlike(source, filters, target)
    return _windowed(site, source, target, (height, width)) or _channels(site, filters, 0, 2, rows)


def depthwise_conv_2d(site: Site) -> str | None:
    """DEPTHWISE_CONV_2D: weights [1, height, width, in · multiplier]."""
    source, filters, target = site.input(0), site.input(1), site.output
    if wrong := of_rank(4, source, filters, target):
        return wrong
    one, height, width, rows = filters.shape
    multiplier = site.number("depth_multiplier")
    if one != 1 or rows != target.shape[3] or rows != source.shape[3] * multiplier:
        return f"{unlike(source, filters, target)} with the depth multiplier {multiplier}"
    return _windowed(site, source, target, (height, width)) or _channels(site, filters, 3, 2, rows)


def transpose_conv(site: Site) -> str | None:
    """TRANSPOSE_CONV: the output's windows make the input."""
    filters, source, target = site.input(1), site.input(2), site.output
    if wrong := of_rank(4, filters, source, target):
        return wrong
    rows, height, width, depth = filters.shape
    extents = _extents(site, target.shape, (height, width))
    expected = (target.shape[0], *extents, depth)
    if source.shape != expected or rows != target.shape[3]:
        return unlike(filters, source, target)
    wanted = site.integers(0)
    if wanted is not None and wanted != target.shape:
        return f"its output is {list(target.shape)}, but it asks for {list(wanted)}"
    return _channels(site, filters, 0, 3, rows)


def pool(site: Site) -> str | None:
    """AVERAGE_POOL_2D, MAX_POOL_2D, L2_POOL_2D."""
    source, target = site.input(0), site.output
    if wrong := of_rank(4, source, target):
        return wrong
    if source.shape[3] != target.shape[3]:
        return unlike(source, target)
    window = (site.number("filter_height"), site.number("filter_width"))
    return _windowed(site, source, target, window)


def fully_connected(site: Site) -> str | None:
    """FULLY_CONNECTED: weights [out, in]."""
    source, filters, target = site.input(0), site.input(1), site.output
    if wrong := of_rank(2, filters):
        return wrong
    rows, columns = filters.shape
    if (
        target.shape[-1:] != (rows,)
        or source.element_count * rows != target.element_count * columns
        or not columns
    ):
        return unlike(source, filters, target)
    return _channels(site, filters, 0, 2, rows) or _bias_scale(source, filters, site, target)


def _bias_scale(source: Tensor, filters: Tensor, site: Site, target: Tensor) -> str | None:
    """Check a FULLY_CONNECTED's bias as TFLM does, which refuses one of another scale.

    Source:
        tflite-micro 90b983c, kernel_util.cc, GetQuantizedConvolutionMultipler.
    """
    bias = site.given(2)
    quantization = filters.quantization
    if bias is None or source.dtype is not DType.INT8 or quantization is None:
        return None
    product = source.scale * quantization.scales[0]
    if not quantization.is_per_channel and abs(product - bias.scale) > 0.02 * target.scale:
        return f"its biases have the scale {bias.scale}, their sums {product}"
    return None


def batch_matmul(site: Site) -> str | None:
    """BATCH_MATMUL of at least two dimensions."""
    left, right, target = site.input(0), site.input(1), site.output
    if min(len(tensor.shape) for tensor in (left, right, target)) < 2:
        return unlike(left, right, target)
    rows, inner = left.shape[-2:]
    if site.operator.options.get("adj_x"):
        rows, inner = inner, rows
    other, columns = right.shape[-2:]
    if site.operator.options.get("adj_y"):
        other, columns = columns, other
    if inner != other or target.shape[-2:] != (rows, columns):
        return unlike(left, right, target)
    return None


def svdf(site: Site) -> str | None:
    """SVDF: features [filters, in], time [filters, memory], state [batch, filters · memory]."""
    source, feature, time, target = site.input(0), site.input(1), site.input(2), site.output
    if wrong := of_rank(2, source, feature, time, target):
        return wrong
    (batch, size), (filters, columns), (others, memory) = source.shape, feature.shape, time.shape
    rank = site.number("rank")
    if rank < 1 or size != columns or filters != others or filters % rank:
        return f"{unlike(source, feature, time)} with the rank {rank}"
    if target.shape != (batch, filters // rank):
        return unlike(source, feature, target)
    state = site.input(4)
    return unlike(source, time, state) if state.shape != (batch, filters * memory) else None


_LSTM_MATRICES = ((1, 2, 3, 4), (5, 6, 7, 8))
_LSTM_STATES = (18, 19)
"""Positions of an LSTM's weights and states: tflite-micro 90b983c, lstm_shared.h."""


def lstm(site: Site) -> str | None:
    """UNIDIRECTIONAL_SEQUENCE_LSTM without peepholes or projection."""
    source, target = site.input(0), site.output
    if wrong := of_rank(3, source, target):
        return wrong
    hidden = target.shape[2]
    for positions, columns in zip(_LSTM_MATRICES, (source.shape[2], hidden), strict=True):
        for position in positions:
            matrix = site.given(position)
            if matrix is None:
                return f"its input {position} is missing"
            if matrix.shape != (hidden, columns):
                return unlike(source, matrix, target)
    batch = source.shape[1 if site.operator.options.get("time_major") else 0]
    for position in _LSTM_STATES:
        state = site.input(position)
        if state.element_count != batch * hidden:
            return unlike(source, state, target)
    return unlike(source, target) if source.shape[:2] != target.shape[:2] else None
