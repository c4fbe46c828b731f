"""The record of TFLM itself against TFLM's own interpreter: which operator runs on which type."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert")

from tflite_writer import ModelWriter

from edgekit.errors import EdgeKitError
from edgekit.libraries import NUMBER_KINDS, load_library
from edgekit.model.interpreters import Engine, ModelJob, run_models
from edgekit.model.reader import read_graph
from edgekit.plan.op_support import operator_support

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("tflite_micro") is None, reason="tflite-micro is not installed"
)

DTYPES = {"int8": "int8", "int16x8": "int16", "float32": "float32"}
SHAPE = (1, 2, 2, 4)

_UNARY = """
    ABS CEIL COS ELU EXP FLOOR HARD_SWISH L2_NORMALIZATION LEAKY_RELU LOG LOGISTIC LOG_SOFTMAX NEG
    RELU RELU6 ROUND RSQRT SIN SOFTMAX SQRT SQUARE TANH ZEROS_LIKE
"""
_BINARY = "ADD ADD_N DIV FLOOR_MOD MAXIMUM MINIMUM MUL SQUARED_DIFFERENCE SUB"
UNARY = tuple(_UNARY.split())
BINARY = tuple(_BINARY.split())
COMPARISONS = ["EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "NOT_EQUAL"]
OUTPUT_RANGES = {
    "LOGISTIC": {"int8": (1 / 256, -128), "int16x8": (1 / 32768, 0)},
    "L2_NORMALIZATION": {"int8": (1 / 128, 0), "int16x8": (1 / 128, 0)},
    "LOG_SOFTMAX": {"int8": (16 / 256, 127), "int16x8": (16 / 256, 127)},
    "SOFTMAX": {"int8": (1 / 256, -128), "int16x8": (1 / 32768, 0)},
    "TANH": {"int8": (1 / 128, 0), "int16x8": (1 / 32768, 0)},
}
AXES = [1, 2]
PADDINGS = [[0, 0], [1, 1], [1, 1], [0, 0]]
OTHERS = {
    "ARG_MAX": ((1, 2, 2), [[3]], {"output_type": "INT32"}),
    "ARG_MIN": ((1, 2, 2), [[3]], {"output_type": "INT32"}),
    "AVERAGE_POOL_2D": ((1, 1, 1, 4), [], {"filter_width": 2, "filter_height": 2}),
    "BROADCAST_TO": ((2, 2, 2, 4), [[2, 2, 2, 4]], {}),
    "CONCATENATION": (SHAPE, [], {"axis": 3}),
    "CUMSUM": (SHAPE, [[1]], {}),
    "DEPTH_TO_SPACE": ((1, 4, 4, 1), [], {"block_size": 2}),
    "EXPAND_DIMS": ((1, 1, 2, 2, 4), [[0]], {}),
    "GATHER": ((1, 2, 2, 2), [[0, 1]], {"axis": 3}),
    "L2_POOL_2D": ((1, 1, 1, 4), [], {"filter_width": 2, "filter_height": 2}),
    "MAX_POOL_2D": ((1, 1, 1, 4), [], {"filter_width": 2, "filter_height": 2}),
    "MEAN": ((1, 4), [AXES], {}),
    "MIRROR_PAD": ((1, 4, 4, 4), [PADDINGS], {"mode": "REFLECT"}),
    "PACK": ((1, 1, 2, 2, 4), [], {"axis": 0, "values_count": 1}),
    "PAD": ((1, 4, 4, 4), [PADDINGS], {}),
    "REDUCE_MAX": ((1, 4), [AXES], {}),
    "REDUCE_MIN": ((1, 4), [AXES], {}),
    "RESHAPE": ((1, 16), [[1, 16]], {}),
    "RESIZE_BILINEAR": ((1, 4, 4, 4), [[4, 4]], {}),
    "RESIZE_NEAREST_NEIGHBOR": ((1, 4, 4, 4), [[4, 4]], {}),
    "REVERSE_V2": (SHAPE, [[1]], {}),
    "SLICE": ((1, 1, 2, 4), [[0, 0, 0, 0], [1, 1, 2, 4]], {}),
    "SPACE_TO_BATCH_ND": ((4, 1, 1, 4), [[2, 2], [[0, 0], [0, 0]]], {}),
    "SPACE_TO_DEPTH": ((1, 1, 1, 16), [], {"block_size": 2}),
    "SQUEEZE": ((2, 2, 4), [], {"squeeze_dims": [0]}),
    "STRIDED_SLICE": ((1, 1, 2, 4), [[0, 0, 0, 0], [1, 1, 2, 4], [1, 1, 1, 1]], {}),
    "SUM": ((1, 4), [AXES], {}),
    "TRANSPOSE": ((1, 2, 2, 4), [[0, 2, 1, 3]], {}),
    "UNPACK": ((2, 2, 4), [], {"num": 1, "axis": 0}),
}
"""By operator: the output's shape, the constant inputs, the options."""


def written(kind: str, build: Callable[[ModelWriter, dict[str, object]], None]) -> bytes:
    model = ModelWriter()
    build(model, {"dtype": DTYPES[kind], **({} if kind == "float32" else {"scale": 0.5})})
    return model.bytes()


def single_operators() -> Iterator[tuple[str, str, bytes]]:
    """Yield an operator's name, its kind of numbers and a model of it alone."""
    for kind in DTYPES:
        for name in (*UNARY, *BINARY, *COMPARISONS, *OTHERS):

            def build(model: ModelWriter, numbers: dict[str, object], name: str = name) -> None:
                inputs = [model.input(SHAPE, **numbers)]
                shape, constants, options = OTHERS.get(name, (SHAPE, [], {}))
                inputs += [model.constant(np.array(item, np.int32)) for item in constants]
                if name in (*BINARY, *COMPARISONS):
                    inputs.append(model.input(SHAPE, **numbers))
                made = dict(numbers)
                if name in COMPARISONS:
                    made = {"dtype": "bool"}
                elif name in ("ARG_MAX", "ARG_MIN"):
                    made = {"dtype": "int32"}
                elif name in OUTPUT_RANGES and "scale" in made:
                    of_kind = "int8" if made["dtype"] == "int8" else "int16x8"
                    (made["scale"], made["zero_point"]) = OUTPUT_RANGES[name][of_kind]
                if name.endswith("POOL_2D"):
                    options = {**options, "padding": "VALID", "stride_w": 1, "stride_h": 1}
                elif name == "SOFTMAX":
                    options = {"beta": 1.0}
                output = model.tensor(shape, **made)
                model.op(name, inputs, output, **options)
                model.output(output)

            yield name, kind, written(kind, build)


def test_what_the_record_says_is_what_tflm_does() -> None:
    assert set(DTYPES) < set(NUMBER_KINDS)
    models = list(single_operators())
    graphs = [read_graph(data) for _, _, data in models]
    jobs = [
        ModelJob(
            model=data,
            # Ones: no division by zero, and indices that are there.
            inputs=(b"\1" * sum(tensor.size_bytes for tensor in graph.main.input_tensors),),
        )
        for (_, _, data), graph in zip(models, graphs, strict=True)
    ]
    library = load_library("tflite-micro")
    results = run_models(jobs, Engine.MICRO, timeout_seconds=120)
    differing = []
    for (name, kind, _), graph, result in zip(models, graphs, results, strict=True):
        (support,) = operator_support(graph, library, "reference")
        if support.runs == isinstance(result, EdgeKitError):
            differing.append(f"{name} in {kind}: {support.status.value}; TFLM: {result}")
    assert differing == []
    assert len(models) > 200
