"""The file that makes a folder an EdgeKit project, and says what was planned for it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import edgekit
from edgekit.errors import InputError
from edgekit.graph import Graph
from edgekit.results import SCHEMA_VERSION, Plan

MARKER = "edgekit.json"
"""The marker's name, in the project's root."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Marker:
    """What a generated project says of itself; the planned sizes are in bytes."""

    name: str
    target: str
    engine: str
    model_sha256: str
    edgekit_version: str
    flash_estimated_bytes: int
    sram_estimated_bytes: int
    arena_planned_bytes: int
    files: tuple[str, ...]

    def require_model(self, graph: Graph) -> None:
        """Raise unless the project was generated from this model.

        Raises:
            InputError: It was generated from another.
        """
        if graph.sha256 != self.model_sha256:
            raise InputError(
                f"The project was generated from the model with sha256 "
                f"{self.model_sha256[:12]}…, not from the one given ({graph.sha256[:12]}…).",
                hint="Give the .tflite that the project was generated from, or generate again.",
            )


def marker_text(plan: Plan, *, name: str, files: Sequence[str]) -> str:
    """Return the marker's text for a project with these other files."""
    content = {
        "schema_version": SCHEMA_VERSION,
        "kind": "project",
        "edgekit_version": edgekit.__version__,
        "name": name,
        "target": plan.target,
        "engine": plan.engine,
        "model_sha256": plan.model_sha256,
        "flash_estimated_bytes": plan.flash.used_bytes,
        "sram_estimated_bytes": plan.sram.used_bytes,
        "arena_planned_bytes": plan.arena_bytes,
        "files": sorted([*files, MARKER]),
    }
    return json.dumps(content, indent=2) + "\n"


def read_marker(folder: Path) -> Marker:
    """Return what the project in ``folder`` says of itself.

    Raises:
        InputError: The folder is no EdgeKit project, or one of another version.
    """
    try:
        content = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder} is not an EdgeKit project: it has no readable {MARKER}.",
            hint="Make one with 'edgekit generate MODEL.tflite --target TARGET'.",
        ) from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{folder / MARKER} has the schema version {version!r}, not {SCHEMA_VERSION}.",
            hint="Generate the project again with this version of EdgeKit.",
        )
    return _parse(content, folder)


_FIELDS: Mapping[str, type] = {
    "name": str,
    "target": str,
    "engine": str,
    "model_sha256": str,
    "edgekit_version": str,
    "flash_estimated_bytes": int,
    "sram_estimated_bytes": int,
    "arena_planned_bytes": int,
    "files": list,
}


def _parse(content: Mapping[str, Any], folder: Path) -> Marker:
    for key, kind in _FIELDS.items():
        if type(content.get(key)) is not kind:
            raise InputError(
                f"{folder / MARKER} has no {key!r} that is {kind.__name__}.",
                hint="Generate the project again.",
            )
    values = {key: content[key] for key in _FIELDS}
    return Marker(**{**values, "files": tuple(map(str, values["files"]))})
