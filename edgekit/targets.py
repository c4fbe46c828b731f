"""Target profiles: ``targets/<name>.toml`` read into frozen, checked values.

The schema is the dataclasses below: each field is a key, a nested dataclass is a
table. Unknown, missing and mistyped keys are refused with the key's path.
"""

from __future__ import annotations

import dataclasses
import re
import sys
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgekit import resources
from edgekit.errors import TargetError, did_you_mean

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


ENGINES = ("tflm", "aot")
"""What executes a model in firmware: TFLM's interpreter, or C compiled for the model."""

KERNELS = ("", "reference", "cmsis-nn", "esp-nn")
"""Kinds of TFLM kernels; empty for an engine that has none."""

EMULATORS = ("qemu", "host")
"""How a target can run on this computer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Core:
    """The processor. ``architecture`` is the compiler's name, e.g. ``"armv7e-m"``."""

    name: str
    architecture: str
    clock_hz: int
    has_fpu: bool
    has_dsp: bool
    pointer_bytes: int = 4
    source: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Flash:
    """Program memory in bytes. Usable = total − reserved (boot loader, file system).

    ``framework_bytes`` is what the framework's own code takes of the usable part, an
    estimate with its ± ``framework_margin_bytes``; 0 where there is no framework.
    """

    total_bytes: int
    reserved_bytes: int
    framework_bytes: int = 0
    framework_margin_bytes: int = 0
    source: str

    @property
    def usable_bytes(self) -> int:
        """What an application may take."""
        return self.total_bytes - self.reserved_bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Sram:
    """Data memory in bytes.

    Usable for static data = total − framework − stack. ``largest_block_bytes`` is
    the longest piece that one array can have; an arena must fit in one.
    """

    total_bytes: int
    framework_bytes: int
    stack_bytes: int
    largest_block_bytes: int
    source: str

    @property
    def usable_bytes(self) -> int:
        """What the application's static data may take."""
        return self.total_bytes - self.framework_bytes - self.stack_bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Platform:
    """How PlatformIO names the board.

    ``is_local`` platforms ship with EdgeKit and need no registry; the others are
    installed by PlatformIO into the user's own core folder. ``options`` are further
    ``platformio.ini`` lines for this board, in order.
    """

    name: str
    board: str
    framework: str = ""
    is_local: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    source: str


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineSupport:
    """One engine on this target; the first that a profile lists is the default.

    ``template`` is the folder of ``firmware_templates/``; empty where a model can be
    planned for the engine but no project made yet. ``library`` is how
    PlatformIO names the TFLM library (empty for ``aot``), ``kernels`` which TFLM
    kernels it has (``"reference"``, ``"cmsis-nn"``, ``"esp-nn"``).
    ``refuses_per_channel_fc`` says why, where the library computes a
    FULLY_CONNECTED with per-channel weights wrong or not at all.
    """

    template: str
    library: str = ""
    kernels: str = ""
    refuses_per_channel_fc: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    source: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Emulator:
    """How the board is emulated: ``kind`` ``"qemu"`` (with ``machine``) or ``"host"``.

    ``counts_instructions``: its clock counts executed instructions, not time.
    """

    kind: str
    machine: str = ""
    counts_instructions: bool = False
    source: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Serial:
    """The board's serial port: USB ids as ``"VID:PID"`` (hex) and the baud rate."""

    usb_ids: tuple[str, ...] = ()
    baud: int = 115200
    source: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A board that firmware is made for: its memory, tools and link."""

    name: str
    title: str
    core: Core
    flash: Flash
    sram: Sram
    platform: Platform
    engines: Mapping[str, EngineSupport]
    emulator: Emulator | None = None
    serial: Serial | None = None
    notes: tuple[str, ...] = ()

    @property
    def default_engine(self) -> str:
        """The engine to use where none is asked for: the first in the profile."""
        return next(iter(self.engines))

    @property
    def is_emulated(self) -> bool:
        """Whether it runs on this computer, with no hardware."""
        return self.emulator is not None


def target_names() -> tuple[str, ...]:
    """Return the names of all shipped targets, sorted."""
    return tuple(sorted(path.stem for path in resources.targets_folder().glob("*.toml")))


def load_target(name: str) -> Target:
    """Return the shipped target ``name``.

    Raises:
        TargetError: There is none of that name (the nearest are offered), or its
            profile breaks the schema.
    """
    if name not in target_names():
        raise TargetError(f"Unknown target {name!r}.", hint=did_you_mean(name, target_names()))
    return read_target(resources.targets_folder() / f"{name}.toml")


def read_target(path: Path) -> Target:
    """Return the target that a profile file describes.

    Raises:
        TargetError: The file can't be read, or a key is unknown, missing, mistyped
            or out of range; the message has the key's path.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise TargetError(
            f"Can't read the target profile {path}: {error.strerror}.",
            hint="Run 'edgekit targets list' for the shipped targets.",
        ) from error
    except UnicodeDecodeError as error:
        raise TargetError(
            f"The target profile {path} is not UTF-8 text.", hint="Save it as UTF-8."
        ) from error
    return parse_target(text, name=path.stem)


def parse_target(text: str, *, name: str) -> Target:
    """Return the target that a profile's text describes; see :func:`read_target`."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TargetError(
            f"Target {name!r} is not valid TOML: {error}.", hint="Mend the line that it names."
        ) from error
    if "name" in document:
        raise _fail(name, "name", "is unknown", "A target's name is that of its file: remove it.")
    target: Target = _build(Target, {"name": name, **document}, path="", name=name)
    _check_sources(target, path="", name=name)
    _check_values(target)
    return target


def _fail(name: str, path: str, problem: str, hint: str) -> TargetError:
    return TargetError(f"Target {name!r}: key {path!r} {problem}.", hint=hint)


_SCHEMAS: dict[type[Any], Mapping[str, tuple[Any, bool]]] = {}


def _schema(kind: type[Any]) -> Mapping[str, tuple[Any, bool]]:
    """Return the keys of a table: the type of each, and whether it must be given.

    Resolving the annotations takes longer than all else here, so it is done once.
    """
    if kind not in _SCHEMAS:
        hints = typing.get_type_hints(kind)
        missing = dataclasses.MISSING
        _SCHEMAS[kind] = {
            item.name: (
                hints[item.name],
                item.default is missing and item.default_factory is missing,
            )
            for item in dataclasses.fields(kind)
        }
    return _SCHEMAS[kind]


def _build(kind: type[Any], table: Mapping[str, Any], *, path: str, name: str) -> Any:
    schema = _schema(kind)
    for key in table:
        if key not in schema:
            raise _fail(name, path + key, "is unknown", did_you_mean(key, schema))
    values: dict[str, Any] = {}
    for key, (hint, is_required) in schema.items():
        if key in table:
            values[key] = _value(hint, table[key], path=path + key, name=name)
        elif is_required:
            raise _fail(
                name, path + key, "is missing", "Add it; docs/adding-a-board.md explains every key."
            )
    return kind(**values)


def _value(hint: Any, value: Any, *, path: str, name: str) -> Any:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        hint = next(option for option in typing.get_args(hint) if option is not type(None))
        origin = typing.get_origin(hint)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, dict):
            raise _fail(name, path, "must be a table", f"Write [{path}] and its keys.")
        return _build(hint, value, path=path + ".", name=name)
    if origin is tuple:
        if not isinstance(value, list):
            raise _fail(name, path, "must be a list", "Write it in square brackets.")
        (item_hint, _) = typing.get_args(hint)
        return tuple(
            _value(item_hint, item, path=f"{path}[{index}]", name=name)
            for index, item in enumerate(value)
        )
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, dict):
            raise _fail(name, path, "must be a table", f"Write [{path}] and its keys.")
        (_, item_hint) = typing.get_args(hint)
        return types.MappingProxyType(
            {
                key: _value(item_hint, item, path=f"{path}.{key}", name=name)
                for key, item in value.items()
            }
        )
    if type(value) is not hint:
        raise _fail(
            name,
            path,
            f"must be {_TOML_NAMES[hint]}, not {value!r}",
            "Strings are quoted, sizes are whole bytes, truth is true or false.",
        )
    return value


_TOML_NAMES: Mapping[type, str] = {
    str: "a string",
    int: "a whole number",
    bool: "true or false",
    float: "a decimal number",
}


_SIZES_HINT = "Sizes are whole bytes above 0, and the reserved parts must leave room."
_USB_ID = re.compile(r"[0-9A-F]{4}:[0-9A-F]{4}")


def _check_values(target: Target) -> None:
    """Refuse values that are of the right type and yet senseless."""
    core, flash, sram = target.core, target.flash, target.sram
    checks: list[tuple[str, bool, str]] = [
        ("core.clock_hz", core.clock_hz > 0, "Clocks are in Hz, above 0."),
        ("core.pointer_bytes", core.pointer_bytes in (2, 4, 8), "Pointers have 2, 4 or 8 bytes."),
        ("flash.total_bytes", flash.total_bytes > 0, _SIZES_HINT),
        ("flash.reserved_bytes", 0 <= flash.reserved_bytes < flash.total_bytes, _SIZES_HINT),
        ("flash.framework_bytes", 0 <= flash.framework_bytes < flash.usable_bytes, _SIZES_HINT),
        (
            "flash.framework_margin_bytes",
            0 <= flash.framework_margin_bytes <= flash.framework_bytes,
            "An estimate's margin is not below 0, nor above the estimate.",
        ),
        ("sram.framework_bytes", sram.framework_bytes >= 0, _SIZES_HINT),
        ("sram.stack_bytes", sram.stack_bytes >= 0, _SIZES_HINT),
        ("sram.total_bytes", sram.usable_bytes > 0, _SIZES_HINT),
        (
            "sram.largest_block_bytes",
            0 < sram.largest_block_bytes <= sram.usable_bytes,
            "The largest block is a part of what is usable: total - framework - stack.",
        ),
        ("engines", bool(target.engines), "List at least one of: " + ", ".join(ENGINES) + "."),
    ]
    for name, engine in target.engines.items():
        path = f"engines.{name}"
        checks.append((path, name in ENGINES, did_you_mean(name, ENGINES)))
        checks.append(
            (f"{path}.kernels", engine.kernels in KERNELS, did_you_mean(engine.kernels, KERNELS))
        )
        if name == "tflm":
            hint = "The tflm engine needs a library and the kind of its kernels."
            checks.append((f"{path}.library", bool(engine.library), hint))
            checks.append((f"{path}.kernels", bool(engine.kernels), hint))
    if target.emulator is not None:
        kind = target.emulator.kind
        checks.append(("emulator.kind", kind in EMULATORS, did_you_mean(kind, EMULATORS)))
        checks.append(
            (
                "emulator.machine",
                bool(target.emulator.machine) == (kind == "qemu"),
                "QEMU needs the name of the machine, as 'qemu-system-arm -machine help' lists it; "
                "no other emulator has one.",
            )
        )
    if target.serial is not None:
        checks.append(("serial.baud", target.serial.baud > 0, "A usual rate is 115200."))
        checks += [
            (
                f"serial.usb_ids[{index}]",
                _USB_ID.fullmatch(usb_id) is not None,
                "Write vendor and product id as 'VID:PID', each four upper-case hex digits.",
            )
            for index, usb_id in enumerate(target.serial.usb_ids)
        ]
    for path, holds, hint in checks:
        if not holds:
            raise _fail(target.name, path, "has a value that makes no sense", hint)


def _check_sources(value: Any, *, path: str, name: str) -> None:
    """Refuse an empty ``source``, in any table: a number must say where it is from."""
    for item in dataclasses.fields(value):
        inner = getattr(value, item.name)
        if dataclasses.is_dataclass(inner):
            _check_sources(inner, path=f"{path}{item.name}.", name=name)
        elif isinstance(inner, Mapping):
            for key, entry in inner.items():
                if dataclasses.is_dataclass(entry):
                    _check_sources(entry, path=f"{path}{item.name}.{key}.", name=name)
        elif item.name == "source" and not inner.strip():
            raise _fail(
                name, path + "source", "is empty", "Name the file, document or measurement."
            )
