"""The options of platformio.ini, and PlatformIO's own reading of them."""

from __future__ import annotations

import configparser
import dataclasses

import pytest
from builders import SOURCE, make_target
from firmware_cases import PAIRS, make_project

from edgekit.firmware.platformio_ini import platformio_options
from edgekit.targets import EngineSupport, Platform, Serial, Target, load_target


def options_of(target: Target, engine: EngineSupport) -> dict[str, str | tuple[str, ...]]:
    return {item.name: item.values or item.value for item in platformio_options(target, engine)}


TFLM = EngineSupport(template="tflm_arduino", library="chirale", kernels="reference", source=SOURCE)


def test_board_comes_first_and_the_library_is_pinned() -> None:
    platform = Platform(name="p@1", board="b", framework="arduino", source=SOURCE)
    serial = Serial(baud=921_600, source=SOURCE)
    target = make_target(platform=platform, serial=serial)
    assert options_of(target, TFLM) == {
        "platform": "p@1",
        "board": "b",
        "framework": "arduino",
        "monitor_speed": "921600",
        "lib_deps": ("spaziochirale/Chirale_TensorFLowLite@2.0.0",),
        "build_unflags": ("-Os",),
        "build_flags": ("-O2",),
        "build_src_flags": ("-Wall -Wextra",),
    }
    assert [item.name for item in platformio_options(target, TFLM)][:3] == [
        "platform",
        "board",
        "framework",
    ]


def test_lists_are_joined_and_other_options_replaced() -> None:
    platform = Platform(
        name="p",
        board="b",
        options={"build_flags": "-DA\n-DB=1 -DC", "board_build.core": "x", "monitor_speed": "9600"},
        source=SOURCE,
    )
    engine = dataclasses.replace(
        TFLM, options={"build_flags": "-DA\n-DD", "board_build.core": "y", "lib_deps": "c/d@2"}
    )
    options = options_of(make_target(platform=platform), engine)
    assert options["build_flags"] == ("-O2", "-DA", "-DB=1 -DC", "-DD")
    assert options["lib_deps"] == ("spaziochirale/Chirale_TensorFLowLite@2.0.0", "c/d@2")
    assert options["board_build.core"] == "y"
    assert options["monitor_speed"] == "9600"


@pytest.mark.parametrize(("target", "engine"), PAIRS)
def test_file_has_one_environment_with_these_options(target: str, engine: str) -> None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(make_project(target, engine).files["platformio.ini"])
    assert parser.sections() == [f"env:{target}"]
    profile = load_target(target)
    read = {
        name: tuple(line for line in value.split("\n") if line)
        for name, value in parser[f"env:{target}"].items()
    }
    expected = {
        item.name: item.values or (item.value,)
        for item in platformio_options(profile, profile.engines[engine])
    }
    assert read == expected
