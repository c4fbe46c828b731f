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

SCHEMA_VERSION = 1
"""Version of every JSON document that EdgeKit writes; raised when a key changes."""


class Basis(enum.Enum):
    """Where a figure comes from."""

    EXACT = "exact"
    """Computed, and certain: a static buffer, a constant's bytes."""
    ESTIMATED = "estimated"
    """From a documented model, with a margin."""
    LINKED = "linked"
    """Read from the linked ELF."""
    MEASURED = "measured"
    """Read from a device's clock."""
    EMULATED = "emulated"
    """From an emulated board: instructions, not time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One part of a memory bank's use. ``margin_bytes``: ± of an estimate."""

    name: str
    size_bytes: int
    basis: Basis
    margin_bytes: int = 0
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class BankUse:
    """What goes into one memory bank, part by part, against what is usable."""

    bank: str
    items: tuple[Item, ...]
    usable_bytes: int

    @property
    def used_bytes(self) -> int:
        """Sum of the items."""
        return sum(item.size_bytes for item in self.items)

    @property
    def margin_bytes(self) -> int:
        """Sum of the items' margins."""
        return sum(item.margin_bytes for item in self.items)

    @property
    def slack_bytes(self) -> int:
        """Bytes left over; negative is the excess."""
        return self.usable_bytes - self.used_bytes

    @property
    def fits(self) -> bool:
        """Whether nothing is in excess, the estimates taken at their middle."""
        return self.slack_bytes >= 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """Why a model can't run on a target with an engine, and the way out."""

    message: str
    hint: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedBuffer:
    """A buffer with its place in the arena and the operators that it lives through."""

    tensor: int
    name: str
    size_bytes: int
    offset_bytes: int
    first_step: int
    last_step: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ArenaPlan:
    """The activation arena: buffers at their offsets, and the total."""

    size_bytes: int
    buffers: tuple[PlannedBuffer, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class BankVerdict:
    """One data memory with the arena put there: what it holds, and whether that fits.

    ``is_main``: the memory that has the statics and the stack, and where generated
    firmware puts the arena; ``needs`` is what it takes to put it into another.
    ``other_bytes`` is the rest of the static data, where it is in the main memory;
    ``others_fit``, whether that rest fits the main memory while the arena is here.
    """

    bank: str
    title: str
    is_main: bool
    speed: str
    total_bytes: int
    framework_bytes: int
    stack_bytes: int
    arena_bytes: int
    other_bytes: int
    largest_block_bytes: int
    others_fit: bool
    needs: str = ""

    @property
    def usable_bytes(self) -> int:
        """What framework and stack leave."""
        return self.total_bytes - self.framework_bytes - self.stack_bytes

    @property
    def slack_bytes(self) -> int:
        """Bytes left over; negative is the excess."""
        return self.usable_bytes - self.arena_bytes - self.other_bytes

    @property
    def block_slack_bytes(self) -> int:
        """Largest contiguous block minus the arena; negative is the excess."""
        return self.largest_block_bytes - self.arena_bytes

    @property
    def fits(self) -> bool:
        """Whether the arena has its place here, and all else in the main memory."""
        return self.others_fit and min(self.slack_bytes, self.block_slack_bytes) >= 0

    @property
    def verdict(self) -> str:
        """The verdict in words: ``"fits"``, ``"fits in slow memory"`` or ``"does not fit"``."""
        if not self.fits:
            return "does not fit"
        return "fits in slow memory" if self.speed == "slow" else "fits"


@dataclass(frozen=True, kw_only=True, slots=True)
class Suggestion:
    """What would make a model fit, or come nearer: a way, and the plan's figures with it.

    ``kind`` is ``"engine"``, ``"bank"``, ``"placement"``, ``"int8"``, ``"input"`` or
    ``"target"``. The figures are computed as the plan's own, never guessed; a change is
    this way's figure minus the plan's.
    """

    kind: str
    message: str
    verdict: str
    flash_bytes: int
    flash_change_bytes: int
    sram_bytes: int
    sram_change_bytes: int
    arena_bytes: int
    arena_change_bytes: int
    slack_bytes: int

    @property
    def fits(self) -> bool:
        """Whether the model fits that way."""
        return self.verdict == "fits"


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The verdict on a model, a target and an engine, before anything is built.

    ``arena_bytes`` is what firmware reserves: for ``tflm`` the size of the
    interpreter's arena (activations and an estimate of the persistent part), for
    ``aot`` the static buffer of the activations, exact. ``sram`` holds the main data
    memory with the arena in it, as generated firmware has it; ``banks`` each memory that
    could hold the arena, the main one first.
    """

    model: str
    model_sha256: str
    target: str
    engine: str
    flash: BankUse
    sram: BankUse
    arena: ArenaPlan
    arena_bytes: int
    largest_block_bytes: int
    macs: int
    problems: tuple[Problem, ...] = ()
    banks: tuple[BankVerdict, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()

    @property
    def runs(self) -> bool:
        """Whether the engine can run the model at all."""
        return not self.problems

    @property
    def block_slack_bytes(self) -> int:
        """Largest contiguous block minus the arena; negative is the excess."""
        return self.largest_block_bytes - self.arena_bytes

    @property
    def fits(self) -> bool:
        """Whether it runs, and each bank and the largest block suffice."""
        return self.runs and self.flash.fits and self.sram.fits and self.block_slack_bytes >= 0

    @property
    def verdict(self) -> str:
        """The verdict in words.

        ``"fits"``, ``"fits only in other memory"`` or ``"fits only in slow memory"``
        (not as firmware is generated, but with the arena in another bank),
        ``"does not fit"`` or ``"can't run"``.
        """
        if not self.runs:
            return "can't run"
        if self.fits:
            return "fits"
        elsewhere = {bank.speed for bank in self.banks if bank.fits} if self.flash.fits else set()
        if "fast" in elsewhere:
            return "fits only in other memory"
        return "fits only in slow memory" if elsewhere else "does not fit"


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
