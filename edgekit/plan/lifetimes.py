"""When each tensor must be in memory: from the operator that makes it to its last reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgekit.errors import InvalidModelError
from edgekit.graph import DType, Graph, Operator, Subgraph, Tensor
from edgekit.model.offline_plan import ONLINE, read_offline_plan

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


IDLE = (-1, -1)
"""The lifetime of a tensor that nothing makes or reads: before all others.

Source:
    tflite-micro 90b983c, micro_allocation_info.cc, kUninitializedLifetime.
"""

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
    fixed_offset: int | None = None
    """Where the model's own plan puts it, if it does (see ``offline_plan.py``)."""


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
    return not tensor.is_constant and not tensor.is_variable and buffer_bytes(tensor) > 0


def variable_handles(subgraph: Subgraph) -> frozenset[int]:
    """Return the tensors that VAR_HANDLE makes: they lie in the kernel's own data.

    Source:
        tflite-micro 90b983c, var_handle.cc, VarHandlePrepare.
    """
    return frozenset(
        index
        for operator in subgraph.operators
        if operator.name == "VAR_HANDLE"
        for index in operator.outputs
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


def schedule(graph: Graph, *, with_idle: bool = False) -> Schedule:
    """Return the requests of :func:`tensor_lifetimes` with the operators' steps.

    The model's own plan is honoured: its offsets are in the requests, and a variable
    that it places has one too. ``with_idle`` adds the tensors that no operator touches,
    which TFLM plans as well, before all others in time (step −1).
    """
    marker = _Marker(graph)
    marker.mark(0)
    offsets = read_offline_plan(graph)
    requests: list[BufferRequest] = []
    base = 0
    for number, subgraph in enumerate(graph.subgraphs):
        handles = variable_handles(subgraph)
        for tensor in subgraph.tensors:
            lifetime = marker.lifetimes.get((number, tensor.index), IDLE if with_idle else None)
            fixed = offsets[base + tensor.index] if offsets else ONLINE
            wanted = is_planned(tensor) or (tensor.is_variable and fixed != ONLINE)
            if lifetime is not None and wanted and tensor.index not in handles:
                first, last = lifetime
                requests.append(
                    BufferRequest(
                        tensor=base + tensor.index,
                        name=tensor.name,
                        size_bytes=buffer_bytes(tensor),
                        first_step=first,
                        last_step=last,
                        fixed_offset=None if fixed == ONLINE else fixed,
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
            for index in operator.inputs:
                self._read(number, index)
            for index in operator.outputs:
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

    def _read(self, number: int, index: int) -> None:
        """Note a reader; what nothing has made is there from before the first step."""
        if index >= 0:
            first, _ = self.lifetimes.get((number, index), IDLE)
            self.lifetimes[number, index] = (first, self._step)

    def _use(self, number: int, index: int) -> None:
        if index >= 0:
            first, _ = self.lifetimes.get((number, index), (self._step, self._step))
            self.lifetimes[number, index] = (first, self._step)
