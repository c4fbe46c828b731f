"""The start-up code and the port of the emulated boards, booted in QEMU.

Through a socket of our own, not through edgekit.device: what is tested here is below it.
"""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from build_projects import speaking_project

from edgekit.build.platformio import build
from edgekit.targets import Target, load_target, target_names

pytestmark = [
    pytest.mark.emulator,
    pytest.mark.skipif(os.name == "nt", reason="QEMU inherits a socket, which is POSIX only"),
]

EMULATED = [
    name
    for name in target_names()
    if (emulator := load_target(name).emulator) is not None and emulator.kind == "qemu"
]
EXIT_FAULT = 70
"""targets/platforms/qemu_cortex_m/startup/startup.c"""


class Board:
    """QEMU, and our end of its UART."""

    def __init__(self, target: Target, elf: Path) -> None:
        assert target.emulator is not None
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(30)
        with theirs:
            self.process = subprocess.Popen(
                [
                    "qemu-system-arm",
                    *("-M", target.emulator.machine, "-kernel", str(elf), "-icount", "shift=0"),
                    *("-nodefaults", "-display", "none", "-monitor", "none"),
                    *("-semihosting-config", "enable=on,target=native"),
                    *("-chardev", f"socket,id=uart,fd={theirs.fileno()}"),
                    *("-serial", "chardev:uart"),
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        self.pending = b""

    def ask(self, command: bytes, lines: int) -> list[str]:
        self.socket.sendall(command)
        while self.pending.count(b"\n") < lines:
            received = self.socket.recv(4096)
            assert received, "the link was cut"
            self.pending += received
        *answers, self.pending = self.pending.split(b"\n", lines)
        return [answer.decode() for answer in answers]

    def exit_code(self) -> int:
        assert self.socket.recv(1) == b""  # the link is cut, not silent
        return self.process.wait(10)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.socket.close()


@pytest.fixture(scope="module", params=EMULATED)
def built(request, tmp_path_factory, child_environment) -> tuple[Target, Path]:
    assert shutil.which("qemu-system-arm")
    target = load_target(request.param)
    folder = speaking_project(tmp_path_factory.mktemp("boot"), target)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEKIT_CACHE_DIR", child_environment["EDGEKIT_CACHE_DIR"])
        return target, build(folder, target).elf


@pytest.fixture
def board(built) -> Iterator[Board]:
    board = Board(*built)
    try:
        assert board.ask(b"", 1) == ["ready=3"]  # initial values have been copied
        yield board
    finally:
        board.end()


def test_no_byte_is_lost_in_either_direction(board):
    source = random.Random(1)
    for length in (1, 100, 8000):
        data = bytes(source.choice(b"0123456789ABCDEF ") for _ in range(length))
        total = 0
        for byte in data:
            total = (total * 31 + byte) % 2**32
        assert board.ask(data + b"%", 2) == [f"sum={total}", f"count={length}"]


def test_a_microsecond_is_a_thousand_instructions(board):
    # 40000 times 500 times two instructions.
    (answer,) = board.ask(b"t", 1)
    assert abs(int(answer.removeprefix("time=")) - 40_000) <= 1


@pytest.mark.parametrize("built", EMULATED[:1], indirect=True)
def test_the_clock_goes_on_over_periods_of_the_timer(board):
    # SysTick's period is 671088 us: two or three of them.
    (answer,) = board.ask(b"T", 1)
    assert abs(int(answer.removeprefix("time=")) - 1_400_000) <= 1


def test_the_stack_that_was_used_is_known(board):
    before, deep, after = board.ask(b"s", 3)
    assert deep == "deep=10"
    used = int(before.removeprefix("stack="))
    assert 0 < used < 1000
    # 11 frames of 256 bytes and a few registers.
    assert 11 * 256 < int(after.removeprefix("stack=")) - used < 11 * 320


def test_constructors_run_and_memory_can_be_allocated(board):
    assert board.ask(b"c", 1) == ["constructed=84"]


@pytest.mark.parametrize("command", [b"f", b"o"])
def test_a_fault_or_an_overflowing_stack_ends_the_board_with_an_exit_code(board, command):
    board.socket.sendall(command)
    assert board.exit_code() == EXIT_FAULT


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="reads /proc")
def test_a_board_that_waits_takes_next_to_no_processor_time(board):
    def ticks() -> int:
        stat = Path(f"/proc/{board.process.pid}/stat").read_text()
        return sum(map(int, stat.rpartition(")")[2].split()[11:13]))

    time.sleep(0.3)  # what it polls before it sleeps
    before = ticks()
    time.sleep(0.5)
    assert ticks() - before <= 0.2 * os.sysconf("SC_CLK_TCK")
