"""What the compiler's passes exchange: buffers, constants and calls of kernels, all frozen.

A :class:`Program` says what is computed, with every number that the kernels need; it says
nothing of when (``schedule.py``) nor of where in memory (``memory.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgekit.graph import DType


@dataclass(frozen=True, kw_only=True, slots=True)
class Buffer:
    """Bytes in the arena: the storage of a tensor and of its views, or scratch memory.

    ``tensor`` is the tensor that is written first, ``ABSENT`` for scratch memory.
    """

    tensor: int
    name: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Constant:
    """A ``static const`` array: its C name, element type and little-endian bytes."""

    name: str
    ctype: str
    data: bytes


@dataclass(frozen=True, slots=True)
class BufferRef:
    """The place of ``Program.buffers[index]``."""

    index: int


@dataclass(frozen=True, slots=True)
class ConstantRef:
    """The place of ``Program.constants[index]``."""

    index: int


Place = BufferRef | ConstantRef
Argument = int | tuple[int, ...] | Place | None | Mapping[str, "Argument"]
"""A field's value: a number, an array of them, an address, or a nested structure."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A kernel applied to its arguments, on behalf of one operator of the model.

    ``layer`` is the name of the operator's output. ``reads``, ``writes`` and ``scratch``
    are indices of buffers; ``macs`` counts multiply-accumulates.
    """

    operator: int
    operator_name: str
    layer: str
    kernel: str
    arguments: Mapping[str, Argument]
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    scratch: tuple[int, ...] = ()
    macs: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Port:
    """An input or output of the model, and the buffer that holds it."""

    name: str
    dtype: DType
    shape: tuple[int, ...]
    size_bytes: int
    scale: float
    zero_point: int
    buffer: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """A lowered model: the calls in an order that respects what they read."""

    buffers: tuple[Buffer, ...]
    constants: tuple[Constant, ...]
    calls: tuple[Call, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
