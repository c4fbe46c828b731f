"""A second witness of TFLM's arena: its own recording interpreter on this computer.

The ``tflite-micro`` package runs TFLM's allocator, with 64-bit structures, and prints
what it took. It runs in a child process, as all interpreters do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from edgekit.errors import EdgeKitError, InvalidModelError, UnsupportedModelError
from edgekit.graph import Graph
from edgekit.model.interpreters import (
    Engine,
    arena_bound_bytes,
    describe_engine,
    require_engine,
)
from edgekit.model.jobs import Outcome, job_folder, run_job
from edgekit.model.reader import read_graph
from edgekit.units import align_up

_START_SECONDS = 60.0
"""What the child's start may take on a loaded computer, on top of the models' time."""

_REGION = re.compile(r"Arena allocation (total|head|tail) (\d+) bytes")
_PART = re.compile(r"'([^']+)' used (\d+) bytes .*\(requested (\d+) bytes for (\d+) ")


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedPart:
    """One kind of allocation: bytes with alignment, bytes asked for, and how many."""

    name: str
    used_bytes: int
    requested_bytes: int
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedArena:
    """What the recording interpreter took for a model, and which interpreter it was."""

    total_bytes: int
    head_bytes: int
    tail_bytes: int
    parts: tuple[RecordedPart, ...]
    interpreter: str


def parse_allocations(text: str, *, interpreter: str) -> RecordedArena:
    """Return the figures that ``print_allocations()`` printed.

    Raises:
        UnsupportedModelError: They are not there: another version prints them otherwise.

    Source:
        tflite-micro 90b983c, recording_micro_allocator.cc, PrintAllocations.
    """
    regions = {name: int(size) for name, size in _REGION.findall(text)}
    if regions.keys() != {"total", "head", "tail"}:
        raise UnsupportedModelError(
            f"{interpreter} did not print what it allocated.",
            hint="Install the version that EdgeKit knows: pip install --pre 'edgekit[micro]'",
        )
    return RecordedArena(
        total_bytes=regions["total"],
        head_bytes=regions["head"],
        tail_bytes=regions["tail"],
        parts=tuple(
            RecordedPart(
                name=name, used_bytes=int(used), requested_bytes=int(asked), count=int(count)
            )
            for name, used, asked, count in _PART.findall(text)
        ),
        interpreter=interpreter,
    )


def record_allocations(
    models: Sequence[bytes], *, timeout_seconds: float = 60.0
) -> tuple[RecordedArena | EdgeKitError, ...]:
    """Load models into TFLM's recording interpreter, in a child process.

    Args:
        models: The .tflite files.
        timeout_seconds: How long each may take.

    Returns:
        For each model what its arena took, or why TFLM did not load it.

    Raises:
        MissingToolError: tflite-micro is not installed.
    """
    require_engine(Engine.MICRO)
    interpreter = describe_engine(Engine.MICRO)
    results: list[RecordedArena | EdgeKitError | None] = [None] * len(models)
    graphs: dict[int, Graph] = {}
    with job_folder() as folder:
        for index, model in enumerate(models):
            try:
                graphs[index] = read_graph(model)
            except EdgeKitError as error:
                results[index] = error
                continue
            (folder / f"{index}.tflite").write_bytes(model)
        while waiting := [index for index, result in enumerate(results) if result is None]:
            outcome = run_job(
                "witness",
                {
                    "timeout_seconds": timeout_seconds,
                    "models": [
                        {"name": str(index), "arena_bytes": _arena_bytes(graphs[index])}
                        for index in waiting
                    ],
                },
                folder,
                timeout_seconds=_START_SECONDS + timeout_seconds * len(waiting),
            )
            for index in waiting:
                failed, printed = folder / f"{index}.failed", folder / f"{index}.allocations"
                if failed.exists():
                    reason = json.loads(failed.read_text(encoding="utf-8"))["reason"]
                    results[index] = UnsupportedModelError(
                        f"{interpreter} refuses the model: {reason}",
                        hint="The operator or its type is probably not supported there.",
                    )
                elif printed.exists():
                    text = printed.read_text(encoding="utf-8", errors="replace")
                    results[index] = parse_allocations(text, interpreter=interpreter)
            if outcome.result is None:
                culprit = _culprit(outcome, waiting)
                results[culprit] = InvalidModelError(
                    f"The model crashed {interpreter} ({outcome.how_it_ended()}).",
                    hint="The file is probably damaged, or made by another converter.",
                )
    return tuple(result for result in results if result is not None)


def _culprit(outcome: Outcome, waiting: Sequence[int]) -> int:
    """Return the model that the child was at when it ended."""
    name = outcome.stage.removeprefix("model ")
    return int(name) if name.isdigit() and int(name) in waiting else waiting[0]


def _arena_bytes(graph: Graph) -> int:
    """Return an arena that is large enough; TFLM aligns from its end, which must be even."""
    return align_up(arena_bound_bytes(graph), 16)
