"""The PlatformIO platforms that ship with EdgeKit, and the programs that they need."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgekit import resources
from edgekit.errors import MissingToolError, TargetError, did_you_mean


@dataclass(frozen=True, kw_only=True, slots=True)
class Requirement:
    """A program that must be on PATH under one of these names.

    ``install`` says how to get it, by :data:`sys.platform`.
    """

    any_of: tuple[str, ...]
    install: Mapping[str, str]

    @property
    def hint(self) -> str:
        """How to get it on this computer."""
        how = self.install.get(sys.platform)
        return f"Install it: {how}." if how else f"Install {self.any_of[0]} and put it on PATH."


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalPlatform:
    """A development platform in a folder of ours; ``name`` is what platformio.ini says."""

    name: str
    folder: Path
    programs: tuple[Requirement, ...]


def local_platforms(folder: Path | None = None) -> Mapping[str, LocalPlatform]:
    """Return the shipped platforms by name: each folder with a ``platform.json``.

    The programs are under the key ``edgekit`` of that file, which PlatformIO ignores.
    """
    found = {}
    for manifest in sorted((folder or resources.platforms_folder()).glob("*/platform.json")):
        content = json.loads(manifest.read_text(encoding="utf-8"))
        found[content["name"]] = LocalPlatform(
            name=content["name"],
            folder=manifest.parent.resolve(),
            programs=tuple(
                Requirement(any_of=tuple(program["any_of"]), install=program["install"])
                for program in content["edgekit"]["programs"]
            ),
        )
    return found


def local_platform(name: str) -> LocalPlatform:
    """Return the shipped platform ``name``.

    Raises:
        TargetError: There is none of that name.
    """
    platforms = local_platforms()
    if name not in platforms:
        raise TargetError(
            f"EdgeKit ships no platform {name!r}.",
            hint=did_you_mean(name, platforms) + " Or remove is_local from the profile.",
        )
    return platforms[name]


def require_programs(platform: LocalPlatform, search_path: str | None = None) -> None:
    """Raise unless the programs that the platform builds with are installed.

    Args:
        platform: The platform.
        search_path: What to search, as in PATH; the environment's if not given.

    Raises:
        MissingToolError: One is missing; the hint says how to install it here.
    """
    for program in platform.programs:
        if not any(shutil.which(name, path=search_path) for name in program.any_of):
            names = " or ".join(program.any_of)
            raise MissingToolError(
                f"The compiler {names} is not installed, or not on PATH.", hint=program.hint
            )
