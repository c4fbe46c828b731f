"""Between real values and a tensor's raw bytes, as TensorFlow Lite quantises them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from edgekit.errors import UnsupportedModelError
from edgekit.graph import DType, Graph, Tensor
from edgekit.model.calibration import InputSpec, bind_samples, check_finite
from edgekit.model.samples import Samples

if TYPE_CHECKING:
    from numpy.typing import NDArray

NUMPY_TYPES: Mapping[DType, str] = MappingProxyType(
    {
        DType.FLOAT32: "<f4",
        DType.FLOAT16: "<f2",
        DType.FLOAT64: "<f8",
        DType.INT8: "|i1",
        DType.UINT8: "|u1",
        DType.INT16: "<i2",
        DType.UINT16: "<u2",
        DType.INT32: "<i4",
        DType.UINT32: "<u4",
        DType.INT64: "<i8",
        DType.UINT64: "<u8",
        DType.BOOL: "|b1",
    }
)
"""numpy's name of each element type; the others have none."""


def numpy_type(tensor: Tensor) -> str:
    """Return numpy's name of a tensor's element type, little endian.

    Raises:
        UnsupportedModelError: numpy has none for it (strings, packed int4 …).
    """
    try:
        return NUMPY_TYPES[tensor.dtype]
    except KeyError as error:
        raise UnsupportedModelError(
            f"The tensor {tensor.name!r} has elements of type {tensor.dtype.value}.",
            hint="Inputs and outputs must be float32, int8, uint8, int16 or int32.",
        ) from error


def plain_name(name: str) -> str:
    """Return a .tflite tensor's name as the model's author knows it.

    The converter's SavedModel route adds ``serving_default_`` and ``:0``.
    """
    return name.removeprefix("serving_default_").split(":")[0]


def input_specs(graph: Graph) -> tuple[InputSpec, ...]:
    """Return the graph's inputs as samples see them: without the batch dimension of 1.

    Raises:
        UnsupportedModelError: An input has a batch other than 1.
    """
    specs = []
    for tensor in graph.main.input_tensors:
        if tensor.shape and tensor.shape[0] != 1:
            raise UnsupportedModelError(
                f"Input {tensor.name!r} has the fixed batch {tensor.shape[0]}.",
                hint="Convert the model with batch 1; 'edgekit convert' always does.",
            )
        specs.append(InputSpec(name=plain_name(tensor.name), shape=tensor.shape[1:]))
    return tuple(specs)


def quantize(values: NDArray[Any], tensor: Tensor) -> NDArray[Any]:
    """Return real values in a tensor's own type.

    A quantised tensor gets round(value / scale) + zero point, clipped to the type's
    range. The quotient is taken in float32 and rounded half away from zero, as
    TensorFlow Lite does, not half to even as numpy does. Integers without a scale are
    rounded likewise; floats are only cast.

    Source:
        tensorflow/lite/kernels/internal/reference/quantize.h, AffineQuantize, with
        cppmath.h TfLiteRound (std::round).
    """
    import numpy as np

    dtype = np.dtype(numpy_type(tensor))
    if dtype.kind == "f":
        return values.astype(dtype)
    if dtype.kind == "b":
        return values.astype(dtype)
    quotient = values.astype(np.float32)
    if tensor.quantization is not None:
        quotient = quotient / np.float32(tensor.scale)
    exact = quotient.astype(np.float64)
    rounded = np.copysign(np.floor(np.abs(exact) + 0.5), exact) + tensor.zero_point
    limits = np.iinfo(dtype)
    clipped: NDArray[Any] = np.clip(rounded, limits.min, limits.max).astype(dtype)
    return clipped


def dequantize(values: NDArray[Any], tensor: Tensor) -> NDArray[Any]:
    """Return a tensor's elements as real values, float64."""
    import numpy as np

    real: NDArray[Any] = values.astype(np.float64)
    if tensor.quantization is not None and not tensor.dtype.is_float:
        real = (real - tensor.zero_point) * tensor.scale
    return real


def quantize_samples(graph: Graph, samples: Samples) -> tuple[bytes, ...]:
    """Return each sample as the raw bytes of all the model's inputs, one after another.

    See :func:`quantize` for the rounding.

    Raises:
        CalibrationError: The samples don't belong to the model, or hold NaN or inf.
        UnsupportedModelError: An input's type or batch can't be fed.
    """
    bound = bind_samples(samples, input_specs(graph))
    check_finite(bound)
    columns = [
        quantize(array, tensor)
        for array, tensor in zip(bound.arrays, graph.main.input_tensors, strict=True)
    ]
    return tuple(
        b"".join(column[index].tobytes() for column in columns) for index in range(len(bound))
    )


def split_outputs(graph: Graph, outputs: Sequence[bytes]) -> tuple[NDArray[Any], ...]:
    """Return raw outputs, one byte string per inference, as one array per model output.

    Each array is (N, *shape) of the tensor's own type, a batch dimension of 1 dropped.
    """
    import numpy as np

    blob = b"".join(outputs)
    rows = np.frombuffer(blob, dtype=np.uint8).reshape(len(outputs), -1)
    arrays = []
    offset = 0
    for tensor in graph.main.output_tensors:
        part = np.ascontiguousarray(rows[:, offset : offset + tensor.size_bytes])
        shape = tensor.shape[1:] if tensor.shape[:1] == (1,) else tensor.shape
        arrays.append(part.view(numpy_type(tensor)).reshape(len(outputs), *shape))
        offset += tensor.size_bytes
    return tuple(arrays)
