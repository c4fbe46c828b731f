"""Tools run here: one at a time, shown while they run, their last words kept if they fail."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_TAIL_LINES = 15
_SETTINGS_AGAINST_ENVIRONMENTS = (
    "PIP_PREFIX",
    "PIP_REQUIRE_VIRTUALENV",
    "PIP_ROOT",
    "PIP_TARGET",
    "PIP_USER",
    "PYTHONHOME",
    "PYTHONPATH",
)
"""A person's settings that would send packages somewhere else; all others are kept."""


class SetupError(Exception):
    """Something that can't be set up: what, and in ``hint`` what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def say(text: str) -> None:
    """Tell the person; standard output is left to what make runs."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


@contextlib.contextmanager
def only_one_at_a_time() -> Iterator[int | None]:
    """Hold the lock of set-ups in this checkout, where the system has such locks.

    The tools that are started hold it too: one that outlives a killed set-up keeps the
    next one waiting, instead of both writing into the same folder.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield None
        return
    with Path(__file__).open("rb") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another set-up is under way in this checkout: waiting for its end.")
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:  # some network file systems have no locks
            yield None
            return
        yield handle.fileno()


def run_checked_step(title: str, command: Sequence[str], lock: int | None, *, hint: str) -> None:
    """Run a tool that has to succeed.

    Raises:
        SetupError: It did not.
    """
    failed = run_step(title, command, lock)
    if failed:
        raise SetupError(f"{title} failed:\n{failed}", hint)


def run_step(title: str, command: Sequence[str], lock: int | None) -> str:
    """Run a tool, showing that it runs; return its last lines if it failed.

    Its whole output is kept in a file, which is named, if it failed.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in _SETTINGS_AGAINST_ENVIRONMENTS
    }
    environment.setdefault("PIP_DEFAULT_TIMEOUT", "60")
    began = time.monotonic()
    handle, name = tempfile.mkstemp(prefix="edgekit-setup-", suffix=".log")
    log = Path(name)
    with os.fdopen(handle, "wb") as sink:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=ROOT,
            pass_fds=() if lock is None else (lock,),
        )
        try:
            _watch(child, title, log, began)
        finally:
            _end(child)
    seconds = time.monotonic() - began
    if child.returncode == 0:
        say(f"  {title}: done in {seconds:.0f} s")
        log.unlink()
        return ""
    say(f"  {title}: failed after {seconds:.0f} s")
    tail = "\n".join(f"  {line}" for line in _lines(log)[-_TAIL_LINES:])
    return f"{tail}\n  (all of its output: {log})"


def _watch(child: subprocess.Popen[bytes], title: str, log: Path, began: float) -> None:
    """Wait for a tool; on a terminal, show the seconds and its latest line meanwhile."""
    if not sys.stderr.isatty():
        say(f"  {title} ...")
        child.wait()
        return
    while child.poll() is None:
        latest = (_lines(log) or [""])[-1]
        _overwrite(f"  {title}: {time.monotonic() - began:.0f} s  {latest}")
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(0.5)
    _overwrite("")


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:  # we were interrupted
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(10)
        child.kill()
        child.wait()


def _overwrite(text: str) -> None:
    width = shutil.get_terminal_size().columns - 1
    sys.stderr.write("\r" + text[:width].ljust(width) + "\r")
    sys.stderr.flush()


def _lines(log: Path) -> list[str]:
    """Return the lines of a tool's output that say something.

    pip's "Ignoring ..." is of packages for other systems, and all in order.
    """
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return [line.rstrip() for line in lines if line.strip() and not line.startswith("Ignoring ")]
