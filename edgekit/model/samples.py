"""Samples for calibration and evaluation: from files, functions and arrays in memory.

Nothing is ever unpickled, and whatever can't be read is a ``CalibrationError``.
"""

from __future__ import annotations

import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from edgekit.errors import CalibrationError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float32]

LABEL_KEYS = ("labels", "y")
"""The names under which an .npz holds the labels."""

_UNREADABLE = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    TypeError,
    SyntaxError,
    tokenize.TokenError,
    RuntimeError,
    MemoryError,
    OverflowError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What numpy and zipfile raise on a damaged or hostile .npy or .npz."""

_HOW_TO_SAVE = (
    "Save plain numeric arrays with np.savez(file, x=samples, y=labels) or "
    "np.save(file, samples); pickled objects are never loaded."
)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Samples:
    """Samples for a model, one array per input, each (N, *shape) float32.

    ``names`` are the arrays' names, empty where they came without (then their
    order counts). ``labels`` is (N, ...) or ``None``. ``stored_types`` are the
    numpy types that the arrays had before. ``origin`` names the file, for messages.
    """

    arrays: tuple[FloatArray, ...]
    names: tuple[str, ...] = ()
    labels: NDArray[Any] | None = None
    stored_types: tuple[str, ...] = ()
    origin: str = "the samples"

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.arrays[0])

    def take(self, count: int) -> Samples:
        """Return the first ``count`` samples."""
        return Samples(
            arrays=tuple(array[:count] for array in self.arrays),
            names=self.names,
            labels=None if self.labels is None else self.labels[:count],
            stored_types=self.stored_types,
            origin=self.origin,
        )


def make_samples(
    arrays: Mapping[str, Any] | Sequence[Any] | Any,
    labels: Any = None,
    *,
    origin: str = "the samples",
) -> Samples:
    """Return samples from arrays in memory: one array, one per input, or by input name.

    A list or tuple is one array per input; a single numpy array is the only input.

    Raises:
        CalibrationError: An array is not numeric, or the lengths differ.
    """
    import numpy as np

    if isinstance(arrays, Mapping):
        names, values = tuple(str(key) for key in arrays), list(arrays.values())
    elif isinstance(arrays, list | tuple):
        names, values = (), list(arrays)
    else:
        names, values = (), [arrays]
    if not values:
        raise CalibrationError(
            f"There are no arrays in {origin}.", hint="Give one array per model input."
        )
    raw = [np.asarray(value) for value in values]
    called = names or tuple(f"array {index}" for index in range(len(raw)))
    converted = tuple(
        _as_float32(array, name, origin) for array, name in zip(raw, called, strict=True)
    )
    lengths = {len(array) for array in converted}
    if len(lengths) > 1:
        told = ", ".join(f"{name}: {len(array)}" for name, array in zip(called, raw, strict=True))
        raise CalibrationError(
            f"The arrays in {origin} hold different numbers of samples ({told}).",
            hint="The first dimension counts the samples and must be the same in all.",
        )
    return Samples(
        arrays=converted,
        names=names,
        labels=None if labels is None else _as_labels(labels, lengths.pop(), origin),
        stored_types=tuple(str(array.dtype) for array in raw),
        origin=origin,
    )


def _as_float32(array: NDArray[Any], name: str, origin: str) -> FloatArray:
    import numpy as np

    if array.dtype.kind not in "fiub":
        raise CalibrationError(
            f"{name!r} in {origin} holds {array.dtype}, not numbers.",
            hint="Store the samples as a numeric array, best float32, all of one shape.",
        )
    if array.ndim == 0:
        raise CalibrationError(
            f"{name!r} in {origin} is a single number, not an array of samples.",
            hint="The first dimension counts the samples: shape (N, *one sample's shape).",
        )
    with np.errstate(over="ignore"):  # what overflows becomes inf, which is refused later
        return np.ascontiguousarray(array, dtype=np.float32)


def _as_labels(labels: Any, count: int, origin: str) -> NDArray[Any]:
    import numpy as np

    array = np.asarray(labels)
    if array.dtype.kind not in "fiub":
        raise CalibrationError(
            f"The labels in {origin} hold {array.dtype}, not numbers.",
            hint="Store class numbers (0, 1, …), one-hot rows, or target values.",
        )
    if array.ndim == 0 or len(array) != count:
        found = 0 if array.ndim == 0 else len(array)
        raise CalibrationError(
            f"There are {found} labels for {count} samples in {origin}.",
            hint="Give one label per sample, in the same order.",
        )
    return array


def samples_from_callable(
    function: Callable[[], Any], *, limit: int = 1000, origin: str = "the calibration function"
) -> Samples:
    """Return the samples that a function gives.

    The function returns :class:`Samples`, an array (N, ...), a dictionary of arrays
    by input name, a tuple of arrays (one per input), or an iterator. The iterator
    yields TensorFlow's ``representative_dataset`` items, a list, tuple or dictionary
    with one array per input *including the batch dimension*, or bare arrays of one
    sample each *without* it. At most ``limit`` items are drawn, so that an endless
    generator is fine. An exception of the function itself passes through.

    Raises:
        CalibrationError: It is not callable, or gives nothing usable.
    """
    if not callable(function):
        raise CalibrationError(
            f"{_sentence(origin)} is not callable: it is a {type(function).__name__}.",
            hint="Give a function that returns an array or yields samples; wrap arrays in "
            "edgekit.make_samples(x).",
        )
    given = function()
    if isinstance(given, Samples):
        return given
    if given is None:
        raise CalibrationError(
            f"{_sentence(origin)} returned nothing.",
            hint="Return an array (N, ...), or yield samples.",
        )
    if isinstance(given, Iterator):
        return _from_items(given, limit=limit, origin=origin)
    if isinstance(given, Mapping | list | tuple) or hasattr(given, "__array__"):
        return make_samples(given, origin=origin)
    if isinstance(given, Iterable):
        return _from_items(iter(given), limit=limit, origin=origin)
    raise CalibrationError(
        f"{_sentence(origin)} returned a {type(given).__name__}.",
        hint="Return an array (N, ...), or yield samples.",
    )


def _from_items(items: Iterator[Any], *, limit: int, origin: str) -> Samples:
    import numpy as np

    rows: list[list[NDArray[Any]]] = []
    names: tuple[str, ...] = ()
    for item, _ in zip(items, range(limit), strict=False):
        if isinstance(item, Mapping):
            names = names or tuple(str(key) for key in item)
            if set(names) != {str(key) for key in item}:
                raise _uneven(origin)
            by_name = {str(key): value for key, value in item.items()}
            rows.append([np.asarray(by_name[name]) for name in names])
        elif isinstance(item, list | tuple):
            rows.append([np.asarray(value) for value in item])
        else:
            rows.append([np.asarray(item)[np.newaxis]])
    if not rows:
        raise CalibrationError(
            f"{origin} yielded no samples.",
            hint="Without calibration data the ranges are unknown; yield at least 100 samples.",
        )
    if len({len(row) for row in rows}) > 1:
        raise _uneven(origin)
    columns = list(zip(*rows, strict=True))
    if any(len({array.shape[1:] for array in column}) > 1 for column in columns) or any(
        array.ndim == 0 for column in columns for array in column
    ):
        raise _uneven(origin)
    joined = [np.concatenate(column) for column in columns]
    return make_samples(dict(zip(names, joined, strict=True)) if names else joined, origin=origin)


def _uneven(origin: str) -> CalibrationError:
    return CalibrationError(
        f"{origin} yields items of different shapes or numbers of inputs.",
        hint="Yield one list per sample, with one array per model input, batch included: "
        "yield [x[np.newaxis]].",
    )


def load_samples(path: Path) -> Samples:
    """Return the samples of an ``.npz`` or ``.npy`` file.

    An ``.npz`` has one array per model input under the input's name, or a single one
    (``x``, ``images``, ``arr_0`` …), and may have labels under ``labels`` or ``y``. An
    ``.npy`` is the only input. The content decides, not the file's suffix.

    Raises:
        CalibrationError: The file is missing, damaged, of another kind or pickled, or
            holds no samples.
    """
    import numpy as np

    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy's on odd headers; what matters is checked
            _check_kind(file, path)
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                arrays = {"": loaded}
            else:
                with loaded:
                    arrays = {name: loaded[name] for name in loaded.files}
    except FileNotFoundError as error:
        raise CalibrationError(
            f"There is no samples file {path}.", hint="Check the path; make one with np.savez."
        ) from error
    except _UNREADABLE as error:
        raise CalibrationError(
            f"Can't read samples from {path}: {_reason(error)}",
            hint=_HOW_TO_SAVE,
        ) from error
    if "" in arrays:
        return make_samples(arrays[""], origin=path.name)
    if not arrays or any(not isinstance(array, np.ndarray) for array in arrays.values()):
        raise CalibrationError(
            f"There are no numpy arrays in {path}.",
            hint="Save the samples with np.savez(file, x=samples, y=labels).",
        )
    key = next((name for name in LABEL_KEYS if name in arrays), None)
    labels = arrays.pop(key) if key is not None and len(arrays) > 1 else None
    return make_samples(arrays, labels, origin=path.name)


def _check_kind(file: BinaryIO, path: Path) -> None:
    """Refuse what numpy would take for a pickle, as it does everything that it does not know."""
    start = file.read(6)
    file.seek(0)
    if start and not start.startswith((b"PK", b"\x93NUMPY")):
        raise CalibrationError(
            f"Can't read samples from {path}: it is neither an .npz nor an .npy.",
            hint=_HOW_TO_SAVE,
        )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] if text.startswith("the ") else text


def _reason(error: BaseException) -> str:
    """Return an error's first line as a sentence."""
    lines = str(error).strip().splitlines()
    text = lines[0].strip() if lines else type(error).__name__
    return text if text.endswith((".", "!", "?")) else text + "."
