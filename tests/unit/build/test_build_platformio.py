"""What PlatformIO is started with, without starting it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from builders import make_target

from edgekit.build import platformio
from edgekit.build.platformio import (
    build,
    choose_environment,
    command_line,
    firmware_path,
    platformio_environment,
)
from edgekit.errors import InputError, OutputError
from edgekit.targets import load_target

TWO = "[platformio]\nsrc_dir = src\n[env]\nplatform = p\n[env:one]\n[env:two]\n"


def test_the_environment_of_the_targets_name_is_built():
    assert choose_environment(TWO, "two", source="ini") == "two"


def test_the_only_environment_is_built_whatever_its_name():
    assert choose_environment("[env:mine]\nx = 1 ; why\n", "uno", source="ini") == "mine"


@pytest.mark.parametrize(
    ("text", "listed"), [(TWO, "one, two"), ("", "none"), ("[platformio]\n", "none")]
)
def test_no_environment_for_the_target_lists_those_that_there_are(text, listed):
    with pytest.raises(InputError, match=f"it has: {listed}") as caught:
        choose_environment(text, "uno", source="ini")
    assert "Generate the project for uno" in caught.value.hint
    assert caught.value.exit_code == 2


def test_percent_signs_and_interpolations_are_none_of_our_business():
    text = "[env:x]\nbuild_flags = -DA=50% ${env.build_flags}\n"
    assert choose_environment(text, "x", source="ini") == "x"


def test_a_broken_ini_is_an_input_error_that_names_the_file():
    with pytest.raises(InputError, match=r"some\.ini"):
        choose_environment("no section\n", "uno", source="some.ini")


def test_a_folder_without_a_project_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="is not a project") as caught:
        build(tmp_path, make_target())
    assert "edgekit generate" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_build_folder_that_can_not_be_made_is_an_output_error(tmp_path, monkeypatch):
    monkeypatch.setattr(platformio, "_prepare", lambda target: ({}, ""))
    (tmp_path / "platformio.ini").write_text("[env:x]\n")
    (tmp_path / "build").write_text("in the way")
    with pytest.raises(OutputError, match="Can't make the folder"):
        build(tmp_path, make_target())


def test_platformio_is_started_as_a_program_of_this_python():
    command = command_line(Path("some where"), "uno", "--target", "upload")
    assert command[0] == sys.executable
    assert Path(command[1]).name == "launcher.py"
    assert command[2:] == [
        "run",
        *("--project-dir", "some where"),
        *("--environment", "uno"),
        *("--target", "upload"),
    ]


def test_registry_boards_use_the_users_own_core_and_environment(monkeypatch):
    monkeypatch.setenv("PLATFORMIO_CORE_DIR", "/home/me/core")
    monkeypatch.setenv("PLATFORMIO_BUILD_FLAGS", "-DMINE")
    environment = platformio_environment(make_target())
    assert environment["PLATFORMIO_CORE_DIR"] == "/home/me/core"
    assert environment["PLATFORMIO_BUILD_FLAGS"] == "-DMINE"


def test_local_boards_use_ours(tmp_path, monkeypatch, child_environment):
    monkeypatch.setenv("EDGEKIT_CACHE_DIR", child_environment["EDGEKIT_CACHE_DIR"])
    monkeypatch.setenv("PLATFORMIO_CORE_DIR", "/home/me/core")
    environment = platformio_environment(load_target("host"))
    assert environment["PLATFORMIO_CORE_DIR"].startswith(child_environment["EDGEKIT_CACHE_DIR"])


@pytest.mark.parametrize("name", ["PLATFORMIO_BUILD_DIR", "PLATFORMIO_WORKSPACE_DIR"])
def test_the_output_is_where_we_look_for_it_and_messages_are_in_english(monkeypatch, name):
    monkeypatch.setenv(name, "/elsewhere")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    environment = platformio_environment(make_target())
    assert name not in environment
    assert environment["LC_ALL"] == "C"


def test_firmware_is_found_where_the_build_puts_it(tmp_path):
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "firmware.elf").write_bytes(b"")
    assert firmware_path(tmp_path) == tmp_path / "build" / "firmware.elf"


def test_a_project_that_is_not_built_says_how_to_build_it(tmp_path):
    with pytest.raises(InputError, match="no built firmware") as caught:
        firmware_path(tmp_path)
    assert f"edgekit build {tmp_path}" in caught.value.hint
