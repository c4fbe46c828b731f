"""What the stages hand on: plans, sizes, latencies, verifications, runs; and their JSON.

Every figure says what it is. A *plan* holds estimates (or exact static sizes), a
*build* what the linker placed, a *run* what a device reported. On emulated boards
that count instructions, latencies are instructions, never time.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from edgekit.plans import (
    ArenaPlan,
    BankUse,
    BankVerdict,
    Basis,
    Item,
    Plan,
    PlannedBuffer,
    Problem,
    Suggestion,
)

__all__ = [
    "SCHEMA_VERSION",
    "ArenaPlan",
    "BankUse",
    "BankVerdict",
    "Basis",
    "BuildSizes",
    "GeneratedProject",
    "Item",
    "LatencySummary",
    "Plan",
    "PlannedBuffer",
    "Problem",
    "Run",
    "SizeComparison",
    "Suggestion",
    "VariantResult",
    "Verification",
    "document",
    "to_json",
]

SCHEMA_VERSION = 1
"""Version of every JSON document that EdgeKit writes; raised when a key changes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildSizes:
    """What the linker placed, in bytes, read from the ELF.

    ``flash_bytes`` is code, constants and the load image of initialised data;
    ``sram_bytes`` is initialised and zeroed data, without stack and heap.
    ``symbols`` are the sizes of EdgeKit's own static buffers, by name.
    """

    flash_bytes: int
    sram_bytes: int
    symbols: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class LatencySummary:
    """Latency of one inference over all windows.

    ``unit`` is ``"us"`` (a device's clock, µs) or ``"instructions"`` (an emulated
    board; they say nothing of time). ``windows`` are the means of each window, one
    inference's share; ``p99`` is ``None`` below 662 samples (a p99 of fewer is noise).
    """

    unit: str
    basis: Basis
    median: float
    mad: float
    minimum: float
    maximum: float
    p99: float | None
    windows: tuple[float, ...]
    inferences_per_window: int
    warmup: int
    samples: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """The device's raw outputs against the reference interpreter's.

    ``max_steps`` is the largest difference of one output element, in quantisation
    steps; ``top1_agreement`` the share of samples whose largest output is at the
    same place, ``None`` for models with fewer than two outputs.
    """

    samples: int
    mismatched_samples: int
    mismatched_elements: int
    elements: int
    max_steps: int
    top1_agreement: float | None
    reference: str

    @property
    def is_exact(self) -> bool:
        """Whether every output byte is the same."""
        return self.mismatched_samples == 0


@dataclass(frozen=True, kw_only=True, slots=True)
class SizeComparison:
    """The plan's figures beside the linked ones. Flash is an estimate, the arena is exact.

    ``arena_linked_bytes`` is the size of the arena's symbol in the ELF, ``None`` where
    the ELF has no such symbol.
    """

    flash_estimated_bytes: int
    flash_linked_bytes: int
    sram_estimated_bytes: int
    sram_linked_bytes: int
    arena_planned_bytes: int
    arena_linked_bytes: int | None

    @property
    def flash_error_percent(self) -> float:
        """How far the estimate is above the linked flash, in percent; below is negative."""
        return 100.0 * (self.flash_estimated_bytes / self.flash_linked_bytes - 1.0)

    @property
    def arena_is_exact(self) -> bool:
        """Whether the linked arena has just the planned size."""
        return self.arena_linked_bytes == self.arena_planned_bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class VariantResult:
    """One converted file: its size, and how well it does on held-out samples."""

    variant: str
    file: str
    size_bytes: int
    sha256: str
    accuracy: float | None = None
    mean_absolute_error: float | None = None
    samples: int = 0
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class GeneratedProject:
    """A project written to disk; ``folder`` is relative to the run's folder."""

    target: str
    engine: str
    folder: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A whole deployment: what was converted, planned, built, verified and measured.

    Stages that were not reached, or not asked for, are ``None`` or empty.
    """

    model: str
    model_sha256: str
    edgekit_version: str
    target: str
    engine: str
    plan: Plan
    variants: tuple[VariantResult, ...] = ()
    verdicts: tuple[Plan, ...] = ()
    projects: tuple[GeneratedProject, ...] = ()
    sizes: SizeComparison | None = None
    verification: Verification | None = None
    latency: LatencySummary | None = None
    device: Mapping[str, str] = dataclasses.field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def to_json(value: Any) -> Any:
    """Return a result as plain JSON data, its properties' figures included.

    Dataclasses become objects of their fields and public properties, enumerations
    their values, paths POSIX text, byte strings hexadecimal.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [item.name for item in dataclasses.fields(value)]
        names += [
            name
            for name, member in vars(type(value)).items()
            if isinstance(member, property) and not name.startswith("_")
        ]
        return {name: to_json(getattr(value, name)) for name in names}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, PurePath):
        return value.as_posix()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_json(item) for item in value]
    return value


def document(kind: str, **content: Any) -> dict[str, Any]:
    """Return a JSON document: ``schema_version``, ``kind`` and the content."""
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": kind,
        **{key: to_json(value) for key, value in content.items()},
    }
