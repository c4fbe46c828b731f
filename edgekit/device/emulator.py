"""A board emulated by QEMU, its UART on a socket that QEMU inherits. POSIX only.

The socket is one end of a pair, connected before QEMU starts: nothing that the
firmware prints at boot can be lost, no other program can take the connection, and
there is no path or port number to choose. QEMU gives its UART a byte only when the
firmware has read the one before, so that nothing is lost on the way in either.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from edgekit import process
from edgekit.device.host import closed_by_program
from edgekit.device.link import Link, Traits
from edgekit.errors import (
    DeviceTimeoutError,
    InputError,
    LinkClosedError,
    MissingToolError,
    TargetError,
)
from edgekit.targets import Emulator, Target

_CHUNK_BYTES = 1 << 16
_EXIT_SECONDS = 2.0

PROGRAMS = {
    "armv6-m": "qemu-system-arm",
    "armv7-m": "qemu-system-arm",
    "armv7e-m": "qemu-system-arm",
    "armv8-m.main": "qemu-system-arm",
    "armv8.1-m.main": "qemu-system-arm",
}
"""QEMU's program for each architecture that it emulates."""

_ELF_HEADER_BYTES = 20
_ELF_MAGIC = b"\x7fELF"
_EM_ARM = (40).to_bytes(2, "little")
"""ELF for the Arm Architecture, e_machine at byte 18: every program above is for Arm."""

_NOISE = "warning: nic "
"""QEMU warns of the MPS2's network chip, which nothing uses and no option takes away."""

EXIT_MEANINGS = {
    70: "a fault of the processor: a stack that is too small, or a wrong address",
    71: "an interrupt that nothing handles",
}
"""targets/platforms/qemu_cortex_m/startup/startup.c, EXIT_FAULT and the next."""

INSTALL_HINT = (
    "Debian or Ubuntu: sudo apt install qemu-system-arm. Fedora: sudo dnf install "
    "qemu-system-arm. macOS: brew install qemu."
)


def command_line(emulator: Emulator, elf: Path, fd: int, *, program: Path) -> list[str]:
    """Return the command that boots ``elf``, its UART on the connected socket ``fd``.

    Where instructions are counted, one takes one virtual ns: the firmware's µs are then
    thousands of instructions, the same in every run.
    """
    counting = ["-icount", "shift=0"] if emulator.counts_instructions else []
    return [
        str(program),
        *("-M", emulator.machine),
        *("-kernel", str(elf)),
        *counting,
        "-nodefaults",
        *("-display", "none"),
        *("-monitor", "none"),
        *("-semihosting-config", "enable=on,target=native"),
        *("-chardev", f"socket,id=uart,fd={fd}"),
        *("-serial", "chardev:uart"),
    ]


class EmulatorTransport:
    """Boots firmware in QEMU and speaks through its UART. Ended by :meth:`close`.

    Raises:
        InputError: ``elf`` is no program for Arm; QEMU would run anything.
        MissingToolError: This is Windows, or QEMU is not installed.
        TargetError: QEMU does not emulate the target.
    """

    def __init__(self, target: Target, elf: Path) -> None:
        if target.emulator is None or target.core.architecture not in PROGRAMS:
            raise TargetError(
                f"QEMU does not emulate the target {target.name!r}.",
                hint=f"It emulates {', '.join(sorted(PROGRAMS))}; the profile needs [emulator].",
            )
        if os.name == "nt":
            raise MissingToolError(
                f"The emulated board {target.name!r} needs Linux or macOS.",
                hint="Use WSL, the target 'host', or a real board.",
            )
        program = process.find_program(PROGRAMS[target.core.architecture], hint=INSTALL_HINT)
        _check_elf(elf)
        self.traits = Traits(
            name=f"the emulated board {target.name}",
            bytes_per_second=5_000,
            silence_hint="The firmware hangs or has crashed, or was built for another board: "
            "build it again for this target.",
            boots=True,
        )
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - close() closes it
        self._socket, inherited = socket.socketpair()
        try:
            with inherited:
                self._child = process.start(
                    command_line(target.emulator, elf, inherited.fileno(), program=program),
                    stdout=self._log,
                    stderr=subprocess.STDOUT,
                    pass_fds=[inherited.fileno()],
                )
        except BaseException:
            self._socket.close()
            self._log.close()
            raise

    @property
    def pid(self) -> int:
        """QEMU's process id."""
        return self._child.pid

    def read(self, timeout_seconds: float) -> bytes:
        """See :class:`edgekit.device.link.Transport`."""
        self._socket.settimeout(max(timeout_seconds, 0.001))
        try:
            data = self._socket.recv(_CHUNK_BYTES)
        except TimeoutError:
            return b""
        except OSError as error:
            raise self._ended() from error
        if not data:
            raise self._ended()
        return data

    def write(self, data: bytes, timeout_seconds: float) -> None:
        """See :class:`edgekit.device.link.Transport`."""
        self._socket.settimeout(max(timeout_seconds, 0.001))
        try:
            self._socket.sendall(data)
        except TimeoutError as error:
            raise DeviceTimeoutError(
                f"{self.traits.subject} took in no bytes for {timeout_seconds:.1f} s.",
                hint=self.traits.silence_hint,
            ) from error
        except OSError as error:
            raise self._ended() from error

    def close(self) -> None:
        """End QEMU. Harmless when called again."""
        try:
            process.end(self._child)
        finally:
            self._socket.close()
            self._log.close()

    def _ended(self) -> LinkClosedError:
        try:
            self._child.wait(_EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            what = "closed its link"
        else:
            returncode = self._child.returncode
            what = f"ended: QEMU's {process.describe_exit(returncode)}"
            if returncode in EXIT_MEANINGS:
                what += f", {EXIT_MEANINGS[returncode]}"
        return closed_by_program(self.traits.name, what, self._log, noise=_NOISE)


@contextlib.contextmanager
def boot(elf: Path, target: Target, *, transcript: Path | None = None) -> Iterator[Link]:
    """Boot firmware on an emulated board; QEMU is ended when the block is left.

    Raises:
        EdgeKitError: See :class:`EmulatorTransport`.
    """
    transport = EmulatorTransport(target, elf)
    try:
        with Link(transport, transcript=transcript) as link:
            yield link
    finally:
        transport.close()


def _check_elf(elf: Path) -> None:
    try:
        with elf.open("rb") as file:
            header = file.read(_ELF_HEADER_BYTES)
    except OSError as error:
        raise InputError(
            f"Can't read the firmware {elf}: {error.strerror}.", hint="Build the project first."
        ) from error
    if header[:4] != _ELF_MAGIC or header[18:20] != _EM_ARM:
        raise InputError(
            f"{elf} is no ELF file for Arm.", hint="Name the firmware.elf that the build made."
        )
