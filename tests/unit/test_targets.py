"""Target profiles: all that ship load, and each broken key is refused by its path."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.errors import TargetError
from edgekit.targets import (
    ENGINES,
    Target,
    load_target,
    parse_target,
    read_target,
    target_names,
)

PROJECT = Path(__file__).resolve().parents[2]

PROFILE = """
title = "A board"
notes = ["one", "two"]

[core]
name = "Cortex-M4F"
architecture = "armv7e-m"
clock_hz = 64_000_000
has_fpu = true
has_dsp = true
source = "a datasheet"

[flash]
total_bytes = 1000
reserved_bytes = 100
source = "a datasheet"

[sram]
total_bytes = 500
framework_bytes = 100
stack_bytes = 50
largest_block_bytes = 300
source = "a datasheet"

[platform]
name = "platform"
board = "board"
source = "a registry"

[platform.options]
build_flags = "-O2"

[engines.tflm]
template = "tflm_arduino"
library = "tflite-micro"
kernels = "reference"
source = "a library"

[engines.aot]
template = ""
source = "ours"

[serial]
usb_ids = ["2341:005A"]
source = "a board file"
"""

EMULATOR = """
[emulator]
kind = "qemu"
machine = "mps2-an386"
counts_instructions = true
source = "QEMU"
"""


def refusal(text: str) -> TargetError:
    with pytest.raises(TargetError) as caught:
        parse_target(text, name="board")
    assert caught.value.exit_code == 2
    assert caught.value.hint
    return caught.value


def without(line: str, text: str = PROFILE) -> str:
    assert text.count(line) >= 1
    return text.replace(line, "", 1)


@pytest.mark.parametrize("name", target_names())
def test_every_shipped_target_loads(name: str) -> None:
    target = load_target(name)
    assert target.name == name
    assert target.title
    assert target.flash.usable_bytes > 0
    assert 0 < target.sram.largest_block_bytes <= target.sram.usable_bytes
    assert set(target.engines) <= set(ENGINES)


def test_the_targets_that_users_were_promised_are_there() -> None:
    assert set(target_names()) >= {
        "nano33ble",
        "esp32",
        "esp32s3",
        "pico",
        "nucleo_f446re",
        "nucleo_l4r5zi",
        "uno",
        "qemu-cortex-m3",
        "qemu-cortex-m4",
        "qemu-cortex-m7",
        "host",
    }


def test_every_template_that_a_target_names_is_there() -> None:
    for name in target_names():
        for engine in load_target(name).engines.values():
            if engine.template:
                assert (PROJECT / "firmware_templates" / engine.template).is_dir()


def test_only_emulated_targets_count_instructions() -> None:
    counting = {
        name
        for name in target_names()
        if (emulator := load_target(name).emulator) and emulator.counts_instructions
    }
    assert counting == {"qemu-cortex-m3", "qemu-cortex-m4", "qemu-cortex-m7"}


def test_local_platforms_are_the_emulated_ones() -> None:
    for name in target_names():
        target = load_target(name)
        assert target.platform.is_local == target.is_emulated
        assert (target.serial is None) == target.is_emulated


def test_every_target_is_in_the_documents_table() -> None:
    table = (PROJECT / "docs" / "targets.md").read_text(encoding="utf-8")
    for name in target_names():
        target = load_target(name)
        row = next(line for line in table.splitlines() if line.startswith(f"| `{name}` |"))
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert cells[1] == target.title
        assert cells[2] == target.core.name
        figures = (
            target.flash.usable_bytes,
            target.sram.total_bytes,
            target.sram.usable_bytes,
            target.sram.largest_block_bytes,
        )
        assert cells[3:7] == [f"{size:,}" for size in figures]
        assert cells[7] == ", ".join(
            f"{engine} (plan only)" if not support.template else engine
            for engine, support in target.engines.items()
        )


def test_every_key_is_in_the_guide_to_adding_a_board() -> None:
    guide = (PROJECT / "docs" / "adding-a-board.md").read_text(encoding="utf-8")
    for path in schema_keys(Target):
        assert f"`{path}`" in guide, path


def schema_keys(kind: type, prefix: str = "") -> list[str]:
    import dataclasses
    import typing

    from edgekit.targets import Bank, EngineSupport

    keys: list[str] = []
    for field, hint in typing.get_type_hints(kind).items():
        choices = [option for option in typing.get_args(hint) if option is not type(None)]
        inner = choices[0] if choices and dataclasses.is_dataclass(choices[0]) else hint
        if field == "name" and kind is Target:
            continue
        if field == "engines":
            keys += schema_keys(EngineSupport, "engines.<engine>.")
        elif field == "banks":
            keys += schema_keys(Bank, "banks.<bank>.")
        elif dataclasses.is_dataclass(inner):
            keys += schema_keys(inner, f"{prefix}{field}.")
        else:
            keys.append(prefix + field)
    return keys


def test_a_profile_becomes_a_target() -> None:
    target = parse_target(PROFILE, name="board")
    assert target.name == "board"
    assert target.notes == ("one", "two")
    assert target.flash.usable_bytes == 900
    assert target.sram.usable_bytes == 350
    assert dict(target.platform.options) == {"build_flags": "-O2"}
    assert target.default_engine == "tflm"
    assert list(target.engines) == ["tflm", "aot"]
    assert target.serial is not None
    assert target.serial.baud == 115200
    assert not target.is_emulated


def test_a_profile_with_an_emulator_is_emulated() -> None:
    target = parse_target(PROFILE + EMULATOR, name="board")
    assert target.is_emulated
    assert target.emulator is not None
    assert target.emulator.counts_instructions


def test_tables_of_options_can_not_be_changed() -> None:
    target = parse_target(PROFILE, name="board")
    with pytest.raises(TypeError):
        target.platform.options["x"] = "y"  # type: ignore[index]


def test_an_unknown_target_offers_the_nearest() -> None:
    with pytest.raises(TargetError) as caught:
        load_target("nano33bl")
    assert caught.value.message == "Unknown target 'nano33bl'."
    assert caught.value.hint.startswith("Did you mean 'nano33ble'?")
    assert "uno" in caught.value.hint
    assert caught.value.exit_code == 2


def test_a_name_with_a_path_in_it_is_no_target() -> None:
    with pytest.raises(TargetError, match="Unknown target"):
        load_target("../targets/uno")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=r"Can't read the target profile .*gone\.toml") as caught:
        read_target(tmp_path / "gone.toml")
    assert "edgekit targets list" in caught.value.hint


def test_a_file_of_other_bytes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "odd.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TargetError, match="not UTF-8") as caught:
        read_target(tmp_path / "odd.toml")
    assert caught.value.hint == "Save it as UTF-8."


def test_a_file_gives_its_target_the_name(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(PROFILE, encoding="utf-8")
    assert read_target(tmp_path / "mine.toml").name == "mine"


def test_what_is_no_toml_is_refused_with_the_line() -> None:
    assert "line 1" in refusal("title = \n").message


def test_a_profile_may_not_name_itself() -> None:
    error = refusal('name = "other"\n' + PROFILE)
    assert error.message == "Target 'board': key 'name' is unknown."


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (("[core]", "[core]\ncolour = 1"), "core.colour"),
        (("[flash]", "[flash]\ntotal_byte = 1"), "flash.total_byte"),
        (("[serial]", "[cereal]\n[serial]"), "cereal"),
        (("[engines.aot]", "[engines.aot]\nkernel = 'x'"), "engines.aot.kernel"),
    ],
)
def test_an_unknown_key_is_refused_by_its_path(change: tuple[str, str], path: str) -> None:
    error = refusal(PROFILE.replace(*change))
    assert error.message == f"Target 'board': key {path!r} is unknown."
    assert "Known: " in error.hint


def test_a_misspelt_key_offers_the_right_one() -> None:
    error = refusal(PROFILE.replace("reserved_bytes", "reserved_byte"))
    assert error.hint.startswith("Did you mean 'reserved_bytes'")


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ('title = "A board"\n', "title"),
        ("clock_hz = 64_000_000\n", "core.clock_hz"),
        ("reserved_bytes = 100\n", "flash.reserved_bytes"),
        ('source = "a registry"\n', "platform.source"),
        ('template = ""\n', "engines.aot.template"),
        ('source = "a board file"\n', "serial.source"),
    ],
)
def test_a_missing_key_is_refused_by_its_path(line: str, path: str) -> None:
    error = refusal(without(line))
    assert error.message == f"Target 'board': key {path!r} is missing."
    assert "docs/adding-a-board.md" in error.hint


def test_a_missing_table_is_refused() -> None:
    (before, _, after) = PROFILE.partition("[core]")
    error = refusal(before + after[after.index("[flash]") :])
    assert error.message == "Target 'board': key 'core' is missing."


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("total_bytes = 1000", 'total_bytes = "1000"'), "'flash.total_bytes' must be a whole"),
        (("total_bytes = 1000", "total_bytes = 1000.0"), "'flash.total_bytes' must be a whole"),
        (("total_bytes = 1000", "total_bytes = true"), "'flash.total_bytes' must be a whole"),
        (("has_fpu = true", "has_fpu = 1"), "'core.has_fpu' must be true or false"),
        (('title = "A board"', "title = 3"), "'title' must be a string"),
        (('notes = ["one", "two"]', 'notes = "one"'), "'notes' must be a list"),
        (('notes = ["one", "two"]', 'notes = ["one", 2]'), r"'notes\[1\]' must be a string"),
        (('build_flags = "-O2"', "build_flags = 2"), "'platform.options.build_flags' must be"),
        (("[platform.options]\nbuild_flags", "options"), "'platform.options' must be a table"),
        (('usb_ids = ["2341:005A"]', "usb_ids = [1]"), r"'serial.usb_ids\[0\]' must be a string"),
    ],
)
def test_a_mistyped_key_is_refused_by_its_path(change: tuple[str, str], message: str) -> None:
    import re

    assert re.search(message, refusal(PROFILE.replace(*change)).message)


def test_a_value_in_place_of_a_table_is_refused() -> None:
    text = "core = 3\n" + PROFILE.replace("[core]", "[cores]")
    assert "'core' must be a table" in refusal(text.split("[cores]")[0]).message


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (("clock_hz = 64_000_000", "clock_hz = 0"), "core.clock_hz"),
        (("clock_hz = 64_000_000", "pointer_bytes = 3\nclock_hz = 1"), "core.pointer_bytes"),
        (("reserved_bytes = 100", "reserved_bytes = 1000"), "flash.reserved_bytes"),
        (("reserved_bytes = 100", "reserved_bytes = -1"), "flash.reserved_bytes"),
        (("reserved_bytes = 100", "reserved_bytes = 0\nframework_bytes = 1000"), "flash.framework"),
        (
            ("reserved_bytes = 100", "reserved_bytes = 0\nframework_margin_bytes = 1"),
            "flash.framework_margin_bytes",
        ),
        (("framework_bytes = 100", "framework_bytes = -1"), "sram.framework_bytes"),
        (("stack_bytes = 50", "stack_bytes = -1"), "sram.stack_bytes"),
        (("stack_bytes = 50", "stack_bytes = 400"), "sram.total_bytes"),
        (("largest_block_bytes = 300", "largest_block_bytes = 351"), "sram.largest_block_bytes"),
        (("largest_block_bytes = 300", "largest_block_bytes = 0"), "sram.largest_block_bytes"),
        (("[engines.aot]", "[engines.magic]"), "engines.magic"),
        (('kernels = "reference"', 'kernels = "fast"'), "engines.tflm.kernels"),
        (('kernels = "reference"', ""), "engines.tflm.kernels"),
        (('library = "tflite-micro"', ""), "engines.tflm.library"),
        (("2341:005A", "2341:5A"), "serial.usb_ids[0]"),
        (("2341:005A", "2341:005a"), "serial.usb_ids[0]"),
        (("[serial]", "[serial]\nbaud = 0"), "serial.baud"),
    ],
)
def test_a_senseless_value_is_refused_by_its_path(change: tuple[str, str], path: str) -> None:
    error = refusal(PROFILE.replace(*change))
    assert f"key '{path}" in error.message
    assert "makes no sense" in error.message


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (('kind = "qemu"', 'kind = "bochs"'), "emulator.kind"),
        (('machine = "mps2-an386"', ""), "emulator.machine"),
        (('kind = "qemu"', 'kind = "host"'), "emulator.machine"),
    ],
)
def test_a_senseless_emulator_is_refused(change: tuple[str, str], path: str) -> None:
    assert f"key '{path}'" in refusal(PROFILE + EMULATOR.replace(*change)).message


def test_no_engine_at_all_is_refused() -> None:
    (before, _, after) = PROFILE.partition("[engines.tflm]")
    text = before + after[after.index("[serial]") :]
    assert "'engines' is missing" in refusal(text).message
    assert "'engines' has a value" in refusal(text + "\n[engines]\n").message


@pytest.mark.parametrize("source", ["a datasheet", "a library", "a board file"])
def test_an_empty_source_is_refused(source: str) -> None:
    error = refusal(PROFILE.replace(f'source = "{source}"', 'source = "  "', 1))
    assert "source' is empty" in error.message
