"""Run models on an interpreter; in the child process only (``interpreters.py``).

Job: ``engine``, ``timeout_seconds`` for each model, and ``models``: their ``name``, the
numbers of ``samples``, ``inputs`` and ``outputs``, and ``arena_bytes``. For each,
``<name>.tflite`` and ``<name>.in`` (raw input bytes, sample after sample) become
``<name>.out``, or ``<name>.failed`` with the reason. A model that crashes or hangs takes
the process with it; what came before is kept.
"""

from __future__ import annotations

import faulthandler
import importlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edgekit.model.interpreters import litert_package
from edgekit.model.worker import report, write_json


def run_job(job: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    """Run all models of the job, one after another."""
    load = _ENGINES[job["engine"]]
    _import(job["engine"])  # before the first model, which is not to blame if it fails
    for model in job["models"]:
        name = model["name"]
        report(f"model {name}")
        # A watchdog thread of C code: it ends the process even when a kernel never returns.
        faulthandler.dump_traceback_later(job["timeout_seconds"], exit=True, file=sys.stderr)
        data = (folder / f"{name}.tflite").read_bytes()
        try:
            outputs = _run(load, data, model, (folder / f"{name}.in").read_bytes())
        except (RuntimeError, ValueError, MemoryError) as error:  # how interpreters refuse
            write_json(folder / f"{name}.failed", {"reason": str(error)})
        else:
            draft = folder / f"{name}.draft"
            draft.write_bytes(outputs)
            draft.replace(folder / f"{name}.out")
        faulthandler.cancel_dump_traceback_later()
    return {}


class _Runner:
    """One loaded model: element types and shapes of its inputs, and how to infer."""

    def __init__(
        self,
        inputs: list[tuple[Any, tuple[int, ...]]],
        infer: Callable[[list[Any]], list[Any]],
    ) -> None:
        self.inputs = inputs
        self.infer = infer


def _run(
    load: Callable[[bytes, Mapping[str, Any]], _Runner],
    data: bytes,
    model: Mapping[str, Any],
    raw: bytes,
) -> bytes:
    import numpy as np

    runner = load(data, model)
    sizes = [
        int(np.prod(shape, dtype=np.int64)) * np.dtype(kind).itemsize
        for kind, shape in runner.inputs
    ]
    if sum(sizes) * model["samples"] != len(raw):
        raise ValueError(
            f"one inference takes {sum(sizes)} input bytes; "
            f"{len(raw)} were given for {model['samples']} samples"
        )
    outputs = []
    for index in range(model["samples"]):
        offset = index * sum(sizes)
        row = []
        for (kind, shape), size in zip(runner.inputs, sizes, strict=True):
            row.append(np.frombuffer(raw[offset : offset + size], dtype=kind).reshape(shape))
            offset += size
        outputs.append(b"".join(array.tobytes() for array in runner.infer(row)))
    return b"".join(outputs)


def _load_micro(data: bytes, model: Mapping[str, Any]) -> _Runner:
    """Load a model into TFLM's own interpreter."""
    interpreter = _import("tflite-micro").runtime.Interpreter.from_bytes(
        data, arena_size=model["arena_bytes"]
    )
    details = [interpreter.get_input_details(index) for index in range(model["inputs"])]

    def infer(row: list[Any]) -> list[Any]:
        for index, array in enumerate(row):
            interpreter.set_input(array, index)
        interpreter.invoke()
        return [interpreter.get_output(index) for index in range(model["outputs"])]

    return _Runner([_kind_and_shape(told) for told in details], infer)


def _kind_and_shape(told: Mapping[str, Any]) -> tuple[Any, tuple[int, ...]]:
    return told["dtype"], tuple(int(size) for size in told["shape"])


def _load_litert(data: bytes, *, reference: bool) -> _Runner:
    """Load a model into LiteRT (or its forerunners) without the XNNPACK delegate."""
    module = _import("litert")
    kinds = module.OpResolverType
    interpreter = module.Interpreter(
        model_content=data,
        experimental_op_resolver_type=(
            kinds.BUILTIN_REF if reference else kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        ),
        num_threads=1,
    )
    interpreter.allocate_tensors()
    inputs = interpreter.get_input_details()
    outputs = interpreter.get_output_details()

    def infer(row: list[Any]) -> list[Any]:
        for told, array in zip(inputs, row, strict=True):
            interpreter.set_tensor(told["index"], array)
        interpreter.invoke()
        return [interpreter.get_tensor(told["index"]) for told in outputs]

    return _Runner([_kind_and_shape(told) for told in inputs], infer)


def _import(engine: str) -> Any:
    """Return the module that an engine's classes are in."""
    if engine == "tflite-micro":
        return importlib.import_module("tflite_micro")
    return importlib.import_module(_LITERT_MODULES[litert_package()[0]])


_LITERT_MODULES: Mapping[str, str] = {
    "ai_edge_litert": "ai_edge_litert.interpreter",
    "tflite_runtime": "tflite_runtime.interpreter",
    "tensorflow": "tensorflow.lite.python.interpreter",
}

_ENGINES: Mapping[str, Callable[[bytes, Mapping[str, Any]], _Runner]] = {
    "tflite-micro": _load_micro,
    "litert": lambda data, _: _load_litert(data, reference=False),
    "litert-reference": lambda data, _: _load_litert(data, reference=True),
}
