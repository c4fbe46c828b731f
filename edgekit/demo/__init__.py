"""The demonstration: a small model trained here, deployed to an emulated board."""

from __future__ import annotations

import sys
from pathlib import Path

from edgekit import process
from edgekit.errors import BuildError, MissingToolError
from edgekit.files import make_folder
from edgekit.pipeline import Conversion, deploy
from edgekit.progress import Progress, Silence
from edgekit.results import Run
from edgekit.targets import load_target

TARGET = "qemu-cortex-m4"
ENGINE = "aot"
ALSO = (("esp32", "tflm"), ("nano33ble", "tflm"))
"""Boards that a TFLM project is generated for, ready to flash."""

TEST_IMAGES = 100
_TRAINING_TIMEOUT_SECONDS = 600.0


def run_demo(folder: Path, *, progress: Progress | None = None) -> Run:
    """Train the digits CNN, deploy it to the emulated Cortex-M4, and return the run.

    Raises:
        MissingToolError: TensorFlow or scikit-learn is not installed.
        EdgeKitError: A stage failed.
    """
    from edgekit.model.samples import load_samples

    watch = progress or Silence()
    training = make_folder(folder / "training")
    watch.stage("Training a CNN on handwritten digits")
    _train(training, watch)
    return deploy(
        training / "digits.keras",
        load_target(TARGET),
        folder=folder,
        engine=ENGINE,
        conversion=Conversion(calibration=load_samples(training / "calibration.npz")),
        test=load_samples(training / "test.npz"),
        samples=TEST_IMAGES,
        also=tuple((load_target(name), engine) for name, engine in ALSO),
        progress=watch,
    )


def _train(folder: Path, watch: Progress) -> None:
    log = folder / "training.log"
    ended = process.run(
        [sys.executable, "-m", "edgekit.demo.training", str(folder)],
        log=log,
        timeout_seconds=_TRAINING_TIMEOUT_SECONDS,
        on_line=lambda line: watch.detail(line) if line.startswith("epoch") else None,
    )
    if ended.returncode == 0:
        return
    if "ModuleNotFoundError" in ended.output:
        raise MissingToolError(
            "The demo needs TensorFlow and scikit-learn: " + ended.tail(1),
            hint="pip install 'edgekit[convert,run,micro,demo]'",
        )
    raise BuildError(
        f"Training ended with {process.describe_exit(ended.returncode)}:\n{ended.tail(10)}",
        hint=f"The whole log is {log}.",
    )
