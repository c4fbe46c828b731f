"""The stages in order: the only module that knows them all."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import edgekit
from edgekit.build.compare import compare_sizes
from edgekit.build.platformio import build
from edgekit.device.connect import open_device
from edgekit.device.flash import flash
from edgekit.device.measure import measure
from edgekit.device.session import Session
from edgekit.engines import choose_engine, plan_model
from edgekit.errors import BuildError
from edgekit.files import make_folder, write_file
from edgekit.firmware.project import write_project
from edgekit.graph import Graph
from edgekit.model.convert import convert
from edgekit.model.evaluate import evaluate
from edgekit.model.samples import Samples
from edgekit.model.variants import Variant
from edgekit.progress import Progress, Silence
from edgekit.report.markdown import render_markdown
from edgekit.results import (
    GeneratedProject,
    LatencySummary,
    Plan,
    Run,
    VariantResult,
    document,
)
from edgekit.stages import (
    Model,
    load_model,
    make_project,
    make_vector,
    plan_everywhere,
    require_exact,
    require_fit,
    sample_inputs,
    verify_device,
)
from edgekit.targets import Target

DEFAULT_SAMPLES = 100
"""How many inputs a verification compares, if nothing else is asked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Conversion:
    """What to convert to: the integer type of inputs and outputs, and the samples."""

    calibration: Samples | Callable[[], Any] | None = None
    io_type: str = "int8"
    per_channel_dense: bool = False
    timeout_seconds: float = 600.0


def write_run(run: Run, folder: Path) -> None:
    """Write ``report.md`` and ``report.json`` into the run's folder."""
    write_file(folder / "report.md", render_markdown(run))
    write_file(folder / "report.json", json.dumps(document("run", run=run), indent=2) + "\n")


def deploy(
    source: Path,
    target: Target,
    *,
    folder: Path,
    engine: str | None = None,
    conversion: Conversion | None = None,
    test: Samples | None = None,
    samples: int = DEFAULT_SAMPLES,
    also: Sequence[tuple[Target, str]] = (),
    port: str | None = None,
    progress: Progress | None = None,
) -> Run:
    """Take a model all the way to a device: convert, plan, generate, build, verify, measure.

    Args:
        source: A Keras model, a SavedModel, or a .tflite that is taken as it is.
        target: The board.
        folder: Where everything is written: ``models/``, ``projects/``, the report.
        engine: ``"tflm"`` or ``"aot"``; the target's first if not given.
        conversion: How to convert; needed unless ``source`` is a .tflite.
        test: Held-out samples, for accuracy (if labelled) and verification; without
            them pseudo-random inputs are verified.
        samples: How many inputs to verify.
        also: Further targets and engines to generate projects for, not to build.
        port: The serial port; found by the board's USB ids if not given.
        progress: Told what is going on.

    Returns:
        The run; its report is in ``folder``.

    Raises:
        EdgeKitError: A stage failed. After a wrong size or a failed verification the
            report is written all the same.
    """
    watch = progress or Silence()
    engine = choose_engine(target, engine)
    model, variants, warnings = _obtain_models(source, folder, conversion, test, watch)
    watch.stage("Checking every target")
    plan = plan_model(model.graph, target, engine, model=model.name)
    require_fit(plan, model.graph)
    inputs = sample_inputs(model, test, samples)
    if test is not None and test.labels is not None:
        variants = _evaluate(variants, folder, test, watch)
    run = Run(
        model=model.name,
        model_sha256=model.graph.sha256,
        edgekit_version=edgekit.__version__,
        target=target.name,
        engine=engine,
        plan=plan,
        variants=variants,
        verdicts=plan_everywhere(model.graph, model=model.name),
        warnings=warnings,
    )
    watch.stage("Generating projects")
    written = [
        _write_project(model, other, name, folder, inputs[0])
        for other, name in ((target, engine), *also)
    ]
    (project, plan) = written[0]
    run = replace(run, plan=plan, projects=tuple(item for item, _ in written))
    project_folder = folder / project.folder
    watch.stage(f"Building for {target.name}")
    firmware = build(project_folder, target, on_line=watch.detail)
    run = replace(run, sizes=compare_sizes(plan, firmware.sizes))
    _require_exact_arena(run, folder)
    if not target.is_emulated:
        watch.stage(f"Flashing {target.name}")
        flash(project_folder, target, port=port, on_line=watch.detail)
    with open_device(target, elf=firmware.elf, port=port) as session:
        run = _exercise(run, session, model, inputs, watch)
    write_run(run, folder)
    require_exact(run.verification)
    return run


def _exercise(
    run: Run, session: Session, model: Model, inputs: Sequence[bytes], watch: Progress
) -> Run:
    verification = verify_device(session, model, inputs, progress=watch)
    watch.stage("Measuring")
    latency: LatencySummary = measure(session, inputs=inputs[:5], on_progress=watch.advance)
    device = dict(session.info().values) if session.optional_info() is not None else {}
    return replace(run, verification=verification, latency=latency, device=device)


def _require_exact_arena(run: Run, folder: Path) -> None:
    sizes = run.sizes
    if run.engine == "aot" and sizes is not None and not sizes.arena_is_exact:
        write_run(run, folder)
        raise BuildError(
            f"The linked arena has {sizes.arena_linked_bytes} B, the plan "
            f"{sizes.arena_planned_bytes} B.",
            hint="The project was changed after it was generated; generate it again.",
        )


def _obtain_models(
    source: Path,
    folder: Path,
    conversion: Conversion | None,
    test: Samples | None,
    watch: Progress,
) -> tuple[Model, tuple[VariantResult, ...], tuple[str, ...]]:
    """Return the model to deploy, what was converted, and the warnings."""
    if source.suffix == ".tflite":
        model = load_model(source)
        models = make_folder(folder / "models")
        write_file(models / source.name, model.data)
        variant = _variant_result("as given", source.name, model.data, model.graph, ())
        return model, (variant,), ()
    settings = conversion or Conversion()
    watch.stage(f"Converting {source.resolve().name}")
    converted = convert(
        source,
        variants=(Variant.FLOAT32, Variant.INT8),
        calibration=settings.calibration,
        evaluation=test,
        io_type=settings.io_type,
        per_channel_dense=settings.per_channel_dense,
        timeout_seconds=settings.timeout_seconds,
        on_progress=watch.detail,
    )
    models = make_folder(folder / "models")
    results = []
    for item in converted:
        name = f"{source.stem}_{item.variant.value}.tflite"
        write_file(models / name, item.data)
        results.append(
            _variant_result(item.variant.value, name, item.data, item.graph, item.warnings)
        )
    chosen = converted[-1]
    model = Model(
        name=f"{source.stem}_{chosen.variant.value}", data=chosen.data, graph=chosen.graph
    )
    warnings = tuple(dict.fromkeys(text for item in converted for text in item.warnings))
    return model, tuple(results), warnings


def _variant_result(
    variant: str, name: str, data: bytes, graph: Graph, warnings: tuple[str, ...]
) -> VariantResult:
    return VariantResult(
        variant=variant,
        file=f"models/{name}",
        size_bytes=len(data),
        sha256=graph.sha256,
        warnings=warnings,
    )


def _evaluate(
    variants: Sequence[VariantResult], folder: Path, test: Samples, watch: Progress
) -> tuple[VariantResult, ...]:
    watch.stage(f"Evaluating on {len(test)} samples")
    evaluated = []
    for index, variant in enumerate(variants):
        result = evaluate((folder / variant.file).read_bytes(), test)
        watch.advance(index + 1, len(variants))
        evaluated.append(
            replace(
                variant,
                accuracy=result.accuracy,
                mean_absolute_error=result.mae,
                samples=result.samples,
            )
        )
    return tuple(evaluated)


def _write_project(
    model: Model, target: Target, engine: str, folder: Path, sample: bytes
) -> tuple[GeneratedProject, Plan]:
    vector = make_vector(model, target, sample)
    project, plan = make_project(model, target, engine, vector=vector)
    relative = Path("projects") / f"{target.name}-{engine}"
    make_folder(folder / "projects")
    write_project(project, folder / relative, overwrite=True)
    written = GeneratedProject(target=target.name, engine=engine, folder=relative.as_posix())
    return written, plan
