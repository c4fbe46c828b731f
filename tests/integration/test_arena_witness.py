"""The plan of TFLM's arena, against TFLM's own recording interpreter on this computer."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_graphs import I8, I16, OPERATORS, random_model, single

from edgekit.errors import EdgeKitError
from edgekit.graph import DType
from edgekit.model.reader import read_graph
from edgekit.model.witness import RecordedArena, record_allocations
from edgekit.plan.tflm_kernels import HOST_BUILD
from edgekit.plan.tflm_overhead import tflm_arena

pytest.importorskip("tflite_micro")

REFUSED_BY_TFLM = {"mlperf_kws_float32", "mlperf_ad_dynrange", "kws01_float32"}
"""Models that TFLM itself refuses."""


def disagreements(models: dict[str, bytes]) -> tuple[list[object], set[str]]:
    """Return what differs from TFLM's figures, and the models that TFLM refuses."""
    wrong: list[object] = []
    refused = set()
    for name, heard in zip(models, record_allocations(list(models.values())), strict=True):
        if isinstance(heard, EdgeKitError):
            refused.add(name)
            continue
        assert isinstance(heard, RecordedArena)
        graph = read_graph(models[name])
        planned = tflm_arena(graph, HOST_BUILD)
        figures = (planned.head_bytes, planned.tail_bytes)
        if figures != (heard.head_bytes, heard.tail_bytes):
            operators = [item.name for part in graph.subgraphs for item in part.operators]
            wrong.append((name, figures, (heard.head_bytes, heard.tail_bytes), operators))
        assert planned.arena_used_bytes == planned.head_bytes + planned.tail_bytes
    return wrong, refused


@settings(max_examples=4)
@given(st.lists(st.integers(0, 2**40), min_size=60, max_size=60, unique=True))
def test_graphs_of_random_operators(seeds: list[int]) -> None:
    wrong, refused = disagreements({str(seed): random_model(seed) for seed in seeds})
    assert wrong == []
    assert len(refused) <= len(seeds) // 10


def test_every_operator_alone() -> None:
    models = {}
    for name in OPERATORS:
        for dtype in (I8, I16, DType.FLOAT32, DType.BOOL):
            for shape in ((1, 8, 6, 4), (4, 2, 2, 8), (2, 7, 4), (1, 12)):
                data = single(name, shape, dtype)
                if data is not None:
                    models[f"{name} {dtype.value} {shape}"] = data
    wrong, refused = disagreements(models)
    assert wrong == []
    loaded = Counter(name.split()[0] for name in models.keys() - refused)
    assert set(OPERATORS) <= loaded.keys()


@pytest.mark.shared_data
def test_the_reference_models(shared_models: Path) -> None:
    models = {path.stem: path.read_bytes() for path in sorted(shared_models.rglob("*.tflite"))}
    wrong, refused = disagreements(models)
    assert wrong == []
    assert refused <= REFUSED_BY_TFLM
    assert len(models) > 70
