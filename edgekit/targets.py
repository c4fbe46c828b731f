"""Target profiles: ``targets/<name>.toml`` read into frozen, checked values.

The schema is the dataclasses below: each field is a key, a nested dataclass is a
table. Unknown, missing and mistyped keys are refused with the key's path.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgekit import resources
from edgekit.errors import TargetError, did_you_mean
from edgekit.libraries import library_names
from edgekit.toml_schema import Form

_FORM = Form(
    subject="target",
    file="target profile",
    error=TargetError,
    manual="docs/adding-a-board.md",
)

ENGINES = ("tflm", "aot")
"""What executes a model in firmware: TFLM's interpreter, or C compiled for the model."""

KERNELS = ("", "reference", "cmsis-nn", "esp-nn")
"""Kinds of TFLM kernels; empty for an engine that has none."""

SPEEDS = ("fast", "slow")
"""How a data memory answers: at the core's speed, or behind a bus and a cache."""

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
    """The main data memory in bytes: where statics and the stack go, and by default the arena.

    Usable for static data = total − framework − stack. ``largest_block_bytes`` is
    the longest piece that one array can have; an arena must fit in one. ``pieces`` are
    the physical memories that lie one after another in it, by name: their sum is the total.
    """

    total_bytes: int
    framework_bytes: int
    stack_bytes: int
    largest_block_bytes: int
    title: str = "SRAM"
    speed: str = "fast"
    pieces: Mapping[str, int] = field(default_factory=dict)
    source: str

    @property
    def usable_bytes(self) -> int:
        """What the application's static data may take."""
        return self.total_bytes - self.framework_bytes - self.stack_bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Bank:
    """A data memory beside the main one, in bytes.

    ``holds_arena``: an arena may be put there. ``needs`` is what that takes, a clause
    without a full stop: a module that has the memory, a call that allocates it.
    ``speed`` is ``"fast"`` (as the main one) or ``"slow"`` (behind a bus and a cache).
    """

    title: str
    total_bytes: int
    largest_block_bytes: int
    framework_bytes: int = 0
    stack_bytes: int = 0
    speed: str = "fast"
    holds_arena: bool = True
    needs: str = ""
    source: str

    @property
    def usable_bytes(self) -> int:
        """What an application may take."""
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
    planned for the engine but no project made yet. ``library`` is the name of the
    TFLM library's record (``targets/libraries``; empty for ``aot``), ``kernels`` which
    of its kernels this board gets (``"reference"``, ``"cmsis-nn"``, ``"esp-nn"``).
    """

    template: str
    library: str = ""
    kernels: str = ""
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
    """A board that firmware is made for: its memory, tools and link.

    ``banks`` are the data memories beside ``sram``, by name.
    """

    name: str
    title: str
    core: Core
    flash: Flash
    sram: Sram
    platform: Platform
    engines: Mapping[str, EngineSupport]
    banks: Mapping[str, Bank] = field(default_factory=dict)
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
    text = _FORM.read_text(path, hint="Run 'edgekit targets list' for the shipped targets.")
    return parse_target(text, name=path.stem)


def parse_target(text: str, *, name: str) -> Target:
    """Return the target that a profile's text describes; see :func:`read_target`."""
    target = _FORM.parse(text, Target, name=name)
    _check_values(target)
    return target


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
        ("sram.speed", sram.speed in SPEEDS, did_you_mean(sram.speed, SPEEDS)),
        (
            "sram.pieces",
            not sram.pieces or sum(sram.pieces.values()) == sram.total_bytes,
            "The pieces are what the total consists of: their sum is the total.",
        ),
        ("engines", bool(target.engines), "List at least one of: " + ", ".join(ENGINES) + "."),
    ]
    for name, bank in target.banks.items():
        path = f"banks.{name}"
        reserved = (bank.framework_bytes, bank.stack_bytes)
        checks += [
            (path, name != "sram", "The main memory has the table [sram]."),
            (f"{path}.total_bytes", bank.total_bytes > 0, _SIZES_HINT),
            (f"{path}.framework_bytes", min(reserved) >= 0, _SIZES_HINT),
            (f"{path}.speed", bank.speed in SPEEDS, did_you_mean(bank.speed, SPEEDS)),
            (
                f"{path}.largest_block_bytes",
                0 <= bank.largest_block_bytes <= bank.usable_bytes
                and (bank.largest_block_bytes > 0 or not bank.holds_arena),
                "The largest block is a part of what is usable: total - framework - stack.",
            ),
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
            known = did_you_mean(engine.library, library_names())
            checks.append((f"{path}.library", engine.library in library_names(), known))
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
            raise _FORM.fail(target.name, path, "has a value that makes no sense", hint)
