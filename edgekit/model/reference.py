"""The reference that firmware is verified against: TFLM's own interpreter, on this computer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgekit.errors import EdgeKitError
from edgekit.model.interpreters import (
    Engine,
    ModelJob,
    describe_engine,
    has_micro,
    run_models,
)

__all__ = [
    "ModelJob",
    "ReferenceOutputs",
    "reference_engine",
    "run_reference",
    "run_reference_batch",
]

_CAVEAT = (
    " (tflite-micro is not installed; LiteRT rounds FULLY_CONNECTED once where TFLM rounds "
    "twice, so single steps of difference are possible)"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ReferenceOutputs:
    """A model's raw outputs, one byte string per sample, and what computed them.

    A byte string holds all outputs of the model, one after another, in its order.
    """

    outputs: tuple[bytes, ...]
    reference: str


def reference_engine() -> tuple[Engine, str]:
    """Return the best reference that is installed, and its description with any caveat.

    Raises:
        MissingToolError: Neither tflite-micro nor LiteRT is installed.
    """
    if has_micro():
        return Engine.MICRO, describe_engine(Engine.MICRO)
    return Engine.LITERT_REFERENCE, describe_engine(Engine.LITERT_REFERENCE) + _CAVEAT


def run_reference(
    model: bytes, inputs: Sequence[bytes], *, timeout_seconds: float = 60.0
) -> ReferenceOutputs:
    """Run a .tflite on the reference interpreter, in a child process.

    ``inputs`` has for each sample the raw bytes of all the model's inputs, one after
    another. A model with state keeps it from one sample to the next, as on a device.

    Raises:
        InvalidModelError: The model is damaged, crashes the interpreter, or never ends.
        UnsupportedModelError: The interpreter refuses it, or a sample's size is wrong.
        MissingToolError: No reference interpreter is installed.
    """
    job = ModelJob(model=model, inputs=tuple(inputs))
    (result,) = run_reference_batch([job], timeout_seconds=timeout_seconds)
    if isinstance(result, EdgeKitError):
        raise result
    return result


def run_reference_batch(
    jobs: Sequence[ModelJob],
    *,
    timeout_seconds: float = 60.0,
    on_progress: Callable[[str], None] | None = None,
) -> tuple[ReferenceOutputs | EdgeKitError, ...]:
    """Run many models in one child process; each gets its outputs or its error.

    ``timeout_seconds`` is each model's own. A model that crashes the interpreter is
    reported as the error that :func:`run_reference` would raise; the others still run.

    Raises:
        MissingToolError: No reference interpreter is installed.
    """
    engine, description = reference_engine()
    results = run_models(jobs, engine, timeout_seconds=timeout_seconds, on_progress=on_progress)
    return tuple(
        result
        if isinstance(result, EdgeKitError)
        else ReferenceOutputs(outputs=result, reference=description)
        for result in results
    )
