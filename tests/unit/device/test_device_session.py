"""The commands against a device in Python, and every way in which it may fail."""

from __future__ import annotations

import time

import pytest
from fake_device import CUT, FakeFirmware, over_socket

from edgekit.device.conversation import Patience
from edgekit.device.session import Session
from edgekit.errors import DeviceError, DeviceTimeoutError, LinkClosedError, ProtocolError

PATIENT = Patience(boot_seconds=30.0, settle_seconds=0.1, reply_seconds=30.0)
QUICK = Patience(boot_seconds=30.0, settle_seconds=0.1, reply_seconds=0.5, infer_seconds=0.4)


def ready(link, patience=PATIENT):
    session = Session(link, patience=patience)
    session.wait_ready()
    return session


def check(error, kind, *parts, hint):
    """Assert an error's class, message, hint and exit code."""
    assert type(error) is kind
    for part in parts:
        assert part in error.message
    assert hint in error.hint
    assert error.exit_code == 7


# What works


def test_every_command_gives_typed_values():
    firmware = FakeFirmware(us_per_inference=250)
    with over_socket(firmware) as link:
        session = ready(link)
        assert session.device_name == "the fake board"
        assert session.name() == "EdgeKit"
        assert session.profile().model == "kws01"
        assert session.info().input_bytes == 8
        session.load(bytes(range(8)))
        lap = session.infer(4, 1)
        assert lap.duration_us == 1000
        assert lap.results == (0.004, 0.020, 0.035, 0.051)
        assert session.raw() == bytes([1, 5, 9, 13])
        assert session.results() == lap.results
        assert session.laps(40, 2) == (250,) * 40
        assert session.ops()[1].name == "a,strange name"
        assert session.selftest()
    assert firmware.commands[0] == "name"


def test_the_device_is_given_lines_no_longer_than_it_takes():
    firmware = FakeFirmware(input_bytes=100, db_bytes=40)
    with over_socket(firmware) as link:
        ready(link).load(bytes(100))
    lengths = [len(item) for item in firmware.commands if item.startswith("db 0")]
    assert lengths == [83, 83, 43]


def test_noise_before_the_start_is_passed_over():
    noise = "ets Jul 29 2019\r\nrst:0x1\r\n\x80\xff\xfe\r\n\0\0\xfe"
    with over_socket(FakeFirmware(noise=noise)) as link:
        assert ready(link).name() == "EdgeKit"


def test_a_board_that_already_runs_says_nothing_until_asked():
    with over_socket(FakeFirmware(boots=0), boots=False) as link:
        began = time.monotonic()
        assert Session(link, patience=PATIENT).wait_ready() == "EdgeKit"
        assert time.monotonic() - began < 20, "not the time that a reply may take"


def test_a_board_that_restarts_when_its_port_is_opened_is_waited_for():
    def name_after_restart(firmware, _words):
        if firmware.commands.count("name") == 1:
            yield from firmware.boot()  # it restarts, and has not seen the command
        else:
            yield "m-name-dut-[EdgeKit]"
            yield "m-ready"

    firmware = FakeFirmware(boots=0, overrides={"name": name_after_restart})
    with over_socket(firmware, boots=False) as link:
        assert ready(link).info().model == "tiny"
    assert firmware.commands.count("name") == 2


def test_half_a_command_left_in_the_device_is_got_over():
    firmware = FakeFirmware(boots=0)
    with over_socket(firmware, boots=False) as link:
        link.write(b"db 00")
        assert ready(link).info().model == "tiny"
    assert firmware.commands[:2] == ["db 00name", "name"]


def test_a_boards_own_log_lines_in_a_reply_are_passed_over():
    def chatty(firmware, words):
        yield "[I][main.c:42] heap 1234"
        yield from firmware.reply(words)
        yield "hello"
        yield "m-ready"

    overrides = dict.fromkeys(["raw", "infer", "db"], chatty)
    with over_socket(FakeFirmware(overrides=overrides)) as link:
        session = ready(link)
        session.load(bytes(8))
        session.infer(1, 0)
        assert session.raw() == bytes(4)


def test_mlperf_only_firmware_works_with_what_it_has():
    firmware = FakeFirmware(is_mlperf_only=True, input_bytes=40)
    with over_socket(firmware) as link:
        session = ready(link)
        assert session.optional_info() is None
        session.load(bytes(40))
        assert session.infer(2, 0).duration_us == 2000
        with pytest.raises(DeviceError) as caught:
            session.raw()
        check(caught.value, DeviceError, "does not know the command 'raw'", hint="MLPerf Tiny's")
        with pytest.raises(DeviceError, match="does not know the command 'info'"):
            session.info()
    assert "db print" in firmware.commands
    assert max(len(item) for item in firmware.commands) <= 79


# Loading


def test_a_damaged_load_is_sent_again():
    firmware = FakeFirmware(damaged_loads=1)
    with over_socket(firmware) as link:
        ready(link).load(bytes(range(8)))
    assert firmware.loaded == bytes(range(8))
    assert firmware.commands.count("db load 8") == 2


@pytest.mark.parametrize("is_mlperf_only", [False, True])
def test_a_load_damaged_twice_is_an_error(is_mlperf_only):
    firmware = FakeFirmware(damaged_loads=2, is_mlperf_only=is_mlperf_only)
    with over_socket(firmware) as link, pytest.raises(DeviceError) as caught:
        ready(link).load(bytes(range(8)))
    what = "the buffer differs" if is_mlperf_only else "its CRC-32 is "
    check(caught.value, DeviceError, "did not arrive whole in 2 attempts", what, hint="cable")
    assert firmware.commands.count("db load 8") == 2


def test_a_load_that_lost_bytes_is_an_error():
    def forgetful(firmware, words):
        if words[1] == "load":
            yield from firmware.reply(words)
        yield "m-ready"

    firmware = FakeFirmware(overrides={"db": forgetful})
    with over_socket(firmware) as link, pytest.raises(DeviceError) as caught:
        ready(link).load(bytes(8))
    check(caught.value, DeviceError, "2 attempts: bytes were lost", hint="cable")


def test_a_load_with_a_lost_digit_is_sent_again():
    def loses_one(firmware, words):
        if firmware.commands.count("db load 8") == 1 and words[1] != "load":
            words = ["db", words[1][1:]]
        yield from firmware.reply(words)
        yield "m-ready"

    firmware = FakeFirmware(overrides={"db": loses_one})
    with over_socket(firmware) as link:
        ready(link).load(bytes(range(8)))
    assert firmware.loaded == bytes(range(8))


def test_an_input_of_another_size_is_refused_before_it_is_sent():
    firmware = FakeFirmware()
    with over_socket(firmware) as link, pytest.raises(DeviceError) as caught:
        ready(link).load(bytes(9))
    check(caught.value, DeviceError, "takes 8 bytes of input, not 9", hint="built from")
    assert not any(item.startswith("db") for item in firmware.commands)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("e-[Supplied buffer size 8 exceeds maximum of 4]", "answered 'Supplied buffer size 8"),
        ("m-[Expecting 80 bytes]", "the device expected 80 bytes"),
    ],
)
def test_a_load_that_the_device_refuses_says_why(line, said):
    def refuses(_firmware, _words):
        yield line
        yield "m-ready"

    with (
        over_socket(FakeFirmware(overrides={"db": refuses})) as link,
        pytest.raises(DeviceError) as caught,
    ):
        ready(link).load(bytes(8))
    check(caught.value, DeviceError, "did not arrive whole", said, hint="cable")


def test_firmware_that_cannot_tell_what_arrived_is_warned_of(caplog):
    firmware = FakeFirmware(is_mlperf_only=True, has_print=False)
    with over_socket(firmware) as link:
        ready(link).load(bytes(8))
    assert "can't tell whether the input arrived whole" in caplog.text


# Failures


def test_a_board_that_never_answers_is_a_timeout_with_what_to_try():
    began = time.monotonic()
    silent = FakeFirmware(is_silent=True)
    with over_socket(silent, boots=False) as link, pytest.raises(DeviceError) as caught:
        ready(link, QUICK)
    message = "The fake board does not answer: nothing came, not even at boot"
    check(caught.value, DeviceTimeoutError, message, "'name' was sent 3 times", hint="Wake it up")
    assert time.monotonic() - began < 15


def test_garbage_that_never_becomes_an_answer_is_a_protocol_error():
    def garbage(_firmware, _words):
        yield b"\x8f\x00\xff!garbage\xfe\r\n"

    firmware = FakeFirmware(boots=0, overrides={"name": garbage})
    with over_socket(firmware, boots=False) as link, pytest.raises(DeviceError) as caught:
        ready(link, QUICK)
    check(
        caught.value,
        ProtocolError,
        "sends something, but does not answer 'name'",
        "!garbage",
        hint="baud rate",
    )


def test_an_endless_line_at_boot_is_only_noise(monkeypatch):
    monkeypatch.setattr("edgekit.device.link.MAX_LINE_BYTES", 1000)
    with over_socket(FakeFirmware(noise="x" * 5000 + "\r\n")) as link:
        assert ready(link).info().model == "tiny"


def test_a_link_cut_before_a_command_is_sent_is_closed():
    with over_socket(FakeFirmware()) as link:
        session = ready(link)
        link._transport.close()
        with pytest.raises(LinkClosedError) as caught:
            session.raw()
    check(caught.value, LinkClosedError, "During 'info': The cable was pulled.", hint="Put it")


def test_a_link_cut_in_mid_line_shows_what_had_come():
    def cut(_firmware, _words):
        yield "m-warmup-start-0"
        yield b"m-lap-us-12"
        yield CUT

    firmware = FakeFirmware(overrides={"infer": cut})
    with over_socket(firmware) as link, pytest.raises(LinkClosedError) as caught:
        ready(link).infer(10, 0)
    check(
        caught.value,
        LinkClosedError,
        "During 'infer 10 0': The cable was pulled.",
        "  > infer 10 0%",
        "  < m-warmup-start-0",
        "  < m-lap-us-12 (cut off)",
        hint="Put it back.",
    )


def test_a_link_cut_while_starting_says_so():
    def cut(_firmware, _words):
        yield CUT

    firmware = FakeFirmware(overrides={"name": cut})
    with over_socket(firmware) as link, pytest.raises(LinkClosedError) as caught:
        ready(link)
    check(caught.value, LinkClosedError, "The cable was pulled.", "> name%", hint="Put it back")


def test_silence_in_mid_run_is_a_timeout_naming_the_command():
    def hangs(_firmware, _words):
        yield "m-warmup-start-0"

    firmware = FakeFirmware(overrides={"infer": hangs})
    with over_socket(firmware) as link, pytest.raises(DeviceTimeoutError) as caught:
        ready(link, QUICK).infer(1, 0)
    check(
        caught.value,
        DeviceTimeoutError,
        "The fake board did not finish 'infer 1 0' within 0.4 s.",
        "  < m-warmup-start-0",
        hint="Wake it up.",
    )


def test_endless_chatter_without_an_end_is_a_timeout_too():
    def chatters(_firmware, _words):
        for _ in range(100_000):
            yield "still there"
            time.sleep(0.01)

    firmware = FakeFirmware(overrides={"raw": chatters})
    with over_socket(firmware) as link:
        session = ready(link, QUICK)
        with pytest.raises(DeviceTimeoutError, match="did not finish 'raw'"):
            session.raw()


def test_the_time_allowed_grows_with_the_inferences_seen():
    firmware = FakeFirmware(seconds_per_inference=0.05)
    with over_socket(firmware) as link:
        session = ready(link, QUICK)
        session.infer(1, 0)
        began = time.monotonic()
        session.infer(20, 0)
        assert time.monotonic() - began > QUICK.infer_seconds, "longer than one may take"


def test_a_board_that_restarts_in_the_middle_is_named():
    def restarts(firmware, _words):
        yield "m-warmup-start-3"
        yield from firmware.boot()

    firmware = FakeFirmware(overrides={"infer": restarts})
    with over_socket(firmware) as link:
        session = ready(link)
        with pytest.raises(DeviceError) as caught:
            session.infer(5, 3)
        check(
            caught.value, DeviceError, "The fake board restarted during 'infer 5 3'", hint="stack"
        )
        began = time.monotonic()
        assert session.wait_ready() == "EdgeKit"
        assert time.monotonic() - began < 20, "it does not wait for another boot"
        assert session.raw() == bytes(4)


def test_an_error_from_the_device_carries_its_text_and_leaves_the_link_in_step():
    def fails(_firmware, _words):
        yield "e-[Inference iterations must be >0]"
        yield "m-ready"

    firmware = FakeFirmware(overrides={"infer": fails})
    with over_socket(firmware) as link:
        session = ready(link)
        with pytest.raises(DeviceError) as caught:
            session.infer(1, 0)
        check(
            caught.value,
            DeviceError,
            "answered 'infer 1 0' with an error: Inference iterations must be >0.",
            hint="docs/protocol.md",
        )
        assert session.raw() == bytes(4)


def test_a_model_that_could_not_be_prepared_says_why():
    with over_socket(FakeFirmware(model_error=3)) as link:
        session = ready(link)
        assert session.info().model_error == 3
        with pytest.raises(DeviceError) as caught:
            session.infer(1, 0)
    check(
        caught.value,
        DeviceError,
        "The model failed on the fake board with code 3 (the arena is too small",
        hint="larger arena",
    )


@pytest.mark.parametrize(
    ("word", "line", "method", "lacks"),
    [
        ("infer", "m-lap-us-5", lambda session: session.infer(1, 0), "two lines m-lap-us-…"),
        ("raw", "m-raw-[0g]", lambda session: session.raw(), "one line ^m-raw-"),
        ("raw", "m-raw-[00]", lambda session: session.raw(), "4 output bytes, but 1"),
        ("laps", "m-laps-us-[1,2]", lambda session: session.laps(3, 0), "3 times, but 2"),
        ("profile", "m-model-[x]", lambda session: session.profile(), "m-profile-[…]"),
        ("crc", "m-crc-[123]", lambda session: session.load(bytes(8)), "one line ^m-crc-"),
        ("selftest", "m-selftest-[dunno]", lambda session: session.selftest(), "one line"),
    ],
)
def test_a_damaged_reply_is_a_protocol_error_that_shows_it(word, line, method, lacks):
    def damaged(_firmware, _words):
        yield line
        yield "m-ready"

    with over_socket(FakeFirmware(overrides={word: damaged})) as link:
        session = ready(link)
        with pytest.raises(ProtocolError) as caught:
            method(session)
    check(caught.value, ProtocolError, "should hold", lacks, line, hint="damaged it")


def test_an_overlong_line_is_a_protocol_error():
    def endless(_firmware, _words):
        for _ in range(20):
            yield b"x" * 65536
        yield "m-ready"

    patience = Patience(boot_seconds=0.3, reply_seconds=20, infer_seconds=1)
    with over_socket(FakeFirmware(overrides={"raw": endless})) as link:
        session = ready(link, patience)
        with pytest.raises(ProtocolError) as caught:
            session.raw()
    check(caught.value, ProtocolError, "a line of more than 1048576 bytes", hint="baud rate")
    assert len(caught.value.message) < 3000


@pytest.mark.parametrize(("count", "warmup"), [(0, 0), (-1, 0), (1, -1)])
def test_senseless_counts_are_the_callers_bug(count, warmup):
    with over_socket(FakeFirmware()) as link, pytest.raises(ValueError, match="must be"):
        ready(link).infer(count, warmup)
