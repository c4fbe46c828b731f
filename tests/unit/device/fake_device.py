"""A device in Python that speaks the protocol, and every way in which it may fail.

In a thread over a socket (:func:`over_socket`), on a pseudo-terminal, or as a program::

    python fake_device.py '{"input_bytes": 8}'
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from edgekit.device.link import Link, Traits
from edgekit.errors import DeviceTimeoutError, LinkClosedError

SHA256 = "ab" * 32
CUT = None
"""Yielded by a reply: the link is cut here."""

Reply = Iterator["str | bytes | None"]


@dataclass(kw_only=True)
class FakeFirmware:
    """What the device does. ``overrides`` replace the reply to a command's first word."""

    input_bytes: int = 8
    db_bytes: int = 31
    us_per_inference: int = 1000
    cold_us: int = 0
    wobble_us: tuple[int, ...] = (0,)
    seconds_per_inference: float = 0.0
    clock: str = "us"
    target: str = "board"
    is_mlperf_only: bool = False
    has_print: bool = True
    is_silent: bool = False
    model_error: int = 0
    noise: str = ""
    damaged_loads: int = 0
    boots: int = 1
    overrides: dict[str, Callable[[FakeFirmware, list[str]], Reply]] = field(default_factory=dict)
    now_us: int = (1 << 32) - 500
    commands: list[str] = field(default_factory=list)
    loaded: bytes = b""
    expected_bytes: int = 0
    inferences: int = 0

    def model(self, data: bytes) -> bytes:
        """Four outputs: the sums of each quarter, modulo 256."""
        data = data.ljust(self.input_bytes, b"\0")
        quarter = max(1, len(data) // 4)
        return bytes(sum(data[i * quarter : (i + 1) * quarter]) % 256 for i in range(4))

    def boot(self) -> Reply:
        if self.noise:
            yield self.noise.encode("latin-1")
        if self.model_error:
            yield f"e-[Model failed: {self.model_error}]"
        yield "m-timestamp-mode-performance"
        yield "m-init-done"
        yield "m-ready"

    def answer(self, command: str) -> Reply:
        self.commands.append(command)
        words = command.split(" ")
        if words[0] in self.overrides:
            yield from self.overrides[words[0]](self, words)
            return
        yield from self.reply(words)
        yield "m-ready"

    def reply(self, words: list[str]) -> Reply:
        own = {"info", "crc", "raw", "laps", "ops", "selftest"}
        method = getattr(self, f"_{words[0]}", None)
        if method is None or (self.is_mlperf_only and words[0] in own):
            yield f"e-[Unknown command: {words[0]}]"
            return
        yield from method(words[1:])

    def _name(self, _words: list[str]) -> Reply:
        yield "m-name-dut-[EdgeKit]"

    def _profile(self, _words: list[str]) -> Reply:
        yield "m-profile-[ULPMark for tinyML Firmware V0.0.1]"
        yield "m-model-[kws01]"

    def _info(self, _words: list[str]) -> Reply:
        yield (
            f"m-info-[engine=aot;model=tiny;sha256={SHA256};target={self.target};"
            f"arena_planned=100;arena_used=96;stack_used=0;clock={self.clock};"
            f"input_bytes={self.input_bytes};output_bytes=4;db_bytes={self.db_bytes};"
            f"model_error={self.model_error};compiler=cc 1.0;library=;version=0.1;colour=green]"
        )

    def _db(self, words: list[str]) -> Reply:
        if words[0] == "load":
            self.expected_bytes = int(words[1])
            self.loaded = b""
            yield f"m-[Expecting {words[1]} bytes]"
        elif words[0] == "print":
            if not self.has_print:
                yield "e-[Unknown command: db]"
                return
            for start in range(0, len(self.loaded), 8):
                yield "m-buffer-" + "-".join(
                    f"{byte:02x}" for byte in self.loaded[start : start + 8]
                )
        elif len(words[0]) % 2:
            yield "e-[Insufficent number of hex digits]"
        elif set(words[0]) - set("0123456789abcdef"):
            yield "e-[Invalid hex digit 'na']"
        else:
            assert len(words[0]) // 2 <= self.db_bytes, "a longer line than announced"
            self.loaded += bytes.fromhex(words[0])
            if len(self.loaded) >= self.expected_bytes:
                if self.damaged_loads > 0:
                    self.damaged_loads -= 1
                    self.loaded = bytes([self.loaded[0] ^ 1]) + self.loaded[1:]
                yield "m-load-done"

    def _crc(self, _words: list[str]) -> Reply:
        yield f"m-crc-[{zlib.crc32(self.loaded.ljust(self.input_bytes, bytes(1))):08x}]"

    def _infer(self, words: list[str]) -> Reply:
        count, warmup = int(words[0]), int(words[1])
        yield f"m-warmup-start-{warmup}"
        yield "m-warmup-done"
        self._run(warmup)
        yield f"m-infer-start-{count}"
        yield f"m-lap-us-{self.now_us}"
        self._run(count)
        yield f"m-lap-us-{self.now_us}"
        yield "m-infer-done"
        if self.model_error:
            yield f"e-[Model failed: {self.model_error}]"
        else:
            yield from self._results([])

    def _run(self, count: int) -> None:
        time.sleep(self.seconds_per_inference * count)
        for _ in range(min(count, 100_000)):
            extra = self.cold_us if self.inferences == 0 else 0
            extra += self.wobble_us[self.inferences % len(self.wobble_us)]
            self.now_us = (self.now_us + self.us_per_inference + extra) % (1 << 32)
            self.inferences += 1

    def _laps(self, words: list[str]) -> Reply:
        count = int(words[0])
        self._run(int(words[1]))
        laps = []
        for _ in range(count):
            start = self.now_us
            self._run(1)
            laps.append((self.now_us - start) % (1 << 32))
        for first in range(0, count, 16):
            yield f"m-laps-us-[{','.join(map(str, laps[first : first + 16]))}]"

    def _results(self, _words: list[str]) -> Reply:
        yield f"m-results-[{','.join(f'{byte / 256:.3f}' for byte in self.model(self.loaded))}]"

    def _raw(self, _words: list[str]) -> Reply:
        yield f"m-raw-[{self.model(self.loaded).hex()}]"

    def _ops(self, _words: list[str]) -> Reply:
        yield "m-op-[0,CONV_2D,1200]"
        yield "m-op-[1,a,strange name,34]"

    def _selftest(self, _words: list[str]) -> Reply:
        yield "m-selftest-[pass]"


class CutError(Exception):
    """The fake device's cable was pulled."""


def serve(
    firmware: FakeFirmware,
    read: Callable[[], bytes],
    write: Callable[[bytes], None],
) -> None:
    """Speak for the firmware until the other side goes, or the firmware cuts the link."""

    def send(reply: Reply) -> None:
        for part in reply:
            if part is CUT:
                raise CutError
            write(part if isinstance(part, bytes) else part.encode() + b"\r\n")

    with contextlib.suppress(CutError, OSError):
        if not firmware.is_silent:
            for _ in range(firmware.boots):
                send(firmware.boot())
        pending = b""
        while data := read():
            pending += data
            while b"%" in pending:
                command, _, pending = pending.partition(b"%")
                if not firmware.is_silent:
                    send(firmware.answer(command.decode()))


class SocketTransport:
    """The test's own transport; ``boots`` and rate can be chosen."""

    def __init__(self, connected: socket.socket, *, boots: bool = True) -> None:
        self.traits = Traits(
            name="the fake board", bytes_per_second=10_000, silence_hint="Wake it up.", boots=boots
        )
        self._socket = connected
        self.closed = 0

    def read(self, timeout_seconds: float) -> bytes:
        self._socket.settimeout(max(timeout_seconds, 0.001))
        try:
            data = self._socket.recv(4096)
        except TimeoutError:
            return b""
        except OSError as error:
            raise LinkClosedError("The cable broke.", hint="Mend it.") from error
        if not data:
            raise LinkClosedError("The cable was pulled.", hint="Put it back.")
        return data

    def write(self, data: bytes, timeout_seconds: float) -> None:
        try:
            self._socket.settimeout(timeout_seconds)
            self._socket.sendall(data)
        except TimeoutError as error:
            raise DeviceTimeoutError("It takes nothing in.", hint="Wake it up.") from error
        except OSError as error:
            raise LinkClosedError("The cable was pulled.", hint="Put it back.") from error

    def close(self) -> None:
        self.closed += 1
        self._socket.close()


@contextlib.contextmanager
def over_socket(firmware: FakeFirmware, *, boots: bool = True) -> Iterator[Link]:
    """Run the firmware in a thread; yield a link to it."""
    ours, theirs = socket.socketpair()

    def work() -> None:
        with theirs:
            serve(firmware, lambda: theirs.recv(4096), theirs.sendall)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        with Link(SocketTransport(ours, boots=boots)) as link:
            yield link
    finally:
        ours.close()
        thread.join(5)
        assert not thread.is_alive()


def main() -> None:
    """Speak through standard input and output; options are the one argument, as JSON."""
    options = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
    exit_after = options.pop("exit_after", None)
    firmware = FakeFirmware(**options)

    def read() -> bytes:
        if exit_after is not None and len(firmware.commands) >= exit_after:
            print("the fake firmware gives up", file=sys.stderr)
            sys.exit(3)
        return sys.stdin.buffer.read1(4096)

    def write(data: bytes) -> None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    serve(firmware, read, write)


if __name__ == "__main__":
    main()
