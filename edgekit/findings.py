"""What planning finds out about a model's operators and its file, as data."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class OperatorStatus(enum.Enum):
    """What becomes of an operator with one engine and its library."""

    RUNS = "runs"
    FAILS = "fails at start"
    """The firmware reports an error when it starts, or can't be made at all."""
    WRONG = "computes wrong numbers"
    """It runs without an error, and its outputs are not the reference's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WayOut:
    """One way to have an operator run; ``kind`` is what to change.

    ``"convert"``: convert the original model otherwise. ``"library"``: take another
    TFLM library, of the record ``name``. ``"engine"``: take the engine ``name``.
    ``"model"``: change the model.
    """

    kind: str
    text: str
    name: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class OperatorSupport:
    """One operator of a model: its place, and what becomes of it.

    ``kind`` is what it computes in: ``"int8"``, ``"int16x8"``, ``"float32"``, ``"int4"``,
    or empty where it is none of those. ``reason`` (a clause) and ``ways_out`` (the
    cheapest first) are empty where it runs.
    """

    subgraph: int
    index: int
    operator: str
    version: int
    layer: str
    kind: str
    status: OperatorStatus
    reason: str = ""
    ways_out: tuple[WayOut, ...] = ()

    @property
    def runs(self) -> bool:
        """Whether it runs, with the reference's numbers."""
        return self.status is OperatorStatus.RUNS


class Severity(enum.Enum):
    """How much a finding matters."""

    ERROR = "error"
    """Firmware fails on it, or computes wrong numbers."""
    WARNING = "warning"
    """It costs memory, time or accuracy, or some runtimes fail on it."""
    NOTE = "note"
    """Worth knowing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing about a .tflite file that a person should know, and what to do.

    ``code`` names the kind of finding. ``operators`` are the indices of the operators
    that it is about in ``subgraph``, ``tensors`` the names of the tensors; either may be
    empty. ``message`` names the first of them.
    """

    code: str
    severity: Severity
    message: str
    hint: str
    subgraph: int = 0
    operators: tuple[int, ...] = ()
    tensors: tuple[str, ...] = ()
