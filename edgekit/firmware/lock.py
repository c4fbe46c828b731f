"""One EdgeKit at a time in a project folder."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from edgekit.errors import OutputError

_YOUNG_SECONDS = 10.0
"""A lock without a readable process id is being written, unless it is older than this."""


@contextlib.contextmanager
def project_lock(folder: Path) -> Iterator[None]:
    """Hold the project folder ``folder`` for this process.

    The lock is a file with the process id in it. A lock whose process has ended is
    taken over.

    Raises:
        OutputError: Another process holds it, or the parent folder can't be written.
    """
    folder = folder.resolve()
    path = lock_path(folder)
    _acquire(path, folder)
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def lock_path(folder: Path) -> Path:
    """Return where the lock of a project folder is.

    Beside the folder, so that it holds for one that does not exist yet, or that is
    replaced. In the project where nothing can be written beside it (the mount point of a
    container): such a project can be built, but not be replaced.
    """
    if (folder / "platformio.ini").is_file() and not os.access(folder.parent, os.W_OK):
        return folder / ".edgekit.lock"
    return folder.with_name(f".{folder.name}.edgekit.lock")


def _acquire(path: Path, folder: Path) -> None:
    for _ in range(2):
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError as error:
            owner = _read(path)
            if not _is_stale(path, owner):
                raise OutputError(
                    f"The folder {folder} is in use by another EdgeKit"
                    + (f" (process {owner})." if owner else "."),
                    hint=f"Wait until it has ended. If there is none, delete {path}.",
                ) from error
            _discard(path, owner)
        except OSError as error:
            raise OutputError(
                f"Can't write to {path.parent}: {error.strerror}.",
                hint="Choose another folder, or change its permissions.",
            ) from error
        else:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(f"{os.getpid()}\n")
            return
    raise OutputError(
        f"The folder {folder} is in use by another EdgeKit.", hint="Try again in a moment."
    )


def _read(path: Path) -> int:
    """Return the process id in a lock; 0 where it can't be read."""
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def _is_stale(path: Path, owner: int) -> bool:
    if owner:
        return not is_running(owner)
    try:
        return time.time() - path.stat().st_mtime > _YOUNG_SECONDS
    except FileNotFoundError:
        return True


def _discard(path: Path, owner: int) -> None:
    """Remove a stale lock, and not one that another process has just made in its place."""
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        path.replace(aside)
        if _read(aside) == owner:
            aside.unlink()
        else:
            aside.replace(path)


def is_running(pid: int) -> bool:
    """Return whether there is a process of this id."""
    if sys.platform == "win32":
        return _is_running_on_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _is_running_on_windows(pid: int) -> bool:
    """Ask the system for the process: os.kill() would end it there."""
    query_limited_information = 0x1000  # winnt.h, PROCESS_QUERY_LIMITED_INFORMATION
    still_active = 259  # minwinbase.h, STILL_ACTIVE
    kernel: ctypes.CDLL = getattr(ctypes, "windll").kernel32  # noqa: B009 - only there
    handle = kernel.OpenProcess(query_limited_information, False, pid)
    if not handle:
        return False
    code = ctypes.c_ulong()
    kernel.GetExitCodeProcess(handle, ctypes.byref(code))
    kernel.CloseHandle(handle)
    return code.value == still_active
