"""The parsed model: frozen tensors, operators and subgraphs, with no library behind them."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass

OptionValue = int | float | bool | str | tuple[int, ...] | tuple[float, ...]
"""What an operator's option can hold; enumerations are their schema names."""

ABSENT = -1
"""The tensor index that stands for an optional input that is not given (schema.fbs)."""


SMALLEST_RANGE = 1e-5
"""A tensor that is constant on the calibration data gets a range of 2e-6 from the converter
(measured with TensorFlow 2.21); whatever it computes later is clipped to that."""


class DType(enum.Enum):
    """A tensor's element type: the name that the .tflite schema gives it.

    Source:
        tensorflow/compiler/mlir/lite/schema/schema.fbs, enum TensorType.
    """

    FLOAT32 = "FLOAT32"
    FLOAT16 = "FLOAT16"
    INT32 = "INT32"
    UINT8 = "UINT8"
    INT64 = "INT64"
    STRING = "STRING"
    BOOL = "BOOL"
    INT16 = "INT16"
    COMPLEX64 = "COMPLEX64"
    INT8 = "INT8"
    FLOAT64 = "FLOAT64"
    COMPLEX128 = "COMPLEX128"
    UINT64 = "UINT64"
    RESOURCE = "RESOURCE"
    VARIANT = "VARIANT"
    UINT32 = "UINT32"
    UINT16 = "UINT16"
    INT4 = "INT4"
    BFLOAT16 = "BFLOAT16"
    INT2 = "INT2"
    UINT4 = "UINT4"
    FLOAT8_E4M3FN = "FLOAT8_E4M3FN"
    FLOAT8_E5M2 = "FLOAT8_E5M2"

    @property
    def bits(self) -> int:
        """Bits of one element; 0 where elements have no fixed size."""
        return _BITS[self]

    @property
    def is_float(self) -> bool:
        """Whether the elements are floating point."""
        return self in _FLOATS


_BITS: Mapping[DType, int] = {
    DType.FLOAT32: 32,
    DType.FLOAT16: 16,
    DType.INT32: 32,
    DType.UINT8: 8,
    DType.INT64: 64,
    DType.STRING: 0,
    DType.BOOL: 8,
    DType.INT16: 16,
    DType.COMPLEX64: 64,
    DType.INT8: 8,
    DType.FLOAT64: 64,
    DType.COMPLEX128: 128,
    DType.UINT64: 64,
    DType.RESOURCE: 32,
    DType.VARIANT: 0,
    DType.UINT32: 32,
    DType.UINT16: 16,
    DType.INT4: 4,
    DType.BFLOAT16: 16,
    DType.INT2: 2,
    DType.UINT4: 4,
    DType.FLOAT8_E4M3FN: 8,
    DType.FLOAT8_E5M2: 8,
}

_FLOATS = frozenset(
    {
        DType.FLOAT32,
        DType.FLOAT16,
        DType.FLOAT64,
        DType.BFLOAT16,
        DType.FLOAT8_E4M3FN,
        DType.FLOAT8_E5M2,
    }
)


def layer_of(tensor_name: str) -> str:
    """Return the layer that a tensor's name tells.

    The converter joins the names of fused layers by semicolons; the first is enough.
    """
    return tensor_name.partition(";")[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class Quantization:
    """Affine quantisation: real = scale · (stored − zero point).

    ``scales`` and ``zero_points`` have one entry (per tensor) or as many as the
    tensor's dimension ``axis`` (per channel). A file may leave ``zero_points``
    empty or hold only one: the reader widens it to the scales' length;
    ``has_zero_points`` tells whether the file has any.
    """

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int = 0
    has_zero_points: bool = True

    @property
    def is_per_channel(self) -> bool:
        """Whether there is more than one scale."""
        return len(self.scales) > 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Tensor:
    """One tensor of a subgraph.

    ``shape`` is the static shape (a dynamic dimension counts as 1; then
    ``shape_signature`` has −1 there). ``data`` holds a constant's bytes, little
    endian, exactly as stored; ``None`` for a tensor that is computed. Where
    ``is_sparse``, only the elements that are not zero are stored. ``file_offset`` is
    where in the file a constant's bytes begin, if they came from a file.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: DType
    quantization: Quantization | None = None
    data: bytes | None = None
    is_variable: bool = False
    shape_signature: tuple[int, ...] = ()
    is_sparse: bool = False
    file_offset: int | None = None

    @property
    def element_count(self) -> int:
        """Number of elements; 1 for a scalar."""
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int:
        """Bytes that the elements take, packed types rounded up to whole bytes."""
        return -(-self.element_count * self.dtype.bits // 8)

    @property
    def is_constant(self) -> bool:
        """Whether the file holds its elements."""
        return self.data is not None

    @property
    def scale(self) -> float:
        """The scale of a tensor quantised per tensor; 0.0 where there is none."""
        return self.quantization.scales[0] if self.quantization else 0.0

    @property
    def zero_point(self) -> int:
        """The zero point of a tensor quantised per tensor; 0 where there is none."""
        return self.quantization.zero_points[0] if self.quantization else 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Operator:
    """One operator of a subgraph, in order of execution.

    ``name`` is the schema's BuiltinOperator name, or ``"CUSTOM"`` with
    ``custom_name``. Absent optional inputs are ``ABSENT``. ``options`` has every
    field of the operator's options table, defaults filled in, under the schema's
    field names; enumerations as their names (``"SAME"``, ``"RELU6"``).
    """

    index: int
    name: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    intermediates: tuple[int, ...] = ()
    options: Mapping[str, OptionValue]
    custom_name: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Subgraph:
    """Tensors and the operators between them."""

    name: str
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    @property
    def input_tensors(self) -> tuple[Tensor, ...]:
        """The subgraph's inputs, in their declared order."""
        return tuple(self.tensors[index] for index in self.inputs)

    @property
    def output_tensors(self) -> tuple[Tensor, ...]:
        """The subgraph's outputs, in their declared order."""
        return tuple(self.tensors[index] for index in self.outputs)


@dataclass(frozen=True, kw_only=True, slots=True)
class Graph:
    """A whole .tflite file. ``subgraphs[0]`` is the one that runs."""

    subgraphs: tuple[Subgraph, ...]
    description: str = ""
    metadata: Mapping[str, bytes]
    sha256: str
    size_bytes: int

    @property
    def main(self) -> Subgraph:
        """The subgraph that runs; others are called from it."""
        return self.subgraphs[0]
