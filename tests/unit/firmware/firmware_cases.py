"""What the tests of the firmware room share: models, plans and projects."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
from builders import make_graph, make_operator, make_plan, make_tensor

from edgekit.firmware.project import Project, TestVector, generate
from edgekit.graph import Graph, Operator, Tensor
from edgekit.targets import Target, load_target, target_names

PAIRS = tuple(
    (name, engine)
    for name in target_names()
    for engine, support in load_target(name).engines.items()
    if support.template
)
"""Every target and engine for which there is a template."""

TFLM_TARGETS = tuple(name for name, engine in PAIRS if engine == "tflm")


def classifier(*, model: bytes = b"model") -> Graph:
    """Return a graph of 6 int8 inputs and 3 int8 outputs."""
    tensors = (
        make_tensor((1, 2, 3), scale=0.0117647061, zero_point=-3, name="serving/x:0 */ \n"),
        make_tensor((1, 6), scale=0.0117647061, zero_point=-3),
        make_tensor((3, 6), scale=0.5, data=bytes(18)),
        make_tensor((1, 3), scale=0.25, zero_point=2),
        make_tensor((1, 3), scale=1 / 256, zero_point=-128, name="out"),
    )
    operators = (
        make_operator("RESHAPE", [0], [1]),
        make_operator("FULLY_CONNECTED", [1, 2], [3]),
        make_operator("SOFTMAX", [3], [4]),
    )
    return graph_of(tensors, operators, model=model)


def graph_of(
    tensors: tuple[Tensor, ...], operators: tuple[Operator, ...], *, model: bytes = b"model"
) -> Graph:
    return make_graph(
        tensors, operators, sha256=hashlib.sha256(model).hexdigest(), size_bytes=len(model)
    )


MODEL = bytes(range(256)) * 3 + b"tail"
VECTOR = TestVector(inputs=bytes([1, 2, 3, 250, 251, 252]), outputs=bytes([2, 3, 4]))

FAKE_AOT: Mapping[str, str] = {"edgekit_aot_model.c": "/* made by the compiler */\n"}


def make_project(
    target: Target | str, engine: str = "tflm", graph: Graph | None = None, **changes: Any
) -> Project:
    """Return a project; for aot what the compiler makes is a mere comment."""
    if isinstance(target, str):
        target = load_target(target)
    graph = graph or classifier(model=MODEL)
    options: dict[str, Any] = {"name": "tiny", "compiled": SimpleNamespace(files=FAKE_AOT)}
    plan = changes.pop("plan", make_plan(target, engine, sha256=graph.sha256))
    return generate(graph, MODEL, target, engine, plan, **{**options, **changes})


def half_away_from_zero(values: np.ndarray) -> np.ndarray:
    """Return the values rounded to whole numbers, as TFLite's QUANTIZE rounds."""
    return np.sign(values) * np.floor(np.abs(values) + np.asarray(0.5, dtype=np.float64))
