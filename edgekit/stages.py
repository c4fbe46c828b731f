"""Each stage by itself, as the verbs of the command line use them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgekit.aot.compiler import compile_graph
from edgekit.build.compare import compare_sizes
from edgekit.build.platformio import Firmware, build, firmware_path
from edgekit.device.connect import open_device
from edgekit.device.session import Session
from edgekit.device.verify import verify
from edgekit.engines import plan_engines, plan_model
from edgekit.errors import (
    CalibrationError,
    DoesNotFitError,
    InputError,
    RefusedModelError,
    UnsupportedModelError,
    VerificationError,
)
from edgekit.firmware.marker import MARKER, Marker
from edgekit.firmware.project import Project, TestVector, generate
from edgekit.graph import DType, Graph
from edgekit.model.reader import read_model
from edgekit.model.reference import run_reference
from edgekit.model.samples import Samples
from edgekit.model.tensors import quantize_samples
from edgekit.progress import Progress
from edgekit.results import Basis, Item, Plan, SizeComparison, Verification
from edgekit.targets import Target, load_target, target_names

_RANDOM_SEED = 0
_SHOWN_PROBLEMS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """A .tflite model in hand: its name, bytes and graph."""

    name: str
    data: bytes
    graph: Graph


def load_model(path: Path) -> Model:
    """Return the .tflite model in a file; its name is the file's stem."""
    graph, data = read_model(path)
    return Model(name=path.stem, data=data, graph=graph)


def make_project(
    model: Model, target: Target, engine: str, *, vector: TestVector | None = None
) -> tuple[Project, Plan]:
    """Return the firmware project for a model on a target, and its plan.

    Args:
        model: The model.
        target: The board.
        engine: One of the target's engines.
        vector: A sample to build in, for the firmware's self-test; it takes flash.

    Raises:
        UnsupportedModelError: The engine can't run the model there.
        DoesNotFitError: It needs more memory than the target has.
    """
    plan = plan_model(model.graph, target, engine, model=model.name)
    if vector is not None:
        plan = _with_vector(plan, vector)
    require_fit(plan, model.graph)
    project = generate(
        model.graph,
        model.data,
        target,
        engine,
        plan,
        name=model.name,
        compiled=compile_graph(model.graph) if engine == "aot" else None,
        test_vector=vector,
    )
    return project, plan


def _with_vector(plan: Plan, vector: TestVector) -> Plan:
    item = Item(
        name="test vector",
        size_bytes=len(vector.inputs) + len(vector.outputs),
        basis=Basis.EXACT,
        note="for the firmware's self-test",
    )
    return replace(plan, flash=replace(plan.flash, items=(*plan.flash.items, item)))


def make_vector(model: Model, target: Target, sample: bytes) -> TestVector | None:
    """Return a sample with its reference outputs, for firmware to test itself with.

    Emulated boards get none: their firmware is verified over the link right away.

    Raises:
        MissingToolError: No reference interpreter is installed.
    """
    if target.is_emulated:
        return None
    reference = run_reference(model.data, [sample])
    return TestVector(inputs=sample, outputs=reference.outputs[0])


def require_fit(plan: Plan, graph: Graph) -> None:
    """Raise unless the plan's model runs on its target and fits.

    Raises:
        RefusedModelError: The engine or its library would fail on the model, or
            compute it wrong.
        UnsupportedModelError: The model itself can't run anywhere.
        DoesNotFitError: A memory bank is too small; the hint names what would do.
    """
    if not plan.runs:
        shown = plan.problems[:_SHOWN_PROBLEMS]
        more = len(plan.problems) - len(shown)
        error = RefusedModelError if plan.is_refused else UnsupportedModelError
        raise error(
            f"{plan.model} can't run on {plan.target} with {plan.engine}: "
            + " ".join(problem.message for problem in shown)
            + (f" And {more} more; 'edgekit check' lists them." if more else ""),
            hint=" ".join(dict.fromkeys(problem.hint for problem in shown)),
        )
    if plan.fits:
        return
    excess = [
        f"{bank.bank} {-bank.slack_bytes} B too small"
        for bank in (plan.flash, plan.sram)
        if not bank.fits
    ]
    if plan.block_slack_bytes < 0:
        excess.append(f"largest block {-plan.block_slack_bytes} B too small for the arena")
    others = [
        f"{other.target} ({other.engine})"
        for other in plan_everywhere(graph, model=plan.model)
        if other.fits and _can_be_flashed(load_target(other.target), other.engine)
    ]
    raise DoesNotFitError(
        f"{plan.model} does not fit {plan.target} with {plan.engine}: {', '.join(excess)}.",
        hint=" ".join(
            [
                f"It fits: {', '.join(others)}." if others else "It fits no board that is known.",
                *_other_banks(plan),
            ]
        ),
    )


def _other_banks(plan: Plan) -> list[str]:
    """Return what it would take to put the arena elsewhere, which generated firmware does not."""
    if not plan.flash.fits:
        return []
    return [
        f"Its arena would fit the {bank.title} of {plan.target} ({bank.verdict}), which takes "
        f"{bank.needs}; a generated project keeps it in the main SRAM."
        for bank in plan.banks
        if bank.fits and not bank.is_main
    ]


def _can_be_flashed(target: Target, engine: str) -> bool:
    return not target.is_emulated and bool(target.engines[engine].template)


def plan_everywhere(graph: Graph, *, model: str) -> tuple[Plan, ...]:
    """Return the plans for every shipped target and each of its engines."""
    return tuple(
        plan
        for name in target_names()
        for plan in plan_engines(graph, load_target(name), None, model=model)
    )


def sample_inputs(model: Model, samples: Samples | None, count: int) -> tuple[bytes, ...]:
    """Return the raw bytes of ``count`` inputs: from samples, or pseudo-random.

    Random integers use the whole range of the input's type, random floats −1 to 1; they
    are the same each time.

    Raises:
        InputError: Fewer than one input is asked for.
        CalibrationError: There are no samples, or they don't have the model's shape.
    """
    if count < 1:
        raise InputError("At least one sample is needed.", hint="Ask for --samples 100.")
    if samples is not None:
        if len(samples) == 0:
            raise CalibrationError("There are no samples.", hint="Give at least one.")
        return quantize_samples(model.graph, samples.take(count))
    import numpy as np

    generator = np.random.default_rng(_RANDOM_SEED)
    return tuple(
        b"".join(
            generator.uniform(-1.0, 1.0, tensor.element_count).astype("<f4").tobytes()
            if tensor.dtype is DType.FLOAT32
            else generator.bytes(tensor.size_bytes)
            for tensor in model.graph.main.input_tensors
        )
        for _ in range(count)
    )


def build_project(
    folder: Path, marker: Marker, *, progress: Progress
) -> tuple[Firmware, SizeComparison | None]:
    """Build a generated project; return the firmware, and its sizes beside the planned.

    The comparison is ``None`` where the linked sizes can't be read: on a host whose
    programs are no ELF.
    """
    target = load_target(marker.target)
    progress.stage(f"Building for {target.name}")
    firmware = build(folder, target, on_line=progress.detail)
    return firmware, compare_sizes(marker, firmware.sizes)


@contextlib.contextmanager
def open_project(folder: Path, marker: Marker, *, port: str | None = None) -> Iterator[Session]:
    """Boot a built project's emulated board, or open the port of the board that has it.

    Raises:
        InputError: The emulated board's firmware was not built since the project was
            generated.
        DeviceError: There is no device, or it runs something else.
    """
    target = load_target(marker.target)
    with open_device(
        target,
        elf=_current_firmware(folder) if target.is_emulated else None,
        port=port,
        model_sha256=marker.model_sha256,
    ) as session:
        yield session


def _current_firmware(folder: Path) -> Path:
    elf = firmware_path(folder)
    if elf.stat().st_mtime < (folder / MARKER).stat().st_mtime:
        raise InputError(
            f"The firmware in {folder} is older than the project.",
            hint=f"Build it again: edgekit build {folder}",
        )
    return elf


def verify_device(
    session: Session, model: Model, inputs: Sequence[bytes], *, progress: Progress
) -> Verification:
    """Compare the device's raw outputs for ``inputs`` with the reference interpreter's."""
    progress.stage("Computing the reference outputs")
    reference = run_reference(model.data, inputs)
    progress.stage(f"Verifying {len(inputs)} inputs on the device")
    return verify(
        session,
        inputs,
        reference.outputs,
        graph=model.graph,
        reference=reference.reference,
        on_progress=progress.advance,
    )


def require_exact(verification: Verification | None) -> None:
    """Raise unless every output byte was the same.

    Raises:
        VerificationError: How many samples differ, and by how much.
    """
    if verification is None or verification.is_exact:
        return
    raise VerificationError(
        f"{verification.mismatched_samples} of {verification.samples} samples differ from "
        f"{verification.reference}, by up to {verification.max_steps} steps.",
        hint="Don't use this firmware. Check that it was built from this model; another "
        "engine or library may compute it right (edgekit check).",
    )
