"""How long-running library functions tell what they are doing, without printing."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives progress; the command line shows it, a library user may pass their own."""

    def stage(self, title: str) -> None:
        """Begin a stage, e.g. ``"Converting"``; the one before it is done."""

    def detail(self, text: str) -> None:
        """Say what the stage is at, e.g. a line of a tool's output."""

    def advance(self, done: int, total: int) -> None:
        """Say how far the stage is."""


class Silence:
    """Progress that nobody watches."""

    def stage(self, title: str) -> None:
        """Ignore it."""

    def detail(self, text: str) -> None:
        """Ignore it."""

    def advance(self, done: int, total: int) -> None:
        """Ignore it."""
