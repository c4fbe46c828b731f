"""The conversion itself; runs in the child process only (``jobs.py``).

Job: ``source`` (the fields of ``source.Source``), ``variants``, ``io_type``,
``per_channel_dense``, ``samples`` (an .npz file name or null), ``check_samples``.
Leaves ``<variant>.tflite`` for each variant, ``check.npz`` with inputs and the float
model's outputs on them, and returns inputs, warnings and versions.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.errors import ConversionError, UnsupportedModelError
from edgekit.model import tensorflow_models
from edgekit.model.calibration import InputSpec, bind_samples, load_samples
from edgekit.model.samples import Samples
from edgekit.model.source import KERAS
from edgekit.model.tensorflow_models import Traced
from edgekit.model.variants import VARIANTS, Variant, VariantSpec, io_type_of
from edgekit.model.worker import report

if TYPE_CHECKING:
    from numpy.typing import NDArray

PROGRESS_SECONDS = 0.5
"""How often a long calibration says how far it is."""

INPUT_TYPES = ("float32", "int32")
"""Input types that are converted; integer inputs (token numbers) stay what they are."""


def convert_job(job: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    """Convert a model to all variants that the job asks for."""
    report("starting TensorFlow", "Starting TensorFlow")
    tensorflow = tensorflow_models.import_tensorflow()
    source = job["source"]
    report("loading", f"Loading {source['label']}")
    owner, traced = _load(source)
    _check_input_types(traced, source["label"])
    report("checking the samples")
    samples = _samples(job, folder, traced)
    report("running the float model", "Running the float model")
    _write_check(samples or _made_up(traced), traced, job["check_samples"], folder)
    for name in job["variants"]:
        spec = VARIANTS[Variant(name)]
        _convert(tensorflow, traced, spec, job, samples, folder / f"{name}.tflite")
    del owner  # kept alive until here: the traced function uses its variables
    import keras

    return {
        "inputs": [
            {"name": name, "shape": shape, "type": kind}
            for name, shape, kind in zip(
                traced.input_names, traced.input_shapes, traced.input_types, strict=True
            )
        ],
        "versions": {"tensorflow": tensorflow.__version__, "keras": keras.__version__},
    }


def _load(source: Mapping[str, Any]) -> tuple[Any, Traced]:
    path, label = Path(source["path"]), source["label"]
    if source["kind"] == KERAS:
        model = tensorflow_models.load_keras(path)
        report("tracing", "Tracing the model at batch 1")
        return model, tensorflow_models.trace_keras(model, label)
    loaded = tensorflow_models.load_saved_model(path, label, source["input_names"])
    report("tracing", "Tracing the model at batch 1")
    return loaded


def _check_input_types(traced: Traced, label: str) -> None:
    for name, kind in zip(traced.input_names, traced.input_types, strict=True):
        if kind not in INPUT_TYPES:
            raise UnsupportedModelError(
                f"Input {name!r} of {label} is {kind}.",
                hint="Rebuild the model with float32 inputs (int32 for token numbers).",
            )


def _samples(job: Mapping[str, Any], folder: Path, traced: Traced) -> Samples | None:
    """Return the samples in the model's order; shapes are refused here, values were before."""
    if job["samples"] is None:
        return None
    loaded = load_samples(folder / job["samples"])
    specs = [
        InputSpec(name=name, shape=shape[1:])
        for name, shape in zip(traced.input_names, traced.input_shapes, strict=True)
    ]
    named = Samples(
        arrays=loaded.arrays,
        names=tuple(job["sample_names"]),
        stored_types=loaded.stored_types,
        origin=job["sample_origin"],
    )
    return bind_samples(named, specs)


def _made_up(traced: Traced) -> Samples | None:
    """Return a few reproducible inputs for a model without samples, if all are float."""
    import numpy as np

    if any(kind != "float32" for kind in traced.input_types):
        return None
    generator = np.random.default_rng(0)
    return Samples(
        arrays=tuple(
            generator.random((4, *shape[1:]), dtype=np.float32) for shape in traced.input_shapes
        ),
        origin="the made-up samples",
    )


def _rows(samples: Samples, traced: Traced) -> Iterator[list[NDArray[Any]]]:
    """Give each sample as one array per input, with batch 1 and the input's own type."""
    for index in range(len(samples)):
        yield [
            array[index : index + 1].astype(kind)
            for array, kind in zip(samples.arrays, traced.input_types, strict=True)
        ]


def _write_check(samples: Samples | None, traced: Traced, count: int, folder: Path) -> None:
    """Write inputs and the float model's outputs, by which the variants are judged."""
    import numpy as np
    import tensorflow as tf

    if samples is None:
        return
    inputs, outputs = [], []
    for row in _rows(samples.take(count), traced):
        results = tf.nest.flatten(traced.function(*[tf.constant(array) for array in row]))
        inputs.append(row)
        outputs.append([np.asarray(result) for result in results])
        if not all(np.isfinite(result).all() for result in outputs[-1] if result.dtype.kind == "f"):
            raise ConversionError(
                f"The model itself computes NaN or infinity on sample {len(outputs) - 1} of "
                f"{samples.origin}.",
                hint="Its weights or the samples are too large or broken: check both where the "
                "model was trained, e.g. model.predict(x).",
            )
    arrays: dict[str, Any] = {
        f"input_{index}": np.concatenate(column)
        for index, column in enumerate(zip(*inputs, strict=True))
    }
    arrays.update(
        (f"output_{index}", np.stack(column))
        for index, column in enumerate(zip(*outputs, strict=True))
    )
    np.savez(folder / "check.npz", **arrays)


def _convert(
    tensorflow: Any,
    traced: Traced,
    spec: VariantSpec,
    job: Mapping[str, Any],
    samples: Samples | None,
    target: Path,
) -> None:
    lite = tensorflow.lite
    report(f"converting to {spec.title}", f"Converting to {spec.title}")
    # Without the trackable object: with it, float32 silently loses its weights.
    converter = lite.TFLiteConverter.from_concrete_functions([traced.function])
    # TFLM before 2024-05-29 computes per-channel Dense layers silently wrong.
    converter._experimental_disable_per_channel_quantization_for_dense_layers = not job[
        "per_channel_dense"
    ]
    if spec.optimizes:
        converter.optimizations = [lite.Optimize.DEFAULT]
    if spec.op_sets:
        converter.target_spec.supported_ops = [getattr(lite.OpsSet, name) for name in spec.op_sets]
    if spec.weight_types:
        converter.target_spec.supported_types = [
            tensorflow.as_dtype(name) for name in spec.weight_types
        ]
    if spec.needs_calibration and samples is not None:
        converter.representative_dataset = lambda: _calibrate(samples, traced, spec)
    if spec.computes_in_integers:
        io_type = tensorflow.as_dtype(io_type_of(Variant(target.stem), job["io_type"]))
        converter.inference_input_type = io_type
        converter.inference_output_type = io_type
    target.write_bytes(converter.convert())


def _calibrate(samples: Samples, traced: Traced, spec: VariantSpec) -> Iterator[list[NDArray[Any]]]:
    """Give the samples to the converter, and say how far it is."""
    stage = f"calibrating {spec.title}"
    report(stage, f"Calibrating on {len(samples)} samples")
    said = time.monotonic()
    for index, row in enumerate(_rows(samples, traced)):
        yield row
        if time.monotonic() - said > PROGRESS_SECONDS:
            said = time.monotonic()
            report(stage, f"Calibrating: {index + 1} of {len(samples)} samples")
    report(f"quantising to {spec.title}", "Quantising")
