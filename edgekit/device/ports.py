"""Serial ports: finding a board by its USB ids, and opening its port.

pyserial's URLs (``socket://host:port``, ``rfc2217://host:port``) serve as ports too.
"""

from __future__ import annotations

import contextlib
import errno
import time
from dataclasses import dataclass
from typing import Any

from edgekit import process
from edgekit.device.link import Traits
from edgekit.errors import DeviceError, DeviceTimeoutError, LinkClosedError, MissingToolError
from edgekit.targets import Target

_POLL_SECONDS = 0.1
_BITS_PER_BYTE = 10
"""8N1: a start bit, eight data bits, a stop bit."""

_SILENCE_HINT = (
    "Press the board's reset button; hold BOOT only while flashing. Check that the "
    "firmware is flashed, that the baud rate is right ({baud}), and that the cable carries data."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Port:
    """A serial port of this computer. ``usb_id`` is ``"VID:PID"``, or empty."""

    device: str
    description: str
    usb_id: str

    def __str__(self) -> str:
        """Return it for people: ``"/dev/ttyACM0 (Nano 33 BLE, 2341:805A)"``."""
        return f"{self.device} ({self.description}{', ' + self.usb_id if self.usb_id else ''})"


def list_ports() -> tuple[Port, ...]:
    """Return this computer's serial ports, sorted by name."""
    _pyserial()
    from serial.tools import list_ports as pyserial_ports

    return tuple(
        sorted(
            (
                Port(
                    device=item.device,
                    description=item.description or "",
                    usb_id="" if item.vid is None else f"{item.vid:04X}:{item.pid:04X}",
                )
                for item in pyserial_ports.comports()
            ),
            key=lambda port: port.device,
        )
    )


def find_port(target: Target, *, ports: tuple[Port, ...] | None = None) -> str:
    """Return the port of the one attached board that has the target's USB ids.

    Raises:
        DeviceError: There is none, or more than one.
    """
    if ports is None:
        ports = list_ports()
    usb_ids = () if target.serial is None else target.serial.usb_ids
    wanted = {usb_id.upper() for usb_id in usb_ids}
    found = [port for port in ports if port.usb_id.upper() in wanted]
    if len(found) == 1:
        return found[0].device
    if found:
        raise DeviceError(
            f"Several ports could be the {target.title}: {'; '.join(map(str, found))}.",
            hint="Name one with --port.",
        )
    others = "Ports there are: " + "; ".join(map(str, ports)) + "." if ports else "There are none."
    raise DeviceError(
        f"No serial port looks like the {target.title}"
        f" (USB id {' or '.join(sorted(wanted)) or 'unknown'}). {others}",
        hint="Attach the board with a cable that carries data, or name the port with --port.",
    )


class SerialTransport:
    """A serial port, or what pyserial's URLs lead to.

    Raises:
        DeviceError: The port can't be opened; the message says why.
    """

    def __init__(self, port: str, baud: int) -> None:
        self.traits = Traits(
            name=f"the board at {port}",
            bytes_per_second=max(1, baud // _BITS_PER_BYTE),
            silence_hint=_SILENCE_HINT.format(baud=baud),
            boots=False,
        )
        self._port = port
        serial = _pyserial()
        self._write_timeouts: type[Exception] = serial.SerialTimeoutException
        try:
            self._serial: Any = serial.serial_for_url(
                port, baudrate=baud, timeout=_POLL_SECONDS, write_timeout=5.0, exclusive=True
            )
        except (OSError, ValueError) as error:
            raise opening_error(port, error) from error

    def read(self, timeout_seconds: float) -> bytes:
        """See :class:`edgekit.device.link.Transport`."""
        deadline = time.monotonic() + timeout_seconds
        try:
            while True:
                data = bytes(self._serial.read(max(1, self._serial.in_waiting)))
                if data or time.monotonic() >= deadline:
                    return data
        except (OSError, TypeError) as error:  # TypeError: pyserial, closed by another thread
            raise self._cut(error) from error

    def write(self, data: bytes, timeout_seconds: float) -> None:
        """See :class:`edgekit.device.link.Transport`."""
        try:
            if self._serial.write_timeout != timeout_seconds:
                self._serial.write_timeout = timeout_seconds
            self._serial.write(data)
        except self._write_timeouts as error:
            raise DeviceTimeoutError(
                f"{self.traits.subject} took in no bytes for {timeout_seconds:.1f} s.",
                hint="Attach the board again; nothing may hold its port back.",
            ) from error
        except OSError as error:
            raise self._cut(error) from error

    def close(self) -> None:
        """Close the port. Harmless when called again."""
        with contextlib.suppress(OSError):  # it is gone already
            self._serial.close()

    def _cut(self, error: Exception) -> LinkClosedError:
        return LinkClosedError(
            f"The link to {self.traits.name} was cut: {error}.",
            hint="The board was unplugged or reset, or another program reads the port "
            "(a serial monitor?): close it, attach the board again and retry.",
        )


def opening_error(port: str, error: Exception) -> DeviceError:
    """Return why a port can't be opened, with the way out.

    pyserial hides the system's error number in texts on some systems: both are used.
    """
    number = getattr(error, "errno", None)
    text = str(error)
    is_denied = number == errno.EACCES or "PermissionError" in text or "Permission denied" in text
    is_locked = number in (errno.EAGAIN, errno.EWOULDBLOCK, errno.EBUSY) or "lock port" in text
    if is_locked or (is_denied and process.IS_WINDOWS):
        return DeviceError(
            f"The port {port} is in use by another program.",
            hint="Close the serial monitor, IDE or other program that has it open.",
        )
    if is_denied:
        return DeviceError(
            f"No permission to open the port {port}.",
            hint="Add yourself to the group that owns it, 'dialout' on most systems: "
            'sudo usermod -a -G dialout "$USER", then log in again.',
        )
    if number == errno.ENOENT or "FileNotFoundError" in text:
        return DeviceError(
            f"There is no port {port}.",
            hint="Attach the board; 'python -m serial.tools.list_ports' lists what there is.",
        )
    return DeviceError(
        f"Can't open the port {port}: {text}.",
        hint="Give a serial port's name, or a URL such as socket://host:port.",
    )


def _pyserial() -> Any:
    try:
        import serial
    except ImportError as error:
        raise MissingToolError(
            "The Python package pyserial is not installed.", hint="pip install pyserial"
        ) from error
    return serial
