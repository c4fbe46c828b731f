"""Compiled single-operator models against TFLM's own interpreter, byte for byte."""

from __future__ import annotations

import aot_models
import numpy as np
import pytest
from aot_host import SANITIZERS, Host
from dice import Die, seeded
from hypothesis import HealthCheck, Phase, given, settings
from tflm_oracle import run_tflm

from edgekit.aot.compiler import compile_graph
from edgekit.graph import Graph
from edgekit.model.reader import read_graph

Case = tuple[str, bytes]

FAMILIES: dict[str, tuple[Die, int]] = {
    "convolution": (aot_models.convolutions("plain"), 70),
    "grouped convolution": (aot_models.convolutions("grouped"), 30),
    "depthwise convolution": (aot_models.convolutions("depthwise"), 80),
    "fully connected": (aot_models.fully_connected(), 50),
    "pool": (aot_models.pools(), 50),
    "addition": (aot_models.additions(), 50),
    "mean": (aot_models.means(), 40),
    "softmax": (aot_models.softmaxes(), 30),
    "padding": (aot_models.paddings(), 30),
    "conversion": (aot_models.conversions(), 40),
    "unary": (aot_models.unaries(), 30),
    "view": (aot_models.views(), 6),
}
SAMPLES = 4


def draw_cases(die: Die, count: int) -> list[Case]:
    """Return different models; they are built together, so hypothesis can't shrink them."""
    found: dict[bytes, str] = {}

    @settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(seeded(die))
    def collect(case: Case) -> None:
        found[case[1]] = case[0]

    collect()
    return [(what, model) for model, what in found.items()]


def sample_for(graph: Graph, rng: np.random.Generator, number: int) -> bytes:
    """Return input bytes: two samples at the extremes, the others random.

    Real numbers lie at the halves between two steps of the output, or just beside.
    """
    parts = []
    for tensor in graph.main.input_tensors:
        if tensor.dtype.is_float:
            steps = rng.integers(-300, 300, tensor.shape) + np.float64(0.5)
            halves = (steps * graph.main.output_tensors[0].scale).astype(np.float32)
            aside = rng.choice(np.array([-np.inf, np.inf], np.float32), tensor.shape)
            parts.append(
                np.where(
                    rng.random(tensor.shape) < 0.5, halves, np.nextafter(halves, aside)
                ).tobytes()
            )
        elif number == 0:
            parts.append(rng.choice(np.array([0x80, 0x7F], np.uint8), tensor.size_bytes).tobytes())
        elif number == 1:
            parts.append(bytes([0x80]) * tensor.size_bytes)
        else:
            parts.append(rng.integers(0, 256, tensor.size_bytes, dtype=np.uint8).tobytes())
    return b"".join(parts)


@pytest.mark.parametrize("family", FAMILIES)
def test_computes_what_tflm_computes(family: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    die, count = FAMILIES[family]
    cases = draw_cases(die, count)
    assert len(cases) == count, "models that are alike"
    rng = np.random.default_rng(7)
    graphs = [read_graph(model) for _, model in cases]
    samples = [[sample_for(graph, rng, number) for number in range(SAMPLES)] for graph in graphs]
    expected = run_tflm(list(zip((model for _, model in cases), samples, strict=True)))
    refused = [what for (what, _), item in zip(cases, expected, strict=True) if item is None]
    assert not refused, refused
    host = Host(tmp_path_factory.mktemp("aot"), "-O1", *SANITIZERS)
    computed = host.compute([compile_graph(graph) for graph in graphs], samples)
    wrong = [
        what
        for (what, _), want, have in zip(cases, expected, computed, strict=True)
        if want != have
    ]
    assert not wrong, f"{len(wrong)} of {len(cases)}: " + "\n".join(wrong)


def test_the_families_are_more_than_three_hundred_models() -> None:
    assert sum(count for _, count in FAMILIES.values()) >= 300
