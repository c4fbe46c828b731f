"""Opening whatever device a target is."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from builders import SOURCE, make_target
from fake_device import SHA256, FakeFirmware, over_socket

from edgekit.device import connect, ports
from edgekit.device.conversation import Patience
from edgekit.device.host import HostTransport
from edgekit.errors import DeviceError, InputError
from edgekit.targets import Emulator, Serial

FAKE = Path(__file__).with_name("fake_device.py")
HOST = make_target(name="board", emulator=Emulator(kind="host", source=SOURCE))
PATIENT = Patience(boot_seconds=30.0, settle_seconds=0.1, reply_seconds=30.0)


@pytest.fixture
def program(monkeypatch, tmp_path):
    """Return a firmware file for the target 'host': here, the fake device."""
    elf = tmp_path / "firmware.elf"
    elf.write_bytes(b"")
    made = []

    def start(_target, given):
        assert given == elf
        made.append(HostTransport([sys.executable, FAKE]))
        return made[-1]

    monkeypatch.setattr(connect, "BOOT", {"host": start})
    return elf, made


def test_an_emulated_target_boots_its_firmware_and_is_ended(program, tmp_path):
    elf, made = program
    transcript = tmp_path / "transcript.txt"
    with connect.open_device(
        HOST, elf=elf, model_sha256=SHA256, transcript=transcript, patience=PATIENT
    ) as session:
        assert session.info().model == "tiny"
        assert made[0]._child.poll() is None
    assert made[0]._child.poll() is not None
    assert "> info%" in transcript.read_text(encoding="utf-8")


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_the_device_is_released_whatever_happens(program, error):
    elf, made = program
    with pytest.raises(error), connect.open_device(HOST, elf=elf, patience=PATIENT):
        raise error
    assert made[0]._child.poll() is not None


@pytest.mark.skipif(os.name == "nt", reason="the fake firmware is a script")
def test_the_host_target_runs_its_firmware_as_a_program(tmp_path, monkeypatch):
    elf = tmp_path / "firmware.elf"
    elf.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{FAKE}'\n")
    elf.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    with connect.open_device(HOST, elf=Path("firmware.elf"), patience=PATIENT) as session:
        assert session.name() == "EdgeKit"


def test_firmware_for_another_target_is_refused(program):
    elf, made = program
    target = make_target(name="other", emulator=HOST.emulator)
    with (
        pytest.raises(DeviceError) as caught,
        connect.open_device(target, elf=elf, patience=PATIENT),
    ):
        pytest.fail("opened")
    assert "runs firmware for the target 'board', not 'other'" in caught.value.message
    assert "Build and flash" in caught.value.hint
    assert caught.value.exit_code == 7
    assert made[0]._child.poll() is not None


def test_firmware_with_another_model_is_refused(program):
    elf, _ = program
    with (
        pytest.raises(DeviceError) as caught,
        connect.open_device(HOST, elf=elf, model_sha256="cd" * 32, patience=PATIENT),
    ):
        pytest.fail("opened")
    assert "runs another model: 'tiny' with the SHA-256 abababababab…" in caught.value.message
    assert caught.value.exit_code == 7


@pytest.mark.parametrize(
    ("elf", "message"),
    [(None, "'board' needs firmware to boot"), (Path("absent.elf"), "no firmware absent.elf")],
)
def test_an_emulated_target_needs_its_firmware(elf, message):
    with pytest.raises(InputError) as caught, connect.open_device(HOST, elf=elf):
        pytest.fail("opened")
    assert message in caught.value.message
    assert "Build the project first" in caught.value.hint
    assert caught.value.exit_code == 2


def test_a_real_board_is_opened_at_its_port_with_its_baud_rate(monkeypatch):
    asked = []

    def serial(port, baud):
        asked.append((port, baud))
        raise DeviceError("stop here")

    target = make_target(serial=Serial(usb_ids=("2341:805A",), baud=9600, source=SOURCE))
    there = (ports.Port(device="/dev/ttyACM7", description="", usb_id="2341:805A"),)
    monkeypatch.setattr(ports, "list_ports", lambda: there)
    monkeypatch.setattr(connect, "SerialTransport", serial)
    for arguments in ({}, {"port": "COM3"}, {"port": "COM3", "baud": 57600}):
        with (
            pytest.raises(DeviceError, match="stop here"),
            connect.open_device(target, **arguments),
        ):
            pytest.fail("opened")
    with pytest.raises(DeviceError), connect.open_device(make_target(), port="COM4"):
        pytest.fail("opened")
    assert asked == [("/dev/ttyACM7", 9600), ("COM3", 9600), ("COM3", 57600), ("COM4", 115200)]


def test_mlperf_only_firmware_is_let_in(monkeypatch):
    with over_socket(FakeFirmware(is_mlperf_only=True)) as link:
        monkeypatch.setattr(connect, "SerialTransport", lambda port, baud: link._transport)
        with connect.open_device(make_target(), port="COM3", patience=PATIENT) as session:
            assert session.optional_info() is None
