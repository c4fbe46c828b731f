"""Jobs for a child process: what could kill or block Python runs there.

TensorFlow's converter and the interpreters can end their process (SIGSEGV, SIGABRT),
hang, and write to the terminal behind Python's back. So each job has a folder with
``job.json`` and its files, and a child (``worker.py``) that leaves ``result.json`` or
``error.json`` in it; its output goes to a log.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import edgekit
from edgekit import errors, process

JOB_FILE = "job.json"
RESULT_FILE = "result.json"
ERROR_FILE = "error.json"
LOG_FILE = "worker.log"

MARKER = "@edgekit "
"""What a progress line begins with; JSON with ``stage`` and ``text`` follows."""

_CHILD_ENVIRONMENT: Mapping[str, str] = {
    "CUDA_VISIBLE_DEVICES": "-1",
    "KERAS_BACKEND": "tensorflow",
    "PYTHONUNBUFFERED": "1",
    "PYTHONUTF8": "1",
    "TF_ENABLE_ONEDNN_OPTS": "0",
}
"""The same numbers on every computer: no GPU, no oneDNN, Keras on TensorFlow."""

_NOT_FOR_THE_CHILD = ("PYTHONWARNINGS", "TF_USE_LEGACY_KERAS", "KERAS_HOME")
"""Variables that change what TensorFlow or Keras do, or turn its warnings into errors."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How a child ended.

    ``result`` is what it left, ``None`` if it failed unexpectedly; then ``stage`` is
    what it was at, ``returncode`` negative for a signal, and ``output`` its log.
    """

    result: Mapping[str, Any] | None
    returncode: int
    timed_out: bool
    stage: str
    output: str

    def how_it_ended(self) -> str:
        """Return the end in words: ``"signal SIGSEGV"``, ``"exit code 1"``."""
        return "the time limit" if self.timed_out else process.describe_exit(self.returncode)

    def last_lines(self, count: int = 8) -> str:
        """Return the last lines of the log that say something."""
        lines = [line.strip() for line in self.output.splitlines()]
        kept = [line for line in lines if line and not line.startswith(MARKER)]
        return "\n".join(line[:300] for line in kept[-count:])


@contextmanager
def job_folder() -> Iterator[Path]:
    """Give an empty temporary folder that is gone afterwards, whatever happens."""
    with TemporaryDirectory(prefix="edgekit-", ignore_cleanup_errors=True) as name:
        yield Path(name).resolve()


def run_job(
    kind: str,
    job: Mapping[str, Any],
    folder: Path,
    *,
    timeout_seconds: float,
    on_progress: Callable[[str], None] | None = None,
    log: Path | None = None,
) -> Outcome:
    """Run a job of ``worker.JOBS`` in a child and wait for its end.

    Args:
        kind: The job's name.
        job: What the child is told; plain JSON data.
        folder: Where the job's files are; the child's working folder.
        timeout_seconds: How long the child may take.
        on_progress: Called with each progress text.
        log: Where a copy of the child's log is kept, if anywhere.

    Raises:
        EdgeKitError: The error that the child found, of the child's class.
        MissingToolError: Python can't be started.
    """
    (folder / JOB_FILE).write_text(json.dumps({"kind": kind, **job}), encoding="utf-8")
    for stale in (RESULT_FILE, ERROR_FILE):
        (folder / stale).unlink(missing_ok=True)
    stage = ""

    def follow(line: str) -> None:
        nonlocal stage
        told = parse_progress(line)
        if told is None:
            return
        stage = told[0]
        if on_progress is not None and told[1]:
            on_progress(told[1])

    timed_out = False
    try:
        completed = process.run(
            [sys.executable, "-m", "edgekit.model.worker", str(folder)],
            log=folder / LOG_FILE,
            timeout_seconds=timeout_seconds,
            cwd=folder,
            env=child_environment(),
            on_line=follow,
        )
        returncode, output = completed.returncode, completed.output
    except process.ProcessTimeoutError as error:
        timed_out, returncode, output = True, 0, error.output
    finally:
        if log is not None and (folder / LOG_FILE).exists():
            shutil.copyfile(folder / LOG_FILE, log)
    _raise_reported(folder / ERROR_FILE)
    result = _read(folder / RESULT_FILE) if returncode == 0 and not timed_out else None
    return Outcome(
        result=result, returncode=returncode, timed_out=timed_out, stage=stage, output=output
    )


def parse_progress(line: str) -> tuple[str, str] | None:
    """Return stage and text of a progress line, ``None`` for any other line."""
    if not line.startswith(MARKER):
        return None
    try:
        told = json.loads(line[len(MARKER) :])
        return str(told["stage"]), str(told["text"])
    except (ValueError, KeyError, TypeError):  # cut off, or another program's line
        return None


def child_environment() -> dict[str, str]:
    """Return the child's environment: ours, made reproducible, with EdgeKit importable."""
    environment = {
        name: value for name, value in os.environ.items() if name not in _NOT_FOR_THE_CHILD
    }
    environment.update(_CHILD_ENVIRONMENT)
    entries = [
        str(Path(entry).resolve())
        for entry in environment.get("PYTHONPATH", "").split(os.pathsep)
        if entry
    ]
    package_parent = Path(edgekit.__file__).resolve().parent.parent
    if package_parent.name not in ("site-packages", "dist-packages"):
        entries.insert(0, str(package_parent))
    if entries:
        environment["PYTHONPATH"] = os.pathsep.join(entries)
    return environment


def _read(path: Path) -> Mapping[str, Any] | None:
    if not path.exists():
        return None
    content: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _raise_reported(path: Path) -> None:
    """Raise the error that the child wrote down, if it did."""
    told = _read(path)
    if told is None:
        return
    kind = getattr(errors, told["class"])
    error = kind(told["message"], hint=told["hint"])
    assert isinstance(error, errors.EdgeKitError)  # noqa: S101 - only worker.py writes the file
    raise error
