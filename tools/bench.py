"""Print what EdgeKit promises of speed and size, as ratios measured side by side.

``python tools/bench.py [MODEL.tflite ...]``: for each model the time of ``edgekit
check`` as a whole process, in turn with the start of an interpreter that imports
TensorFlow (the median of the pairs' ratios is the figure to quote: machines are
noisy), and, where the cross compiler and QEMU are there, the estimated flash beside
the linked and the instructions of an inference. Without models, the demo's are used.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PAIRS = 7
CHECK_LIMIT_SECONDS = 0.25
EMULATED_TARGETS = ("qemu-cortex-m3", "qemu-cortex-m4", "qemu-cortex-m7")


def seconds_of(command: list[str]) -> float:
    """Return the wall time of a command as a whole process."""
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return time.perf_counter() - began


def bench_check(model: Path) -> None:
    """Print ``edgekit check`` beside the import of TensorFlow."""
    program = str(Path(sys.executable).with_name("edgekit"))
    check = [program, "check", str(model), "--target", "nano33ble", "--json"]
    tensorflow = [sys.executable, "-c", "import tensorflow"]
    seconds_of(check)
    pairs = [(seconds_of(check), seconds_of(tensorflow)) for _ in range(PAIRS)]
    ours = statistics.median(pair[0] for pair in pairs)
    theirs = statistics.median(pair[1] for pair in pairs)
    ratio = statistics.median(pair[1] / pair[0] for pair in pairs)
    print(
        f"{model.name}: edgekit check {ours:.3f} s (limit {CHECK_LIMIT_SECONDS} s, best "
        f"{min(pair[0] for pair in pairs):.3f} s), import tensorflow {theirs:.2f} s, "
        f"ratio {ratio:.1f}"
    )


def bench_build(model: Path, folder: Path) -> None:
    """Print planned against linked sizes, and instructions, for each emulated board."""
    from edgekit.device.measure import measure
    from edgekit.firmware.marker import read_marker
    from edgekit.firmware.project import write_project
    from edgekit.progress import Silence
    from edgekit.stages import build_project, load_model, make_project, open_project
    from edgekit.targets import load_target

    loaded = load_model(model)
    for name in EMULATED_TARGETS:
        project, _ = make_project(loaded, load_target(name), "aot")
        place = folder / f"{model.stem}-{name}"
        write_project(project, place)
        marker = read_marker(place)
        _, sizes = build_project(place, marker, progress=Silence())
        with open_project(place, marker) as session:
            latency = measure(session)
        if sizes is None:
            raise SystemExit(f"{place}: no linked sizes")
        print(
            f"{model.name} on {name}: flash {sizes.flash_estimated_bytes} estimated, "
            f"{sizes.flash_linked_bytes} linked ({sizes.flash_error_percent:+.2f} %); arena "
            f"{sizes.arena_planned_bytes} planned, {sizes.arena_linked_bytes} linked; "
            f"{latency.median:,.0f} instructions an inference (emulated)"
        )


def main() -> None:
    """Run both benchmarks over the models given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--no-build", action="store_true", help="only time 'edgekit check'")
    arguments = parser.parse_args()
    models = arguments.models or sorted(Path("edgekit-demo/models").glob("*_int8.tflite"))
    if not models:
        parser.error("no model given, and no edgekit-demo/models: run 'make demo' first")
    for model in models:
        bench_check(model)
    if not arguments.no_build:
        with tempfile.TemporaryDirectory(prefix="edgekit-bench-") as folder:
            for model in models:
                bench_build(model, Path(folder))


if __name__ == "__main__":
    main()
