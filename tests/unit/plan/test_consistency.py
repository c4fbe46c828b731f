"""Operators that do not fit their tensors are refused by both engines, each by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tflite_writer import ModelWriter

from edgekit.aot.compiler import Layout, compile_graph, lay_out
from edgekit.engines import plan_engines
from edgekit.errors import UnsupportedModelError
from edgekit.graph import DType, Graph
from edgekit.model.reader import read_graph
from edgekit.plan.consistency import consistency_problems
from edgekit.targets import load_target

Shape = tuple[int, ...]


def graph_of(
    name: str,
    inputs: list[Shape | np.ndarray | None],
    outputs: list[Shape],
    scale: float | None = 0.5,
    **options: object,
) -> Graph:
    """One operator on int8: shapes are computed inputs, arrays constants."""
    model = ModelWriter()
    given: list[int | None] = []
    for item in inputs:
        if isinstance(item, np.ndarray):
            given.append(model.constant(item, scale=scale if item.dtype == np.int8 else None))
        else:
            given.append(None if item is None else model.input(item, scale=scale))
    made = [model.tensor(shape, scale=scale, name=f"layer_{i}") for i, shape in enumerate(outputs)]
    model.op(name, given, made, **options)
    model.output(*made)
    return read_graph(model.bytes())


def weights(*shape: int) -> np.ndarray:
    return np.ones(shape, np.int8)


def ints(*values: object) -> np.ndarray:
    return np.array(values, np.int32)


STRIDES = {"stride_w": 1, "stride_h": 1, "padding": "SAME"}
POOL = {**STRIDES, "filter_width": 2, "filter_height": 2}
IMAGE = (1, 4, 4, 2)
GOOD: dict[str, Callable[[], Graph]] = {
    "conv": lambda: graph_of("CONV_2D", [IMAGE, weights(3, 2, 2, 2)], [(1, 4, 4, 3)], **STRIDES),
    "grouped": lambda: graph_of("CONV_2D", [IMAGE, weights(2, 1, 1, 1)], [IMAGE], **STRIDES),
    "depthwise": lambda: graph_of(
        "DEPTHWISE_CONV_2D", [IMAGE, weights(1, 2, 2, 4)], [(1, 4, 4, 4)], depth_multiplier=2,
        **STRIDES,
    ),
    "transposed": lambda: graph_of(
        "TRANSPOSE_CONV", [ints(1, 8, 8, 3), weights(3, 2, 2, 2), IMAGE], [(1, 8, 8, 3)],
        stride_w=2, stride_h=2,
    ),
    "pool": lambda: graph_of("MAX_POOL_2D", [IMAGE], [IMAGE], **POOL),
    "dense": lambda: graph_of("FULLY_CONNECTED", [(2, 2, 4), weights(3, 4)], [(4, 3)]),
    "add": lambda: graph_of("ADD", [(1, 4, 1), (3, 1, 5)], [(3, 4, 5)]),
    "scalar": lambda: graph_of("ADD", [(), (2, 3)], [(2, 3)]),
    "mean": lambda: graph_of("MEAN", [IMAGE, ints(1, -2, 1)], [(1, 2)]),
    "concatenation": lambda: graph_of("CONCATENATION", [(1, 2), (1, 3)], [(1, 5)], axis=-1),
    "split": lambda: graph_of("SPLIT", [ints(1), (1, 4)], [(1, 2), (1, 2)], num_splits=2),
    "pack": lambda: graph_of("PACK", [(3,), (3,)], [(3, 2)], axis=1, values_count=2),
    "unpack": lambda: graph_of("UNPACK", [(2, 3)], [(3,), (3,)], axis=0, num=2),
    "pad": lambda: graph_of("PAD", [(1, 2), ints([0, 0], [1, 2])], [(1, 5)]),
    "slice": lambda: graph_of("SLICE", [(1, 5), ints(0, 1), ints(-1, 2)], [(1, 2)]),
    "transpose": lambda: graph_of("TRANSPOSE", [(2, 3), ints(1, 0)], [(3, 2)]),
    "matmul": lambda: graph_of("BATCH_MATMUL", [(2, 3, 4), (5, 4)], [(2, 3, 5)], adj_y=True),
    "blocks": lambda: graph_of("SPACE_TO_DEPTH", [IMAGE], [(1, 2, 2, 8)], block_size=2),
    "squeeze": lambda: graph_of("SQUEEZE", [(1, 2, 1)], [(1, 2)], squeeze_dims=[-1]),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_what_fits_is_left_alone(name: str) -> None:
    assert consistency_problems(GOOD[name]()) == ()


BAD: dict[str, tuple[str, Callable[[], Graph]]] = {
    "rank of a pool": (
        "not 4 dimensions", lambda: graph_of("AVERAGE_POOL_2D", [()], [()], **POOL),
    ),
    "rank of weights": (
        "not 4 dimensions", lambda: graph_of("CONV_2D", [IMAGE, weights(3, 2)], [IMAGE], **STRIDES),
    ),
    "channels": (
        "do not go together",
        lambda: graph_of("CONV_2D", [IMAGE, weights(3, 2, 2, 3)], [(1, 4, 4, 3)], **STRIDES),
    ),
    "height": (
        r"SAME padding makes it \[1, 4, 4",
        lambda: graph_of("CONV_2D", [IMAGE, weights(3, 2, 2, 2)], [(1, 5, 4, 3)], **STRIDES),
    ),
    "a window without a place": (
        "VALID padding makes it",
        lambda: graph_of(
            "MAX_POOL_2D", [IMAGE], [IMAGE], padding="VALID", stride_w=1, stride_h=1,
            filter_width=9, filter_height=9,
        ),
    ),
    "a vast dilation": (
        "reaches over",
        lambda: graph_of(
            "CONV_2D", [IMAGE, weights(3, 3, 3, 2)], [(1, 4, 4, 3)], dilation_h_factor=2**31 - 1,
            **STRIDES,
        ),
    ),
    "biases": (
        "2 biases for 3 channels",
        lambda: graph_of(
            "CONV_2D", [IMAGE, weights(3, 2, 2, 2), ints(1, 2)], [(1, 4, 4, 3)], **STRIDES
        ),
    ),
    "depth multiplier": (
        "the depth multiplier 3",
        lambda: graph_of(
            "DEPTHWISE_CONV_2D", [IMAGE, weights(1, 2, 2, 4)], [(1, 4, 4, 4)], depth_multiplier=3,
            **STRIDES,
        ),
    ),
    "an absent bias that TFLM reads": (
        "absent",
        lambda: graph_of(
            "DEPTHWISE_CONV_2D", [IMAGE, weights(1, 2, 2, 2), None], [IMAGE], depth_multiplier=1,
            **STRIDES,
        ),
    ),
    "columns": (
        "do not go together", lambda: graph_of("FULLY_CONNECTED", [(1, 5), weights(3, 4)], [(1, 3)])
    ),
    "a bias of another scale": (
        "biases have the scale",
        lambda: graph_of("FULLY_CONNECTED", [(1, 4), weights(3, 4), ints(1, 2, 3)], [(1, 3)], 9.0),
    ),
    "broadcast": ("do not go together", lambda: graph_of("ADD", [(1, 4), (1, 3)], [(1, 4)])),
    "too small a sum": ("do not go together", lambda: graph_of("MUL", [(3, 4), (4,)], [(1, 4)])),
    "axis": ("its axis is 4", lambda: graph_of("MEAN", [IMAGE, ints(4)], [(1, 2)])),
    "axis of a join": (
        "its axis is 2", lambda: graph_of("CONCATENATION", [(1, 2), (1, 3)], [(1, 5)], axis=2)
    ),
    "join": (
        "do not go together", lambda: graph_of("CONCATENATION", [(1, 2), (1, 3)], [(1, 6)], axis=1)
    ),
    "a scalar joined": (
        "its axis is 0", lambda: graph_of("CONCATENATION", [(), ()], [()], axis=0)
    ),
    "paddings": (
        "do not make", lambda: graph_of("PAD", [(1, 2), ints([0, 0], [-1, 2])], [(1, 3)])
    ),
    "pairs": (
        "pads 1 dimensions with 2", lambda: graph_of("PAD", [(2,), ints(1, 1, 1, 1)], [(4,)])
    ),
    "slice": (
        "it takes", lambda: graph_of("SLICE", [(1, 5), ints(0, 4), ints(1, 2)], [(1, 2)])
    ),
    "transpose": (
        "is none of", lambda: graph_of("TRANSPOSE", [(2, 3), ints(1, 1)], [(3, 2)])
    ),
    "split": (
        "do not go together", lambda: graph_of("SPLIT", [ints(1), (1, 4)], [(1, 2), (1, 3)])
    ),
    "matmul of vectors": (
        "do not go together", lambda: graph_of("BATCH_MATMUL", [(4,), (4,)], [(1,)])
    ),
    "blocks of 0": (
        "with blocks of 0", lambda: graph_of("SPACE_TO_DEPTH", [IMAGE], [(1, 2, 2, 8)])
    ),
    "a view of another size": (
        "do not go together", lambda: graph_of("RESHAPE", [(1, 4), ints(5)], [(5,)])
    ),
    "squeeze": (
        "drops the axis 1", lambda: graph_of("SQUEEZE", [(1, 2)], [(2,)], squeeze_dims=[1])
    ),
    "no scale": ("without a scale", lambda: graph_of("RELU", [(1, 4)], [(1, 4)], None)),
    "scale 0": ("has the scale 0.0", lambda: graph_of("LOGISTIC", [(1, 4)], [(1, 4)], 0.0)),
    "scale below 0": ("has the scale -1.0", lambda: graph_of("ADD", [(2,), (2,)], [(2,)], -1.0)),
    "an input too many": (
        "2 inputs instead of 1", lambda: graph_of("SOFTMAX", [(1, 4), (1, 4)], [(1, 4)])
    ),
    "an output too many": ("2 outputs", lambda: graph_of("RELU", [(1, 4)], [(1, 4), (1, 4)])),
    "nothing in it": ("is empty", lambda: graph_of("RELU", [(1, 0)], [(1, 0)])),
    "an LSTM's weights": (
        "do not go together",
        lambda: graph_of(
            "UNIDIRECTIONAL_SEQUENCE_LSTM",
            [(1, 3, 4), *(weights(),) * 8, *((1, 5),) * 11, *(None,) * 4],
            [(1, 3, 5)],
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_is_refused_by_both_engines(name: str) -> None:
    message, make = BAD[name]
    graph = make()
    problems = consistency_problems(graph)
    assert problems, "nothing was found"
    with pytest.raises(AssertionError, match=message):
        raise AssertionError([problem.message for problem in problems])
    operator = graph.main.operators[0].name
    assert any(operator in problem.message or "is empty" in problem.message for problem in problems)
    assert all(problem.hint for problem in problems)
    for plan in plan_engines(graph, load_target("nano33ble"), None, model="m"):
        assert not plan.runs
    assert not isinstance(lay_out(graph), Layout)


def test_an_operators_layer_is_named() -> None:
    (problem,) = consistency_problems(graph_of("ADD", [(1, 4), (1, 3)], [(1, 4)]))
    assert problem.message.startswith("Operator 0 ADD (layer_0): its shapes [1, 4], [1, 3] and")


def test_many_misfits_are_counted() -> None:
    model = ModelWriter()
    x = model.input((1, 4), scale=0.5)
    for _ in range(9):  # without a scale
        x = model.op("RELU", x, model.tensor((1, 4)))
    model.output(x)
    problems = consistency_problems(read_graph(model.bytes()))
    assert len(problems) == 6
    assert problems[-1].message == "4 more operators do not fit their tensors."


def test_an_input_without_a_fixed_size_is_refused_with_what_is_open() -> None:
    model = ModelWriter()
    x = model.input((1, 1, 4), scale=0.5, name="audio", shape_signature=(-1, -1, 4))
    model.output(model.op("RELU", x, model.tensor((1, 1, 4), scale=0.5)))
    graph = read_graph(model.bytes())
    with pytest.raises(UnsupportedModelError, match=r"'audio'\) has no fixed size: \[\?, \?, 4\]"):
        compile_graph(graph)
    for plan in plan_engines(graph, load_target("nano33ble"), None, model="m"):
        assert not plan.runs


def test_a_batch_that_is_open_counts_as_1() -> None:
    model = ModelWriter()
    x = model.input((1, 4), scale=0.5, shape_signature=(-1, 4))
    model.output(model.op("RELU", x, model.tensor((1, 4), scale=0.5, shape_signature=(-1, 4))))
    assert consistency_problems(read_graph(model.bytes())) == ()


def test_a_model_needs_an_input_that_is_none_of_its_constants() -> None:
    model = ModelWriter()
    x = model.constant(np.ones((1, 4), np.int8), scale=0.5)
    model.output(model.op("RELU", x, model.tensor((1, 4), scale=0.25)))
    (problem,) = consistency_problems(read_graph(model.bytes()))
    assert problem.message == "The model has no input."
    model.model.subgraphs[0].inputs = [x]
    (problem,) = consistency_problems(read_graph(model.bytes()))
    assert problem.message == "Input 0 ('tensor_0') is a constant."


def test_a_float_tensors_zero_point_is_of_no_account() -> None:
    model = ModelWriter()
    x = model.input((1, 4), DType.FLOAT32, scale=0.5, zero_point=2**40)
    model.output(model.op("QUANTIZE", x, model.tensor((1, 4), scale=0.5)))
    compiled = compile_graph(read_graph(model.bytes()))
    assert (compiled.inputs[0].port.scale, compiled.inputs[0].port.zero_point) == (0.0, 0)


def test_the_reference_models_fit(shared_models: Path) -> None:
    paths = sorted(shared_models.rglob("*.tflite"))
    assert len(paths) > 70
    for path in paths:
        assert consistency_problems(read_graph(path.read_bytes())) == (), path.name
