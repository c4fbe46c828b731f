"""The TFLM libraries that firmware can be built with: ``targets/libraries/<name>.toml``.

A record says what is true of one published library at one version: which operators it
has, on which types, how it computes Dense layers with one scale a channel, how it is
named and compiled. The schema is the dataclasses below.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field

from edgekit import resources
from edgekit.errors import TargetError, did_you_mean
from edgekit.toml_schema import Form

NUMBER_KINDS = ("int8", "int16x8", "float32", "int4")
"""What an operator computes in: int8, int16 with int8 weights, float32, int8 with int4 weights."""

OUTCOMES = ("right", "wrong", "refused")
"""What a library makes of a layer: the reference's numbers, others, or an error at the start."""

CLOCKS = ("works", "always 0")
"""What the clock of the library's profiler says."""

STRUCTURES = ("2023", "current")
"""Whose sizes TFLM's structures have: those of January 2023, or today's."""

_KERNELS = ("reference", "cmsis-nn", "esp-nn")

_FORM = Form(
    subject="library", file="library record", error=TargetError, manual="docs/adding-a-library.md"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class LibraryOperator:
    """An operator that a library has.

    ``max_version`` is the highest version that its age knows. ``types`` are the kinds of
    numbers (``NUMBER_KINDS``) that its kernel takes; empty where the kernel only moves
    elements or takes none of those.
    """

    max_version: int
    types: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class PerChannelFullyConnected:
    """What becomes of a FULLY_CONNECTED whose weights have one scale a channel.

    By the kind of numbers, one of ``OUTCOMES``. ``reason`` is a clause without a full
    stop, for the kinds that are not ``"right"``.
    """

    int8: str
    int16x8: str
    int4: str
    reason: str = ""
    source: str

    def outcome(self, kind: str) -> str:
        """Return the outcome for a kind of numbers; float weights have no scales."""
        outcomes = {"int8": self.int8, "int16x8": self.int16x8, "int4": self.int4}
        return outcomes.get(kind, "right")


@dataclass(frozen=True, kw_only=True, slots=True)
class BrokenOperator:
    """An operator on which the library fails although it has it; ``reason`` is a clause.

    ``types`` are the kinds of numbers with which it does; empty for all.
    """

    reason: str
    types: tuple[str, ...] = ()
    source: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Library:
    """A TFLM library at one version.

    ``tflm_date`` is the month of the TFLM in it, ``tflm_commit`` the commit where it is
    known. ``platformio`` is what goes into ``lib_deps``, empty where PlatformIO can't get
    it; ``framework`` the one that it is made for, empty for any. ``architectures`` are the
    compiler's names of the processors that it runs on, as in targets, empty for any.
    ``header`` is the one by which a build finds the library. ``static_memory``: compiled with
    TF_LITE_STATIC_MEMORY, which halves its tensor structures; ``structures`` says whose
    sizes they have. ``operators`` go by the schema's name.
    """

    name: str
    title: str
    tflm_date: str
    header: str
    kernels: tuple[str, ...]
    profiler_clock: str
    static_memory: bool
    structures: str
    per_channel_fully_connected: PerChannelFullyConnected
    operators: Mapping[str, LibraryOperator]
    tflm_commit: str = ""
    platformio: str = ""
    framework: str = ""
    architectures: tuple[str, ...] = ()
    custom_operators: tuple[str, ...] = ()
    broken_operators: Mapping[str, BrokenOperator] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    source: str

    @property
    def is_2023(self) -> bool:
        """Whether TFLM's structures are those of January 2023."""
        return self.structures == "2023"


@functools.cache
def library_names() -> tuple[str, ...]:
    """Return the names of all recorded libraries, sorted."""
    folder = resources.targets_folder() / "libraries"
    return tuple(sorted(path.stem for path in folder.glob("*.toml")))


@functools.cache
def load_library(name: str) -> Library:
    """Return the record ``name``.

    Raises:
        TargetError: There is none of that name (the nearest are offered), or it breaks
            the schema.
    """
    if name not in library_names():
        raise TargetError(
            f"Unknown TFLM library {name!r}.", hint=did_you_mean(name, library_names())
        )
    path = resources.targets_folder() / "libraries" / f"{name}.toml"
    return parse_library(_FORM.read_text(path, hint=did_you_mean(name, library_names())), name=name)


def all_libraries() -> tuple[Library, ...]:
    """Return every record, in the order of their names."""
    return tuple(load_library(name) for name in library_names())


def parse_library(text: str, *, name: str) -> Library:
    """Return the library that a record's text describes.

    Raises:
        TargetError: A key is unknown, missing, mistyped or out of range; the message has
            the key's path.
    """
    library = _FORM.parse(text, Library, name=name)
    _check_values(library)
    return library


def _check_values(library: Library) -> None:
    """Refuse values that are of the right type and yet senseless."""
    dense = library.per_channel_fully_connected
    path = "per_channel_fully_connected"
    checks: list[tuple[str, bool, str]] = [
        ("profiler_clock", *_one_of(library.profiler_clock, CLOCKS)),
        ("structures", *_one_of(library.structures, STRUCTURES)),
        ("header", bool(library.header), "Name the header that a sketch includes."),
        ("kernels", bool(library.kernels), "List at least one of: " + ", ".join(_KERNELS) + "."),
        ("operators", bool(library.operators), "List the operators of the resolver."),
        *((f"kernels[{i}]", *_one_of(kind, _KERNELS)) for i, kind in enumerate(library.kernels)),
        *(
            (f"{path}.{kind}", *_one_of(dense.outcome(kind), OUTCOMES))
            for kind in ("int8", "int16x8", "int4")
        ),
        (
            f"{path}.reason",
            _is_clause(dense.reason)
            or (not dense.reason and {dense.int8, dense.int16x8, dense.int4} == {"right"}),
            "Say why in a clause without a full stop.",
        ),
    ]
    for name, operator in library.operators.items():
        path = f"operators.{name}"
        checks.append((f"{path}.max_version", operator.max_version > 0, "Versions begin at 1."))
        checks += _kinds(path, operator.types)
    for name, broken in library.broken_operators.items():
        path = f"broken_operators.{name}"
        checks.append((path, *_one_of(name, library.operators)))
        checks.append((f"{path}.reason", _is_clause(broken.reason), "Say what happens, a clause."))
        checks += _kinds(path, broken.types)
    for path, holds, hint in checks:
        if not holds:
            raise _FORM.fail(library.name, path, "has a value that makes no sense", hint)


def _one_of(value: str, known: Mapping[str, object] | tuple[str, ...]) -> tuple[bool, str]:
    return (True, "") if value in known else (False, did_you_mean(value, known))


def _kinds(path: str, types: tuple[str, ...]) -> list[tuple[str, bool, str]]:
    return [
        (f"{path}.types[{index}]", *_one_of(kind, NUMBER_KINDS)) for index, kind in enumerate(types)
    ]


def _is_clause(text: str) -> bool:
    return bool(text.strip()) and not text.rstrip().endswith(".")
