"""The shipped platforms: their programs, and that they agree with the target profiles."""

from __future__ import annotations

import json
import sys

import pytest

from edgekit.build.platforms import (
    LocalPlatform,
    Requirement,
    local_platform,
    local_platforms,
    require_programs,
)
from edgekit.errors import MissingToolError, TargetError
from edgekit.targets import load_target, target_names

LOCAL_TARGETS = [name for name in target_names() if load_target(name).platform.is_local]
HOW = {"linux": "apt", "darwin": "brew", "win32": "winget"}


def needing(tmp_path, *names: str) -> LocalPlatform:
    program = Requirement(any_of=names, install=HOW)
    return LocalPlatform(name="p", folder=tmp_path, programs=(program,))


def test_there_are_local_targets():
    assert "host" in LOCAL_TARGETS
    assert len(LOCAL_TARGETS) >= 4


@pytest.mark.parametrize("name", LOCAL_TARGETS)
def test_every_local_target_has_its_platform_and_board(name):
    target = load_target(name)
    platform = local_platform(target.platform.name)
    assert (platform.folder / "boards" / f"{target.platform.board}.json").is_file()
    assert (platform.folder / "builder" / "main.py").is_file()


@pytest.mark.parametrize("name", [name for name in LOCAL_TARGETS if name != "host"])
def test_boards_and_profiles_agree_on_the_memories(name):
    target = load_target(name)
    boards = local_platform(target.platform.name).folder / "boards"
    board = json.loads((boards / f"{target.platform.board}.json").read_text("utf-8"))
    assert board["upload"]["maximum_size"] == target.flash.total_bytes
    assert board["upload"]["maximum_ram_size"] == target.sram.total_bytes
    assert board["build"]["stack_size"] == target.sram.stack_bytes
    assert board["build"]["f_cpu"] == f"{target.core.clock_hz}L"


def test_every_program_can_be_installed_on_each_system():
    for platform in local_platforms().values():
        assert platform.programs
        for program in platform.programs:
            assert set(program.install) == {"linux", "darwin", "win32"}


def test_an_unknown_platform_is_refused_with_the_known_ones():
    with pytest.raises(TargetError, match="ships no platform 'qemu'") as caught:
        local_platform("qemu")
    assert "qemu-cortex-m" in caught.value.hint


def test_one_of_several_programs_is_enough(tmp_path):
    present = tmp_path / "gcc"
    present.write_text("#!/bin/sh\n")
    present.chmod(0o755)
    require_programs(needing(tmp_path, "cc", "gcc"), search_path=str(tmp_path))


def test_a_missing_program_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(MissingToolError, match="compiler cc or gcc is not installed") as caught:
        require_programs(needing(tmp_path, "cc", "gcc"), search_path=str(tmp_path))
    assert caught.value.hint == "Install it: brew."
    assert caught.value.exit_code == 4


def test_a_missing_program_on_another_system_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "freebsd14")
    with pytest.raises(MissingToolError) as caught:
        require_programs(needing(tmp_path, "cc", "gcc"), search_path=str(tmp_path))
    assert caught.value.hint == "Install cc and put it on PATH."
