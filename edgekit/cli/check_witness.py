"""What ``edgekit check --witness`` adds: our arena beside that of TFLM on this computer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgekit.cli.output import Output
from edgekit.graph import Graph


@dataclass(frozen=True, kw_only=True, slots=True)
class WitnessFigures:
    """One model's arena with 64-bit structures: as planned here, and as TFLM recorded it.

    ``refused`` says why TFLM did not load the model; there are no figures of its then.
    """

    model: str
    planned_head_bytes: int
    planned_tail_bytes: int
    recorded_head_bytes: int | None = None
    recorded_tail_bytes: int | None = None
    interpreter: str = ""
    refused: str = ""

    @property
    def agrees(self) -> bool | None:
        """Whether the figures are equal; ``None`` where TFLM has none."""
        if self.recorded_head_bytes is None:
            return None
        return (self.planned_head_bytes, self.planned_tail_bytes) == (
            self.recorded_head_bytes,
            self.recorded_tail_bytes,
        )


def hear_witness(models: Mapping[str, tuple[Graph, Path]]) -> tuple[WitnessFigures, ...]:
    """Load the models into TFLM's recording interpreter, and plan the same arena here.

    Raises:
        MissingToolError: tflite-micro is not installed.
    """
    from edgekit.model.witness import RecordedArena, record_allocations
    from edgekit.plan.tflm_kernels import HOST_BUILD
    from edgekit.plan.tflm_overhead import tflm_arena

    recorded = record_allocations([path.read_bytes() for _, path in models.values()])
    figures = []
    for (name, (graph, _)), heard in zip(models.items(), recorded, strict=True):
        planned = tflm_arena(graph, HOST_BUILD)
        figures.append(
            WitnessFigures(
                model=name,
                planned_head_bytes=planned.head_bytes,
                planned_tail_bytes=planned.tail_bytes,
                recorded_head_bytes=heard.head_bytes if isinstance(heard, RecordedArena) else None,
                recorded_tail_bytes=heard.tail_bytes if isinstance(heard, RecordedArena) else None,
                interpreter=heard.interpreter if isinstance(heard, RecordedArena) else "",
                refused="" if isinstance(heard, RecordedArena) else heard.message,
            )
        )
    return tuple(figures)


def show_witness(output: Output, figures: tuple[WitnessFigures, ...]) -> None:
    """Print both figures side by side, and warn where they differ."""
    if not figures:
        return
    output.table(
        "The arena on this computer (64-bit structures): ours, and TFLM's recording interpreter's",
        ("model", "", "head", "tail", "total"),
        [row for item in figures for row in _rows(item)],
        numeric="llrrr",
    )
    for item in figures:
        if item.agrees is False:
            output.warn(
                f"{item.model}: TFLM's recording interpreter disagrees. Another version of "
                "tflite-micro may be installed, or EdgeKit's plan is wrong: please report it."
            )


def _rows(item: WitnessFigures) -> list[tuple[str, str, str, str, str]]:
    def row(model: str, who: str, head: int, tail: int) -> tuple[str, str, str, str, str]:
        return (model, who, f"{head:,}", f"{tail:,}", f"{head + tail:,}")

    rows = [row(item.model, "planned", item.planned_head_bytes, item.planned_tail_bytes)]
    if item.recorded_head_bytes is None or item.recorded_tail_bytes is None:
        return [*rows, ("", item.refused, "", "", "")]
    return [*rows, row("", item.interpreter, item.recorded_head_bytes, item.recorded_tail_bytes)]
