"""A project onto the disk: all of it or nothing of it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from edgekit.errors import OutputError
from edgekit.firmware.lock import project_lock
from edgekit.firmware.marker import MARKER

if TYPE_CHECKING:
    from edgekit.firmware.project import Project


def write_project(project: Project, folder: Path, *, overwrite: bool = False) -> None:
    """Write the project's files to ``folder``, which appears, or changes, in one step.

    With ``overwrite`` an EdgeKit project that is there is replaced; what EdgeKit did
    not generate (``.pio``, files of your own) stays. An interruption at any point
    leaves the folder as it was.

    Raises:
        OutputError: The folder holds something that is not an EdgeKit project, or one
            and ``overwrite`` is not given; it is a file, in use, or can't be written.
    """
    folder = folder.resolve()
    try:
        if folder == folder.parent:
            raise _not_ours(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with project_lock(folder):
            _recover(folder)
            _check(folder, overwrite)
            with _staging_folder(folder) as new:
                _write_files(project, new)
                _swap(folder, new)
    except OSError as error:
        raise OutputError(
            f"Can't write the project to {folder}: {error.strerror or error}.",
            hint="Choose another output folder, or close what has it open.",
        ) from error


def _check(folder: Path, overwrite: bool) -> None:
    """Refuse a folder that may not be replaced."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise OutputError(
            f"The output folder {folder} is a file.", hint="Give the path of a folder."
        )
    if not any(folder.iterdir()):
        return
    try:
        _generated_files(folder)
    except (FileNotFoundError, ValueError, KeyError, TypeError) as error:
        raise _not_ours(folder) from error
    if not overwrite:
        raise OutputError(
            f"The folder {folder} already holds an EdgeKit project.",
            hint="Overwrite it with --force, or choose another folder.",
        )


def _not_ours(folder: Path) -> OutputError:
    return OutputError(
        f"The folder {folder} is not empty, and not an EdgeKit project.",
        hint="Choose a new or an empty folder.",
    )


@contextlib.contextmanager
def _staging_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder beside ``folder``; what is left of it in the end is removed."""
    staging = folder.with_name(f".{folder.name}.edgekit-new")
    _remove(staging)
    staging.mkdir()
    try:
        yield staging
    finally:
        _remove(staging)


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _write_files(project: Project, folder: Path) -> None:
    for relative, text in project.files.items():
        path = folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")


def _swap(folder: Path, new: Path) -> None:
    """Put ``new`` in the place of ``folder``, with what is not ours carried over."""
    old = _old_folder(folder)
    try:
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
    except BaseException:
        if old.exists() and not folder.exists():
            old.rename(folder)
        raise
    try:
        _carry_over(old, folder)
    except KeyboardInterrupt:
        _carry_over(old, folder)
        raise


def _recover(folder: Path) -> None:
    """Finish a replacement that was cut short, by a power failure for one."""
    old = _old_folder(folder)
    if old.exists() and not folder.exists():
        old.rename(folder)
    _carry_over(old, folder)


def _old_folder(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.edgekit-old")


def _carry_over(old: Path, folder: Path) -> None:
    """Move what EdgeKit did not generate from ``old`` to ``folder``, then remove ``old``."""
    if not old.exists():
        return
    for relative in _foreign(old):
        destination = folder / relative
        if os.path.lexists(destination):
            destination = destination.with_name(destination.name + ".kept")
        destination.parent.mkdir(parents=True, exist_ok=True)
        (old / relative).rename(destination)
    shutil.rmtree(old)


def _foreign(folder: Path) -> list[PurePosixPath]:
    """Return the outermost files and folders that EdgeKit did not generate, sorted."""
    ours = _generated_files(folder) if (folder / MARKER).exists() else frozenset()
    our_folders = {parent for path in ours for parent in path.parents}
    found: list[PurePosixPath] = []
    waiting = [folder]
    while waiting:
        for entry in waiting.pop().iterdir():
            relative = PurePosixPath(entry.relative_to(folder).as_posix())
            if relative in our_folders and entry.is_dir() and not entry.is_symlink():
                waiting.append(entry)
            elif relative not in ours:
                found.append(relative)
    return sorted(found)


def _generated_files(folder: Path) -> frozenset[PurePosixPath]:
    """Return the files that EdgeKit wrote, as its marker lists them."""
    marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    return frozenset(PurePosixPath(path) for path in marker["files"])
