"""A session with EdgeKit's own firmware: as a program here, and on an emulated board."""

from __future__ import annotations

import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import device_firmware
import pytest
from device_firmware import CRASHES, FAILS, GRAPH, INPUT_BYTES, SHA256, expected

from edgekit.device.connect import open_device
from edgekit.device.emulator import EmulatorTransport, boot
from edgekit.device.link import Link
from edgekit.device.measure import measure
from edgekit.device.session import Session
from edgekit.device.verify import verify
from edgekit.errors import DeviceError, DeviceTimeoutError, LinkClosedError
from edgekit.results import Basis
from edgekit.targets import load_target

EMULATED = pytest.param("qemu-cortex-m4", marks=pytest.mark.emulator)
BOTH = pytest.mark.parametrize("name", ["host", EMULATED])
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """Return a function that builds the firmware for a target, once."""
    built = {}

    def once(name, **options):
        compiler = "gcc" if name == "host" else "arm-none-eabi-gcc"
        for program in (compiler, *(() if name == "host" else ("qemu-system-arm",))):
            if shutil.which(program) is None:
                pytest.skip(f"{program} is not installed")
        key = (name, *sorted(options.items()))
        if key not in built:
            folder = tmp_path_factory.mktemp(name)
            built[key] = device_firmware.build(folder, name, **options)
        return built[key]

    return once


def sample(seed, size=INPUT_BYTES):
    return bytes([1]) + random.Random(seed).randbytes(size - 1)


@BOTH
def test_every_command(name, build):
    data = sample(1)
    target = load_target(name)
    with open_device(target, elf=build(name), model_sha256=SHA256) as session:
        info = session.info()
        assert session.name() == "EdgeKit"
        assert session.profile().model == "sums"
        assert (info.engine, info.target, info.model_sha256) == ("aot", name, SHA256)
        assert (info.input_bytes, info.output_bytes, info.db_bytes) == (INPUT_BYTES, 10, 512)
        assert info.arena_used_bytes == INPUT_BYTES
        assert info.counts_instructions == (name != "host")
        assert (info.stack_used_bytes > 0) == (name != "host")
        with pytest.raises(DeviceError, match="No inference yet"):
            session.raw()
        session.load(data)
        lap = session.infer(3, 1)
        wanted = expected(data)
        assert lap.duration_us >= 0
        assert session.raw() == wanted
        assert session.results() == lap.results
        real = [(byte - 256 * (byte > 127) - 4) * 0.25 for byte in wanted[:6]]
        assert list(lap.results[:6]) == real
        assert len(session.laps(20, 0)) == 20
        with pytest.raises(DeviceError, match="answered 'ops' with an error: Not supported"):
            session.ops()
        with pytest.raises(DeviceError, match="Not supported: selftest"):
            session.selftest()
        assert session.raw() == wanted, "still in step"


@BOTH
@pytest.mark.parametrize(("db_bytes", "input_bytes"), [(31, 1000), (32, 7), (512, 3072)])
def test_no_byte_of_the_input_is_lost(name, build, db_bytes, input_bytes):
    elf = build(name, db_bytes=db_bytes, input_bytes=input_bytes)
    with open_device(load_target(name), elf=elf) as session:
        for seed in range(3):
            data = sample(seed, input_bytes)
            session.load(data)
            session.infer(1, 0)
            assert session.raw() == expected(data)


@pytest.mark.emulator
def test_an_image_is_loaded_quickly(build, capsys):
    elf = build("qemu-cortex-m4")
    with open_device(load_target("qemu-cortex-m4"), elf=elf) as session:
        session.info()
        seconds = []
        for seed in range(5):
            began = time.monotonic()
            session.load(sample(seed))
            seconds.append(time.monotonic() - began)
    with capsys.disabled():
        print(f"\n3072 bytes loaded and checked in {min(seconds):.2f} s")
    assert min(seconds) < 1.5, "0.2 to 0.5 s where nothing else runs"


@BOTH
def test_outputs_are_verified_and_a_wrong_one_is_found(name, build):
    inputs = [sample(seed) for seed in range(4)]
    wanted = [expected(data) for data in inputs]
    with open_device(load_target(name), elf=build(name)) as session:
        result = verify(session, inputs, wanted, graph=GRAPH, reference="Python")
        assert result.is_exact
        assert (result.samples, result.elements, result.top1_agreement) == (4, 28, 1.0)
        wanted[2] = bytes([(wanted[2][0] + 1) % 256]) + wanted[2][1:]
        result = verify(session, inputs, wanted, graph=GRAPH, reference="Python")
    assert (result.mismatched_samples, result.mismatched_elements) == (1, 1)


@pytest.mark.emulator
def test_instructions_are_the_same_in_every_window_and_every_run(build):
    elf = build("qemu-cortex-m4")
    target = load_target("qemu-cortex-m4")
    medians = []
    for _ in range(2):
        with open_device(target, elf=elf) as session:
            latency = measure(session, counts_instructions=True)
            medians.append(latency.median)
        assert latency.unit == "instructions"
        assert latency.basis is Basis.EMULATED
        spread = latency.maximum - latency.minimum
        assert spread <= 2 * 1000 / latency.inferences_per_window
        assert spread / latency.median < 0.002
    assert medians[0] == pytest.approx(medians[1], rel=0.002)
    assert 10_000 < latency.median < 100_000, "3072 bytes, some ten instructions each"


def test_a_program_is_timed_in_microseconds_with_a_p99(build):
    with open_device(load_target("host"), elf=build("host")) as session:
        latency = measure(session, counts_instructions=False, windows=3, window_seconds=0.05)
    assert latency.unit == "us"
    assert latency.basis is Basis.MEASURED
    assert 0 < latency.median < 1000
    assert latency.samples == 662
    assert latency.p99 >= latency.minimum


@BOTH
def test_a_failing_inference_leaves_the_session_in_step(name, build):
    data = sample(1)
    with open_device(load_target(name), elf=build(name)) as session:
        session.load(bytes([FAILS]) + bytes(INPUT_BYTES - 1))
        for action in (lambda: session.infer(1, 1), lambda: session.laps(1, 0)):
            with pytest.raises(DeviceError) as caught:
                action()
            assert "with code 5" in caught.value.message
            assert caught.value.exit_code == 7
        session.load(data)
        session.infer(1, 0)
        assert session.raw() == expected(data)


@BOTH
def test_a_crash_is_a_closed_link_with_the_cause(name, build):
    with open_device(load_target(name), elf=build(name)) as session:
        session.load(bytes([CRASHES]) + bytes(INPUT_BYTES - 1))
        with pytest.raises(LinkClosedError) as caught:
            session.infer(1, 0)
    if name == "host":
        assert "ended with signal SIG" in caught.value.message
    else:
        assert "QEMU's exit code 70, a fault of the processor" in caught.value.message
    assert "During 'infer 1 0'" in caught.value.message
    assert "crashed" in caught.value.hint
    assert caught.value.exit_code == 7


@pytest.mark.emulator
def test_a_killed_emulator_in_mid_run_is_a_closed_link(build):
    transport = EmulatorTransport(load_target("qemu-cortex-m4"), build("qemu-cortex-m4"))
    with Link(transport) as link:
        session = Session(link)
        session.wait_ready()
        threading.Timer(0.3, os.kill, (transport.pid, signal.SIGKILL)).start()
        with pytest.raises(LinkClosedError) as caught:
            session.infer(100_000_000, 0)
    assert "ended: QEMU's signal SIGKILL" in caught.value.message
    assert "> infer 100000000 0%" in caught.value.message
    assert caught.value.exit_code == 7


@pytest.mark.emulator
def test_firmware_that_cannot_start_shows_what_qemu_says(build, tmp_path):
    image = bytearray(build("qemu-cortex-m4").read_bytes())
    (program_headers,) = struct.unpack_from("<I", image, 28)
    (vectors,) = struct.unpack_from("<I", image, program_headers + 4)
    image[vectors : vectors + 16] = bytes(16)
    elf = tmp_path / "firmware.elf"
    elf.write_bytes(image)
    with (
        pytest.raises(LinkClosedError) as caught,
        open_device(load_target("qemu-cortex-m4"), elf=elf),
    ):
        pytest.fail("booted")
    assert "While starting: the emulated board qemu-cortex-m4 ended" in caught.value.message
    assert "Lockup" in caught.value.message, "QEMU's own words"
    assert "nic" not in caught.value.message
    assert len(caught.value.message.splitlines()) < 20


_HOLDER = """
import sys
from pathlib import Path
from edgekit.device.connect import open_device
from edgekit.targets import load_target

with open_device(load_target(sys.argv[1]), elf=Path(sys.argv[2])) as session:
    print("ready", flush=True)
    session.infer(1_000_000_000, 0, timeout_seconds=100)
"""


@linux_only
@BOTH
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_its_parent(name, build, number):
    elf = build(name)
    parent = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, name, str(elf)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert parent.stdout.readline() == b"ready\n"
        listing = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text()
        (child,) = map(int, listing.split())
        assert str(elf).encode() in Path(f"/proc/{child}/cmdline").read_bytes()
        parent.send_signal(number)
        parent.wait(20)
        deadline = time.monotonic() + 10
        while _is_alive(child) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not _is_alive(child)
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()


def _is_alive(pid):
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    return "State:\tZ" not in status


@pytest.mark.emulator
def test_a_booted_board_is_ended_with_its_block(build, tmp_path):
    transcript = tmp_path / "transcript.txt"
    target = load_target("qemu-cortex-m4")
    with boot(build("qemu-cortex-m4"), target, transcript=transcript) as link:
        assert Session(link).wait_ready() == "EdgeKit"
        pid = link._transport.pid
        assert _is_alive(pid)
    assert not _is_alive(pid)
    assert "< m-init-done" in transcript.read_text(encoding="utf-8")


@pytest.mark.emulator
def test_an_emulator_that_stands_still_is_a_timeout_both_ways(build):
    with boot(build("qemu-cortex-m4"), load_target("qemu-cortex-m4")) as link:
        session = Session(link)
        session.wait_ready()
        os.kill(link._transport.pid, signal.SIGSTOP)
        with pytest.raises(DeviceTimeoutError) as caught:
            link.write(bytes(10_000_000), timeout_seconds=0.3)
        assert "took in no bytes for 0.3 s" in caught.value.message
        with pytest.raises(DeviceTimeoutError) as caught:
            session.infer(1, 0, timeout_seconds=0.3)
        assert "hangs" in caught.value.hint
        began = time.monotonic()
    assert time.monotonic() - began < 10, "a stopped process is killed"


@pytest.mark.emulator
def test_two_boards_run_beside_each_other(build):
    elf, target = build("qemu-cortex-m4"), load_target("qemu-cortex-m4")
    with open_device(target, elf=elf) as first, open_device(target, elf=elf) as second:
        first.load(sample(1))
        second.load(sample(2))
        first.infer(1, 0)
        second.infer(1, 0)
        assert first.raw() == expected(sample(1))
        assert second.raw() == expected(sample(2))
