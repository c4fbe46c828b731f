"""Lines over a transport; a program's pipes and a serial port as transports."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from fake_device import FakeFirmware, over_socket, serve

from edgekit.device.conversation import Patience
from edgekit.device.host import HostTransport
from edgekit.device.link import Link, Traits
from edgekit.device.ports import SerialTransport
from edgekit.device.session import Session
from edgekit.errors import (
    DeviceError,
    DeviceTimeoutError,
    LinkClosedError,
    MissingToolError,
    OutputError,
    ProtocolError,
)

FAKE = Path(__file__).with_name("fake_device.py")
PATIENT = Patience(boot_seconds=30.0, settle_seconds=0.1, reply_seconds=30.0)
posix_only = pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals are POSIX only")


class Scripted:
    """A transport that gives out prepared pieces, then nothing."""

    traits = Traits(name="it", bytes_per_second=1000, silence_hint="Shake it.", boots=True)

    def __init__(self, *pieces):
        self.pieces = list(pieces)
        self.closed = 0

    def read(self, timeout_seconds):
        if not self.pieces:
            time.sleep(min(timeout_seconds, 0.01))
            return b""
        return self.pieces.pop(0)

    def write(self, data, timeout_seconds):
        pass

    def close(self):
        self.closed += 1


# Lines


def test_lines_are_put_together_from_pieces_and_split_within_them():
    link = Link(Scripted(b"m-re", b"ady\r", b"\nm-a\r\n\nm-b\n"))
    assert [link.read_line(1) for _ in range(4)] == ["m-ready", "m-a", "", "m-b"]


def test_bytes_that_are_no_text_are_replaced():
    assert Link(Scripted(b"a\xff\x80b\r\n")).read_line(1) == "a\ufffd\ufffdb"


def test_silence_and_half_a_line_are_told_apart():
    link = Link(Scripted())
    with pytest.raises(DeviceTimeoutError) as caught:
        link.read_line(0.05)
    assert caught.value.message.startswith("it sent nothing in 0.")
    assert caught.value.hint == "Shake it."
    assert caught.value.exit_code == 7
    link = Link(Scripted(b"m-rea"))
    with pytest.raises(DeviceTimeoutError, match="only 5 bytes, no whole line, in 0"):
        link.read_line(0.05)


def test_half_a_line_stays_for_the_next_call():
    transport = Scripted(b"m-rea")
    link = Link(transport)
    with pytest.raises(DeviceTimeoutError):
        link.read_line(0.05)
    transport.pieces.append(b"dy\r\n")
    assert link.read_line(1) == "m-ready"


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_an_endless_line_is_refused_and_dropped(end):
    link = Link(Scripted(*[b"x" * (1 << 18)] * 4, b"y" + end, b"\nm-ready\r\n"))
    with pytest.raises(ProtocolError, match="a line of more than 1048576 bytes: 'xxx"):
        link.read_line(5)
    assert link.read_line(1) == ""
    assert link.read_line(1) == "m-ready"


def test_a_long_line_that_is_allowed_is_read_quickly():
    link = Link(Scripted(*[b"x" * 1000] * 1000, b"\n"))
    began = time.monotonic()
    assert len(link.read_line(30)) == 1_000_000
    assert time.monotonic() - began < 5


def test_closing_twice_closes_the_transport_once_and_a_closed_link_says_so():
    transport = Scripted(b"x\n")
    with Link(transport) as link:
        pass
    link.close()
    assert transport.closed == 1
    with pytest.raises(LinkClosedError, match="The link to it is closed"):
        link.read_line(1)
    with pytest.raises(LinkClosedError):
        link.write(b"name%")


def test_the_transcript_has_both_directions(tmp_path):
    path = tmp_path / "transcript.txt"
    with Link(Scripted(b"m-name-dut-[x]\r\nm-ready\r\n"), transcript=path) as link:
        link.write(b"name%")
        link.read_line(1)
        link.read_line(1)
    texts = [line.split(maxsplit=1)[1] for line in path.read_text(encoding="utf-8").splitlines()]
    assert texts == ["> name%", "< m-name-dut-[x]", "< m-ready"]


def test_a_transcript_that_cannot_be_written_is_an_error(tmp_path):
    with pytest.raises(OutputError) as caught:
        Link(Scripted(), transcript=tmp_path / "absent" / "transcript.txt")
    assert "Can't write the transcript" in caught.value.message
    assert "folder that exists" in caught.value.hint
    assert caught.value.exit_code == 2


def test_only_the_last_lines_are_remembered_and_long_ones_are_cut():
    link = Link(Scripted(*(f"line {number}\n".encode() for number in range(50)), b"z" * 500))
    for _ in range(50):
        link.read_line(1)
    with pytest.raises(DeviceTimeoutError):
        link.read_line(0.05)
    lines = link.tail().splitlines()
    assert lines[0] == "  < line 38"
    assert lines[-1].endswith("… (500 characters) (cut off)")
    assert max(map(len, lines)) < 180


def test_noise_can_not_command_the_terminal_that_shows_it():
    link = Link(Scripted(b"\x1b[2J\x9b31mred\x00\x07\n", b"\x1bc\x0bhalf"))
    assert link.read_line(1).startswith("\x1b")
    with pytest.raises(DeviceTimeoutError):
        link.read_line(0.05)
    noise, cut = link.tail().splitlines()
    assert noise == "  < \ufffd[2J\ufffd31mred\ufffd\ufffd"
    assert cut == "  < \ufffdc\ufffdhalf (cut off)"


# A program's pipes


def host(options="{}"):
    return HostTransport([sys.executable, FAKE, options])


def test_a_program_is_driven_through_its_pipes():
    with Link(host()) as link:
        session = Session(link, patience=PATIENT)
        assert session.wait_ready() == "EdgeKit"
        session.load(bytes(range(8)))
        assert session.infer(2, 1).duration_us == 2000
        assert session.raw() == bytes([1, 5, 9, 13])


def test_a_program_that_ends_is_named_with_its_exit_code_and_last_words():
    with Link(host('{"exit_after": 2}')) as link:
        session = Session(link, patience=PATIENT)
        session.wait_ready()
        session.name()
        with pytest.raises(LinkClosedError) as caught:
            session.name()
    assert "ended with exit code 3." in caught.value.message
    assert "the fake firmware gives up" in caught.value.message
    assert "crashed" in caught.value.hint
    assert caught.value.exit_code == 7


@posix_only
def test_a_program_that_is_killed_in_mid_run_is_named_with_the_signal():
    transport = host('{"seconds_per_inference": 0.2}')
    with Link(transport) as link:
        session = Session(link, patience=PATIENT)
        session.wait_ready()
        threading.Timer(0.2, os.kill, (transport.pid, signal.SIGKILL)).start()
        with pytest.raises(LinkClosedError) as caught:
            session.infer(5, 0)
    assert "During 'infer 5 0'" in caught.value.message
    assert "ended with signal SIGKILL" in caught.value.message


def test_a_program_that_says_nothing_is_ended_all_the_same():
    transport = host('{"is_silent": true}')
    link = Link(transport)
    with pytest.raises(DeviceTimeoutError) as caught:
        link.read_line(0.2)
    assert "is it EdgeKit's firmware for 'host'?" in caught.value.hint
    link.close()
    assert not [item for item in threading.enumerate() if item.name.startswith("edgekit-host")]


def test_a_program_that_takes_nothing_in_is_a_timeout():
    program = "import time; time.sleep(30)"
    with Link(HostTransport([sys.executable, "-c", program])) as link:
        with pytest.raises(DeviceTimeoutError) as caught:
            link.write(bytes(1_000_000), timeout_seconds=0.3)
        assert "took in no bytes for 0.3 s" in caught.value.message
        assert "does not read" in caught.value.hint


def test_a_program_that_is_absent_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(MissingToolError):
        HostTransport([tmp_path / "absent"])
    assert list(tmp_path.iterdir()) == []


# A serial port


@pytest.fixture
def terminal():
    """Yield a pseudo-terminal's master and the path of its slave, which acts as the port."""
    master, slave = os.openpty()
    yield master, os.ttyname(slave)
    for descriptor in (master, slave):
        with contextlib.suppress(OSError):
            os.close(descriptor)


@posix_only
def test_a_serial_port_carries_the_protocol(terminal):
    master, name = terminal
    firmware = FakeFirmware(boots=0)
    threading.Thread(
        target=serve,
        args=(firmware, lambda: os.read(master, 1000), lambda data: os.write(master, data)),
        daemon=True,
    ).start()
    with Link(SerialTransport(name, 115200)) as link:
        session = Session(link, patience=PATIENT)
        assert session.wait_ready() == "EdgeKit"
        session.load(bytes(range(8)))
        assert session.raw() == bytes([1, 5, 9, 13])


@posix_only
def test_a_serial_port_that_vanishes_is_a_closed_link(terminal):
    master, name = terminal
    with Link(SerialTransport(name, 9600)) as link:
        os.write(master, b"m-init-done\r\n")
        assert link.read_line(2) == "m-init-done"
        os.close(master)
        with pytest.raises(LinkClosedError) as caught:
            link.read_line(2)
    assert f"The link to the board at {name} was cut" in caught.value.message
    assert "unplugged" in caught.value.hint
    assert caught.value.exit_code == 7


@posix_only
def test_a_silent_serial_port_says_what_to_try(terminal):
    with (
        Link(SerialTransport(terminal[1], 9600)) as link,
        pytest.raises(DeviceTimeoutError) as caught,
    ):
        link.read_line(0.2)
    assert "reset button" in caught.value.hint
    assert "9600" in caught.value.hint


@posix_only
def test_a_serial_port_that_takes_nothing_in_is_a_timeout(terminal):
    with Link(SerialTransport(terminal[1], 9600)) as link:
        with pytest.raises(DeviceTimeoutError) as caught:
            link.write(bytes(1_000_000), timeout_seconds=0.2)
        assert "took in no bytes for 0.2 s" in caught.value.message
        assert "Attach the board again" in caught.value.hint


@posix_only
def test_writing_to_a_serial_port_that_vanished_is_a_closed_link(terminal):
    master, name = terminal
    with Link(SerialTransport(name, 9600)) as link:
        os.close(master)
        with pytest.raises(LinkClosedError, match="was cut"):
            link.write(b"name%")


@posix_only
def test_a_port_that_is_in_use_is_refused(terminal):
    with Link(SerialTransport(terminal[1], 9600)), pytest.raises(DeviceError) as caught:
        SerialTransport(terminal[1], 9600)
    assert caught.value.message == f"The port {terminal[1]} is in use by another program."
    assert "serial monitor" in caught.value.hint
    assert caught.value.exit_code == 7


def test_pyserials_urls_serve_as_ports():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        firmware = FakeFirmware(boots=0)

        def work():
            connection, _ = server.accept()
            with connection:
                serve(firmware, lambda: connection.recv(1000), connection.sendall)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        url = f"socket://127.0.0.1:{server.getsockname()[1]}"
        with Link(SerialTransport(url, 115200)) as link:
            assert Session(link, patience=PATIENT).wait_ready() == "EdgeKit"
        thread.join(5)


def test_draining_drops_what_has_come():
    with over_socket(FakeFirmware()) as link:
        time.sleep(0.1)
        link.drain(0.05)
        link.write(b"name%")
        assert link.read_line(1) == "m-name-dut-[EdgeKit]"
