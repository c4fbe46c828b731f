"""A PlatformIO core folder of EdgeKit's own, which needs no registry.

PlatformIO keeps its tools and platforms in a *core folder*, the user's
``~/.platformio`` as a rule, and downloads what is not there. Local targets are built
with a core in EdgeKit's cache instead, made of a few small text files: links to the
shipped platforms and to the SCons that is installed beside PlatformIO. Nothing is
downloaded, and the user's own core is neither read nor written.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import platformdirs

from edgekit import process
from edgekit.build.platforms import LocalPlatform, local_platforms
from edgekit.errors import BuildError, MissingToolError
from edgekit.files import make_folder, scratch_folder, write_file

CACHE_VARIABLE = "EDGEKIT_CACHE_DIR"
"""Environment variable that names the cache folder, instead of the user's."""

SETTINGS: Mapping[str, str] = {
    "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "no",
    "PLATFORMIO_DISABLE_UPGRADE_CHECK": "true",
    "PLATFORMIO_NO_ANSI": "true",
    "PLATFORMIO_DISABLE_PROGRESSBAR": "true",
}
"""What keeps PlatformIO quiet and at home; read from its sources, version 6.2.0."""

_LAYOUT = 1
"""Raised when the files of a core change, so that older ones are left alone."""

_ASK_SECONDS = 60.0

_ASK_SCONS_VERSION = (
    "from platformio.dependencies import get_core_dependencies;"
    "print(get_core_dependencies()['tool-scons'])"
)

_SCONS_STARTER = '''\
"""Starts the SCons that is installed beside PlatformIO."""

import sys

del sys.path[0]  # this folder: on some file systems, scons.py is also SCons

import SCons.Script

SCons.Script.Main.main()
'''


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Return EdgeKit's cache folder: the variable's, or the user's by their system's rules."""
    named = environment.get(CACHE_VARIABLE)
    return Path(named).absolute() if named else platformdirs.user_cache_path("edgekit")


def prepare_core(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Make the private core, if it is not there, and return the environment to use it.

    Each installation has a core of its own, named after the versions and paths that it
    depends on. Its files appear whole and are mended if they are damaged, so that
    several builds may do this at the same time.

    Args:
        environment: What the returned one is derived from; ours if not given. Its
            ``PLATFORMIO_*`` variables are dropped.

    Raises:
        MissingToolError: PlatformIO or SCons is not installed.
        OutputError: The cache can't be written.
    """
    base = os.environ if environment is None else environment
    platforms = tuple(local_platforms().values())
    core = cache_folder(base) / "platformio" / _fingerprint(platforms)
    _write_core(core, platforms)
    kept = {key: value for key, value in base.items() if not key.startswith("PLATFORMIO_")}
    return {**kept, **SETTINGS, "PLATFORMIO_CORE_DIR": str(core)}


def installed_version(package: str) -> str:
    """Return the version of a package that is installed beside EdgeKit.

    Raises:
        MissingToolError: It is not installed.
    """
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError as error:
        raise MissingToolError(
            f"The Python package {package!r} is not installed.",
            hint=f"{Path(sys.executable).name} -m pip install {package}",
        ) from error


def _fingerprint(platforms: Iterable[LocalPlatform]) -> str:
    facts = [
        str(_LAYOUT),
        installed_version("platformio"),
        installed_version("scons"),
        *(str(platform.folder) for platform in platforms),
    ]
    return hashlib.sha256("\0".join(facts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _write_core(core: Path, platforms: Iterable[LocalPlatform]) -> None:
    scons = core / "tool-scons"
    for folder in (scons, core / "packages", core / "platforms"):
        make_folder(folder)
    # PlatformIO adds to this file; it greets and looks for upgrades where it is absent.
    if not (core / "appstate.json").is_file():
        state = {"last_version": installed_version("platformio")}
        write_file(core / "appstate.json", json.dumps(state))
    _keep(scons / "scons.py", _SCONS_STARTER)
    if not _is_manifest(scons / "package.json"):
        manifest = {"name": "tool-scons", "version": _scons_version(), "system": "*"}
        write_file(scons / "package.json", json.dumps(manifest))
    # A tool counts as PlatformIO's own only if the link names the owner.
    _keep(core / "packages" / "tool-scons.pio-link", link_text("tool-scons", scons, "platformio"))
    for platform in platforms:
        link = core / "platforms" / f"{platform.name}.pio-link"
        _keep(link, link_text(platform.name, platform.folder, None))


def link_text(name: str, folder: Path, owner: str | None) -> str:
    """Return the text of a ``.pio-link`` file, PlatformIO's symbolic link to a package."""
    spec = {
        "owner": owner,
        "id": None,
        "name": name,
        "requirements": None,
        "uri": f"symlink://{folder.as_posix()}",
    }
    return json.dumps({"cwd": "/", "spec": spec})


def _keep(path: Path, text: str) -> None:
    """Write the file unless it has this text; links in use are so never touched."""
    try:
        if path.read_text(encoding="utf-8") == text:
            return
    except (OSError, UnicodeDecodeError):
        pass  # not there, or damaged: written anew
    write_file(path, text)


def _is_manifest(path: Path) -> bool:
    try:
        return bool(json.loads(path.read_text(encoding="utf-8"))["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _scons_version() -> str:
    """Ask PlatformIO which version of its package tool-scons it wants, and return that.

    The number is PlatformIO's own, not that of SCons. Asked once in a core's life.
    """
    with scratch_folder() as folder:
        answer = process.run(
            [sys.executable, "-c", _ASK_SCONS_VERSION],
            log=folder / "log",
            cwd=folder,
            timeout_seconds=_ASK_SECONDS,
        )
    return parse_version(answer.output)


def parse_version(requirement: str) -> str:
    """Return the version in PlatformIO's requirement, e.g. ``"4.41101.0"`` of ``"~4.41101.0"``.

    Raises:
        BuildError: There is none; ``requirement`` is then PlatformIO's complaint.
    """
    match = re.fullmatch(r"[~^=>]*\s*(\d+\.\d+\.\d+)\S*", requirement.strip())
    if match is None:
        last = requirement.strip().splitlines()[-1:]
        raise BuildError(
            "PlatformIO does not say which SCons it needs: " + "".join(last),
            hint="Install a version that EdgeKit knows: pip install 'platformio>=6.1.16,<7'.",
        )
    return match[1]
