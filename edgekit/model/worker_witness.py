"""Load models into TFLM's recording interpreter; in the child only (``witness.py``).

Job: ``timeout_seconds`` for each model, and ``models``: their ``name`` and
``arena_bytes``. For each, ``<name>.tflite`` becomes ``<name>.allocations``, what the
interpreter printed, or ``<name>.failed`` with the reason.
"""

from __future__ import annotations

import faulthandler
import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgekit.model.worker import report, write_json


def witness_job(job: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    """Load all models of the job, one after another."""
    runtime = importlib.import_module("tflite_micro").runtime
    for model in job["models"]:
        name = model["name"]
        report(f"model {name}")
        faulthandler.dump_traceback_later(job["timeout_seconds"], exit=True, file=sys.stderr)
        data = (folder / f"{name}.tflite").read_bytes()
        draft = folder / f"{name}.draft"
        try:
            interpreter = runtime.Interpreter.from_bytes(data, arena_size=model["arena_bytes"])
            with _errors_into(draft):
                interpreter.print_allocations()
        except (RuntimeError, ValueError, MemoryError) as error:  # how TFLM refuses
            write_json(folder / f"{name}.failed", {"reason": str(error)})
        else:
            draft.replace(folder / f"{name}.allocations")
        faulthandler.cancel_dump_traceback_later()
    return {}


@contextmanager
def _errors_into(path: Path) -> Iterator[None]:
    """Write what C code prints to standard error into a file, while the context lasts."""
    kept = os.dup(2)
    with path.open("wb") as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
