"""Run .tflite models on this computer, each batch of them in one child process.

An interpreter can crash or hang on a sound-looking model, so it never runs in our own
process. A model that does is reported, and the child is started again for the rest.
"""

from __future__ import annotations

import enum
import importlib.metadata
import importlib.util
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import (
    EdgeKitError,
    InvalidModelError,
    MissingToolError,
    UnsupportedModelError,
)
from edgekit.graph import Graph
from edgekit.model.jobs import MARKER, Outcome, job_folder, run_job
from edgekit.model.reader import read_graph
from edgekit.units import KIB

_START_SECONDS = 60.0
"""What the child's start may take on a loaded computer, on top of the models' time."""

_LITERT_PACKAGES = (
    ("ai_edge_litert", "ai-edge-litert", "LiteRT"),
    ("tflite_runtime", "tflite-runtime", "tflite-runtime"),
    ("tensorflow", "tensorflow", "TensorFlow Lite"),
)
"""Module, distribution and name of what runs .tflite files, the lightest first."""


class Engine(enum.Enum):
    """What runs the model."""

    MICRO = "tflite-micro"
    """TFLM's own interpreter and reference kernels."""
    LITERT = "litert"
    """LiteRT's optimised kernels without the XNNPACK delegate."""
    LITERT_REFERENCE = "litert-reference"
    """LiteRT's reference kernels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelJob:
    """A model and the raw input bytes of each sample (all inputs, one after another)."""

    model: bytes
    inputs: tuple[bytes, ...]


def litert_package() -> tuple[str, str, str]:
    """Return module, distribution and name of the installed LiteRT or its forerunner.

    Raises:
        MissingToolError: None is installed.
    """
    for row in _LITERT_PACKAGES:
        if importlib.util.find_spec(row[0]) is not None:
            return row
    raise MissingToolError(
        "No interpreter for .tflite files is installed.",
        hint="Install LiteRT: pip install 'edgekit[run]'",
    )


def has_micro() -> bool:
    """Whether TFLM's own interpreter is installed."""
    return importlib.util.find_spec("tflite_micro") is not None


def describe_engine(engine: Engine) -> str:
    """Return an engine's name and version, e.g. ``"LiteRT 2.3.0, no delegate"``."""
    if engine is Engine.MICRO:
        return f"TFLM interpreter (tflite-micro {_version('tflite-micro')})"
    _, distribution, name = litert_package()
    kernels = "no delegate" if engine is Engine.LITERT else "reference kernels"
    return f"{name} {_version(distribution)}, {kernels}"


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "of unknown version"


def run_models(
    jobs: Sequence[ModelJob],
    engine: Engine,
    *,
    timeout_seconds: float,
    on_progress: Callable[[str], None] | None = None,
) -> tuple[tuple[bytes, ...] | EdgeKitError, ...]:
    """Run each model on its samples; return each one's raw outputs, or what went wrong.

    Outputs are one byte string per sample: all outputs of the model, one after
    another, in its order. A model with state keeps it from one sample to the next.

    Args:
        jobs: The models with their inputs.
        engine: What runs them.
        timeout_seconds: How long one model may take for all of its samples.
        on_progress: Called when the child starts on a model.

    Raises:
        MissingToolError: The engine is not installed, or does not start.
    """
    require_engine(engine)
    results: list[tuple[bytes, ...] | EdgeKitError | None] = [None] * len(jobs)
    graphs: dict[int, Graph] = {}
    with job_folder() as folder:
        for index, job in enumerate(jobs):
            try:
                graphs[index] = read_graph(job.model)
                _check_input_bytes(graphs[index], job)
            except EdgeKitError as error:
                results[index] = error
                continue
            (folder / f"{index}.tflite").write_bytes(job.model)
            (folder / f"{index}.in").write_bytes(b"".join(job.inputs))
        while True:
            waiting = [index for index, result in enumerate(results) if result is None]
            if not waiting:
                break
            outcome = run_job(
                "run",
                {
                    "engine": engine.value,
                    "timeout_seconds": timeout_seconds,
                    "models": [
                        {
                            "name": str(index),
                            "samples": len(jobs[index].inputs),
                            "arena_bytes": arena_bound_bytes(graphs[index]),
                            "inputs": len(graphs[index].main.inputs),
                            "outputs": len(graphs[index].main.outputs),
                        }
                        for index in waiting
                    ],
                },
                folder,
                timeout_seconds=_START_SECONDS + timeout_seconds * len(waiting),
                on_progress=on_progress,
            )
            for index in waiting:
                results[index] = _collect(
                    folder, index, jobs[index], graphs[index], outcome, engine
                )
            if outcome.result is None:
                if not outcome.stage.startswith("model "):
                    raise MissingToolError(
                        f"{describe_engine(engine)} does not start: {outcome.last_lines(1)}",
                        hint="Install it anew: pip install --force-reinstall "
                        f"'edgekit[{'micro' if engine is Engine.MICRO else 'run'}]'",
                    )
                culprit = _culprit(outcome, waiting)
                results[culprit] = _crash(outcome, culprit, engine, timeout_seconds)
    return tuple(result for result in results if result is not None)


def require_engine(engine: Engine) -> None:
    """Return if the engine is installed.

    Raises:
        MissingToolError: It is not; the hint says how to get it.
    """
    if engine is not Engine.MICRO:
        litert_package()
    elif not has_micro():
        raise MissingToolError(
            "TFLM's interpreter for this computer is not installed.",
            hint="Install it (Linux on x86-64): pip install --pre 'edgekit[micro]'",
        )


def _check_input_bytes(graph: Graph, job: ModelJob) -> None:
    wanted = sum(tensor.size_bytes for tensor in graph.main.input_tensors)
    for number, given in enumerate(job.inputs):
        if len(given) != wanted:
            raise UnsupportedModelError(
                f"Sample {number} has {len(given)} bytes; the model's inputs take {wanted}.",
                hint="Give the raw bytes of all inputs of the model, one after another.",
            )


def arena_bound_bytes(graph: Graph) -> int:
    """Return an arena that is large enough in any case, at the price of memory here only.

    All computed tensors at once, twice for scratch buffers, and ten times the model
    (tflite_micro's own default) and 1 MiB for the interpreter's structures.
    """
    computed = sum(
        tensor.size_bytes
        for subgraph in graph.subgraphs
        for tensor in subgraph.tensors
        if not tensor.is_constant
    )
    return 2 * computed + 10 * graph.size_bytes + KIB * KIB


def _collect(
    folder: Path, index: int, job: ModelJob, graph: Graph, outcome: Outcome, engine: Engine
) -> tuple[bytes, ...] | EdgeKitError | None:
    """Return what the child left for a model: outputs, a refusal, or nothing yet."""
    failed = folder / f"{index}.failed"
    if failed.exists():
        reason = json.loads(failed.read_text(encoding="utf-8"))["reason"]
        said = _last_words(outcome, index) if engine is Engine.MICRO else ""
        said = said or (reason.splitlines() or ["no reason given"])[0]
        return UnsupportedModelError(
            f"{describe_engine(engine)} refuses the model: {said}",
            hint="The operator or its type is probably not supported there; "
            "'edgekit inspect' lists the model's operators.",
        )
    written = folder / f"{index}.out"
    if not written.exists():
        return None
    blob = written.read_bytes()
    size = sum(tensor.size_bytes for tensor in graph.main.output_tensors)
    if len(blob) != size * len(job.inputs):
        return InvalidModelError(
            f"{describe_engine(engine)} gave {len(blob)} output bytes for {len(job.inputs)} "
            f"samples; the file says {size} for each.",
            hint="The shapes in the file contradict its operators: convert the model again.",
        )
    return tuple(blob[number * size : (number + 1) * size] for number in range(len(job.inputs)))


def _culprit(outcome: Outcome, waiting: Sequence[int]) -> int:
    """Return the model that the child was at when it ended."""
    name = outcome.stage.removeprefix("model ")
    return int(name) if name.isdigit() and int(name) in waiting else waiting[0]


def _crash(outcome: Outcome, index: int, engine: Engine, timeout_seconds: float) -> EdgeKitError:
    if outcome.timed_out or "Timeout (" in outcome.output:
        return InvalidModelError(
            f"The model did not end within {timeout_seconds:g} s on {describe_engine(engine)}.",
            hint="It may loop without end, or be damaged; or allow more time.",
        )
    said = _last_words(outcome, index)
    return InvalidModelError(
        f"The model crashed {describe_engine(engine)} ({outcome.how_it_ended()})"
        + (f": {said}" if said else "."),
        hint="The file is probably damaged, or made by another converter: convert it again.",
    )


def _last_words(outcome: Outcome, index: int) -> str:
    """Return the last two lines that the interpreter printed for a model."""
    _, _, after = outcome.output.rpartition(f'{MARKER}{{"stage": "model {index}"')
    own = after.partition("\n")[2].partition(MARKER)[0]
    lines = [line.strip() for line in own.splitlines() if line.strip()]
    words = [line for line in lines if not line.startswith(("INFO:", "WARNING:"))]
    return "; ".join(line[:200] for line in words[-2:])
