"""The firmware's protocol code, compiled with the sanitizers and driven over stdin and stdout."""

from __future__ import annotations

import itertools
import re
import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit import process, resources

HERE = Path(__file__).parent
BOOT = ["m-timestamp-mode-performance", "m-init-done", "m-ready"]
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")

Device = Callable[..., list[str]]


def config_header(**changes: object) -> str:
    values: dict[str, object] = {
        "MODEL_NAME": "fake",
        "MODEL_SHA256": "ab" * 32,
        "ENGINE": "aot",
        "TARGET": "host",
        "LIBRARY": "",
        "VERSION": "1.2.3",
        "CLOCK": "us",
        "INPUT_COUNT": 1,
        "OUTPUT_COUNT": 1,
        "INPUT_BYTES": 20,
        "OUTPUT_BYTES": 20,
        "ARENA_BYTES": 64,
        "DB_BYTES": 31,
        "HAS_TEST_VECTOR": 0,
    }
    values.update(changes)
    lines = []
    for name, value in values.items():
        shown = f'"{value}"' if isinstance(value, str) else value
        lines.append(f"#define EDGEKIT_{name} {shown}\n")
    return "".join(lines)


def build(folder: Path, *flags: str, **config: object) -> Path:
    """Return the program of the protocol, the fake model and the host's port."""
    (folder / "edgekit_config.h").write_text(config_header(**config))
    templates = resources.templates_folder()
    program = folder / "device"
    sources = [
        templates / "shared" / "edgekit_protocol.c",
        templates / "aot_bare" / "src" / "port_host.c",
        templates / "aot_bare" / "src" / "main.c",
        HERE / "fake_model.c",
        *folder.glob("*.c"),
    ]
    command = ["gcc", "-std=gnu99", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-Wconversion"]
    command += [*SANITIZERS, f"-I{folder}", f"-I{templates / 'shared'}", *flags]
    done = process.run(
        [*command, *sources, "-o", program], log=folder / "gcc.log", timeout_seconds=120
    )
    assert done.returncode == 0, done.output
    return program


def talk(program: Path, sent: bytes | str, **environment: str) -> list[str]:
    """Return the lines that the device answers with; with an environment, those at start too."""
    data = sent.encode("latin-1") if isinstance(sent, str) else sent
    done = subprocess.run(
        [program], input=data, capture_output=True, env=environment, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b""
    text = done.stdout.decode("ascii")
    assert text.endswith("\r\n")
    lines = text.split("\r\n")[:-1]
    assert not any("\r" in line or "\n" in line for line in lines)
    start = lines.index("m-init-done") + 2
    assert lines[start - 3 : start] == BOOT
    return lines if environment else lines[start:]


FLAGS_INT8 = ("-DFAKE_TYPE=EDGEKIT_INT8", "-DFAKE_SCALE=0.5f", "-DFAKE_ZERO_POINT=-1")


@pytest.fixture(scope="module")
def int8_device(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two inputs of 10 bytes, two outputs of 10."""
    return build(tmp_path_factory.mktemp("int8"), *FLAGS_INT8, INPUT_COUNT=2, OUTPUT_COUNT=2)


@pytest.fixture(scope="module")
def float_device(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 floats in, 20 out, and long `db` lines."""
    flags = ("-DFAKE_TYPE=EDGEKIT_FLOAT32", "-DFAKE_SCALE=0.0f", "-DFAKE_ZERO_POINT=0")
    folder = tmp_path_factory.mktemp("float")
    return build(folder, *flags, INPUT_BYTES=80, OUTPUT_BYTES=80, DB_BYTES=80)


def ready(*lines: str) -> list[str]:
    return [*lines, "m-ready"]


LOADED = bytes(range(250, 256)) + bytes(range(14))


def load(data: bytes) -> str:
    return f"db load {len(data)}%db {data.hex()}%"


def test_boot_announces_the_device(int8_device: Path) -> None:
    assert talk(int8_device, "") == []


@pytest.mark.parametrize(
    ("sent", "reply"),
    [
        ("name%", ["m-name-dut-[EdgeKit]"]),
        ("profile%", ["m-profile-[ULPMark for tinyML Firmware V0.0.1]", "m-model-[fake]"]),
        ("  name  and more %", ["m-name-dut-[EdgeKit]"]),
        ("db load 20%", ["m-[Expecting 20 bytes]"]),
        ("db load 7 rest%", ["m-[Expecting 7 bytes]"]),
        ("db print%", []),
        # errors
        ("%", ["e-[Unknown command: ]"]),
        ("   %", ["e-[Unknown command: ]"]),
        ("nam%", ["e-[Unknown command: nam]"]),
        ("names%", ["e-[Unknown command: names]"]),
        ("NAME%", ["e-[Unknown command: NAME]"]),
        ("\nname%", ["e-[Unknown command: ?name]"]),
        ("name\r\n%", ["e-[Unknown command: name??]"]),
        ("a[b];\0\xff%", ["e-[Unknown command: a?b????]"]),
        ("x" * 80 + "%", ["e-[Unknown command: " + "x" * 32 + "]"]),
        ("x" * 81 + "%", ["e-[Command too long]"]),
        ("name" + " " * 500 + "%", ["e-[Command too long]"]),
        ("db%", ["e-[Command 'db' requires a subcommand]"]),
        ("db load%", ["e-[Command 'db load' requires the # of bytes]"]),
        ("db load 0%", ["e-[Command 'db load' must be >0 bytes]"]),
        ("db load -1%", ["e-[Command 'db load' must be >0 bytes]"]),
        ("db load many%", ["e-[Command 'db load' must be >0 bytes]"]),
        ("db load 21%", ["e-[Supplied buffer size 21 exceeds maximum of 20]"]),
        (
            "db load 99999999999999999999%",
            ["e-[Supplied buffer size 2147483647 exceeds maximum of 20]"],
        ),
        ("db 00%", ["e-[Command 'db' requires 'db load' first]"]),
        ("infer 0%", ["e-[Inference iterations must be >0]"]),
        ("infer -3%", ["e-[Inference iterations must be >0]"]),
        ("infer ten%", ["e-[Inference iterations must be >0]"]),
        ("infer 1 -1%", ["e-[Inference warmup must be >=0]"]),
        ("laps 0%", ["e-[Inference iterations must be >0]"]),
        ("laps 1 -2147483649%", ["e-[Inference warmup must be >=0]"]),
        ("results%", ["e-[No inference yet]"]),
        ("raw%", ["e-[No inference yet]"]),
        ("ops%", ["e-[Not supported: ops]"]),
        ("selftest%", ["e-[Not supported: selftest]"]),
    ],
)
def test_command_is_answered(int8_device: Path, sent: str, reply: list[str]) -> None:
    assert talk(int8_device, sent) == ready(*reply)
    # ... and the next command is read as ever.
    assert talk(int8_device, sent + "name%") == ready(*reply) + ready("m-name-dut-[EdgeKit]")


def test_timestamp_is_the_clock(int8_device: Path) -> None:
    lines = talk(int8_device, "timestamp%timestamp%")
    times = [int(line.removeprefix("m-lap-us-")) for line in lines if line != "m-ready"]
    assert len(times) == 2
    assert 0 <= times[0] <= times[1] < 10_000_000


def test_help_names_every_command(int8_device: Path) -> None:
    text = " ".join(talk(int8_device, "help%"))
    for name in ("name", "profile", "timestamp", "db load", "infer", "results", "info", "laps"):
        assert name in text
    assert "m-ready" in text


def test_load_takes_either_case_in_pieces_and_ignores_a_surplus(int8_device: Path) -> None:
    lines = talk(int8_device, "db load 5%db aBCD%db 0102FFzz%db 11%db print%crc%")
    assert lines == [
        *ready("m-[Expecting 5 bytes]"),
        *ready(),
        *ready("m-load-done"),
        *ready(),
        *ready("m-buffer-ab-cd-01-02-ff"),
        *ready(f"m-crc-[{zlib.crc32(bytes.fromhex('abcd0102ff') + bytes(15)):08x}]"),
    ]


def test_buffer_is_printed_eight_bytes_a_line(int8_device: Path) -> None:
    lines = talk(int8_device, load(LOADED) + "db print%")
    printed = lines[lines.index("m-load-done") + 2 :]
    assert printed == [
        "m-buffer-fa-fb-fc-fd-fe-ff-00-01",
        "m-buffer-02-03-04-05-06-07-08-09",
        "m-buffer-0a-0b-0c-0d",
        "m-ready",
    ]


@pytest.mark.parametrize(
    ("digits", "error"),
    [
        ("00112", "e-[Insufficent number of hex digits]"),
        ("0011zg44", "e-[Invalid hex digit 'zg']"),
        ("0011-144", "e-[Invalid hex digit '-1']"),
        ("0x11", "e-[Invalid hex digit '0x']"),
        ("00[]", "e-[Invalid hex digit '??']"),
    ],
)
def test_faulty_line_appends_nothing(int8_device: Path, digits: str, error: str) -> None:
    lines = talk(int8_device, f"db load 4%db {digits}%db 01020304%db print%")
    assert lines == [
        *ready("m-[Expecting 4 bytes]"),
        *ready(error),
        *ready("m-load-done"),
        *ready("m-buffer-01-02-03-04"),
    ]


def test_new_load_starts_from_zero(int8_device: Path) -> None:
    lines = talk(int8_device, load(b"\x11" * 20) + "db load 3%db 22%db print%crc%")
    assert "m-buffer-22-00-00" in lines
    assert f"m-crc-[{zlib.crc32(bytes([0x22]) + bytes(19)):08x}]" in lines


@pytest.mark.parametrize("size", [1, 8, 19, 20])
def test_crc_is_that_of_zlib_over_the_whole_input(int8_device: Path, size: int) -> None:
    data = bytes((37 * index + size) % 256 for index in range(size))
    assert f"m-crc-[{zlib.crc32(data.ljust(20, bytes(1))):08x}]" in talk(
        int8_device, load(data) + "crc%"
    )


def dequantized(data: bytes) -> list[str]:
    return [f"{0.5 * (value + 1):.3f}" for value in struct.unpack(f"{len(data)}b", data)]


@pytest.mark.parametrize(
    ("arguments", "count", "warmup"), [("", 1, 10), ("7", 7, 10), ("3 0", 3, 0)]
)
def test_infer_has_the_official_sequence(
    int8_device: Path, arguments: str, count: int, warmup: int
) -> None:
    lines = talk(int8_device, load(LOADED) + f"infer {arguments}%")
    lines = lines[lines.index("m-load-done") + 2 :]
    start, end = (int(line.removeprefix("m-lap-us-")) for line in lines[3:5])
    assert end >= start
    assert lines[:3] == [
        f"m-warmup-start-{warmup}",
        "m-warmup-done",
        f"m-infer-start-{count}",
    ]
    assert lines[5:] == ready("m-infer-done", f"m-results-[{','.join(dequantized(LOADED))}]")


def test_every_inference_gets_the_loaded_input(int8_device: Path) -> None:
    sent = load(LOADED) + "infer 3%raw%infer 1 0%raw%laps 2 0%raw%results%crc%"
    lines = talk(int8_device, sent)
    assert [line for line in lines if line.startswith("m-raw")] == [f"m-raw-[{LOADED.hex()}]"] * 3
    assert len({line for line in lines if line.startswith("m-results")}) == 1
    assert f"m-crc-[{zlib.crc32(LOADED):08x}]" in lines


def test_inference_without_a_load_is_of_zeros(int8_device: Path) -> None:
    assert f"m-raw-[{'00' * 20}]" in talk(int8_device, "infer%raw%")


@pytest.mark.parametrize(
    ("count", "sizes"), [(1, [1]), (16, [16]), (17, [16, 1]), (40, [16, 16, 8])]
)
def test_laps_come_sixteen_a_line(int8_device: Path, count: int, sizes: list[int]) -> None:
    lines = talk(int8_device, f"laps {count} 2%")
    values = [
        [int(lap) for lap in line.removeprefix("m-laps-us-[").removesuffix("]").split(",")]
        for line in lines[:-1]
    ]
    assert [len(line) for line in values] == sizes
    assert all(0 <= lap < 1_000_000 for lap in itertools.chain(*values))
    assert lines[-1] == "m-ready"


@pytest.mark.parametrize(
    ("command", "before"),
    [
        ("infer 5", ["m-warmup-start-10"]),
        ("infer 5 0", ["m-warmup-start-0", "m-warmup-done", "m-infer-start-5"]),
        ("laps 5", []),
        ("laps 5 0", []),
    ],
)
def test_failed_inference_is_an_error(int8_device: Path, command: str, before: list[str]) -> None:
    lines = talk(int8_device, load(b"\xee") + f"{command}%results%raw%")
    assert lines[lines.index("m-load-done") + 2 :] == [
        *ready(*before, "e-[Model failed: 42]"),
        *ready("e-[No inference yet]"),
        *ready("e-[No inference yet]"),
    ]


@pytest.mark.parametrize("code", ["3", "-7", "-2147483648"])
def test_model_that_did_not_start_computes_nothing(int8_device: Path, code: str) -> None:
    error = f"e-[Model failed: {code}]"
    lines = talk(int8_device, "infer 1%laps 1%results%name%info%", FAKE_INIT_ERROR=code)
    assert lines[: len(BOOT) + 1] == [error, *BOOT]
    rest = lines[len(BOOT) + 1 :]
    assert rest[:-2] == [
        *ready(error),
        *ready(error),
        *ready("e-[No inference yet]"),
        *ready("m-name-dut-[EdgeKit]"),
    ]
    assert f";model_error={code};" in rest[-2]


def test_info_has_every_key_once(int8_device: Path) -> None:
    lines = talk(int8_device, "info%")
    found = re.fullmatch(r"m-info-\[([^\[\]]*)\]", lines[0])
    assert found
    assert lines[1:] == ["m-ready"]
    pairs = [pair.split("=", 1) for pair in found[1].split(";")]
    info = dict(pairs)
    assert len(info) == len(pairs)
    assert info.pop("compiler").startswith("gcc ")
    assert info == {
        "engine": "aot",
        "model": "fake",
        "sha256": "ab" * 32,
        "target": "host",
        "arena_planned": "64",
        "arena_used": "4321",
        "stack_used": "0",
        "clock": "us",
        "input_bytes": "20",
        "output_bytes": "20",
        "db_bytes": "31",
        "model_error": "0",
        "library": "",
        "version": "1.2.3",
    }


def test_longest_line_is_as_announced(float_device: Path) -> None:
    assert "m-load-done" in talk(float_device, load(bytes(80)))
    assert talk(float_device, "db " + "0" * 162 + "%") == ready("e-[Command too long]")


@pytest.mark.parametrize(("expected", "answer"), [(LOADED, "pass"), (LOADED[:-1] + b"x", "fail")])
def test_selftest_compares_with_the_vector(tmp_path: Path, expected: bytes, answer: str) -> None:
    arrays = {"input": LOADED, "output": expected}
    declared = "".join(f"extern const uint8_t edgekit_test_{name}[20];\n" for name in arrays)
    (tmp_path / "edgekit_test_vector.h").write_text("#include <stdint.h>\n" + declared)
    defined = "".join(
        f"const uint8_t edgekit_test_{name}[20] = {{{', '.join(map(str, data))}}};\n"
        for name, data in arrays.items()
    )
    (tmp_path / "vector.c").write_text('#include "edgekit_test_vector.h"\n' + defined)
    device = build(tmp_path, *FLAGS_INT8, HAS_TEST_VECTOR=1, INPUT_COUNT=2, OUTPUT_COUNT=2)
    lines = talk(device, "db load 20%selftest%raw%crc%")
    assert lines[2:] == [
        *ready(f"m-selftest-[{answer}]"),
        *ready(f"m-raw-[{LOADED.hex()}]"),
        *ready(f"m-crc-[{zlib.crc32(bytes(20)):08x}]"),
    ]
    assert talk(device, "selftest%", FAKE_INIT_ERROR="9")[-2:] == ready("e-[Model failed: 9]")


# ---- Real numbers ----


def shown_by_device(device: Path, values: np.ndarray) -> list[str]:
    shown: list[str] = []
    sent = ""
    for start in range(0, len(values), 20):
        sent += load(values[start : start + 20].astype("<f4").tobytes()) + "infer 1 0%"
    for line in talk(device, sent):
        if line.startswith("m-results"):
            shown += line.removeprefix("m-results-[").removesuffix("]").split(",")
    return shown[: len(values)]


def shown_by_printf(values: np.ndarray) -> list[str]:
    return ["nan" if np.isnan(value) else f"{float(value):.3f}" for value in values]


def as_floats(bits: list[int]) -> np.ndarray:
    return np.array(bits, dtype="<u4").view("<f4")


SPECIAL = [0.0, -0.0, 1.0, 0.0625, 0.1875, 0.9995, 0.99951171875, -0.0005, 5e-4, 1e-45]
SPECIAL += [1.17549435e-38, 3.4028235e38, -3.4028235e38, 16777216.0, 16777217.5, 8388607.5]
SPECIAL += [4294967296.0, 1e10, -123456.789, float("inf"), float("-inf"), float("nan")]


def test_special_values_are_shown_as_printf_does(float_device: Path) -> None:
    values = np.array(SPECIAL, dtype="<f4")
    assert shown_by_device(float_device, values) == shown_by_printf(values)


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=100))
def test_any_float_is_shown_as_printf_does(float_device: Path, bits: list[int]) -> None:
    values = as_floats(bits)
    assert shown_by_device(float_device, values) == shown_by_printf(values)


def test_floats_of_every_exponent_are_shown_as_printf_does(float_device: Path) -> None:
    random = np.random.default_rng(1)
    exponents = np.repeat(np.arange(256, dtype=np.uint32), 8)
    bits = random.integers(0, 2**23, exponents.size, dtype=np.uint32) | exponents << 23
    values = bits.astype("<u4").view("<f4")
    ties = np.arange(-4000, 4000, dtype=np.float32) / np.float32(16)  # exact halves of 1/1000
    values = np.concatenate([values, ties])
    assert shown_by_device(float_device, values) == shown_by_printf(values)


@pytest.mark.parametrize(
    ("kind", "dtype", "scale", "zero_point"),
    [
        ("UINT8", "<u1", 0.00390625, 3),
        ("INT16", "<i2", 0.013, 0),
        ("INT32", "<i4", 0.25, 1),
        ("INT32", "<i4", 0.0, 0),
        ("INT8", "<i1", 0.0, 5),
    ],
)
def test_stored_numbers_are_dequantized_in_single_precision(
    tmp_path: Path, kind: str, dtype: str, scale: float, zero_point: int
) -> None:
    flags = (
        f"-DFAKE_TYPE=EDGEKIT_{kind}",
        f"-DFAKE_SCALE={scale}f",
        f"-DFAKE_ZERO_POINT={zero_point}",
    )
    device = build(tmp_path, *flags)
    data = bytes([0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 127, 0, 0, 0, 128, 7, 0, 0, 0])
    stored = np.frombuffer(data, dtype=dtype).astype(np.float32)
    values = (stored - np.float32(zero_point)) * np.float32(scale) if scale else stored
    lines = talk(device, load(data) + "infer 1 0%")
    assert f"m-results-[{','.join(shown_by_printf(values))}]" in lines


# ---- Garbage ----

WORDS = st.from_regex(
    "name|profile|timestamp|db|load|print|infer|results|help|info|raw|crc|laps|ops|selftest"
    "|-?[0-9]{1,2}|00ff|zz|\n",
    fullmatch=True,
)
COMMANDS = st.lists(WORDS, max_size=5).map(lambda words: " ".join(words).encode() + b"%")
GARBAGE = st.binary(max_size=200).filter(lambda data: not re.search(rb"[0-9]{4}", data))


@given(st.lists(st.one_of(COMMANDS, GARBAGE), max_size=12).map(b"".join))
def test_anything_is_answered_and_nothing_breaks_it(int8_device: Path, sent: bytes) -> None:
    lines = talk(int8_device, sent + b"%name%")
    assert lines.count("m-ready") == sent.count(b"%") + 2
    assert lines[-2:] == ready("m-name-dut-[EdgeKit]")
    assert all(line.isascii() and line.isprintable() for line in lines)
