"""Temporary tensors: which a kernel takes, and when."""

from __future__ import annotations

import pytest
from builders import make_graph, make_operator, make_tensor

from edgekit.graph import DType, Graph
from edgekit.plan.tflm_kernels import TflmBuild, make_node
from edgekit.plan.tflm_temporaries import temporary_tensors

REFERENCE = TflmBuild(kernels="reference", has_dsp=False, short_enums=True)
CMSIS = TflmBuild(kernels="cmsis-nn", has_dsp=True, short_enums=True)


def taken(graph: Graph, build: TflmBuild = REFERENCE) -> tuple[list[int], list[int]]:
    node = make_node(graph.main, graph.main.operators[0], build)
    before, after = temporary_tensors(node)
    return [tensor.index for tensor in before], [tensor.index for tensor in after]


def graph_of(name: str, inputs: int, dtype: DType = DType.INT8) -> Graph:
    tensors = [make_tensor((1, 4, 4, 2), dtype) for _ in range(inputs + 1)]
    operator = make_operator(name, range(inputs), [inputs])
    return make_graph(tensors, [operator], inputs=list(range(inputs)))


@pytest.mark.parametrize(
    ("name", "inputs", "expected"),
    [
        ("RELU", 1, ([0, 1], [])),
        ("RELU6", 1, ([0], [])),
        ("RESHAPE", 2, ([0, 2], [])),
        ("CONV_2D", 3, ([3, 0, 1], [0, 1, 2, 3])),
        ("CONV_2D", 2, ([2, 0, 1], [0, 1, 2])),
        ("MAXIMUM", 2, ([], [])),
        ("LESS", 2, ([0, 1], [])),
        ("CONCATENATION", 3, ([0, 3, 0, 1, 2], [])),
        ("MEAN", 2, ([0, 2, 1, 0, 1, 2], [])),
        ("TRANSPOSE_CONV", 4, ([4, 2, 1], [2, 1, 3, 4])),
    ],
)
def test_what_a_kernel_takes(name: str, inputs: int, expected: tuple[list[int], list[int]]) -> None:
    assert taken(graph_of(name, inputs)) == expected


def test_kernels_that_look_at_types_and_variants() -> None:
    assert taken(graph_of("MEAN", 2, DType.FLOAT32)) == ([0, 2, 1, 0, 1], [])
    assert taken(graph_of("TRANSPOSE_CONV", 3, DType.FLOAT32)) == ([3, 2, 1], [])
    assert taken(graph_of("AVERAGE_POOL_2D", 1)) == ([0, 1], [])
    assert taken(graph_of("AVERAGE_POOL_2D", 1), CMSIS) == ([0, 1, 0, 1], [])


def test_an_absent_input_is_not_taken() -> None:
    graph = make_graph(
        [make_tensor((1, 4)), make_tensor((2, 4), data=[1] * 8), make_tensor((1, 2))],
        [make_operator("FULLY_CONNECTED", [0, 1, -1], [2])],
        inputs=[0],
    )
    assert taken(graph) == ([0, 1, 2], [])
