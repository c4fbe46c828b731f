"""Finding a board's port, and saying why one can't be opened."""

from __future__ import annotations

import errno

import pytest
from builders import SOURCE, make_target

from edgekit import process
from edgekit.device import ports
from edgekit.device.ports import Port, SerialTransport, find_port, opening_error
from edgekit.errors import DeviceError
from edgekit.targets import Serial

BOARD = make_target(serial=Serial(usb_ids=("2341:805A", "2341:005A"), source=SOURCE))
NANO = Port(device="/dev/ttyACM0", description="Nano 33 BLE", usb_id="2341:805A")
OTHER_NANO = Port(device="/dev/ttyACM1", description="Nano 33 BLE", usb_id="2341:005a")
MODEM = Port(device="/dev/ttyS0", description="n/a", usb_id="")


def test_the_one_port_with_the_boards_usb_id_is_found():
    assert find_port(BOARD, ports=(MODEM, NANO)) == "/dev/ttyACM0"
    assert find_port(BOARD, ports=(MODEM, OTHER_NANO)) == "/dev/ttyACM1"


def test_several_boards_are_listed():
    with pytest.raises(DeviceError) as caught:
        find_port(BOARD, ports=(NANO, MODEM, OTHER_NANO))
    assert caught.value.message == (
        "Several ports could be the A board for tests: /dev/ttyACM0 (Nano 33 BLE, 2341:805A); "
        "/dev/ttyACM1 (Nano 33 BLE, 2341:005a)."
    )
    assert "--port" in caught.value.hint
    assert caught.value.exit_code == 7


@pytest.mark.parametrize(
    ("there", "said"),
    [((), "There are none."), ((MODEM,), "Ports there are: /dev/ttyS0 (n/a).")],
)
def test_an_absent_board_is_an_error_with_the_ports_that_there_are(there, said):
    with pytest.raises(DeviceError) as caught:
        find_port(BOARD, ports=there)
    assert "No serial port looks like the A board for tests" in caught.value.message
    assert "2341:005A or 2341:805A" in caught.value.message
    assert said in caught.value.message
    assert "carries data" in caught.value.hint
    assert caught.value.exit_code == 7


def test_a_target_without_usb_ids_never_takes_any_port():
    with pytest.raises(DeviceError, match="USB id unknown"):
        find_port(make_target(), ports=(MODEM, NANO))


def test_this_computers_ports_can_be_listed():
    assert all(isinstance(port, Port) for port in ports.list_ports())


@pytest.mark.parametrize(
    ("error", "is_windows", "message", "hint"),
    [
        (OSError(errno.EACCES, "no"), False, "No permission to open the port P.", "dialout"),
        (OSError(errno.EACCES, "no"), True, "The port P is in use", "serial monitor"),
        (
            OSError("could not open port 'P': PermissionError(13, 'Access is denied.')"),
            True,
            "The port P is in use",
            "serial monitor",
        ),
        (OSError(errno.EBUSY, "busy"), False, "The port P is in use", "serial monitor"),
        (OSError(errno.EAGAIN, "Could not exclusively lock port"), False, "in use", "monitor"),
        (OSError(errno.ENOENT, "no"), False, "There is no port P.", "list_ports"),
        (
            OSError("could not open port 'P': FileNotFoundError(2, 'not found')"),
            True,
            "There is no port P.",
            "list_ports",
        ),
        (ValueError("invalid URL"), False, "Can't open the port P: invalid URL.", "socket://"),
    ],
)
def test_each_reason_has_its_message_and_way_out(error, is_windows, message, hint, monkeypatch):
    monkeypatch.setattr(process, "IS_WINDOWS", is_windows)
    found = opening_error("P", error)
    assert type(found) is DeviceError
    assert message in found.message
    assert hint in found.hint
    assert found.exit_code == 7


@pytest.mark.parametrize(
    ("port", "message"),
    [
        ("absent-port-of-a-test", "There is no port absent-port-of-a-test."),
        ("nonsense://x", "Can't open the port nonsense://x: invalid URL"),
        ("socket://127.0.0.1:1", "Can't open the port socket://127.0.0.1:1"),
    ],
)
def test_real_attempts_to_open_what_is_not_there(port, message):
    with pytest.raises(DeviceError) as caught:
        SerialTransport(port, 115200)
    assert caught.value.message.startswith(message)


def test_a_file_is_no_port(tmp_path):
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(DeviceError, match="Can't open the port"):
        SerialTransport(str(path), 115200)
