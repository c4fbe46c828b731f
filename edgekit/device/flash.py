"""Putting firmware on a board: PlatformIO's upload, and what its failures mean."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgekit import process
from edgekit.build.diagnose import diagnose
from edgekit.build.platformio import (
    FOLDER,
    TIMEOUT_SECONDS,
    choose_environment,
    command_line,
    platformio_environment,
)
from edgekit.errors import DeviceError, DeviceTimeoutError, EdgeKitError, InputError
from edgekit.files import make_folder
from edgekit.firmware.lock import project_lock
from edgekit.targets import Target

_LOG = "flash.log"
_TAIL_LINES = 12

_UPLOAD_BEGUN = re.compile(
    r"^(?:Configuring upload protocol|Looking for upload port|Uploading )|\*\*\* \[upload\]",
    re.MULTILINE,
)
"""PlatformIO 6, builder/tools/pioupload.py, and SCons on the target 'upload'."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Failure:
    pattern: re.Pattern[str]
    message: str
    hint: str


_FAILURES = (
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


def flash(
    folder: Path,
    target: Target,
    *,
    port: str | None = None,
    on_line: Callable[[str], None] | None = None,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> None:
    """Put a project's firmware on the attached board; what is not built is built first.

    Args:
        folder: The PlatformIO project.
        target: The board that it was generated for.
        port: The serial port; PlatformIO finds it if not given.
        on_line: Called with each line that PlatformIO prints.
        timeout_seconds: How long building and uploading may take.

    Raises:
        InputError: The target is emulated, or the folder is no project for it.
        MissingToolError: PlatformIO or the board's support is not installed.
        BuildError: The firmware could not be built.
        OutputError: The folder can't be written, or another EdgeKit is using it.
        DeviceError: It could not be uploaded; the message says why, as far as known.
    """
    if target.is_emulated:
        raise InputError(
            f"The target {target.name!r} is emulated: there is nothing to flash.",
            hint="'edgekit measure' and 'edgekit verify' boot its firmware themselves.",
        )
    folder = folder.absolute()
    command = upload_command(folder, target, port)
    environment = platformio_environment(target)
    log = make_folder(folder / FOLDER) / _LOG
    try:
        with project_lock(folder):
            done = process.run(
                command,
                log=log,
                timeout_seconds=timeout_seconds,
                cwd=folder,
                env=environment,
                on_line=on_line,
            )
    except process.ProcessTimeoutError as error:
        raise DeviceTimeoutError(
            f"Flashing {target.title} did not end within {timeout_seconds:g} s.",
            hint=f"Press the board's reset button, attach it again and retry. {error.hint}",
        ) from error
    if done.returncode != 0:
        raise failure(done, target, log)


def upload_command(folder: Path, target: Target, port: str | None) -> list[str]:
    """Return PlatformIO's command that builds a project and uploads it.

    Raises:
        InputError: The folder is no project for this target.
    """
    ini = folder / "platformio.ini"
    try:
        text = ini.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{folder} is not a project: it has no readable platformio.ini.",
            hint="Make one with 'edgekit generate MODEL.tflite --target TARGET'.",
        ) from error
    environment_name = choose_environment(text, target.name, source=str(ini))
    chosen = [] if port is None else ["--upload-port", port]
    return command_line(folder, environment_name, "--target", "upload", *chosen)


def failure(done: process.Completed, target: Target, log: Path) -> EdgeKitError:
    """Return what a failed upload means, with the tool's last lines."""
    if _UPLOAD_BEGUN.search(done.output) is None:
        return diagnose(done.output, target=target.name, log=log)
    said = f"\n{done.tail(_TAIL_LINES)}"
    for known in _FAILURES:
        if known.pattern.search(done.output):
            return DeviceError(
                f"Can't flash {target.title}: {known.message}.{said}", hint=known.hint
            )
    return DeviceError(
        f"Can't flash {target.title}: PlatformIO ended with "
        f"{process.describe_exit(done.returncode)}.{said}",
        hint=f"Attach the board again and retry. The whole output is in {log}.",
    )
