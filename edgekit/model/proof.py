"""Prove on TFLM's own interpreter that a changed model does what the original did.

Both run in child processes on the same inputs, one after another so that a model with a
state is tried with it; each output byte must be the same, and the arena no larger.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from edgekit.errors import EdgeKitError, VerificationError
from edgekit.graph import DType, Graph, Tensor
from edgekit.model.interpreters import (
    Engine,
    ModelJob,
    arena_bound_bytes,
    describe_engine,
    require_engine,
    run_models,
)
from edgekit.model.jobs import MARKER, job_folder, run_job
from edgekit.model.reader import read_graph

_SEED = 1
_START_SECONDS = 60.0
_ALLOCATION = re.compile(r"\[RecordingMicroAllocator\] Arena allocation (total|head|tail) (\d+) ")
_INDEX_TYPES = frozenset({DType.INT32, DType.INT64, DType.UINT32, DType.UINT64})


@dataclass(frozen=True, kw_only=True, slots=True)
class ArenaUse:
    """What TFLM's recording interpreter took, in bytes, with the pointers of this computer."""

    total_bytes: int
    head_bytes: int
    tail_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """That a changed model gave the same bytes for ``samples`` inputs, and its arena."""

    reference: str
    samples: int
    before: ArenaUse
    after: ArenaUse


def random_inputs(graph: Graph, count: int) -> tuple[bytes, ...]:
    """Return pseudo-random raw inputs, the same in every run.

    Small integers use their type's whole range, floats −1 to 1; wider integers are 0 or
    1, as they are mostly indices, and so are truth values.
    """
    import numpy as np

    generator = np.random.default_rng(_SEED)

    def fill(tensor: Tensor) -> bytes:
        if tensor.dtype in (DType.FLOAT32, DType.FLOAT64, DType.FLOAT16):
            values = generator.uniform(-1.0, 1.0, tensor.element_count)
            return values.astype(f"<f{tensor.dtype.bits // 8}").tobytes()
        if tensor.dtype in _INDEX_TYPES or tensor.dtype is DType.BOOL:
            bits = generator.integers(0, 2, tensor.element_count)
            return bits.astype(f"<u{tensor.dtype.bits // 8}").tobytes()
        return generator.bytes(tensor.size_bytes)

    return tuple(b"".join(map(fill, graph.main.input_tensors)) for _ in range(count))


def prove_same(
    original: bytes, changed: bytes, inputs: Sequence[bytes], *, timeout_seconds: float = 60.0
) -> Proof:
    """Return the proof that ``changed`` computes what ``original`` does, in no larger arena.

    Raises:
        MissingToolError: tflite-micro is not installed.
        InvalidModelError: The original crashes it, or never ends.
        UnsupportedModelError: It refuses the original.
        VerificationError: The changed model fails, gives another output, or takes more.
    """
    require_engine(Engine.MICRO)
    jobs = [ModelJob(model=model, inputs=tuple(inputs)) for model in (original, changed)]
    before, after = run_models(jobs, Engine.MICRO, timeout_seconds=timeout_seconds)
    if isinstance(before, EdgeKitError):
        raise before
    if isinstance(after, EdgeKitError):
        raise VerificationError(
            f"The changed model does not run: {after.message}", hint=_REPORT_HINT
        ) from after
    differing = sum(one != other for one, other in zip(before, after, strict=True))
    if differing:
        raise VerificationError(
            f"The changed model gives other outputs for {differing} of {len(inputs)} inputs.",
            hint=_REPORT_HINT,
        )
    used_before, used_after = measure_arenas((original, changed), timeout_seconds=timeout_seconds)
    if used_after.total_bytes > used_before.total_bytes:
        raise VerificationError(
            f"The changed model takes an arena of {used_after.total_bytes} B in TFLM, "
            f"the original {used_before.total_bytes} B.",
            hint=_REPORT_HINT,
        )
    return Proof(
        reference=describe_engine(Engine.MICRO),
        samples=len(inputs),
        before=used_before,
        after=used_after,
    )


_REPORT_HINT = "Nothing was written. Use the original; this is a fault of EdgeKit's: report it."


def measure_arenas(
    models: Sequence[bytes], *, timeout_seconds: float = 60.0
) -> tuple[ArenaUse, ...]:
    """Return what TFLM's recording interpreter takes for each model.

    Raises:
        MissingToolError: tflite-micro is not installed.
        VerificationError: One of the models can't be loaded, or nothing was recorded.
    """
    require_engine(Engine.MICRO)
    graphs = [read_graph(model) for model in models]
    with job_folder() as folder:
        for number, model in enumerate(models):
            (folder / f"{number}.tflite").write_bytes(model)
            (folder / f"{number}.in").write_bytes(b"")
        outcome = run_job(
            "run",
            {
                "engine": Engine.MICRO.value,
                "timeout_seconds": timeout_seconds,
                "models": [
                    {
                        "name": str(number),
                        "samples": 0,
                        "arena_bytes": arena_bound_bytes(graph),
                        "inputs": len(graph.main.inputs),
                        "outputs": len(graph.main.outputs),
                        "print_allocations": True,
                    }
                    for number, graph in enumerate(graphs)
                ],
            },
            folder,
            timeout_seconds=_START_SECONDS + timeout_seconds * len(models),
        )
    parts = outcome.output.split(f'{MARKER}{{"stage": "model ')[1:]
    uses = tuple(use for use in map(_parse, parts) if use is not None)
    if len(uses) != len(models):
        raise VerificationError(
            f"TFLM's interpreter told nothing of its arena: {outcome.last_lines(1)}",
            hint="Install it anew: pip install --force-reinstall 'edgekit[micro]'",
        )
    return uses


def _parse(log: str) -> ArenaUse | None:
    found = {match[1]: int(match[2]) for match in _ALLOCATION.finditer(log)}
    if len(found) < 3:
        return None
    return ArenaUse(total_bytes=found["total"], head_bytes=found["head"], tail_bytes=found["tail"])
