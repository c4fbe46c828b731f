"""The one link to a device, whatever carries it: lines in, bytes out, with time-outs.

A :class:`Transport` moves bytes: a serial port (``ports.py``), a host program's pipes
(``host.py``), an emulated board's socket (``emulator.py``). :class:`Link` makes lines
of them and keeps the last ones for error messages.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol

from edgekit.errors import (
    DeviceTimeoutError,
    LinkClosedError,
    OutputError,
    ProtocolError,
)

MAX_LINE_BYTES = 1 << 20
"""Longest line taken in; a ``raw%`` reply needs two characters an output byte."""

_REMEMBERED_LINES = 12
_SHOWN_CHARACTERS = 120


@dataclass(frozen=True, kw_only=True, slots=True)
class Traits:
    """What one kind of transport is like.

    ``bytes_per_second`` is a cautious rate from which time-outs are derived.
    ``silence_hint`` is what to try when nothing comes. ``boots``: opening the link
    starts the device, so that its boot messages are sure to come.
    """

    name: str
    bytes_per_second: int
    silence_hint: str
    boots: bool

    @property
    def subject(self) -> str:
        """The name at the beginning of a sentence."""
        return self.name[:1].upper() + self.name[1:]


class Transport(Protocol):
    """Moves bytes. Each method may raise ``LinkClosedError``, saying what happened."""

    @property
    def traits(self) -> Traits:
        """What it is like."""
        ...

    def read(self, timeout_seconds: float) -> bytes:
        """Return what has arrived, waiting for the first byte; empty when none came."""
        ...

    def write(self, data: bytes, timeout_seconds: float) -> None:
        """Hand all of ``data`` on; ``DeviceTimeoutError`` if that takes too long."""
        ...

    def close(self) -> None:
        """Release the port, or end the process. Harmless when called again."""
        ...


class Link:
    """Lines over a transport, with a memory of the last ones.

    Args:
        transport: What moves the bytes; the link closes it.
        transcript: A file that gets every line in both directions, with the seconds
            since opening.

    Raises:
        OutputError: The transcript can't be written.
    """

    def __init__(self, transport: Transport, *, transcript: Path | None = None) -> None:
        self.traits = transport.traits
        self.received_bytes = 0
        self._transport = transport
        self._buffer = bytearray()
        self._scanned = 0
        self._is_open = True
        self._opened_at = time.monotonic()
        self._lines: deque[str] = deque(maxlen=_REMEMBERED_LINES)
        self._transcript = None if transcript is None else _create(transcript)

    def __enter__(self) -> Link:
        """Return the link itself; leaving the block closes it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the link."""
        self.close()

    def write(self, data: bytes, timeout_seconds: float = 5.0) -> None:
        """Send bytes.

        Raises:
            LinkClosedError: The link was cut.
            DeviceTimeoutError: The device does not take the bytes.
        """
        self._check_open()
        self._record(">", data.decode("ascii", "replace"))
        self._transport.write(data, timeout_seconds)

    def read_line(self, timeout_seconds: float) -> str:
        r"""Return the next line without its ``\r\n``; undecodable bytes become U+FFFD.

        Raises:
            DeviceTimeoutError: No complete line came in time; what came stays for
                the next call.
            LinkClosedError: The link was cut.
            ProtocolError: A line is longer than ``MAX_LINE_BYTES``; it is dropped.
        """
        self._check_open()
        deadline = time.monotonic() + timeout_seconds
        while True:
            line = self._take_line()
            if line is not None:
                return line
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise self._silence(timeout_seconds)
            data = self._transport.read(remaining)
            self.received_bytes += len(data)
            self._buffer += data

    def drain(self, quiet_seconds: float) -> None:
        """Drop what arrives until nothing has come for a while, at most ten times it."""
        self._check_open()
        deadline = time.monotonic() + 10 * quiet_seconds
        while time.monotonic() < deadline:
            data = self._transport.read(quiet_seconds)
            self.received_bytes += len(data)
            if not data:
                break
            self._record("<", f"({len(data)} bytes dropped)")
        self._buffer.clear()
        self._scanned = 0

    def tail(self) -> str:
        """Return the last lines in both directions, and what came of an unfinished one."""
        lines = list(self._lines)
        if self._buffer:
            lines.append(_shown("<", _text(bytes(self._buffer))) + " (cut off)")
        return "\n".join(lines)

    def close(self) -> None:
        """Release the device. Harmless when called again."""
        if not self._is_open:
            return
        self._is_open = False
        try:
            self._transport.close()
        finally:
            if self._transcript is not None:
                self._transcript.close()

    def _check_open(self) -> None:
        if not self._is_open:
            raise LinkClosedError(
                f"The link to {self.traits.name} is closed.", hint="Open the device again."
            )

    def _take_line(self) -> str | None:
        end = self._buffer.find(b"\n", self._scanned)
        length = len(self._buffer) if end < 0 else end
        if length > MAX_LINE_BYTES:
            begin = _text(bytes(self._buffer[:40]))
            self._buffer.clear()
            self._scanned = 0
            self._record("<", begin + "…")
            raise ProtocolError(
                f"{self.traits.name} sent a line of more than {MAX_LINE_BYTES} bytes: {begin!r}…",
                hint="Is this EdgeKit's firmware, and is the baud rate right?",
            )
        if end < 0:
            self._scanned = length
            return None
        line = _text(bytes(self._buffer[:end]))
        del self._buffer[: end + 1]
        self._scanned = 0
        self._record("<", line)
        return line

    def _silence(self, timeout_seconds: float) -> DeviceTimeoutError:
        what = f"only {len(self._buffer)} bytes, no whole line," if self._buffer else "nothing"
        return DeviceTimeoutError(
            f"{self.traits.name} sent {what} in {timeout_seconds:.1f} s.",
            hint=self.traits.silence_hint,
        )

    def _record(self, direction: str, text: str) -> None:
        self._lines.append(_shown(direction, text))
        if self._transcript is not None:
            seconds = time.monotonic() - self._opened_at
            self._transcript.write(f"{seconds:10.4f} {direction} {text}\n")


def _create(path: Path) -> IO[str]:
    try:
        return path.open("w", encoding="utf-8", newline="\n", buffering=1)
    except OSError as error:
        raise OutputError(
            f"Can't write the transcript {path}: {error.strerror}.",
            hint="Choose another file, in a folder that exists.",
        ) from error


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace").rstrip("\r")


def _shown(direction: str, text: str) -> str:
    """Return a line for people; at a wrong baud rate it may hold a terminal's escape codes."""
    text = "".join(
        char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text.rstrip()
    )
    if len(text) > _SHOWN_CHARACTERS:
        text = f"{text[:_SHOWN_CHARACTERS]}… ({len(text)} characters)"
    return f"  {direction} {text}"
