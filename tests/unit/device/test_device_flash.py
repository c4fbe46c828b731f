"""Flashing: PlatformIO's failures and what they mean."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from builders import SOURCE, make_target

from edgekit.device import flash as module
from edgekit.device.flash import failure, flash, upload_command
from edgekit.errors import (
    BuildError,
    DeviceError,
    DeviceTimeoutError,
    InputError,
    MissingToolError,
    OutputError,
)
from edgekit.firmware.lock import project_lock
from edgekit.process import Completed
from edgekit.targets import Emulator

BOARD = make_target()
UPLOADING = """Linking .pio/build/testboard/firmware.elf
Looking for upload port...
Uploading .pio/build/testboard/firmware.bin
"""


@pytest.fixture
def project(tmp_path):
    """Return a folder that looks like a project."""
    (tmp_path / "platformio.ini").write_text("[env:testboard]\n")
    return tmp_path


def pretend(monkeypatch, program):
    monkeypatch.setattr(
        module, "upload_command", lambda folder, target, port: [sys.executable, "-c", program]
    )


def ended(output):
    return Completed(returncode=1, output=output, seconds=1.0)


def test_the_command_names_the_project_its_environment_and_the_port(project):
    command = upload_command(project, BOARD, "COM3")
    assert command[2:] == [
        *("run", "--project-dir", str(project), "--environment", "testboard"),
        *("--target", "upload", "--upload-port", "COM3"),
    ]
    assert "--upload-port" not in upload_command(project, BOARD, None)


def test_lines_are_passed_on_as_they_come(project, monkeypatch):
    pretend(monkeypatch, "print('Uploading'); print('done')")
    lines = []
    flash(project, BOARD, on_line=lines.append)
    assert lines == ["Uploading", "done"]


def test_a_failing_upload_is_an_error_with_the_tools_last_lines(project, monkeypatch):
    program = "print('Uploading x'); print('Device exploded'); raise SystemExit(2)"
    pretend(monkeypatch, program)
    with pytest.raises(DeviceError) as caught:
        flash(project, BOARD)
    assert "Can't flash A board for tests: PlatformIO ended with exit code 2." in (
        caught.value.message
    )
    assert "Device exploded" in caught.value.message
    assert "Attach the board again" in caught.value.hint
    assert caught.value.exit_code == 7


def test_a_project_that_is_being_built_is_not_flashed(project, monkeypatch):
    pretend(monkeypatch, "open('flashed', 'w')")
    with project_lock(project), pytest.raises(OutputError, match="in use by another EdgeKit"):
        flash(project, BOARD)
    assert not (project / "flashed").exists()
    flash(project, BOARD)
    assert (project / "flashed").exists()


def test_a_hanging_upload_is_ended(project, monkeypatch):
    pretend(monkeypatch, "import time; time.sleep(60)")
    with pytest.raises(DeviceTimeoutError) as caught:
        flash(project, BOARD, timeout_seconds=0.3)
    assert "did not end within 0.3 s" in caught.value.message
    assert "reset" in caught.value.hint


@pytest.mark.parametrize(
    ("said", "message", "hint"),
    [
        ("Error: Please specify `upload_port` for environment", "no board to flash", "--port"),
        ("[Errno 2] could not open port /dev/ttyUSB0", "no board to flash", "twice"),
        ("dfu-util: No DFU capable USB device available", "no board to flash", "data"),
        ("Error: unable to find a matching CMSIS-DAP device", "no board", "data"),
        ("could not open port /dev/ttyUSB0: [Errno 13] Permission denied", "no perm", "dialout"),
        ("libusb_open() failed with LIBUSB_ERROR_ACCESS", "no permission", "udev"),
        ("could not open port 'COM3': PermissionError(13, 'Access is denied.')", "in use", "mon"),
        ("[Errno 16] Device or resource busy: '/dev/ttyACM0'", "in use", "monitor"),
        ("A fatal error occurred: Failed to connect to ESP32", "does not answer", "Hold BOOT"),
        ("avrdude: stk500_getsync(): not in sync: resp=0x00", "does not answer", "RESET"),
        ("No device found on /dev/ttyACM0", "no board to flash", "data"),
    ],
)
def test_known_failures_say_what_to_do(said, message, hint):
    output = f"{UPLOADING}{said}\n*** [upload] Error 1\n"
    found = failure(ended(output), BOARD, Path("flash.log"))
    assert type(found) is DeviceError
    assert message in found.message
    assert said in found.message
    assert hint in found.hint
    assert found.exit_code == 7


def test_a_compiler_error_is_no_failure_of_the_board():
    output = "src/main.c:3:1: error: Permission denied\n*** [.pio/build/x/src/main.o] Error 1\n"
    found = failure(ended(output), BOARD, Path("flash.log"))
    assert type(found) is BuildError
    assert "Compiling for testboard failed" in found.message
    assert "main.c:3" in found.message
    assert "flash.log" in found.hint
    assert found.exit_code == 6


def test_an_unreachable_registry_is_named():
    output = "Platform Manager: Installing espressif32\nHTTPClientError: \n"
    found = failure(ended(output), BOARD, Path("flash.log"))
    assert type(found) is MissingToolError
    assert "'espressif32' is not installed" in found.message
    assert "network" in found.hint
    assert found.exit_code == 4


def test_an_upload_that_ends_for_an_unknown_reason_names_its_log():
    found = failure(ended(f"{UPLOADING}strange\n"), BOARD, Path("flash.log"))
    assert type(found) is DeviceError
    assert "PlatformIO ended with exit code 1" in found.message
    assert "flash.log" in found.hint


def test_an_emulated_target_has_nothing_to_flash(project):
    target = make_target(emulator=Emulator(kind="host", source=SOURCE))
    with pytest.raises(InputError) as caught:
        flash(project, target)
    assert "is emulated: there is nothing to flash" in caught.value.message
    assert "boot its firmware" in caught.value.hint
    assert caught.value.exit_code == 2


def test_a_folder_without_a_project_is_refused(tmp_path):
    with pytest.raises(InputError) as caught:
        flash(tmp_path, BOARD)
    assert "is not a project" in caught.value.message
    assert "edgekit generate" in caught.value.hint
    assert caught.value.exit_code == 2


def test_a_project_for_another_target_is_refused(project):
    (project / "platformio.ini").write_text("[env:esp32]\n[env:uno]\n")
    with pytest.raises(InputError, match="has no environment for the target 'testboard'"):
        flash(project, BOARD)
