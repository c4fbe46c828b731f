"""Commands and replies over a link: the start, the time-outs, and what goes wrong."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from edgekit.device import protocol
from edgekit.device.link import Link
from edgekit.errors import DeviceError, DeviceTimeoutError, LinkClosedError, ProtocolError

_NAME_TRIES = 3
"""mlcommons/tiny, benchmark/runner: how often 'name' is sent before giving up."""
_QUIET_SECONDS = 0.2

_WRONG_FIRMWARE = "Flash EdgeKit's firmware first, and check the baud rate."
_RESTART_HINT = (
    "It crashed, ran out of stack, was reset by a watchdog, or its supply broke in. Try "
    "another cable or USB port; check the stack reserve of the target."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """How long to wait for what.

    ``settle_seconds``: many boards restart when their port is opened, and take about
    2 s; ``boot_seconds``: for devices that are known to start now. ``infer_seconds``
    is for one inference of unknown duration.

    Source:
        mlcommons/tiny, benchmark/runner: 2 s after opening, 5 s a reply, 30 s ``infer``.
    """

    boot_seconds: float = 10.0
    settle_seconds: float = 2.0
    reply_seconds: float = 5.0
    infer_seconds: float = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What came between a command and ``m-ready``: messages, and the first error's text."""

    command: str
    lines: tuple[str, ...]
    error: str | None

    @property
    def is_unknown(self) -> bool:
        """Whether the firmware does not know the command."""
        return self.error is not None and self.error.startswith(protocol.UNKNOWN_COMMAND)


class Conversation:
    """Sends commands and collects replies; every error shows the last lines."""

    def __init__(self, link: Link, patience: Patience) -> None:
        self.traits = link.traits
        self.patience = patience
        self._link = link
        self._is_booting = link.traits.boots

    def start(self) -> str:
        """Wait until the device has started, or already runs; return its name.

        What boards print before ``m-init-done`` is passed over.

        Raises:
            DeviceTimeoutError: Nothing came at all.
            ProtocolError: Something came, but no answer to ``name%``.
            LinkClosedError: The link was cut.
        """
        before = self._link.received_bytes
        self._wait_for_boot()
        for attempt in range(_NAME_TRIES):
            if attempt:
                self._drain()
            name = self._ask_name()
            if name is not None:
                if attempt:  # late answers to the tries before
                    self._drain()
                return name
        if self._link.received_bytes == before:
            raise DeviceTimeoutError(
                f"{self.traits.subject} does not answer: nothing came, not even at boot, and "
                f"'name' was sent {_NAME_TRIES} times.",
                hint=self.traits.silence_hint,
            )
        raise self.error(
            ProtocolError,
            f"{self.traits.subject} sends something, but does not answer 'name'.",
            _WRONG_FIRMWARE,
        )

    def run(self, command: str, *, extra_bytes: int = 0) -> Reply:
        """Carry out a command that must succeed."""
        reply = self.ask(command, extra_bytes=extra_bytes)
        self.refuse_error(reply)
        return reply

    def ask(self, command: str, *, extra_bytes: int = 0) -> Reply:
        """Carry out a command; its error, if any, is in the reply."""
        return self.send(protocol.encode(command), label=command, extra_bytes=extra_bytes)

    def send(
        self,
        command: bytes,
        *,
        label: str,
        extra_bytes: int = 0,
        timeout_seconds: float | None = None,
    ) -> Reply:
        """Send a command's bytes and collect the reply up to ``m-ready``.

        Lines that are no messages (a board's own log) are passed over. ``extra_bytes``
        in either direction lengthen the time allowed.

        Raises:
            DeviceError: The device restarted.
            DeviceTimeoutError: ``m-ready`` did not come in time.
            LinkClosedError: The link was cut.
            ProtocolError: An endless line came.
        """
        if timeout_seconds is None:
            timeout_seconds = self.patience.reply_seconds
        timeout_seconds += extra_bytes / self.traits.bytes_per_second
        deadline = time.monotonic() + timeout_seconds
        self._guarded(label, lambda: self._link.write(command, timeout_seconds))
        lines: list[str] = []
        error: str | None = None
        while True:
            line = self._next_line(deadline, label, timeout_seconds)
            if line == protocol.READY:
                return Reply(command=label, lines=tuple(lines), error=error)
            if line.endswith(protocol.BOOTED):
                raise self.error(
                    DeviceError, f"{self.traits.subject} restarted during '{label}'.", _RESTART_HINT
                )
            failed = protocol.ERROR.match(line)
            if failed is not None:
                error = error or failed[1]
            elif line.startswith("m-"):
                lines.append(line)

    def value(self, reply: Reply, pattern: re.Pattern[str]) -> re.Match[str]:
        """Return the one line of a reply that a pattern matches.

        Raises:
            ProtocolError: There is none, or more than one.
        """
        matches = [match for match in map(pattern.match, reply.lines) if match is not None]
        if len(matches) != 1:
            raise self.lacking(reply, f"one line {pattern.pattern}, but {len(matches)}")
        return matches[0]

    def refuse_error(self, reply: Reply) -> None:
        """Raise ``DeviceError`` if the device answered with an error."""
        if reply.is_unknown:
            raise self.unsupported(reply.command)
        if reply.error is None:
            return
        failed = protocol.MODEL_FAILED.match(reply.error)
        if failed is not None:
            meaning = protocol.MODEL_ERRORS.get(int(failed[1]))
            why = f" ({meaning}, if the engine is tflm)" if meaning else ""
            raise self.error(
                DeviceError,
                f"The model failed on {self.traits.name} with code {failed[1]}{why}.",
                "Generate, build and flash the project again; with tflm, give it a larger arena.",
            )
        raise self.error(
            DeviceError,
            f"{self.traits.subject} answered '{reply.command}' with an error: {reply.error}.",
            "docs/protocol.md lists what each error means.",
        )

    def error(self, kind: type[DeviceError], message: str, hint: str) -> DeviceError:
        """Return an error that shows the last lines of the conversation."""
        tail = self._link.tail()
        if tail:
            message += f"\nThe last lines (> sent, < received):\n{tail}"
        return kind(message, hint=hint)

    def lacking(self, reply: Reply, what: str) -> DeviceError:
        """Return the error for a reply that does not hold what it should."""
        return self.error(
            ProtocolError,
            f"{self.traits.subject}'s answer to '{reply.command}' should hold {what}.",
            "The link damaged it, or this is other firmware. " + _WRONG_FIRMWARE,
        )

    def unsupported(self, command: str) -> DeviceError:
        """Return the error for a command that the firmware does not know."""
        return DeviceError(
            f"The firmware of {self.traits.name} does not know the command '{command}'.",
            hint="It has only MLPerf Tiny's commands; EdgeKit's own firmware has them all.",
        )

    def _wait_for_boot(self) -> None:
        """Read what comes at boot; return at ``m-ready`` or when the time is over."""
        patience = self.patience
        seconds = patience.boot_seconds if self._is_booting else patience.settle_seconds
        self._is_booting = False  # opening the link starts a device once
        deadline = time.monotonic() + seconds
        has_booted = False
        while (line := self._boot_line(deadline)) is not None:
            if line.endswith(protocol.BOOTED):  # it may begin with a boot loader's noise
                has_booted = True
            elif has_booted and line == protocol.READY:
                return

    def _ask_name(self) -> str | None:
        """Send ``name%`` once; return the name, or ``None`` if this try failed."""
        deadline = time.monotonic() + self.patience.reply_seconds
        self._guarded("name", lambda: self._link.write(protocol.encode("name")))
        name: str | None = None
        is_lost = False
        while (line := self._boot_line(deadline)) is not None:
            match = protocol.NAME.match(line)
            if match is not None:
                name = match[2]
            elif line.endswith(protocol.BOOTED) or protocol.ERROR.match(line):
                is_lost = True  # it has just started, or half a command was in its buffer
            elif line == protocol.READY and (name is not None or is_lost):
                return name
        return None

    def _boot_line(self, deadline: float) -> str | None:
        """Return the next line, whatever it is; ``None`` when the time is over."""
        while (remaining := deadline - time.monotonic()) > 0:
            try:
                return self._link.read_line(remaining)
            except DeviceTimeoutError:
                return None
            except ProtocolError:
                continue  # an endless line of noise, dropped
            except LinkClosedError as error:
                message = f"While starting: {error.message}"
                raise self.error(LinkClosedError, message, error.hint) from error
        return None

    def _drain(self) -> None:
        self._guarded("name", lambda: self._link.drain(_QUIET_SECONDS))

    def _next_line(self, deadline: float, label: str, timeout_seconds: float) -> str:
        try:
            return self._link.read_line(max(0.0, deadline - time.monotonic()))
        except DeviceTimeoutError as error:
            raise self.error(
                DeviceTimeoutError,
                f"{self.traits.subject} did not finish '{label}' within {timeout_seconds:.1f} s.",
                error.hint,
            ) from error
        except (LinkClosedError, ProtocolError) as error:
            message = f"During '{label}': {error.message}"
            raise self.error(type(error), message, error.hint) from error

    def _guarded(self, label: str, action: Callable[[], None]) -> None:
        try:
            action()
        except (LinkClosedError, DeviceTimeoutError) as error:
            message = f"During '{label}': {error.message}"
            raise self.error(type(error), message, error.hint) from error
