"""What the rules of lowering work with: an operator's tensors, and the growing program."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Literal

from edgekit.aot.ir import Argument, Buffer, BufferRef, Call, Constant, ConstantRef, Place
from edgekit.aot.kernels import KERNELS
from edgekit.aot.numerics import activation_range
from edgekit.graph import ABSENT, DType, Operator, OptionValue, Subgraph, Tensor

_LETTERS = {"int32_t": "i", "uint32_t": "I", "uint16_t": "H", "int8_t": "b"}
_READS = ("input", "data")
_WRITES = ("output",)
_SCRATCH = ("patch",)


class RefusalError(Exception):
    """An operator that the engine lacks, or an option or type of one; says what."""


class FloatRefusalError(RefusalError):
    """An operator that computes in floating point; reported once for the whole model."""


class Lowering:
    """Collects buffers, constants and calls while the operators are lowered in order."""

    def __init__(self, subgraph: Subgraph) -> None:
        self._subgraph = subgraph
        self._places: dict[int, Place] = {}
        self._known_constants: dict[tuple[str, bytes], ConstantRef] = {}
        self.buffers: list[Buffer] = []
        self.constants: list[Constant] = []
        self.calls: list[Call] = []

    def place(self, tensor: Tensor) -> Place:
        """Return where a tensor's elements are; a constant's become a C array."""
        found = self._places.get(tensor.index)
        if found is None:
            if tensor.data is None:
                raise RefusalError(f"nothing computes {tensor.name!r} before it is read")
            if tensor.is_sparse:
                raise RefusalError(f"{tensor.name!r} is stored sparsely")
            found = self.constant("values", tensor.index, "uint8_t", tensor.data)
            self._places[tensor.index] = found
        return found

    def data(self, tensor: Tensor) -> bytes | None:
        """Return a tensor's bytes where they are known when compiling."""
        place = self._places.get(tensor.index)
        if isinstance(place, ConstantRef):
            return self.constants[place.index].data
        return tensor.data if place is None and not tensor.is_sparse else None

    def buffer(self, tensor: Tensor) -> BufferRef:
        """Give a tensor that is computed a buffer of its own, unless it has one."""
        found = self._places.get(tensor.index)
        if isinstance(found, BufferRef):
            return found
        return self.new_buffer(tensor)

    def new_buffer(self, tensor: Tensor) -> BufferRef:
        """Give a tensor a buffer, even where it was a constant before."""
        return self._new_buffer(tensor.index, tensor.name, tensor.size_bytes)

    def alias(self, output: Tensor, source: Tensor) -> None:
        """Make a tensor a view of another: the same bytes, no code."""
        self._places[output.index] = self.place(source)

    def fold(self, output: Tensor, data: bytes) -> None:
        """Make a tensor a constant, computed here."""
        self._places[output.index] = self.constant("values", output.index, "uint8_t", data)

    def constant(
        self, role: str, number: int, ctype: str, data: bytes | Iterable[int]
    ) -> ConstantRef:
        """Return a C array of elements (or their bytes); equal arrays are one."""
        if not isinstance(data, bytes):
            values = tuple(data)
            data = struct.pack(f"<{len(values)}{_LETTERS[ctype]}", *values)
        key = (ctype, data)
        if key not in self._known_constants:
            self._known_constants[key] = ConstantRef(len(self.constants))
            self.constants.append(Constant(name=f"{role}_{number}", ctype=ctype, data=data))
        return self._known_constants[key]

    def scratch(self, name: str, size_bytes: int) -> BufferRef:
        """Return memory that lives during one call only."""
        return self._new_buffer(ABSENT, name, size_bytes)

    def call(
        self,
        kernel: str,
        operator: Operator,
        arguments: Mapping[str, Argument],
        *,
        macs: int = 0,
    ) -> None:
        """Add a kernel's call; which buffers it touches follows from the fields' names."""
        assert tuple(arguments) == tuple(field.name for field in KERNELS[kernel].fields)  # noqa: S101 (a rule that disagrees with the table is a bug)
        self.calls.append(
            Call(
                operator=operator.index,
                operator_name=operator.name,
                layer=self._subgraph.tensors[operator.outputs[0]].name,
                kernel=kernel,
                arguments=arguments,
                reads=tuple(_buffers(arguments, _READS)),
                writes=tuple(_buffers(arguments, _WRITES)),
                scratch=tuple(_buffers(arguments, _SCRATCH)),
                macs=macs,
            )
        )

    def _new_buffer(self, tensor: int, name: str, size_bytes: int) -> BufferRef:
        reference = BufferRef(len(self.buffers))
        self.buffers.append(Buffer(tensor=tensor, name=name, size_bytes=size_bytes))
        if tensor != ABSENT:
            self._places[tensor] = reference
        return reference


def _buffers(arguments: Mapping[str, Argument], names: tuple[str, ...]) -> Iterable[int]:
    for name, value in arguments.items():
        if isinstance(value, Mapping):
            yield from _buffers(value, names)
        elif isinstance(value, BufferRef) and name in names:
            yield value.index


class Node:
    """An operator with its tensors and options, asked for by what a rule needs of them."""

    def __init__(self, operator: Operator, subgraph: Subgraph) -> None:
        self.operator = operator
        self._tensors = subgraph.tensors

    @property
    def number(self) -> int:
        """The operator's index, for the names of its constants."""
        return self.operator.index

    @property
    def output(self) -> Tensor:
        """The only output."""
        if len(self.operator.outputs) != 1:
            raise RefusalError(f"it has {len(self.operator.outputs)} outputs instead of 1")
        return self._tensors[self.operator.outputs[0]]

    def input(self, position: int) -> Tensor:
        """Return an input that must be given."""
        found = self.optional_input(position)
        if found is None:
            raise RefusalError(f"its input {position} is missing")
        return found

    def optional_input(self, position: int) -> Tensor | None:
        """Return an input, or ``None`` where it is not given."""
        inputs = self.operator.inputs
        if position >= len(inputs) or inputs[position] == ABSENT:
            return None
        return self._tensors[inputs[position]]

    def option(self, name: str) -> OptionValue:
        """Return an option."""
        return self.operator.options[name]

    def positive(self, name: str) -> int:
        """Return a whole-number option that must be above 0."""
        value = self.option(name)
        if not isinstance(value, int) or value < 1:
            raise RefusalError(f"its option {name} is {value}")
        return value

    def constant(self, position: int, dtype: DType, what: str) -> tuple[Tensor, bytes]:
        """Return an input that must be a constant of a type, and its bytes."""
        tensor = self.input(position)
        if tensor.data is None:
            raise RefusalError(f"its {what} are computed by the model instead of constant")
        if tensor.dtype is not dtype:
            raise RefusalError(f"its {what} are {tensor.dtype.value} instead of {dtype.value}")
        if tensor.is_sparse:
            raise RefusalError(f"its {what} are stored sparsely")
        return tensor, tensor.data

    def activation(self, scale: float, zero_point: int) -> tuple[int, int]:
        """Return the range that the fused activation leaves of int8."""
        name = str(self.option("fused_activation_function"))
        try:
            return activation_range(name, scale=scale, zero_point=zero_point)
        except KeyError:
            raise RefusalError(f"its fused activation is {name}") from None
        except OverflowError:
            raise RefusalError(f"its output's scale {scale} is too small for {name}") from None


def int8_quantization(tensor: Tensor, what: Literal["input", "output"]) -> tuple[float, int]:
    """Return (scale, zero point) of an activation that must be int8, quantised per tensor."""
    if tensor.dtype.is_float:
        raise FloatRefusalError(f"its {what} is {tensor.dtype.value} instead of INT8")
    if tensor.dtype is not DType.INT8:
        raise RefusalError(f"its {what} is {tensor.dtype.value} instead of INT8")
    return per_tensor_quantization(tensor, what, -128, 127)


def per_tensor_quantization(
    tensor: Tensor, what: str, lowest: int, highest: int
) -> tuple[float, int]:
    """Return (scale, zero point); the zero point must lie in the type's range."""
    quantization = tensor.quantization
    if quantization is None or not quantization.scales or not quantization.zero_points:
        raise RefusalError(f"its {what} has no scale")
    if quantization.is_per_channel:
        raise RefusalError(f"its {what} is quantised per channel")
    if not 0.0 < tensor.scale < float("inf") or not lowest <= tensor.zero_point <= highest:
        raise RefusalError(
            f"its {what} has the scale {tensor.scale} and the zero point {tensor.zero_point}"
        )
    return tensor.scale, tensor.zero_point
