"""Multiply-accumulates per operator."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import make_graph, make_operator, make_tensor
from ground_truth import measurements

from edgekit.graph import ABSENT, DType, Graph
from edgekit.model.reader import read_graph
from edgekit.plan.work import macs, operator_macs


def one(
    name: str, shapes: list[tuple[int, ...]], output: tuple[int, ...], **options: bool
) -> Graph:
    tensors = [make_tensor(shape) for shape in [*shapes, output]]
    operator = make_operator(name, inputs=range(len(shapes)), outputs=[len(shapes)], **options)
    return make_graph(tensors, [operator], inputs=list(range(len(shapes))))


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        (one("CONV_2D", [(1, 8, 8, 3), (16, 3, 5, 3), (16,)], (1, 6, 4, 16)), 24 * 16 * 45),
        (one("CONV_2D", [(1, 8, 8, 8), (8, 3, 3, 4), (8,)], (1, 6, 6, 8)), 36 * 8 * 36),
        (one("DEPTHWISE_CONV_2D", [(1, 8, 8, 4), (1, 3, 3, 8)], (1, 6, 6, 8)), 36 * 8 * 9),
        (one("FULLY_CONNECTED", [(2, 30), (10, 30)], (2, 10)), 600),
        (
            one("TRANSPOSE_CONV", [(4,), (6, 3, 2, 5), (1, 4, 4, 5)], (1, 9, 8, 6)),
            16 * 5 * 6 * 6,
        ),
        (one("BATCH_MATMUL", [(2, 6, 12), (2, 12, 8)], (2, 6, 8)), 2 * 6 * 8 * 12),
        (one("BATCH_MATMUL", [(2, 12, 6), (2, 12, 8)], (2, 6, 8), adj_x=True), 2 * 6 * 8 * 12),
        (one("CONV_3D", [(1, 4, 4, 4, 2), (2, 2, 2, 2, 5)], (1, 3, 3, 3, 5)), 27 * 5 * 16),
        (one("SVDF", [(1, 10), (8, 10), (8, 6)], (1, 4)), 8 * 16),
        (one("RELU", [(1, 8)], (1, 8)), 0),
        (one("CONV_2D", [(1, 8, 8, 3)], (1, 8, 8, 3)), 0),
        (one("BATCH_MATMUL", [(4,), (4,)], (1,)), 0),
    ],
)
def test_an_operators_work(graph: Graph, expected: int) -> None:
    assert macs(graph) == expected


def test_an_lstm_has_four_gates_in_every_step() -> None:
    tensors = [make_tensor((1, 20, 6))] + [make_tensor((16, 6))] * 4 + [make_tensor((16, 16))] * 4
    tensors.append(make_tensor((1, 20, 16)))
    operator = make_operator("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs=range(9), outputs=[9])
    graph = make_graph(tensors, [operator], inputs=[0])
    assert macs(graph) == 20 * 4 * 16 * (6 + 16)


def test_an_absent_bias_changes_nothing() -> None:
    tensors = [make_tensor((1, 30)), make_tensor((10, 30)), make_tensor((1, 10))]
    operator = make_operator("FULLY_CONNECTED", inputs=[0, 1, ABSENT], outputs=[2])
    assert macs(make_graph(tensors, [operator], inputs=[0, 1])) == 300


def test_the_model_is_the_sum_of_its_operators() -> None:
    tensors = [make_tensor((1, 4))] + [make_tensor((4, 4)), make_tensor((1, 4))] * 2
    operators = [
        make_operator("FULLY_CONNECTED", inputs=[0, 1, ABSENT], outputs=[2]),
        make_operator("FULLY_CONNECTED", inputs=[2, 3, ABSENT], outputs=[4]),
    ]
    graph = make_graph(tensors, operators, inputs=[0, 1, 3])
    assert [operator_macs(graph.main, operator) for operator in graph.main.operators] == [16, 16]
    assert macs(graph) == 32


def test_types_make_no_difference() -> None:
    tensors = [make_tensor(shape, DType.FLOAT32) for shape in ((1, 4), (4, 4), (1, 4))]
    operator = make_operator("FULLY_CONNECTED", inputs=[0, 1], outputs=[2])
    assert macs(make_graph(tensors, [operator], inputs=[0, 1])) == 16


@pytest.mark.shared_data
def test_the_counts_of_the_reference_models(shared_models: Path) -> None:
    checked = 0
    for row in measurements(shared_models):
        graph = read_graph((shared_models / "corpus" / f"{row.model}.tflite").read_bytes())
        assert macs(graph) == row.macs, row.model
        checked += 1
    assert checked > 150
