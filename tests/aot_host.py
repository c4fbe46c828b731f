"""Compiled models built with this computer's compiler and run on raw input bytes."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from edgekit import resources
from edgekit.aot.compiler import Compiled

STRICT = ("-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
SHARED = resources.templates_folder() / "shared"

_HARNESS = """
#include <stdio.h>
#include <stdlib.h>
#include "edgekit_model.h"

/* argv: number of inputs, of outputs. Samples come in on stdin until its end. */
int main(int argc, char **argv) {
  const int inputs = argc > 1 ? atoi(argv[1]) : 0;
  const int outputs = argc > 2 ? atoi(argv[2]) : 0;
  if (edgekit_model_init() != 0) {
    return 3;
  }
  for (;;) {
    for (int i = 0; i < inputs; ++i) {
      const edgekit_tensor input = edgekit_model_input(i);
      if (fread(input.data, 1, input.size_bytes, stdin) != input.size_bytes) {
        return i > 0;
      }
    }
    if (edgekit_model_invoke() != 0) {
      return 4;
    }
    for (int i = 0; i < outputs; ++i) {
      const edgekit_tensor output = edgekit_model_output(i);
      fwrite(output.data, 1, output.size_bytes, stdout);
    }
  }
}
"""


class Host:
    """Builds in a folder of its own; objects of equal text are compiled once."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self._folder = folder
        self._flags = flags or ("-O1",)
        (folder / "harness.c").write_text(_HARNESS)
        self._run("gcc", *self._flags, f"-I{SHARED}", "-c", "harness.c", "-o", "harness.o")

    def build(self, models: Sequence[Compiled]) -> list[Path]:
        """Return a program for each model; warnings are errors."""
        kernels = {self._kernels_name(model): model for model in models}
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            list(pool.map(self._build_kernels, kernels.items()))
            return list(pool.map(self._build_model, enumerate(models)))

    def run(self, program: Path, model: Compiled, samples: Sequence[bytes]) -> list[bytes]:
        """Return the outputs' bytes for each sample's inputs' bytes."""
        done = subprocess.run(
            [program, str(len(model.inputs)), str(len(model.outputs))],
            input=b"".join(samples),
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")[-3000:]
        assert not done.stderr, done.stderr.decode(errors="replace")[-3000:]
        size = sum(item.port.size_bytes for item in model.outputs)
        assert len(done.stdout) == size * len(samples)
        return [done.stdout[i * size : (i + 1) * size] for i in range(len(samples))]

    def compute(
        self, models: Sequence[Compiled], samples: Sequence[Sequence[bytes]]
    ) -> list[list[bytes]]:
        """Build and run each model on its samples."""
        programs = self.build(models)
        return [self.run(*item) for item in zip(programs, models, samples, strict=True)]

    @staticmethod
    def _kernels_name(model: Compiled) -> str:
        return hashlib.sha256(model.files["edgekit_aot_kernels.c"].encode()).hexdigest()[:16]

    def _build_kernels(self, item: tuple[str, Compiled]) -> None:
        name, model = item
        folder = self._folder / name
        if (folder / "kernels.o").exists():
            return
        folder.mkdir()
        for file in ("edgekit_aot_kernels.h", "edgekit_aot_kernels.c"):
            (folder / file).write_text(model.files[file])
        self._run(
            "gcc", *self._flags, *STRICT, "-c", f"{name}/edgekit_aot_kernels.c",
            "-o", f"{name}/kernels.o",
        )  # fmt: skip

    def _build_model(self, item: tuple[int, Compiled]) -> Path:
        number, model = item
        kernels = self._kernels_name(model)
        source = self._folder / f"model_{number}.c"
        source.write_text(model.files["edgekit_aot_model.c"])
        program = self._folder / f"model_{number}"
        self._run(
            "gcc", *self._flags, *STRICT, f"-I{SHARED}", f"-I{kernels}", source.name,
            f"{kernels}/kernels.o", "harness.o", "-o", program.name,
        )  # fmt: skip
        return program

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            command, cwd=self._folder, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr[-4000:]
