"""Small models for tests of everything that reads .tflite, and a way to spoil them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tflite_writer
from ai_edge_litert import schema_py_generated as fb
from tflite_writer import ModelWriter

from edgekit.graph import DType


def small_model() -> ModelWriter:
    """A convolution, a RESHAPE, a FULLY_CONNECTED without bias, and a metadata entry."""
    model = ModelWriter("a small model")
    x = model.input((1, 4, 4, 1), scale=0.5, zero_point=-3, name="image")
    w = model.constant(
        np.arange(18, dtype=np.int8).reshape(2, 3, 3, 1), scale=[0.25, 0.5], axis=0, name="kernel"
    )
    b = model.constant(np.array([7, -7], np.int32), scale=[0.125, 0.25], name="bias")
    y = model.tensor((1, 2, 2, 2), scale=1.5, name="features")
    model.op("CONV_2D", [x, w, b], y, version=3, padding="VALID", stride_w=1, stride_h=1)
    flat = model.tensor((1, 8), scale=1.5, name="flat")
    shape = model.constant(np.array([1, 8], np.int32), name="shape")
    model.op("RESHAPE", [y, shape], flat, new_shape=[1, 8])
    dense = model.constant(np.ones((3, 8), np.int8), scale=0.75, name="dense")
    out = model.tensor((1, 3), scale=2.0, zero_point=5, name="scores")
    model.op("FULLY_CONNECTED", [flat, dense, None], out, version=4)
    model.output(out)
    model.metadata("min_runtime_version", b"1.14.0\0\0")
    return model


def control_flow_model() -> ModelWriter:
    """An IF between two subgraphs."""
    model = ModelWriter()
    condition = model.input((1,), DType.BOOL)
    x = model.input((1, 4), DType.FLOAT32)
    y = model.tensor((1, 4), DType.FLOAT32)
    model.op("IF", [condition, x], y, then_subgraph_index=1, else_subgraph_index=2)
    model.output(y)
    for name in ("RELU", "TANH"):
        model.subgraph(name.lower())
        x = model.input((1, 4), DType.FLOAT32)
        model.output(model.op(name, x, model.tensor((1, 4), DType.FLOAT32)))
    return model


def stateful_model() -> ModelWriter:
    """An SVDF with its state, a custom operator, and intermediates."""
    model = ModelWriter()
    x = model.input((1, 4), scale=0.5)
    feature = model.constant(np.ones((2, 4), np.int8), scale=0.5)
    time_ = model.constant(np.ones((2, 3), np.int16), scale=0.5)
    state = model.variable((1, 6), DType.INT16, scale=0.25)
    y = model.tensor((1, 2), scale=0.5)
    scratch = model.tensor((1,), DType.INT16, scale=0.5)
    model.op("SVDF", [x, feature, time_, None, state], y, rank=1, intermediates=[scratch])
    z = model.tensor((1, 2), DType.FLOAT32, shape_signature=(-1, 2))
    model.op("CUSTOM", [y, None], z, custom_name="FlexErf")
    model.output(z, y)
    return model


WRITTEN = (small_model, control_flow_model, stateful_model)


def edited(
    edit: Callable[[fb.ModelT], object], make: Callable[[], ModelWriter] = small_model
) -> bytes:
    """Return a model's file after an edit in the official object API."""
    model = make().model
    edit(model)
    return tflite_writer.finish(model)


def change(path: str, value: object) -> Callable[[fb.ModelT], None]:
    """Return an edit: ``"operators.0.inputs"`` of the main subgraph, or ``"model.…"``."""

    def edit(model: fb.ModelT) -> None:
        first, *steps = path.split(".")
        item: object = model if first == "model" else getattr(model.subgraphs[0], first)
        for step in steps[:-1]:
            item = item[int(step)] if step.isdigit() else getattr(item, step)  # type: ignore[index]
        if steps:
            setattr(item, steps[-1], value)
        else:
            setattr(model.subgraphs[0], first, value)

    return edit


def tensor_named(model: fb.ModelT, name: str) -> fb.TensorT:
    """Return the main subgraph's tensor of that name."""
    return next(item for item in model.subgraphs[0].tensors if item.name == name)
