"""Senseless models that the compiler takes stay within their memory, and compute TFLM's."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
from aot_host import SANITIZERS, Host
from senseless_models import senseless_model
from tflm_oracle import run_tflm

from edgekit.aot.compiler import Compiled, compile_graph
from edgekit.errors import EdgeKitError
from edgekit.graph import Graph
from edgekit.model.reader import read_graph

MODELS = 60
_ARENA_BYTES = 1 << 20
_MACS = 10_000_000


def sample(graph: Graph, rng: np.random.Generator) -> bytes:
    parts = []
    for tensor in graph.main.input_tensors:
        if tensor.dtype.is_float:
            parts.append(rng.normal(0, 40, tensor.shape).astype(np.float32).tobytes())
        else:
            parts.append(rng.bytes(tensor.size_bytes))
    return b"".join(parts)


def test_what_is_compiled_stays_in_bounds_and_computes_what_tflm_computes(tmp_path: Path) -> None:
    models: list[bytes] = []
    compiled: list[Compiled] = []
    samples: list[list[bytes]] = []
    rng = np.random.default_rng(5)
    for seed in range(100_000):
        data = senseless_model(random.Random(seed), modest=True)
        try:
            graph = read_graph(data)
            made = compile_graph(graph)
        except EdgeKitError:
            continue
        if made.arena.size_bytes < _ARENA_BYTES and made.macs < _MACS:
            models.append(data)
            compiled.append(made)
            samples.append([sample(graph, rng) for _ in range(2)])
        if len(models) == MODELS:
            break
    expected = run_tflm(list(zip(models, samples, strict=True)))
    assert None not in expected, "TFLM refuses what the compiler takes"
    assert Host(tmp_path, "-O1", *SANITIZERS).compute(compiled, samples) == expected
