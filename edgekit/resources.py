"""Where the shipped data lies: in a checkout's root folders, or inside the wheel."""

from __future__ import annotations

from pathlib import Path

from edgekit.errors import EdgeKitError

_PACKAGE = Path(__file__).resolve().parent


def _folder(name: str) -> Path:
    """Return the root folder ``name``, shipped in the package or beside it in a checkout."""
    for parent in (_PACKAGE, _PACKAGE.parent):
        if (parent / name).is_dir():
            return parent / name
    raise EdgeKitError(
        f"EdgeKit's own folder {name!r} is missing.",
        hint="The installation is damaged: install EdgeKit again.",
    )


def targets_folder() -> Path:
    """Return the folder of the target profiles, ``<target>.toml``."""
    return _folder("targets")


def templates_folder() -> Path:
    """Return the folder of the firmware templates."""
    return _folder("firmware_templates")


def platforms_folder() -> Path:
    """Return the folder of EdgeKit's local PlatformIO platforms."""
    return targets_folder() / "platforms"
