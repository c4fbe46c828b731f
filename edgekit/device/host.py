"""A program on this computer as a device: the protocol through its pipes.

Portable to Windows, where pipes can be neither polled nor written with a time-out:
one thread reads and one writes.
"""

from __future__ import annotations

import queue
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from io import BufferedReader, BufferedWriter
from pathlib import Path
from typing import IO, cast

from edgekit import process
from edgekit.device.link import Traits
from edgekit.errors import DeviceTimeoutError, LinkClosedError

_CHUNK_BYTES = 1 << 16
_EXIT_SECONDS = 1.0
_LOG_LINES = 10


class HostTransport:
    """Runs a program and speaks through its standard input and output.

    What it writes to its standard error is kept for error messages. It is ended by
    :meth:`close`, whatever it does.

    Raises:
        MissingToolError: The program can't be started.
    """

    def __init__(self, command: Sequence[str | Path]) -> None:
        self.traits = Traits(
            name=f"the program {Path(command[0]).name}",
            bytes_per_second=100_000,
            silence_hint="The program runs but says nothing: is it EdgeKit's firmware for 'host'?",
            boots=True,
        )
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - close() closes it
        self._is_at_end = False
        self._incoming: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._outgoing: queue.SimpleQueue[tuple[bytes, threading.Event] | None] = (
            queue.SimpleQueue()
        )
        try:
            self._child = process.start(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log
            )
        except BaseException:
            self._log.close()
            raise
        self._threads = [
            threading.Thread(target=work, name=f"edgekit-host-{name}", daemon=True)
            for name, work in (("reader", self._pump_in), ("writer", self._pump_out))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        """The program's process id."""
        return self._child.pid

    def read(self, timeout_seconds: float) -> bytes:
        """See :class:`edgekit.device.link.Transport`."""
        if self._is_at_end:
            raise self._ended()
        try:
            data = self._incoming.get(timeout=max(0.0, timeout_seconds))
        except queue.Empty:
            return b""
        if not data:
            self._is_at_end = True
            raise self._ended()
        return data

    def write(self, data: bytes, timeout_seconds: float) -> None:
        """See :class:`edgekit.device.link.Transport`."""
        done = threading.Event()
        self._outgoing.put((data, done))
        if not done.wait(timeout_seconds):
            raise DeviceTimeoutError(
                f"{self.traits.subject} took in no bytes for {timeout_seconds:.1f} s.",
                hint="The program hangs, or does not read its standard input.",
            )

    def close(self) -> None:
        """End the program and its threads. Harmless when called again."""
        try:
            process.end(self._child)
        finally:
            self._outgoing.put(None)
            for thread in self._threads:
                thread.join(_EXIT_SECONDS)
            self._log.close()

    def _pump_in(self) -> None:
        pipe = cast(BufferedReader, self._child.stdout)
        try:
            while data := pipe.read1(_CHUNK_BYTES):
                self._incoming.put(data)
        except (OSError, ValueError):
            pass  # closed while reading: the program was ended
        self._incoming.put(b"")

    def _pump_out(self) -> None:
        pipe = cast(BufferedWriter, self._child.stdin)
        while (item := self._outgoing.get()) is not None:
            data, done = item
            try:
                pipe.write(data)
                pipe.flush()
            except (OSError, ValueError):
                pass  # the program has ended; the reader says so
            done.set()

    def _ended(self) -> LinkClosedError:
        try:
            self._child.wait(_EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            what = "closed its output"
        else:
            what = f"ended with {process.describe_exit(self._child.returncode)}"
        return closed_by_program(self.traits.name, what, self._log)


def closed_by_program(name: str, what: str, log: IO[bytes], *, noise: str = "") -> LinkClosedError:
    """Return the error for a program that went away, with the ends of its log.

    A long log is shown with its first lines too: what went wrong may come before a
    dump of registers. Lines that contain ``noise`` are left out.
    """
    log.seek(0)
    text = log.read().decode("utf-8", "replace")
    lines = [line for line in text.splitlines() if line.strip() and not (noise and noise in line)]
    if len(lines) > _LOG_LINES:
        lines = [*lines[: _LOG_LINES // 2], "…", *lines[-_LOG_LINES // 2 :]]
    said = "".join(f"\n  {line}" for line in lines)
    return LinkClosedError(
        f"{name} {what}." + (f" It said:{said}" if said else ""),
        hint="The firmware crashed, or something on this computer ended the program.",
    )
