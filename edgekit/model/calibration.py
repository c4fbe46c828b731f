"""Calibration data, checked before use, and put in the model's order.

Bad calibration data does not fail, it converts to a model that answers wrongly: an
empty generator, NaN, zeros, pixels that were not brought to 0..1. So everything is
checked before the converter sees it. Reading is in ``samples.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekit.errors import CalibrationError
from edgekit.model.samples import Samples, load_samples, make_samples, samples_from_callable

if TYPE_CHECKING:
    from edgekit.model.samples import FloatArray

__all__ = [
    "InputSpec",
    "Samples",
    "bind_samples",
    "check_finite",
    "check_samples",
    "check_values",
    "compare_ranges",
    "load_samples",
    "make_samples",
    "samples_from_callable",
]

RECOMMENDED_SAMPLES = 100
"""Fewer give poor ranges; TensorFlow's post-training quantisation guide asks for 100 to 500."""

RANGE_RATIO = 10.0
"""Calibration and evaluation data whose largest magnitudes differ by more are suspicious."""

GENERIC_KEYS = ("x", "images", "inputs", "data", "arr_0")
"""Names that stand for a model's only input."""

_BYTE_RANGE = 255.0


@dataclass(frozen=True, kw_only=True, slots=True)
class InputSpec:
    """One model input: its name and the shape of one sample, without the batch."""

    name: str
    shape: tuple[int, ...]


def check_values(samples: Samples) -> tuple[str, ...]:
    """Check what would mislead the calibration, whatever the model.

    Returns:
        Warnings: few samples, all alike, integer or byte-like values.

    Raises:
        CalibrationError: No samples, NaN or infinity, only zeros, only one value.
    """
    warnings: list[str] = []
    if len(samples) == 0:
        raise CalibrationError(
            f"There are no samples in {samples.origin}.",
            hint="Without data the weights stay unquantised and the ranges unknown; give at "
            f"least {RECOMMENDED_SAMPLES} typical samples.",
        )
    check_finite(samples)
    constant = [index for index, array in enumerate(samples.arrays) if _is_constant(array)]
    if len(constant) == len(samples.arrays):
        value = float(samples.arrays[0].flat[0]) if samples.arrays[0].size else 0.0
        raise CalibrationError(
            f"Every value in {samples.origin} is {value:g}: nothing can be calibrated on that.",
            hint="Check how the data was saved; give typical, preprocessed samples.",
        )
    warnings += [
        f"Every value of {_name(samples, index)!r} in {samples.origin} is the same; its range "
        "can't be calibrated."
        for index in constant
    ]
    if len(samples) < RECOMMENDED_SAMPLES:
        warnings.append(
            f"Only {len(samples)} calibration samples; {RECOMMENDED_SAMPLES} or more give "
            "better ranges."
        )
    if len(samples) > 1 and all(bool((array == array[0]).all()) for array in samples.arrays):
        warnings.append(f"All {len(samples)} samples in {samples.origin} are the same one.")
    for index, array in enumerate(samples.arrays):
        warnings += _byte_warnings(samples, index, array)
    return tuple(warnings)


def _byte_warnings(samples: Samples, index: int, array: FloatArray) -> list[str]:
    """Return what to say of integers and of pixels that were not brought to 0..1."""
    import numpy as np

    name = _name(samples, index)
    stored = samples.stored_types[index] if index < len(samples.stored_types) else "float32"
    low, high = float(array.min()), float(array.max())
    if np.dtype(stored).kind in "iu":
        return [
            f"{name!r} in {samples.origin} is stored as {stored} ({low:g} to {high:g}); it was "
            "converted to float32 unscaled. Right only if the model was trained on such values."
        ]
    looks_like_bytes = low >= 0 and _BYTE_RANGE / 2 < high <= _BYTE_RANGE
    if looks_like_bytes and bool((array[:100] == np.floor(array[:100])).all()):
        return [
            f"{name!r} in {samples.origin} holds whole numbers from {low:g} to {high:g}, like "
            "raw pixels. Right only if the model was trained on such values."
        ]
    return []


def check_finite(samples: Samples) -> None:
    """Refuse NaN and infinity; ``inf`` kills TensorFlow's calibrator (SIGSEGV).

    Raises:
        CalibrationError: A value is not finite; the message says where the first is.
    """
    import numpy as np

    for index, array in enumerate(samples.arrays):
        finite = np.isfinite(array)
        if not finite.all():
            place = tuple(int(axis) for axis in np.argwhere(~finite)[0])
            raise CalibrationError(
                f"{_name(samples, index)!r} in {samples.origin} holds "
                f"{int(array.size - finite.sum())} values that are NaN or infinite in float32, "
                f"the first in sample {place[0]} at {list(place[1:])}.",
                hint="Remove those samples, or replace the values: np.nan_to_num(x).",
            )


def _is_constant(array: FloatArray) -> bool:
    return array.size == 0 or bool(array.min() == array.max())


def _name(samples: Samples, index: int) -> str:
    return samples.names[index] if samples.names else f"array {index}"


def compare_ranges(calibration: Samples, evaluation: Samples) -> tuple[str, ...]:
    """Return a warning for each array whose range is far from the evaluation data's.

    Arrays of the same name are compared, those without by their order.
    """
    warnings = []
    others = dict(zip(evaluation.names, evaluation.arrays, strict=False))
    for index, one in enumerate(calibration.arrays):
        if index >= len(evaluation.arrays):
            break
        other = others.get(_name(calibration, index), evaluation.arrays[index])
        if not one.size or not other.size:
            continue
        largest, expected = float(abs(one).max()), float(abs(other).max())
        if expected == 0 or not (1 / RANGE_RATIO <= largest / expected <= RANGE_RATIO):
            warnings.append(
                f"Calibration values of {_name(calibration, index)!r} reach {largest:g}, "
                f"evaluation values {expected:g}: one of them is preprocessed differently."
            )
    return tuple(warnings)


def bind_samples(samples: Samples, inputs: Sequence[InputSpec]) -> Samples:
    """Return the samples with one array per input, in the model's order, shapes checked.

    Arrays are matched by name; a model's only input also takes the only array, or
    the one with a generic name (``x``, ``images`` …); arrays without names go by
    their order.

    Raises:
        CalibrationError: An array is missing, or a shape differs; the hint has the
            numpy expression that mends it.
    """
    order = _matching(samples, inputs)
    arrays = tuple(samples.arrays[index] for index in order)
    for spec, array in zip(inputs, arrays, strict=True):
        if array.shape[1:] != spec.shape:
            raise _shape_error(spec, array, samples.origin)
    return Samples(
        arrays=arrays,
        names=tuple(spec.name for spec in inputs),
        labels=samples.labels,
        stored_types=tuple(
            samples.stored_types[index] for index in order if index < len(samples.stored_types)
        ),
        origin=samples.origin,
    )


def _matching(samples: Samples, inputs: Sequence[InputSpec]) -> list[int]:
    names = samples.names
    if names and all(spec.name in names for spec in inputs):
        return [names.index(spec.name) for spec in inputs]
    if len(samples.arrays) == len(inputs) and (not names or len(inputs) == 1):
        return list(range(len(inputs)))
    generic = [key for key in GENERIC_KEYS if key in names]
    if len(inputs) == 1 and generic:
        return [names.index(generic[0])]
    wanted = ", ".join(repr(spec.name) for spec in inputs)
    found = ", ".join(map(repr, names)) if names else f"{len(samples.arrays)} without names"
    raise CalibrationError(
        f"The model's inputs are {wanted}; the arrays in {samples.origin} are {found}.",
        hint="Save one array per input under the input's name: np.savez(file, "
        + ", ".join(f"{spec.name}=…" for spec in inputs)
        + ").",
    )


def _shape_error(spec: InputSpec, array: FloatArray, origin: str) -> CalibrationError:
    expected = "(" + ", ".join(["N", *map(str, spec.shape)]) + ("," if not spec.shape else "") + ")"
    return CalibrationError(
        f"Input {spec.name!r} takes samples of shape {expected}; the array in {origin} has "
        f"{array.shape}.",
        hint=_shape_hint(spec.shape, array.shape),
    )


def _shape_hint(wanted: tuple[int, ...], got: tuple[int, ...]) -> str:
    """Return the numpy expression that turns an array of shape ``got`` into (N, *wanted)."""
    sample = got[1:]
    if got == wanted:
        return "The dimension that counts the samples is missing: x = x[np.newaxis]."
    if (*sample, 1) == wanted:
        return "The channel dimension is missing: x = x[..., np.newaxis]."
    if sample == (1, *wanted):
        return "There is one dimension too many after the first: x = x[:, 0]."
    if sample[:-1] == wanted and sample[-1:] == (1,):
        return "There is one dimension too many at the end: x = x[..., 0]."
    if len(sample) == 3 and (sample[1], sample[2], sample[0]) == wanted:
        return "The channels come first; put them last: x = np.transpose(x, (0, 2, 3, 1))."
    if math.prod(sample) == math.prod(wanted):
        return f"The number of values is the same: x = x.reshape({(-1, *wanted)})."
    return "Preprocess the samples exactly as for training."


def check_samples(samples: Samples, inputs: Sequence[InputSpec]) -> tuple[str, ...]:
    """Check calibration samples against a model's inputs; see the functions above.

    Returns:
        Warnings.

    Raises:
        CalibrationError: The data can't be used, or would silently mislead.
    """
    warnings = check_values(samples)
    bind_samples(samples, inputs)
    return warnings
