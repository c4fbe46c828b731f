"""How much arithmetic a model is: multiply-accumulates per operator."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from edgekit.graph import Graph, Operator, Subgraph, Tensor

_Tensors = tuple["Tensor | None", ...]


def macs(graph: Graph) -> int:
    """Return the multiply-accumulates of one inference.

    An operator that calls subgraphs counts nothing: how often a loop runs is not in
    the file.
    """
    return sum(operator_macs(graph.main, operator) for operator in graph.main.operators)


def operator_macs(subgraph: Subgraph, operator: Operator) -> int:
    """Return an operator's multiply-accumulates; 0 for one that multiplies no matrices.

    Taps that fall into padding count too, as is usual in published figures.
    """
    rule = _RULES.get(operator.name)
    if rule is None or not operator.outputs:
        return 0
    tensors = subgraph.tensors
    inputs = tuple(tensors[index] if index >= 0 else None for index in operator.inputs)
    return rule(operator, inputs, tensors[operator.outputs[0]])


def _shape(inputs: _Tensors, position: int, rank: int) -> tuple[int, ...]:
    """Return the shape of an input; all zeros if it is absent or of another rank."""
    tensor = inputs[position] if position < len(inputs) else None
    return tensor.shape if tensor is not None and len(tensor.shape) == rank else (0,) * rank


def _conv_2d(operator: Operator, inputs: _Tensors, output: Tensor) -> int:
    (_, height, width, channels) = _shape(inputs, 1, 4)
    return output.element_count * height * width * channels


def _depthwise_conv_2d(operator: Operator, inputs: _Tensors, output: Tensor) -> int:
    (_, height, width, _) = _shape(inputs, 1, 4)
    return output.element_count * height * width


def _conv_3d(operator: Operator, inputs: _Tensors, output: Tensor) -> int:
    (depth, height, width, channels, _) = _shape(inputs, 1, 5)
    return output.element_count * depth * height * width * channels


def _transpose_conv(operator: Operator, inputs: _Tensors, output: Tensor) -> int:
    (out_channels, height, width, _) = _shape(inputs, 1, 4)
    return math.prod(_shape(inputs, 2, 4)) * height * width * out_channels


def _fully_connected(operator: Operator, inputs: _Tensors, output: Tensor) -> int:
    (_, depth) = _shape(inputs, 1, 2)
    return output.element_count * depth


def _batch_matmul(operator: Operator, inputs: _Tensors, output: Tensor) -> int:
    left = inputs[0] if inputs else None
    if left is None or len(left.shape) < 2:
        return 0
    return output.element_count * left.shape[-2 if operator.options.get("adj_x") else -1]


def _svdf(operator: Operator, inputs: _Tensors, output: Tensor) -> int:
    (batch, size) = _shape(inputs, 0, 2)
    (filters, _) = _shape(inputs, 1, 2)
    (_, memory) = _shape(inputs, 2, 2)
    return batch * filters * (size + memory)


def _lstm(operator: Operator, inputs: _Tensors, output: Tensor) -> int:
    """Four gates, each with a matrix for the input and one for the state, every step."""
    (first, second, size) = _shape(inputs, 0, 3)
    (cells, _) = _shape(inputs, 2, 2)
    (_, state) = _shape(inputs, 6, 2)
    return first * second * 4 * cells * (size + state)


_RULES: Mapping[str, Callable[[Operator, _Tensors, Tensor], int]] = {
    "BATCH_MATMUL": _batch_matmul,
    "CONV_2D": _conv_2d,
    "CONV_3D": _conv_3d,
    "DEPTHWISE_CONV_2D": _depthwise_conv_2d,
    "FULLY_CONNECTED": _fully_connected,
    "SVDF": _svdf,
    "TRANSPOSE_CONV": _transpose_conv,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _lstm,
}
