"""An operator with its tensors, as the rules of ``consistency`` look at it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from edgekit.graph import ABSENT, DType, Operator, OptionValue, Subgraph, Tensor

Shape = tuple[int, ...]
Rule = Callable[["Site"], "str | None"]
"""Returns what is wrong with an operator, or nothing."""

_SHOWN = 6
"""Shapes in a message."""


class MissingError(Exception):
    """An operator lacks an input or output that its rule is about."""


@dataclass(frozen=True, slots=True)
class Site:
    """An operator with the tensors that it touches."""

    operator: Operator
    subgraph: Subgraph

    def given(self, position: int) -> Tensor | None:
        """Return an input, or ``None`` where it is not given."""
        indices = self.operator.inputs
        if position >= len(indices) or indices[position] == ABSENT:
            return None
        return self.subgraph.tensors[indices[position]]

    def input(self, position: int) -> Tensor:
        """Return an input that must be given."""
        found = self.given(position)
        if found is None:
            raise MissingError(f"its input {position} is missing")
        return found

    @property
    def inputs(self) -> list[Tensor]:
        """All inputs that are given."""
        return [self.subgraph.tensors[index] for index in self.operator.inputs if index >= 0]

    @property
    def outputs(self) -> list[Tensor]:
        """All outputs."""
        return [self.subgraph.tensors[index] for index in self.operator.outputs]

    @property
    def output(self) -> Tensor:
        """The only output."""
        if len(self.operator.outputs) != 1:
            raise MissingError(f"it has {len(self.operator.outputs)} outputs instead of 1")
        return self.subgraph.tensors[self.operator.outputs[0]]

    def number(self, name: str, default: int = 0) -> int:
        """Return a whole-number option."""
        value: OptionValue = self.operator.options.get(name, default)
        return value if isinstance(value, int) else default

    def integers(self, position: int) -> tuple[int, ...] | None:
        """Return the elements of a constant of integers; ``None`` where it is computed."""
        tensor = self.input(position)
        letter = {DType.INT32: "i", DType.INT64: "q"}.get(tensor.dtype)
        if tensor.data is None or letter is None or tensor.is_sparse:
            return None
        return struct.unpack(f"<{tensor.element_count}{letter}", tensor.data)


def unlike(*tensors: Tensor) -> str:
    """Return that the tensors' shapes do not go together; of many tensors the first."""
    shapes = [str(list(tensor.shape)) for tensor in tensors]
    if len(shapes) > _SHOWN:
        shapes = [*shapes[: _SHOWN - 1], f"{len(shapes) - _SHOWN + 1} others"]
    return f"its shapes {', '.join(shapes[:-1])} and {shapes[-1]} do not go together"


def of_rank(rank: int, *tensors: Tensor) -> str | None:
    """Return which tensor has another number of dimensions."""
    for tensor in tensors:
        if len(tensor.shape) != rank:
            return f"{tensor.name!r} has the shape {list(tensor.shape)}, not {rank} dimensions"
    return None


def axis_of(axis: int, rank: int) -> int:
    """Return an axis counted from the front."""
    if not -rank <= axis < rank:
        raise MissingError(f"its axis is {axis} of {rank} dimensions")
    return axis % rank
