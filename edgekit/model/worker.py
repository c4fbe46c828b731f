"""The child process: ``python -m edgekit.model.worker FOLDER``; see ``jobs.py``.

An expected error is written to ``error.json``; any other leaves its traceback in the
log, where ``failures.py`` finds what it means.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgekit.errors import EdgeKitError
from edgekit.model.jobs import ERROR_FILE, JOB_FILE, MARKER, RESULT_FILE

JOBS: Mapping[str, tuple[str, str]] = {
    "convert": ("edgekit.model.worker_convert", "convert_job"),
    "run": ("edgekit.model.worker_run", "run_job"),
    "witness": ("edgekit.model.worker_witness", "witness_job"),
}
"""What the child can do: module and function, called with the job and its folder."""


def report(stage: str, text: str = "") -> None:
    """Tell the parent what is going on; the line goes through the log."""
    line = MARKER + json.dumps({"stage": stage, "text": text})
    os.write(1, f"\n{line}\n".encode())


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file that is there whole or not at all."""
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(content), encoding="utf-8")
    draft.replace(path)


def main(arguments: Sequence[str]) -> int:
    """Do the job of a folder; return the exit code."""
    folder = Path(arguments[0])
    job = json.loads((folder / JOB_FILE).read_text(encoding="utf-8"))
    module, function = JOBS[job["kind"]]
    try:
        result = getattr(importlib.import_module(module), function)(job, folder)
    except EdgeKitError as error:
        told = {"class": type(error).__name__, "message": error.message, "hint": error.hint}
        write_json(folder / ERROR_FILE, told)
        return error.exit_code
    write_json(folder / RESULT_FILE, result)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
