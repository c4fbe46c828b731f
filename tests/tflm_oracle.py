"""TFLM's own interpreter in a child process: many small models in one go.

TFLM ends its process on what it refuses; the model at hand then counts as refused and
a new child takes over the rest. Run as a program it is that child: it reads pickled
(model, samples) pairs and writes each model's outputs, or ``None``.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Sequence

Case = tuple[bytes, Sequence[bytes]]
"""A model, and samples: the raw bytes of all inputs, one after another."""

_ARENA_BYTES = 4 << 20


def run_tflm(cases: Sequence[Case]) -> list[list[bytes] | None]:
    """Return each model's outputs (all of them, one after another) for each sample."""
    results: list[list[bytes] | None] = []
    while len(results) < len(cases):
        child = subprocess.run(
            [sys.executable, __file__],
            input=pickle.dumps(list(cases[len(results) :])),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        rest = memoryview(child.stdout)
        while rest:
            size = int.from_bytes(rest[:4], "little")
            results.append(pickle.loads(rest[4 : 4 + size]))
            rest = rest[4 + size :]
        if child.returncode:
            results.append(None)
    return results


def _serve() -> None:
    import contextlib

    import numpy as np
    from tflite_micro.python.tflite_micro import runtime

    def run(model: bytes, samples: Sequence[bytes]) -> list[bytes]:
        interpreter = runtime.Interpreter.from_bytes(model, arena_size=_ARENA_BYTES)
        inputs, outputs = [], []
        for details, listed in (
            (interpreter.get_input_details, inputs),
            (interpreter.get_output_details, outputs),
        ):
            with contextlib.suppress(IndexError, ValueError, RuntimeError):
                while True:
                    listed.append(details(len(listed)))
        answers = []
        for sample in samples:
            offset = 0
            for index, details in enumerate(inputs):
                dtype = np.dtype(details["dtype"])
                count = int(np.prod(details["shape"], dtype=np.int64))
                values = np.frombuffer(sample, dtype, count, offset).reshape(details["shape"])
                interpreter.set_input(values, index)
                offset += values.nbytes
            interpreter.invoke()
            answers.append(
                b"".join(interpreter.get_output(index).tobytes() for index in range(len(outputs)))
            )
        return answers

    for model, samples in pickle.load(sys.stdin.buffer):
        try:
            answer = run(model, samples)
        except (RuntimeError, ValueError):
            answer = None
        data = pickle.dumps(answer)
        sys.stdout.buffer.write(len(data).to_bytes(4, "little") + data)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    _serve()
