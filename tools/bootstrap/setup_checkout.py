"""Set up what is missing: programs, packages, the project itself; see ``__main__.py``."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Sequence
from types import FrameType

import environment
import programs
from steps import ROOT, SetupError, only_one_at_a_time, say

EXIT_READY = 0
EXIT_MISSING = 4
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Set up what is missing, and return the exit code."""
    parser = argparse.ArgumentParser(prog="bootstrap", description="Make this checkout ready.")
    parser.add_argument("--venv", default=".venv", help="the environment's folder")
    parser.add_argument(
        "--this-python",
        action="store_true",
        help="rebuild an environment that was made with another version of Python",
    )
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    wanted = environment.Environment(
        folder=(ROOT / options.venv).absolute(), only_this_python=options.this_python
    )
    try:
        if wanted.is_ready() and not programs.missing():
            return EXIT_READY
        with only_one_at_a_time() as lock:
            _set_up(wanted, lock)
    except SetupError as error:
        say(f"\nError: {error.message}\nHint: {error.hint}")
        return EXIT_MISSING
    except KeyboardInterrupt:
        say("\nInterrupted. Run the same command again: it goes on from here.")
        return EXIT_INTERRUPTED
    return EXIT_READY


def _set_up(wanted: environment.Environment, lock: int | None) -> None:
    missing = programs.missing()
    if not wanted.has_packages():
        wanted.check_is_ours()
        missing += programs.missing_venv_module()
    if missing:
        programs.install(missing, lock)
    if not wanted.has_packages():
        wanted.make(lock)
    if not wanted.is_ready():
        wanted.install_project(lock)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
