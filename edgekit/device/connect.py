"""A device, whatever it is: an emulated board is booted, a real one's port opened."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from edgekit.device.conversation import Patience
from edgekit.device.emulator import EmulatorTransport
from edgekit.device.host import HostTransport
from edgekit.device.link import Link, Transport
from edgekit.device.ports import SerialTransport, find_port
from edgekit.device.session import Session
from edgekit.errors import DeviceError, InputError
from edgekit.targets import Target

_log = logging.getLogger(__name__)

DEFAULT_BAUD = 115200
"""mlcommons/tiny, benchmark/runner: the rate of every reference board but one."""

BOOT: Mapping[str, Callable[[Target, Path], Transport]] = {
    "qemu": EmulatorTransport,
    "host": lambda target, elf: HostTransport([elf.resolve()]),
}
"""How each kind of emulator (``targets.Emulator.kind``) boots an ELF."""


@contextlib.contextmanager
def open_device(
    target: Target,
    *,
    elf: Path | None = None,
    port: str | None = None,
    baud: int | None = None,
    model_sha256: str | None = None,
    transcript: Path | None = None,
    patience: Patience | None = None,
) -> Iterator[Session]:
    """Open a device, wait until it is ready, and release it when the block is left.

    Args:
        target: What the device is.
        elf: The firmware that an emulated board boots; a real one has it in its flash.
        port: The serial port or URL; the one port with the target's USB ids if not
            given. An emulated target with a port is spoken to there, not booted.
        baud: The baud rate, if not the target's.
        model_sha256: If given, firmware with another model is refused.
        transcript: A file that gets every line sent and received.
        patience: How long to wait for what.

    Raises:
        InputError: An emulated target without an ELF.
        MissingToolError: QEMU or pyserial is not installed.
        DeviceError: No port or several, a port in use, no answer, or the device runs
            firmware for another target or model.
    """
    transport = _open_transport(target, elf=elf, port=port, baud=baud)
    try:
        with Link(transport, transcript=transcript) as link:
            session = Session(link, patience=patience)
            session.wait_ready()
            _check_firmware(session, target, model_sha256)
            yield session
    finally:
        transport.close()


def _open_transport(
    target: Target, *, elf: Path | None, port: str | None, baud: int | None
) -> Transport:
    if target.emulator is not None and port is None:
        if elf is None:
            raise InputError(
                f"The emulated target {target.name!r} needs firmware to boot.",
                hint="Build the project first, or name its firmware.elf.",
            )
        if not elf.is_file():
            raise InputError(f"There is no firmware {elf}.", hint="Build the project first.")
        return BOOT[target.emulator.kind](target, elf)
    if baud is None:
        baud = DEFAULT_BAUD if target.serial is None else target.serial.baud
    return SerialTransport(port or find_port(target), baud)


def _check_firmware(session: Session, target: Target, model_sha256: str | None) -> None:
    """Refuse firmware that would be measured or verified under a wrong name."""
    info = session.optional_info()
    if info is None:
        _log.warning("%s has MLPerf Tiny's commands only", session.device_subject)
        return
    hint = "Build and flash the firmware for this target and model."
    if info.target != target.name:
        raise DeviceError(
            f"{session.device_subject} runs firmware for the target {info.target!r}, "
            f"not {target.name!r}.",
            hint=hint,
        )
    if model_sha256 is not None and info.model_sha256 != model_sha256:
        raise DeviceError(
            f"{session.device_subject} runs another model: {info.model!r} with the SHA-256 "
            f"{info.model_sha256[:12]}…, not {model_sha256[:12]}….",
            hint=hint,
        )
