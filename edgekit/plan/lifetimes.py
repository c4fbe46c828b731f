"""When each tensor must be in memory: from the operator that makes it to its last reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgekit.errors import InvalidModelError
from edgekit.graph import DType, Graph, Operator, Subgraph, Tensor

CALLED_SUBGRAPHS: Mapping[str, tuple[str, ...]] = {
    "IF": ("then_subgraph_index", "else_subgraph_index"),
    "CALL_ONCE": ("init_subgraph_index",),
    "WHILE": ("cond_subgraph_index", "body_subgraph_index"),
}
"""The options that name the subgraphs an operator calls, in TFLM's order.

Source:
    tflite-micro 90b983c, micro_allocation_info.cc, MarkSubgraphLifetimesIfNecessary.
"""

_ONE_BYTE_EACH = frozenset({DType.INT4, DType.UINT4, DType.INT2})
"""Packed types, which take a byte an element once computed (TFLM and ours alike)."""


_MAX_STEPS = 100_000
"""Steps after which a model is taken for corrupt: subgraphs that call one another
can multiply without end in a few bytes of file."""

_MAX_DEPTH = 64
"""Subgraphs within subgraphs: TFLM calls itself for each, on a small stack."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BufferRequest:
    """A buffer to place: its bytes, and the first and last step that it lives through.

    Step 0 is before the first operator, operator *i* of the main subgraph is step
    *i* + 1; an operator that calls subgraphs takes further steps for them. ``tensor``
    counts the tensors of all subgraphs one after another, so that for the main
    subgraph it is the tensor's index; it is ``ABSENT`` for a scratch buffer.
    """

    tensor: int
    name: str
    size_bytes: int
    first_step: int
    last_step: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """The buffers of a graph's tensors, and the steps of each of its operators.

    ``steps`` maps (subgraph, operator) indices to the first and last step; an
    operator that calls subgraphs lasts until the last of theirs.
    """

    requests: tuple[BufferRequest, ...]
    steps: Mapping[tuple[int, int], tuple[int, int]]


def is_planned(tensor: Tensor) -> bool:
    """Whether a tensor needs a place in the arena: not constant, kept or empty."""
    return (
        not tensor.is_constant
        and not tensor.is_variable
        and tensor.dtype is not DType.RESOURCE
        and buffer_bytes(tensor) > 0
    )


def buffer_bytes(tensor: Tensor) -> int:
    """Return the bytes of a computed tensor: packed types take a byte an element."""
    return tensor.element_count if tensor.dtype in _ONE_BYTE_EACH else tensor.size_bytes


def tensor_lifetimes(graph: Graph) -> tuple[BufferRequest, ...]:
    """Return a request for every tensor that needs a place, in order of tensor index.

    Subgraph inputs live from step 0, another tensor from its operator; each until its
    last reader; subgraph outputs to the end. An output that nobody reads lives one
    step. Constants, variables and tensors that no operator touches have none.

    Raises:
        InvalidModelError: The subgraphs call one another without end.

    Source:
        tflite-micro 90b983c, micro_allocation_info.cc, MarkAllocationLifetimes.
    """
    return schedule(graph).requests


def schedule(graph: Graph) -> Schedule:
    """Return the requests of :func:`tensor_lifetimes` with the operators' steps."""
    marker = _Marker(graph)
    marker.mark(0)
    requests: list[BufferRequest] = []
    base = 0
    for number, subgraph in enumerate(graph.subgraphs):
        for tensor in subgraph.tensors:
            lifetime = marker.lifetimes.get((number, tensor.index))
            if lifetime is not None and is_planned(tensor):
                first, last = lifetime
                requests.append(
                    BufferRequest(
                        tensor=base + tensor.index,
                        name=tensor.name,
                        size_bytes=buffer_bytes(tensor),
                        first_step=first,
                        last_step=last,
                    )
                )
        base += len(subgraph.tensors)
    return Schedule(requests=tuple(requests), steps=marker.steps)


class _Marker:
    """Walks the operators in order of execution, and notes first and last uses."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._step = 0
        self._active: list[int] = []
        self.lifetimes: dict[tuple[int, int], tuple[int, int]] = {}
        self.steps: dict[tuple[int, int], tuple[int, int]] = {}

    def mark(self, number: int) -> None:
        """Mark one subgraph from the present step on; ``_step`` ends at its last."""
        subgraph: Subgraph = self._graph.subgraphs[number]
        self._active.append(number)
        if len(self._active) > _MAX_DEPTH:
            raise InvalidModelError(
                f"The model's subgraphs call one another more than {_MAX_DEPTH} deep.",
                hint="The file is damaged: convert the model again.",
            )
        for index in subgraph.inputs:
            self._use(number, index)
        for operator in subgraph.operators:
            self._step += 1
            if self._step > _MAX_STEPS:
                raise InvalidModelError(
                    "The model's subgraphs call one another without end.",
                    hint="The file is damaged: convert the model again.",
                )
            (first, _) = self.steps.get((number, operator.index), (self._step, self._step))
            for index in operator.outputs:
                self._use(number, index)
            for called in self._called(operator):
                self._step += 1  # a called subgraph's inputs have a step of their own
                self.mark(called)
            for index in (*operator.inputs, *operator.outputs):
                self._use(number, index)
            self.steps[number, operator.index] = (first, self._step)
        for index in subgraph.outputs:
            self._use(number, index)
        self._active.pop()

    def _called(self, operator: Operator) -> list[int]:
        """Subgraphs that an operator calls; those that would call themselves are left out."""
        named = [operator.options.get(key) for key in CALLED_SUBGRAPHS.get(operator.name, ())]
        return [
            index
            for index in named
            if isinstance(index, int)
            and 0 <= index < len(self._graph.subgraphs)
            and index not in self._active
        ]

    def _use(self, number: int, index: int) -> None:
        if index >= 0:
            first, _ = self.lifetimes.get((number, index), (self._step, self._step))
            self.lifetimes[number, index] = (first, self._step)
