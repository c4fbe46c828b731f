"""Putting firmware on a board: PlatformIO's upload, and what its failures mean."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgekit import process
from edgekit.errors import (
    BuildError,
    DeviceError,
    DeviceTimeoutError,
    InputError,
    MissingToolError,
)
from edgekit.targets import Target

_ENVIRONMENT: Mapping[str, str] = {
    "PLATFORMIO_NO_ANSI": "true",
    "PLATFORMIO_DISABLE_PROGRESSBAR": "true",
}
_TAIL_LINES = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class _Failure:
    pattern: re.Pattern[str]
    message: str
    hint: str


_OFFLINE = _Failure(
    pattern=re.compile(r"HTTPClientError|InternetConnectionError|UnknownPackageError"),
    message="PlatformIO could not download what this board needs",
    hint="Check the network and proxy, and try again.",
)

_UPLOAD_FAILURES = (
    _OFFLINE,
    _Failure(
        pattern=re.compile(r"Permission denied|Errno 13|insufficient permissions|LIBUSB_ERROR_ACC"),
        message="no permission to use the port or the debug probe",
        hint="Add yourself to the group that owns it, 'dialout' on most systems: "
        'sudo usermod -a -G dialout "$USER", then log in again. For probes install '
        "PlatformIO's udev rules: https://docs.platformio.org/en/latest/core/installation/"
        "udev-rules.html",
    ),
    _Failure(
        pattern=re.compile(
            r"Access is denied|PermissionError|[Rr]esource busy|Errno 16|lock port|port is busy"
        ),
        message="the port is in use by another program",
        hint="Close the serial monitor, IDE or other program that has it open.",
    ),
    _Failure(
        pattern=re.compile(
            r"specify `?upload_port|could not open port|Errno 2\]|No device found"
            r"|No DFU capable|doesn't exist|Error: open failed|unable to find.*(probe|device)"
            r"|Could not (find|auto-detect)"
        ),
        message="there is no board to flash",
        hint="Attach it with a cable that carries data, or name its port with --port. Boards "
        "with a UF2 or SAM-BA boot loader: press reset twice (Nano 33 BLE), or hold BOOTSEL "
        "while attaching (Pico).",
    ),
    _Failure(
        pattern=re.compile(
            r"Failed to connect|Wrong boot mode|not in sync|No serial data received|SAM-BA"
        ),
        message="the board's boot loader does not answer",
        hint="Hold BOOT, press and release RESET, and flash again; then release BOOT.",
    ),
)


def upload_command(folder: Path, port: str | None) -> list[str]:
    """Return PlatformIO's command that builds a project and uploads it."""
    chosen = [] if port is None else ["--upload-port", port]
    return [
        *(sys.executable, "-m", "platformio", "run"),
        *("--project-dir", str(folder), "--target", "upload"),
        *chosen,
    ]


def flash(
    folder: Path,
    target: Target,
    *,
    port: str | None = None,
    on_line: Callable[[str], None] | None = None,
    timeout_seconds: float = 900.0,
) -> None:
    """Put a project's firmware on the attached board; what is not built is built first.

    Args:
        folder: The PlatformIO project.
        target: The board that it was generated for.
        port: The serial port; PlatformIO finds it if not given.
        on_line: Called with each line that PlatformIO prints.
        timeout_seconds: How long building and uploading may take.

    Raises:
        InputError: The target is emulated, or the folder is no project.
        MissingToolError: PlatformIO is not installed.
        BuildError: The firmware could not be built.
        DeviceError: It could not be uploaded; the message says why, as far as known.
    """
    if target.is_emulated:
        raise InputError(
            f"The target {target.name!r} is emulated: there is nothing to flash.",
            hint="'edgekit measure' and 'edgekit verify' boot its firmware themselves.",
        )
    if not (folder / "platformio.ini").is_file():
        raise InputError(
            f"{folder} is no PlatformIO project: it has no platformio.ini.",
            hint="Generate one with 'edgekit generate'.",
        )
    if importlib.util.find_spec("platformio") is None:
        raise MissingToolError("PlatformIO is not installed.", hint="pip install platformio")
    with tempfile.TemporaryDirectory(prefix="edgekit-flash-") as scratch:
        try:
            completed = process.run(
                upload_command(folder, port),
                log=Path(scratch) / "upload.log",
                timeout_seconds=timeout_seconds,
                env={**os.environ, **_ENVIRONMENT},
                on_line=on_line,
            )
        except process.ProcessTimeoutError as error:
            raise DeviceTimeoutError(
                f"Flashing {target.title} did not end within {timeout_seconds:g} s.",
                hint="Press the board's reset button, attach it again and retry.",
            ) from error
    if completed.returncode != 0:
        raise failure(completed, target)


def failure(completed: process.Completed, target: Target) -> BuildError | DeviceError:
    """Return what a failed upload means, with the tool's last lines."""
    said = f"\n{completed.tail(_TAIL_LINES)}"
    has_uploaded = "*** [upload]" in completed.output or "Uploading" in completed.output
    failures = _UPLOAD_FAILURES if has_uploaded else (_OFFLINE,)
    known = next((item for item in failures if item.pattern.search(completed.output)), None)
    kind = DeviceError if has_uploaded else BuildError
    what = f"Can't {'flash' if has_uploaded else 'build the firmware for'} {target.title}"
    if known is not None:
        return kind(f"{what}: {known.message}.{said}", hint=known.hint)
    return kind(
        f"{what}: PlatformIO ended with {process.describe_exit(completed.returncode)}.{said}",
        hint="The tool's last lines say why."
        + (" Attach the board again and retry." if has_uploaded else ""),
    )
