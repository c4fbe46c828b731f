"""Starting QEMU; what needs QEMU itself is in the integration tests."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from builders import SOURCE, make_target

from edgekit.device import emulator
from edgekit.device.emulator import EmulatorTransport, command_line
from edgekit.device.host import closed_by_program
from edgekit.device.link import Link
from edgekit.errors import InputError, LinkClosedError, MissingToolError, TargetError
from edgekit.targets import Emulator

COUNTING = Emulator(kind="qemu", machine="mps2-an386", counts_instructions=True, source=SOURCE)
TIMING = Emulator(kind="qemu", machine="mps2-an500", source=SOURCE)
BOARD = make_target(name="emulated", emulator=COUNTING)
posix_only = pytest.mark.skipif(os.name == "nt", reason="emulated boards are POSIX only")


def arm_elf(folder):
    """Return a file that begins as an ELF for Arm does."""
    elf = folder / "firmware.elf"
    elf.write_bytes(b"\x7fELF\x01\x01\x01".ljust(16, b"\0") + b"\x02\0\x28\0")
    return elf


def test_the_command_counts_instructions_and_uses_the_inherited_socket():
    command = command_line(COUNTING, Path("f.elf"), 7, program=Path("qemu"))
    joined = " ".join(command)
    assert command[0] == "qemu"
    assert "-M mps2-an386 -kernel f.elf -icount shift=0 " in joined
    assert "-chardev socket,id=uart,fd=7 -serial chardev:uart" in joined
    assert "-display none -monitor none" in joined


def test_a_board_that_does_not_count_has_no_icount():
    assert "-icount" not in command_line(TIMING, Path("f.elf"), 7, program=Path("qemu"))


def test_windows_is_told_what_else_there_is(monkeypatch, tmp_path):
    monkeypatch.setattr(emulator.os, "name", "nt")
    with pytest.raises(MissingToolError) as caught:
        EmulatorTransport(BOARD, tmp_path)
    monkeypatch.undo()
    assert "'emulated' needs Linux or macOS" in caught.value.message
    assert "WSL" in caught.value.hint
    assert caught.value.exit_code == 4


@posix_only
def test_a_missing_qemu_says_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingToolError) as caught:
        EmulatorTransport(BOARD, tmp_path)
    assert "'qemu-system-arm' is not installed" in caught.value.message
    assert "apt install qemu-system-arm" in caught.value.hint
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    "target", [make_target(), make_target(architecture="avr5", emulator=COUNTING)]
)
def test_a_target_that_qemu_does_not_emulate_is_refused(target, tmp_path):
    with pytest.raises(TargetError) as caught:
        EmulatorTransport(target, tmp_path)
    assert "QEMU does not emulate the target 'testboard'" in caught.value.message
    assert "armv7e-m" in caught.value.hint
    assert caught.value.exit_code == 2


@posix_only
def test_an_emulator_that_fails_at_once_is_named_with_its_last_words(monkeypatch, tmp_path):
    program = tmp_path / "qemu-system-arm"
    program.write_text("#!/bin/sh\necho 'could not load kernel' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    elf = arm_elf(tmp_path)
    with Link(EmulatorTransport(BOARD, elf)) as link:
        with pytest.raises(LinkClosedError) as caught:
            link.read_line(5)
        with pytest.raises(LinkClosedError):
            for _ in range(3):
                link.write(b"name%")
    assert "the emulated board emulated ended: QEMU's exit code 1." in caught.value.message
    assert "could not load kernel" in caught.value.message
    assert "crashed" in caught.value.hint
    assert caught.value.exit_code == 7
    assert set(tmp_path.iterdir()) == {program, elf}, "no temporary file stays"


@posix_only
@pytest.mark.parametrize("content", [b"", b"no elf at all, just text", None, b"\x7fELF" * 5])
def test_what_is_no_arm_program_is_refused(content, monkeypatch, tmp_path):
    program = tmp_path / "qemu-system-arm"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    elf = tmp_path / "firmware.elf"
    if content is not None:
        elf.write_bytes(content)
    with pytest.raises(InputError) as caught:
        EmulatorTransport(BOARD, elf)
    expected = "Can't read the firmware" if content is None else "is no ELF file for Arm"
    assert expected in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code == 2


def test_a_long_log_is_shown_with_both_ends_and_without_noise():
    lines = ["warning: nic unused", "fatal: Lockup", "", *(f"R{n:02}=0" for n in range(30))]
    log = io.BytesIO("\n".join(lines).encode())
    message = closed_by_program("It", "ended", log, noise="warning: nic ").message
    shown = message.splitlines()
    assert shown[:2] == ["It ended. It said:", "  fatal: Lockup"]
    assert shown[-1] == "  R29=0"
    assert len(shown) == 12
    assert closed_by_program("It", "ended", io.BytesIO()).message == "It ended."
