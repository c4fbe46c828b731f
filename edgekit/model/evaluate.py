"""What a .tflite answers on samples: accuracy, error, and agreement between variants.

The figures hold for a microcontroller: the interpreter runs without the XNNPACK
delegate, which changes int8 results by up to 10 steps. Floats are quantised with the
model's own scale, as firmware does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgekit.errors import CalibrationError, EdgeKitError
from edgekit.graph import Graph
from edgekit.model.interpreters import Engine, ModelJob, describe_engine, run_models
from edgekit.model.reader import read_graph
from edgekit.model.samples import Samples
from edgekit.model.tensors import dequantize, quantize_samples, split_outputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "Agreement",
    "Evaluation",
    "Predictions",
    "compare_outputs",
    "evaluate",
    "predict",
    "quantize_samples",
    "score",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """How right a model is on labelled samples.

    ``accuracy`` is the share of right classes, ``mae`` the mean absolute error of a
    regression; the one that does not apply, or both without labels, is ``None``.
    ``basis`` says what computed it.
    """

    model: str
    sha256: str
    size_bytes: int
    samples: int
    accuracy: float | None
    mae: float | None
    basis: str


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Predictions:
    """A model's outputs as real values: one array (N, *shape) per output."""

    outputs: tuple[NDArray[Any], ...]
    graph: Graph
    basis: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Agreement:
    """How near two models' outputs are on the same samples, the worst output's figures.

    ``top1`` is the share of samples whose largest element is at the same place,
    ``None`` where no output has two elements. ``relative_error`` is the root mean
    square of the difference over that of the first model's output.
    """

    samples: int
    top1: float | None
    relative_error: float


def predict(model: bytes, samples: Samples, *, timeout_seconds: float = 300.0) -> Predictions:
    """Run a .tflite on samples in a child process.

    Raises:
        CalibrationError: The samples don't belong to the model.
        InvalidModelError: The model is damaged, crashes the interpreter or never ends.
        UnsupportedModelError: The interpreter refuses the model.
        MissingToolError: LiteRT is not installed.
    """
    graph = read_graph(model)
    raw = quantize_samples(graph, samples)
    job = ModelJob(model=model, inputs=raw)
    (result,) = run_models([job], Engine.LITERT, timeout_seconds=timeout_seconds)
    if isinstance(result, EdgeKitError):
        raise result
    outputs = tuple(
        dequantize(array, tensor)
        for array, tensor in zip(
            split_outputs(graph, result), graph.main.output_tensors, strict=True
        )
    )
    return Predictions(outputs=outputs, graph=graph, basis=describe_engine(Engine.LITERT))


def evaluate(
    model: bytes,
    samples: Samples,
    *,
    name: str = "model",
    output: int = 0,
    timeout_seconds: float = 300.0,
) -> Evaluation:
    """Compare a .tflite's answers with the samples' labels; see :func:`score`.

    Args:
        model: The .tflite file's bytes.
        samples: The samples; without labels there are no figures.
        name: The model's name in the result.
        output: Which of the model's outputs the labels are for.
        timeout_seconds: How long the run may take.

    Raises:
        CalibrationError: No samples, samples of another model, or unusable labels.
        InvalidModelError: The model is damaged, crashes the interpreter or never ends.
        UnsupportedModelError: The interpreter refuses the model.
        MissingToolError: LiteRT is not installed.
    """
    if len(samples) == 0:
        raise CalibrationError(
            f"There are no samples in {samples.origin}.", hint="Give at least one."
        )
    predictions = predict(model, samples, timeout_seconds=timeout_seconds)
    if output >= len(predictions.outputs):
        raise CalibrationError(
            f"The model has {len(predictions.outputs)} outputs; there is no output {output}.",
            hint="Outputs count from 0.",
        )
    accuracy, mae = None, None
    if samples.labels is not None:
        accuracy, mae = score(predictions.outputs[output], samples.labels, origin=samples.origin)
    return Evaluation(
        model=name,
        sha256=predictions.graph.sha256,
        size_bytes=len(model),
        samples=len(samples),
        accuracy=accuracy,
        mae=mae,
        basis=predictions.basis,
    )


def score(
    outputs: NDArray[Any], labels: NDArray[Any], *, origin: str = "the samples"
) -> tuple[float | None, float | None]:
    """Return accuracy and mean absolute error; the one that does not apply is ``None``.

    What the labels are is told from their type and shape, for outputs (N, …, C):

    * whole numbers (N, …) or (N, …, 1) with C > 1: classes, compared with the argmax;
    * whole numbers 0 and 1 with one element per sample: a binary class, the output
      taken as a probability (threshold 0.5) if all outputs are in 0..1, else as a
      logit (threshold 0);
    * integers (N, …, C) with exactly one 1 in each row: one-hot classes, floats too;
    * anything else of the outputs' shape: target values of a regression.

    Raises:
        CalibrationError: The labels fit none of these, or name a class that is not.
    """
    import numpy as np

    truth = np.asarray(labels)
    if not np.isfinite(truth.astype(np.float64)).all():
        raise CalibrationError(
            f"The labels in {origin} hold NaN or infinity.", hint="Remove those samples."
        )
    if truth.ndim == outputs.ndim and truth.shape[-1] == 1 and outputs.shape[-1] != 1:
        truth = truth[..., 0]
    whole = bool((truth == np.floor(truth)).all())
    if whole and outputs.ndim > 1 and outputs.shape[-1] > 1 and truth.shape == outputs.shape[:-1]:
        classes = outputs.shape[-1]
        if truth.min() < 0 or truth.max() >= classes:
            raise CalibrationError(
                f"The labels in {origin} go from {truth.min():g} to {truth.max():g}; the model "
                f"has {classes} classes, 0 to {classes - 1}.",
                hint="Number the classes from 0, in the order of the training.",
            )
        return float((outputs.argmax(axis=-1) == truth).mean()), None
    if truth.size == outputs.size and len(truth) == len(outputs):
        truth = truth.reshape(outputs.shape)
        if whole and outputs.size == len(outputs) and set(np.unique(truth)) <= {0, 1}:
            threshold = 0.5 if outputs.min() >= 0 and outputs.max() <= 1 else 0.0
            return float(((outputs > threshold) == (truth == 1)).mean()), None
        if _is_one_hot(truth):
            right = outputs.argmax(axis=-1) == truth.argmax(axis=-1)
            return float(right.mean()), None
        return None, float(np.abs(outputs - truth).mean())
    raise CalibrationError(
        f"The labels in {origin} have the shape {labels.shape}, the model's outputs "
        f"{outputs.shape}.",
        hint="Give one class number per sample, one-hot rows, or targets of the outputs' shape.",
    )


def _is_one_hot(truth: NDArray[Any]) -> bool:
    if truth.ndim < 2 or truth.shape[-1] < 2:
        return False
    return bool(((truth == 0) | (truth == 1)).all() and (truth.sum(axis=-1) == 1).all())


def compare_outputs(reference: Sequence[NDArray[Any]], other: Sequence[NDArray[Any]]) -> Agreement:
    """Return how near ``other``'s outputs are to ``reference``'s, the same samples in both.

    Each array is (N, …); a pair must have the same number of elements.

    Raises:
        ValueError: The numbers of outputs, samples or elements differ.
    """
    import numpy as np

    top1: list[float] = []
    errors: list[float] = []
    for one, two in zip(reference, other, strict=True):
        a = np.asarray(one, dtype=np.float64).reshape(len(one), -1)
        b = np.asarray(two, dtype=np.float64).reshape(len(two), -1)
        if a.shape != b.shape:
            raise ValueError(f"outputs of shape {one.shape} and {two.shape} can't be compared")
        size, difference = (float(np.sqrt(np.mean(np.square(x)))) for x in (a, a - b))
        if np.isfinite(size) and np.isfinite(difference):
            errors.append(difference / size if size else (0.0 if difference == 0 else float("inf")))
        else:
            errors.append(0.0 if np.array_equal(a, b, equal_nan=True) else float("inf"))
        if a.shape[1] > 1:
            top1.append(float((a.argmax(axis=1) == b.argmax(axis=1)).mean()))
    return Agreement(
        samples=len(reference[0]), top1=min(top1, default=None), relative_error=max(errors)
    )
