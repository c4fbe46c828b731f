"""The serial protocol as text: commands out, values in. Nothing here touches a link.

MLPerf Tiny's commands and patterns, and EdgeKit's own in the same grammar
(docs/protocol.md). A command is ASCII words separated by one space and ended by ``%``;
every reply ends with ``m-ready``.

Source:
    mlcommons/tiny, benchmark/api (internally_implemented.c) and benchmark/runner.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from edgekit.errors import ProtocolError

READY = "m-ready"
"""Ends every reply."""
BOOTED = "m-init-done"
"""Says that the device has just started."""

NAME = re.compile(r"^m-(name)-dut-\[([^]]+)]$")
PROFILE = re.compile(r"^m-(model|profile)-\[([^]]+)]$")
RESULTS = re.compile(r"^m-results-\[([^]]+)\]$")
LAP = re.compile(r"^m-lap-us-([0-9]+)$")
EXPECTING = re.compile(r"^m-\[Expecting ([0-9]+) bytes\]$")
LOADED = re.compile(r"^m-load-done$")
BUFFER = re.compile(r"^m-buffer((?:-[0-9a-fA-F]{2})+)$")
ERROR = re.compile(r"^e-\[(.*)\]$")

INFO = re.compile(r"^m-info-\[(.*)\]$")
RAW = re.compile(r"^m-raw-\[((?:[0-9a-fA-F]{2})*)\]$")
CRC = re.compile(r"^m-crc-\[([0-9a-f]{8})\]$")
LAPS = re.compile(r"^m-laps-us-\[([0-9]+(?:,[0-9]+)*)\]$")
OP = re.compile(r"^m-op-\[([0-9]+),(.*),([0-9]+)\]$")
SELFTEST = re.compile(r"^m-selftest-\[(pass|fail)\]$")

UNKNOWN_COMMAND = "Unknown command"
"""How the error text begins when a firmware lacks a command."""

MODEL_FAILED = re.compile(r"^Model failed: (-?[0-9]+)$")
"""The error text of a model that could not be prepared, or whose inference failed."""

MODEL_ERRORS: Mapping[int, str] = types.MappingProxyType(
    {
        1: "the model's schema version is not the library's",
        2: "an operator could not be registered",
        3: "the arena is too small, or the library lacks this version of an operator",
        4: "the library sees other inputs or outputs than the project was made for",
        5: "an inference failed",
    }
)
"""What the codes of the tflm engine mean (docs/protocol.md, model_error)."""

DB_BYTES = 31
"""Most data bytes in a ``db`` line that any firmware takes: mlcommons/tiny's runner."""

CLOCK_MODULUS = 1 << 32
"""edgekit_port.h: the device's µs are 32 bits wide, and wrap."""

_CLOCKS = ("us", "instructions")


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceInfo:
    """What a firmware says of itself (``info%``).

    ``clock`` is ``"us"`` or ``"instructions"`` (then a "µs" of the protocol stands for
    1000 executed instructions). ``stack_used_bytes`` is 0 where it is not known,
    ``model_error`` 0 where the model could be prepared.
    ``values`` has every key as the device sent it, unknown ones too.
    """

    engine: str
    model: str
    model_sha256: str
    target: str
    clock: str
    input_bytes: int
    output_bytes: int
    arena_planned_bytes: int = 0
    arena_used_bytes: int = 0
    stack_used_bytes: int = 0
    db_bytes: int = DB_BYTES
    model_error: int = 0
    compiler: str = ""
    library: str = ""
    version: str = ""
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def counts_instructions(self) -> bool:
        """Whether its clock counts executed instructions instead of time."""
        return self.clock == "instructions"


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """What ``profile%`` answers: the protocol's profile and the model's id."""

    profile: str
    model: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Lap:
    """One ``infer``: the device's clock before and after, and the last results."""

    t0_us: int
    t1_us: int
    results: tuple[float, ...]

    @property
    def duration_us(self) -> int:
        """From start to end, over at most one wrap of the 32-bit clock."""
        return (self.t1_us - self.t0_us) % CLOCK_MODULUS


@dataclass(frozen=True, kw_only=True, slots=True)
class OperatorTime:
    """One operator's share of the last inference, on the device's clock."""

    index: int
    name: str
    duration_us: int


_INFO_TEXT = {
    "engine": "engine",
    "model": "model",
    "sha256": "model_sha256",
    "target": "target",
    "clock": "clock",
    "compiler": "compiler",
    "library": "library",
    "version": "version",
}
_INFO_NUMBERS = {
    "model_error": "model_error",
    "arena_planned": "arena_planned_bytes",
    "arena_used": "arena_used_bytes",
    "stack_used": "stack_used_bytes",
    "input_bytes": "input_bytes",
    "output_bytes": "output_bytes",
    "db_bytes": "db_bytes",
}
_INFO_NEEDED = ("engine", "model", "sha256", "target", "clock", "input_bytes", "output_bytes")


def encode(*words: str | int) -> bytes:
    """Return a command's bytes: the words, one space between, and ``%``."""
    return " ".join(str(word) for word in words).encode("ascii") + b"%"


def encode_data(data: bytes, *, db_bytes: int) -> Iterator[bytes]:
    """Yield the ``db`` commands that carry ``data``, at most ``db_bytes`` bytes each."""
    for start in range(0, len(data), db_bytes):
        yield encode("db", data[start : start + db_bytes].hex())


def parse_info(line: str) -> DeviceInfo:
    """Return the facts of an ``m-info-[key=value;…]`` line.

    Raises:
        ProtocolError: It is no such line, a key that we need is missing, or a number
            is none.
    """
    match = INFO.match(line)
    if match is None:
        raise _unreadable("info", line, "it is not 'm-info-[key=value;…]'")
    given: dict[str, str] = {}
    for part in filter(None, match[1].split(";")):
        key, equals, value = part.partition("=")
        if not equals:
            raise _unreadable("info", line, f"{part!r} has no '='")
        given[key] = value
    missing = [key for key in _INFO_NEEDED if key not in given]
    if missing:
        raise _unreadable("info", line, f"the key {missing[0]!r} is missing")
    numbers: dict[str, int] = {}
    for key, name in _INFO_NUMBERS.items():
        if key in given:
            if re.fullmatch("-?[0-9]+", given[key]) is None:
                raise _unreadable("info", line, f"{key!r} is not a number: {given[key]!r}")
            numbers[name] = int(given[key])
    negative = [name for name in numbers if name != "model_error" and numbers[name] < 0]
    if negative:
        raise _unreadable("info", line, f"{negative[0]} is negative")
    if numbers.get("db_bytes", DB_BYTES) < 1:
        raise _unreadable("info", line, "'db_bytes' must be at least 1")
    if given["clock"] not in _CLOCKS:
        raise _unreadable("info", line, f"'clock' must be one of {', '.join(_CLOCKS)}")
    texts = {name: given[key] for key, name in _INFO_TEXT.items() if key in given}
    return DeviceInfo(**texts, **numbers, values=types.MappingProxyType(given))  # type: ignore[arg-type]


def parse_results(line: str) -> tuple[float, ...]:
    """Return the values of an ``m-results-[f,f,…]`` line; infinities and NaN may occur.

    Raises:
        ProtocolError: It is no such line, or a value is no number.
    """
    match = RESULTS.match(line)
    if match is None:
        raise _unreadable("results", line, "it is not 'm-results-[f,f,…]'")
    try:
        return tuple(float(part) for part in match[1].split(","))
    except ValueError as error:
        raise _unreadable("results", line, str(error)) from error


def parse_laps(lines: Sequence[str]) -> tuple[int, ...]:
    """Return the µs of all ``m-laps-us-[t,…]`` lines, in order."""
    matches = filter(None, map(LAPS.match, lines))
    return tuple(int(part) for match in matches for part in match[1].split(","))


def parse_operators(lines: Sequence[str]) -> tuple[OperatorTime, ...]:
    """Return the operators of all ``m-op-[index,name,us]`` lines, in order."""
    return tuple(
        OperatorTime(index=int(match[1]), name=match[2], duration_us=int(match[3]))
        for match in filter(None, map(OP.match, lines))
    )


def parse_buffer(lines: Sequence[str]) -> bytes:
    """Return the bytes of all ``m-buffer-xx-xx…`` lines (``db print%``)."""
    matches = filter(None, map(BUFFER.match, lines))
    return b"".join(bytes.fromhex(match[1].replace("-", "")) for match in matches)


def _unreadable(command: str, line: str, problem: str) -> ProtocolError:
    shown = line if len(line) <= 200 else line[:200] + "…"
    return ProtocolError(
        f"The answer to '{command}' can't be read: {problem}. It was: {shown!r}",
        hint="Build and flash the firmware again with this version of EdgeKit.",
    )
