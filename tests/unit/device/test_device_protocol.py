"""The protocol as text."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.device import protocol
from edgekit.errors import ProtocolError

INFO = (
    "m-info-[engine=aot;model=digits;sha256=00ff;target=qemu-cortex-m4;arena_planned=8540;"
    "arena_used=8540;stack_used=312;clock=instructions;input_bytes=784;output_bytes=10;"
    "db_bytes=512;model_error=0;compiler=gcc 12.2;library=;version=0.1.0;colour=green=dark]"
)


def test_a_command_is_words_with_one_space_between_and_a_percent_sign():
    assert protocol.encode("infer", 10, 0) == b"infer 10 0%"
    assert protocol.encode("db load 3072") == b"db load 3072%"


def test_data_goes_out_in_lines_of_at_most_the_bytes_that_the_device_takes():
    commands = list(protocol.encode_data(bytes(range(70)), db_bytes=31))
    assert [len(command) for command in commands] == [66, 66, 20]
    assert commands[2] == b"db 3e3f404142434445%"
    assert all(len(command) <= 80 for command in commands), "MLPerf Tiny's longest command"


@given(data=st.binary(max_size=300), db_bytes=st.integers(1, 64))
def test_no_byte_is_lost_between_lines(data, db_bytes):
    lines = [command.decode() for command in protocol.encode_data(data, db_bytes=db_bytes)]
    assert all(line.startswith("db ") and line.endswith("%") for line in lines)
    assert b"".join(bytes.fromhex(line[3:-1]) for line in lines) == data


def test_info_is_read_with_its_types_and_keeps_unknown_keys():
    info = protocol.parse_info(INFO)
    assert (info.engine, info.model, info.model_sha256) == ("aot", "digits", "00ff")
    assert (info.arena_planned_bytes, info.stack_used_bytes, info.db_bytes) == (8540, 312, 512)
    assert (info.input_bytes, info.output_bytes, info.model_error) == (784, 10, 0)
    assert (info.compiler, info.library, info.version) == ("gcc 12.2", "", "0.1.0")
    assert info.counts_instructions
    assert info.values["colour"] == "green=dark"
    assert info.values["engine"] == "aot"


def test_info_without_its_optional_keys_falls_back_to_what_any_firmware_can():
    info = protocol.parse_info(
        "m-info-[engine=tflm;model=m;sha256=1;target=t;clock=us;input_bytes=1;output_bytes=2]"
    )
    assert info.db_bytes == 31
    assert info.arena_used_bytes == 0
    assert not info.counts_instructions


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("engine=aot;", "", "the key 'engine' is missing"),
        ("sha256=00ff;", "", "the key 'sha256' is missing"),
        ("input_bytes=784", "input_bytes=78x4", "'input_bytes' is not a number: '78x4'"),
        ("input_bytes=784", "input_bytes=", "'input_bytes' is not a number: ''"),
        ("stack_used=312", "stack_used=-312", "stack_used_bytes is negative"),
        ("db_bytes=512", "db_bytes=0", "'db_bytes' must be at least 1"),
        ("clock=instructions", "clock=moon", "'clock' must be one of us, instructions"),
        ("engine=aot", "engine", "'engine' has no '='"),
        ("m-info-", "m-inf-", "it is not 'm-info-[key=value;…]'"),
    ],
)
def test_a_damaged_info_is_refused_with_the_reason(old, new, problem):
    with pytest.raises(ProtocolError) as caught:
        protocol.parse_info(INFO.replace(old, new))
    assert problem in caught.value.message
    assert "this version of EdgeKit" in caught.value.hint
    assert caught.value.exit_code == 7


@given(text=st.text(max_size=200))
def test_any_text_is_either_info_or_a_protocol_error(text):
    with pytest.raises(ProtocolError):
        protocol.parse_info(f"m-info-[{text}]")


def test_results_may_be_infinite_or_no_number():
    values = protocol.parse_results("m-results-[0.125,-3.000,inf,-inf,nan]")
    assert values[:4] == (0.125, -3.0, math.inf, -math.inf)
    assert math.isnan(values[4])


@pytest.mark.parametrize(
    "line", ["m-results-[]", "m-results-[1.0", "m-results-[1.0,,2.0]", "m-results-[1.0,zwei]", ""]
)
def test_unreadable_results_are_refused(line):
    with pytest.raises(ProtocolError, match="The answer to 'results' can't be read"):
        protocol.parse_results(line)


def test_a_lap_spans_one_wrap_of_the_clock():
    assert protocol.Lap(t0_us=100, t1_us=350, results=()).duration_us == 250
    assert protocol.Lap(t0_us=2**32 - 100, t1_us=150, results=()).duration_us == 250


def test_laps_operators_and_buffers_are_collected_from_their_lines():
    lines = ["m-laps-us-[1,2]", "m-op-[0,a,b,7]", "m-laps-us-[3]", "m-buffer-0a-FF", "m-buffer-00"]
    assert protocol.parse_laps(lines) == (1, 2, 3)
    assert protocol.parse_operators(lines) == (
        protocol.OperatorTime(index=0, name="a,b", duration_us=7),
    )
    assert protocol.parse_buffer(lines) == b"\x0a\xff\x00"


@pytest.mark.parametrize(
    ("pattern", "line", "groups"),
    [
        (protocol.NAME, "m-name-dut-[EdgeKit]", ("name", "EdgeKit")),
        (protocol.PROFILE, "m-model-[kws01]", ("model", "kws01")),
        (protocol.LAP, "m-lap-us-4294967295", ("4294967295",)),
        (protocol.EXPECTING, "m-[Expecting 490 bytes]", ("490",)),
        (protocol.RAW, "m-raw-[]", ("",)),
        (protocol.RAW, "m-raw-[00fF]", ("00fF",)),
        (protocol.CRC, "m-crc-[00c0ffee]", ("00c0ffee",)),
        (protocol.ERROR, "e-[Unknown command: x]", ("Unknown command: x",)),
        (protocol.SELFTEST, "m-selftest-[fail]", ("fail",)),
    ],
)
def test_the_patterns_take_what_devices_send(pattern, line, groups):
    assert pattern.match(line).groups() == groups


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (protocol.NAME, "m-name-dut-[]"),
        (protocol.LAP, "m-lap-us-12x"),
        (protocol.LAP, "m-lap-us-"),
        (protocol.RAW, "m-raw-[0]"),
        (protocol.CRC, "m-crc-[c0ffee]"),
        (protocol.LAPS, "m-laps-us-[1,]"),
        (protocol.BUFFER, "m-buffer"),
    ],
)
def test_the_patterns_refuse_damaged_lines(pattern, line):
    assert pattern.match(line) is None
