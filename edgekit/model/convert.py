"""From a Keras model, SavedModel or function to checked .tflite files.

The conversion runs in a child process (``jobs.py``), because TensorFlow's converter
can end its process; one child makes all variants. What comes out is read, checked
and run against the float model before it is handed on.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.errors import (
    CalibrationError,
    ConversionError,
    EdgeKitError,
    InputError,
    InvalidModelError,
    MissingToolError,
)
from edgekit.graph import Graph
from edgekit.model import failures
from edgekit.model.calibration import check_finite, check_values, compare_ranges
from edgekit.model.checks import check_converted, judge_agreement
from edgekit.model.evaluate import Agreement, compare_outputs
from edgekit.model.interpreters import Engine, ModelJob, run_models
from edgekit.model.jobs import job_folder, run_job
from edgekit.model.reader import read_graph
from edgekit.model.samples import Samples, samples_from_callable
from edgekit.model.source import Source, prepare_source
from edgekit.model.tensors import dequantize, quantize, split_outputs
from edgekit.model.variants import VARIANTS, Variant, io_type_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHECK_SAMPLES = 100
"""On how many samples each variant is compared with the float model."""

_CHECK_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Converted:
    """One converted variant: the file's bytes and what was found about it.

    ``agreement`` compares it with the original model on calibration samples; ``None``
    if there were none and the inputs are not float.
    """

    variant: Variant
    data: bytes
    sha256: str
    graph: Graph
    io_type: str
    agreement: Agreement | None
    warnings: tuple[str, ...]


def convert(
    source: Any,
    *,
    variants: Sequence[Variant],
    calibration: Samples | Callable[[], Any] | None = None,
    evaluation: Samples | None = None,
    io_type: str = "int8",
    per_channel_dense: bool = False,
    timeout_seconds: float = 600.0,
    on_progress: Callable[[str], None] | None = None,
    log: Path | None = None,
) -> tuple[Converted, ...]:
    """Convert a model to .tflite at batch 1, in a child process, and check the result.

    The same source, samples and TensorFlow give the same bytes. Inputs and outputs
    keep the model's order (a SavedModel's: see ``load_saved_model``).

    Args:
        source: Path of a .keras file or of a SavedModel folder, a Keras 3 model, a
            ``tf.function`` with an input signature, or a concrete function. Objects
            are saved to a temporary folder for the child: functions, and models with
            code of their own, as a SavedModel with a signature.
        variants: What to convert to; the results come in this order.
        calibration: Samples, or a function for ``samples_from_callable``. Quantised
            variants need it.
        evaluation: Samples whose range the calibration's is compared with.
        io_type: Type of inputs and outputs of integer variants, int8 or uint8.
        per_channel_dense: Quantise Dense weights per output channel. TFLM before
            2024-10-25 computes such layers wrongly or refuses them; there is no gain
            in accuracy worth it.
        timeout_seconds: How long the child may take.
        on_progress: Called with a few words at each step.
        log: Where TensorFlow's output is kept, if anywhere.

    Raises:
        InputError: The source, the samples or an argument can't be used.
        MissingToolError: TensorFlow is not installed.
        ConversionError: The converter failed, crashed, took too long, or wrote what
            was not asked for.
    """
    wanted = tuple(dict.fromkeys(variants))
    if not wanted:
        raise InputError("No variant is asked for.", hint="Ask for FLOAT32, INT8 or both.")
    io_types = {variant: io_type_of(variant, io_type) for variant in wanted}
    samples, warnings = _checked_samples(calibration, evaluation, wanted)
    if importlib.util.find_spec("tensorflow") is None:
        raise MissingToolError(
            "Conversion needs TensorFlow and Keras 3.",
            hint="Install them: pip install 'edgekit[convert]'",
        )
    with job_folder() as folder:
        prepared = prepare_source(source, folder)
        result = _run_child(
            prepared,
            folder,
            samples,
            job={
                "variants": [variant.value for variant in wanted],
                "io_type": io_type,
                "per_channel_dense": per_channel_dense,
                "check_samples": CHECK_SAMPLES,
            },
            timeout_seconds=timeout_seconds,
            on_progress=on_progress,
            log=log,
        )
        if on_progress is not None:
            on_progress("Checking the converted models")
        converted = {
            variant: (folder / f"{variant.value}.tflite").read_bytes() for variant in wanted
        }
        graphs = {variant: _read(data, variant) for variant, data in converted.items()}
        found = {
            variant: check_converted(
                graph, variant, io_types[variant], inputs=len(result["inputs"])
            )
            for variant, graph in graphs.items()
        }
        agreements = _agreements(folder / "check.npz", converted, graphs)
    return tuple(
        Converted(
            variant=variant,
            data=data,
            sha256=hashlib.sha256(data).hexdigest(),
            graph=graphs[variant],
            io_type=io_types[variant],
            agreement=agreements.get(variant),
            warnings=(
                *(warnings if VARIANTS[variant].needs_calibration else ()),
                *found[variant],
                *(judge_agreement(agreements[variant], variant) if agreements else ()),
            ),
        )
        for variant, data in converted.items()
    )


def _checked_samples(
    calibration: Samples | Callable[[], Any] | None,
    evaluation: Samples | None,
    variants: Sequence[Variant],
) -> tuple[Samples | None, tuple[str, ...]]:
    """Return the samples, their values checked as far as the variants need it."""
    needing = [variant.value for variant in variants if VARIANTS[variant].needs_calibration]
    if calibration is None:
        if needing:
            raise CalibrationError(
                f"Calibration data is missing; it is needed for {', '.join(needing)}.",
                hint="Give typical, preprocessed samples: --calibration DATA.npz, or "
                "calibration=load_samples(path).",
            )
        return None, ()
    samples = (
        calibration if isinstance(calibration, Samples) else samples_from_callable(calibration)
    )
    if not needing:
        check_finite(samples)
        return samples if len(samples) else None, ()
    warnings = check_values(samples)
    if evaluation is not None:
        warnings += compare_ranges(samples, evaluation)
    return samples, warnings


def _run_child(
    source: Source,
    folder: Path,
    samples: Samples | None,
    *,
    job: Mapping[str, Any],
    timeout_seconds: float,
    on_progress: Callable[[str], None] | None,
    log: Path | None,
) -> Mapping[str, Any]:
    import numpy as np

    if samples is not None:
        arrays: dict[str, Any] = {
            f"array_{index}": array for index, array in enumerate(samples.arrays)
        }
        np.savez(folder / "samples.npz", **arrays)
    outcome = run_job(
        "convert",
        {
            "source": {
                "kind": source.kind,
                "path": str(source.path),
                "label": source.label,
                "input_names": list(source.input_names),
            },
            "samples": None if samples is None else "samples.npz",
            "sample_names": [] if samples is None else list(samples.names),
            "sample_origin": "" if samples is None else samples.origin,
            **job,
        },
        folder,
        timeout_seconds=timeout_seconds,
        on_progress=on_progress,
        log=log,
    )
    if outcome.result is None:
        raise failures.explain(outcome, source, timeout_seconds)
    return outcome.result


def _read(data: bytes, variant: Variant) -> Graph:
    try:
        return read_graph(data)
    except InvalidModelError as error:
        raise ConversionError(
            f"The converter wrote a {variant.value} file that can't be read: {error.message}",
            hint="Convert again; if it stays so, another TensorFlow version may help: "
            "pip install 'edgekit[convert]'.",
        ) from error


def _agreements(
    check: Path, converted: Mapping[Variant, bytes], graphs: Mapping[Variant, Graph]
) -> dict[Variant, Agreement]:
    """Run each variant on the check's inputs and compare it with the float model's outputs.

    Raises:
        ConversionError: A converted model does not run.
    """
    import numpy as np

    if not check.exists():
        return {}
    with np.load(check, allow_pickle=False) as file:
        inputs = [file[name] for name in file.files if name.startswith("input_")]
        outputs = [file[name] for name in file.files if name.startswith("output_")]
    jobs = [
        ModelJob(model=data, inputs=_raw_inputs(graphs[variant], inputs))
        for variant, data in converted.items()
    ]
    agreements = {}
    results = run_models(jobs, Engine.LITERT, timeout_seconds=_CHECK_SECONDS)
    for (variant, graph), result in zip(graphs.items(), results, strict=True):
        if isinstance(result, EdgeKitError):
            raise ConversionError(
                f"The converted {variant.value} model does not run: {result.message}",
                hint=result.hint,
            ) from result
        real = [
            dequantize(array, tensor)
            for array, tensor in zip(
                split_outputs(graph, result), graph.main.output_tensors, strict=True
            )
        ]
        try:
            agreements[variant] = compare_outputs(outputs, real)
        except ValueError as error:
            raise ConversionError(
                f"The {variant.value} model has other outputs than the original: {error}.",
                hint="Give each output once, and no input as an output.",
            ) from error
    return agreements


def _raw_inputs(graph: Graph, inputs: Sequence[NDArray[Any]]) -> tuple[bytes, ...]:
    columns = [
        quantize(array, tensor)
        for array, tensor in zip(inputs, graph.main.input_tensors, strict=True)
    ]
    return tuple(
        b"".join(column[index].tobytes() for column in columns) for index in range(len(inputs[0]))
    )
