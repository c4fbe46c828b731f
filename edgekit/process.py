"""Programs start here, and end here: time-out, log, kill of the whole process tree.

A program started by EdgeKit never outlives it: on an error, a time-out or Ctrl-C its
process group is ended before the exception goes on. What only POSIX or only Windows
can do is decided in this module; the sockets of the emulated boards are the one
exception (``device/emulator.py``, POSIX only).
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from edgekit.errors import EdgeKitError, MissingToolError

IS_WINDOWS = os.name == "nt"
_GRACE_SECONDS = 2.0
_POLL_SECONDS = 0.05
_WAIT_SECONDS_AFTER_KILL = 10.0
_ORPHAN_SECONDS = 1.0
_ORPHAN_POLL_SECONDS = 0.005


@dataclass(frozen=True, kw_only=True, slots=True)
class Completed:
    """A program that ended: its exit code (negative: the signal) and merged output."""

    returncode: int
    output: str
    seconds: float

    def tail(self, lines: int = 20) -> str:
        """Return the last non-empty lines of the output."""
        kept = [line for line in self.output.splitlines() if line.strip()]
        return "\n".join(kept[-lines:])


class ProcessTimeoutError(EdgeKitError):
    """A program ran longer than it was allowed to; ``output`` is what it had printed.

    Each stage turns it into its own error (``ConversionError``, ``BuildError``, ...).
    """

    def __init__(self, message: str, *, hint: str = "", output: str = "") -> None:
        super().__init__(message, hint=hint)
        self.output = output


def find_program(name: str, *, hint: str) -> Path:
    """Return the path of a program on PATH.

    Raises:
        MissingToolError: It is not there; ``hint`` says how to get it.
    """
    found = shutil.which(name)
    if found is None:
        raise MissingToolError(f"The program {name!r} is not installed.", hint=hint)
    return Path(found)


def start(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: int | IO[Any] | None = subprocess.DEVNULL,
    stdout: int | IO[Any] | None = subprocess.DEVNULL,
    stderr: int | IO[Any] | None = subprocess.DEVNULL,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a program as the leader of a process group of its own.

    On Linux it is also ended (SIGTERM) when EdgeKit is killed outright; the kernel
    counts the *thread* that called this as the parent, so call it from one that stays.
    The caller ends the program with :func:`end`, in a ``finally``.

    Args:
        command: The program and its arguments; no shell is involved.
        cwd: The working folder; ours if not given.
        env: The whole environment; ours if not given.
        stdin: As :class:`subprocess.Popen` has it, and so ``stdout`` and ``stderr``.
        stdout: Nowhere if not given.
        stderr: Nowhere if not given.
        pass_fds: File descriptors that the program inherits (POSIX only).

    Raises:
        MissingToolError: The program does not exist or can't be executed.
    """
    program = _located(str(command[0]), cwd, env)
    arguments = [program, *(str(part) for part in command[1:])]
    options: dict[str, Any] = {}
    if IS_WINDOWS:
        options["creationflags"] = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
    else:
        options["start_new_session"] = True
        options["pass_fds"] = tuple(pass_fds)
        arguments = [*_ended_with_parent(), *arguments]
    try:
        return subprocess.Popen(
            arguments, cwd=cwd, env=env, stdin=stdin, stdout=stdout, stderr=stderr, **options
        )
    except (FileNotFoundError, PermissionError) as error:
        if cwd is not None and not cwd.is_dir():
            raise  # the working folder is what is missing: our bug, or the user's rm
        raise _cannot_start(program) from error


def _located(program: str, cwd: Path | None, env: Mapping[str, str] | None) -> str:
    """Return the path of a program by the rules of execvp: of ``env``'s PATH, in ``cwd``."""
    if Path(program).name != program:
        # Given back as it is: the program is looked up in its working folder itself.
        located = program if shutil.which(str((cwd or Path()) / program)) else None
    else:
        located = shutil.which(program, path=(os.environ if env is None else env).get("PATH"))
    if located is None:
        raise _cannot_start(program)
    return located


def _cannot_start(program: str) -> MissingToolError:
    return MissingToolError(
        f"Can't start {program!r}: there is no such program.",
        hint="Run 'edgekit doctor' to see what is installed and how to get the rest.",
    )


@functools.cache
def _ended_with_parent() -> tuple[str, ...]:
    """Return what goes before a command so that it gets SIGTERM when its parent dies.

    util-linux's setpriv sets Linux's parent-death signal and then *becomes* the
    program, under the same process id. A ``preexec_fn`` could do so too, but it is
    unsafe, and warned of since Python 3.12, as soon as there is a second thread.
    """
    if sys.platform != "linux":
        return ()
    setpriv = shutil.which("setpriv")
    if setpriv is None or not _knows_parent_death(setpriv):
        return ()  # Busybox: nothing but being killed outright is different then
    return (setpriv, "--pdeathsig", "TERM", "--")


def _knows_parent_death(setpriv: str) -> bool:
    """Return whether this setpriv knows the option; util-linux has had it since 2.33."""
    probe = subprocess.run(
        [setpriv, "--pdeathsig", "TERM", "--", "true"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return probe.returncode == 0


def end(child: subprocess.Popen[bytes]) -> None:
    """End a program that :func:`start` started, and everything that it started.

    Asks first, kills after a grace time; returns when it is gone. Harmless on a
    program that has ended. A Ctrl-C in the grace time kills at once.
    """
    try:
        if child.poll() is None:
            _signal_tree(child, force=False)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(_GRACE_SECONDS)
    finally:
        _signal_tree(child, force=True)
        with contextlib.suppress(subprocess.TimeoutExpired):  # stuck in the kernel
            child.wait(_WAIT_SECONDS_AFTER_KILL)
        _wait_for_orphans(child)
        for stream in (child.stdin, child.stdout, child.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):  # the pipe's other end is gone
                    stream.close()


def _signal_tree(child: subprocess.Popen[bytes], *, force: bool) -> None:
    if IS_WINDOWS:
        if child.poll() is None:
            subprocess.run(
                ["taskkill", "/T", "/F", "/PID", str(child.pid)], capture_output=True, check=False
            )
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):  # the group is empty
        os.killpg(child.pid, signal.SIGKILL if force else signal.SIGTERM)


def _wait_for_orphans(child: subprocess.Popen[bytes]) -> None:
    """Wait until what the ended program had started, and was just killed, is gone too.

    Not for long: where nobody reaps orphans (a container without an init) the group
    never looks empty.
    """
    if IS_WINDOWS:
        return
    until = time.monotonic() + _ORPHAN_SECONDS
    with contextlib.suppress(ProcessLookupError, PermissionError):  # the group is empty
        while time.monotonic() < until:
            os.killpg(child.pid, 0)
            time.sleep(_ORPHAN_POLL_SECONDS)


def run(
    command: Sequence[str | Path],
    *,
    log: Path,
    timeout_seconds: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
) -> Completed:
    """Run a program to its end; output and errors go, merged, to the file ``log``.

    Args:
        command: The program and its arguments; no shell is involved.
        log: Where the output is written; its folder must exist.
        timeout_seconds: How long it may take.
        cwd: The working folder; ours if not given.
        env: The whole environment; ours if not given.
        on_line: Called with each line of output as soon as it is complete, for progress.

    Raises:
        MissingToolError: The program can't be started.
        ProcessTimeoutError: It took too long; it was ended.
    """
    began = time.monotonic()
    with log.open("wb") as sink, log.open("rb") as source:
        pending = b""
        child = start(command, cwd=cwd, env=env, stdout=sink, stderr=subprocess.STDOUT)
        try:
            while True:
                try:
                    child.wait(_POLL_SECONDS)
                    ended = True
                except subprocess.TimeoutExpired:
                    ended = False
                if on_line is not None:
                    *lines, pending = (pending + source.read()).split(b"\n")
                    for line in lines:
                        on_line(line.decode("utf-8", "replace").rstrip("\r"))
                if ended:
                    if pending and on_line is not None:  # the last line has no newline
                        on_line(pending.decode("utf-8", "replace"))
                    break
                if time.monotonic() - began > timeout_seconds:
                    raise ProcessTimeoutError(
                        f"{Path(command[0]).name} did not end within {timeout_seconds:g} s.",
                        hint=f"Its output is in {log}.",
                        output=_text(log),
                    )
        finally:
            end(child)
    return Completed(
        returncode=child.returncode,
        output=_text(log),
        seconds=time.monotonic() - began,
    )


def _text(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")


def describe_exit(returncode: int) -> str:
    """Return an exit code in words: ``"exit code 1"``, ``"signal SIGSEGV"``."""
    if returncode < 0:
        try:
            return f"signal {signal.Signals(-returncode).name}"
        except ValueError:
            return f"signal {-returncode}"
    return f"exit code {returncode}"
