"""Prove on TFLM's own interpreter that a changed model does what the original did.

Both run in child processes on the same inputs, one after another so that a model with a
state is tried with it; each output byte must be the same, and the arena no larger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgekit.errors import EdgeKitError, VerificationError
from edgekit.graph import DType, Graph, Tensor
from edgekit.model.interpreters import (
    Engine,
    ModelJob,
    describe_engine,
    require_engine,
    run_models,
)
from edgekit.model.witness import record_allocations

_SEED = 1
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
    used_before, used_after = _arenas((original, changed), timeout_seconds)
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


def _arenas(models: Sequence[bytes], timeout_seconds: float) -> list[ArenaUse]:
    """Return what TFLM's recording interpreter takes for each model."""
    uses = []
    for recorded in record_allocations(models, timeout_seconds=timeout_seconds):
        if isinstance(recorded, EdgeKitError):
            raise recorded
        uses.append(
            ArenaUse(
                total_bytes=recorded.total_bytes,
                head_bytes=recorded.head_bytes,
                tail_bytes=recorded.tail_bytes,
            )
        )
    return uses
