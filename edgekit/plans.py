"""What a plan consists of: memory banks part by part, the arena, verdicts, ways out.

A plan is made before anything is built: its figures are exact or estimated.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from edgekit.findings import OperatorStatus, OperatorSupport


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
    """Why a model can't run on a target with an engine, and the way out.

    ``is_models``: the model itself is at fault, whatever the target and the engine;
    otherwise the engine or its library refuses it.
    """

    message: str
    hint: str
    is_models: bool = False


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
    this way's figure minus the plan's, ``None`` where the plan has none of the model.
    """

    kind: str
    message: str
    verdict: str
    flash_bytes: int
    flash_change_bytes: int | None
    sram_bytes: int
    sram_change_bytes: int | None
    arena_bytes: int
    arena_change_bytes: int | None
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
    could hold the arena, the main one first. ``operators`` says of each operator what
    becomes of it.
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
    operators: tuple[OperatorSupport, ...] = ()

    @property
    def runs(self) -> bool:
        """Whether the engine can run the model at all."""
        return not self.problems

    @property
    def is_refused(self) -> bool:
        """Whether the engine or its library can't run a model that is sound in itself."""
        return not self.runs and not any(problem.is_models for problem in self.problems)

    @property
    def computes_wrong(self) -> bool:
        """Whether the library would run the model without an error and answer wrongly."""
        return any(item.status is OperatorStatus.WRONG for item in self.operators)

    @property
    def block_slack_bytes(self) -> int:
        """Largest contiguous block minus the arena; negative is the excess."""
        return self.largest_block_bytes - self.arena_bytes

    @property
    def arena_excess_bytes(self) -> int:
        """By how much the arena would have to shrink for the main memory to suffice."""
        return max(0, -self.block_slack_bytes, -self.sram.slack_bytes)

    @property
    def shortage_bytes(self) -> int:
        """How much flash and SRAM are missing, together."""
        return max(0, -self.flash.slack_bytes) + self.arena_excess_bytes

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
