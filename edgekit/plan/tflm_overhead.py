"""The size of TFLM's arena: activations, and what the interpreter keeps beside them.

TFLM allocates from both ends of one array. The *tail* grows down from the end and
holds what lives as long as the interpreter; the *head* grows up from the start and
holds temporaries while allocating, and in the end the activations. This module walks
through the same allocations in the same order.

Source:
    tflite-micro 90b983c: micro_allocator.cc, single_arena_buffer_allocator.cc,
    micro_interpreter.cc, micro_interpreter_graph.cc.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgekit.graph import ABSENT, Graph, Tensor
from edgekit.plan.arena import ARENA_ALIGNMENT_BYTES, plan_arena
from edgekit.plan.lifetimes import BufferRequest, buffer_bytes, is_planned, schedule
from edgekit.plan.tflm_kernels import (
    Node,
    Prepared,
    TflmBuild,
    element_bytes,
    init_bytes,
    make_node,
    options_struct,
    prepare,
    temporary_bytes,
)
from edgekit.plan.tflm_libraries import library_facts
from edgekit.plan.tflm_sizes import NODE_BYTES
from edgekit.results import ArenaPlan
from edgekit.targets import Target
from edgekit.units import align_up

_START = (36, 44, 36, 8)
"""SingleArenaBufferAllocator, GreedyMemoryPlanner, MicroAllocator, the data allocator."""
_SUBGRAPH_BYTES = 8
_EVAL_TENSOR_BYTES = 12
_REQUEST_BYTES = 12
_REQUESTS_KEPT_FREE = 12
_HANDLE_BYTES = 4
_POINTER_BYTES = 4
_ALLOCATION_INFO_BYTES = 24
_PLANNER_BUFFER_BYTES = 40
"""Structures of tflite-micro 90b983c on a 32-bit target, with short enums or without."""

_SHORT_ENUM_ARCHITECTURES = ("armv6-m", "armv7-m", "armv7e-m", "armv8-m.main")
"""Where enumerations are as short as they can be: the arm-none-eabi ABI (AAPCS)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TflmArena:
    """TFLM's arena for one graph, in bytes.

    ``head_bytes`` holds the activations and scratch buffers at their planned offsets,
    ``tail_bytes`` what the interpreter keeps; their sum is what its
    ``arena_used_bytes()`` reports. ``minimum_bytes`` is the smallest arena in which
    allocation succeeds: a multiple of 16, and often more than the sum, because
    allocation itself needs room.
    """

    plan: ArenaPlan
    tail_bytes: int
    minimum_bytes: int

    @property
    def head_bytes(self) -> int:
        """Activations and scratch buffers."""
        return self.plan.size_bytes


def tflm_build(target: Target) -> TflmBuild:
    """Return how TFLM is compiled for a target that has the ``tflm`` engine."""
    engine = target.engines["tflm"]
    facts = library_facts(engine.library)
    is_arm = target.core.architecture in _SHORT_ENUM_ARCHITECTURES
    return TflmBuild(
        kernels=engine.kernels,
        has_dsp=target.core.has_dsp and is_arm,
        short_enums=is_arm,
        static_memory=facts.static_memory,
        is_2023=facts.is_2023,
    )


def tflm_arena(graph: Graph, build: TflmBuild) -> TflmArena:
    """Walk through TFLM's allocations for a graph, and return what they take."""
    walk = _Walk(graph, build)
    walk.start()
    walk.initialise()
    walk.prepare()
    return walk.finish()


class _Allocator:
    """TFLM's SingleArenaBufferAllocator, with an arena that is always large enough."""

    def __init__(self) -> None:
        self.head = 0
        self.temporary = 0
        self.tail = 0
        self.peak = 0

    def persist(self, size_bytes: int, alignment: int) -> None:
        self.tail = align_up(self.tail + size_bytes, alignment)
        self._note(self.head)

    def take(self, size_bytes: int) -> None:
        self.temporary = align_up(self.temporary, 4) + size_bytes
        self._note(self.temporary)

    def resize_head(self, size_bytes: int) -> None:
        self.head = self.temporary = size_bytes
        self._note(self.head)

    def release(self) -> None:
        self.temporary = self.head

    def need(self, size_bytes: int) -> None:
        """Note a block that takes what is left, and must have ``size_bytes`` of it."""
        start = align_up(self.temporary, ARENA_ALIGNMENT_BYTES)
        end = align_up(self.tail, ARENA_ALIGNMENT_BYTES)
        self.peak = max(self.peak, start + size_bytes + end)

    def _note(self, low: int) -> None:
        self.peak = max(self.peak, low + self.tail)


class _Walk:
    """One pass through the allocations of a model."""

    def __init__(self, graph: Graph, build: TflmBuild) -> None:
        self._graph = graph
        self._build = build
        self._memory = _Allocator()
        self._scratch: list[tuple[int, int, int]] = []  # (subgraph, operator, bytes)
        self._nodes: Mapping[tuple[int, int], Node] = {
            (number, operator.index): make_node(subgraph, operator, build)
            for number, subgraph in enumerate(graph.subgraphs)
            for operator in subgraph.operators
        }

    def start(self) -> None:
        """Allocate the interpreter's own structures, and those of each tensor and operator."""
        memory = self._memory
        for size_bytes in _START:
            memory.persist(size_bytes, _POINTER_BYTES)
        memory.resize_head(_REQUEST_BYTES * _REQUESTS_KEPT_FREE)
        memory.persist(_SUBGRAPH_BYTES * len(self._graph.subgraphs), 4)
        for subgraph in self._graph.subgraphs:
            memory.persist(_EVAL_TENSOR_BYTES * len(subgraph.tensors), 4)
        for subgraph in self._graph.subgraphs:
            memory.persist(NODE_BYTES[self._build.static_memory] * len(subgraph.operators), 4)

    def initialise(self) -> None:
        """Allocate every operator's parsed options, then every kernel's own data."""
        for node in self._nodes.values():
            (size_bytes, alignment) = options_struct(node)
            if size_bytes:
                self._memory.persist(size_bytes, alignment)
        for node in self._nodes.values():
            if size_bytes := init_bytes(node):
                self._memory.persist(size_bytes, ARENA_ALIGNMENT_BYTES)

    def prepare(self) -> None:
        """Let every kernel allocate its arrays, scratch buffers and temporary tensors."""
        memory = self._memory
        for (number, index), node in self._nodes.items():
            prepared: Prepared = prepare(node)
            present = [tensor for tensor in node.inputs if tensor is not None]
            everything: Sequence[Tensor] = [*present, *node.outputs]
            if prepared.early_tensors:
                early = [node.input(position) for position in prepared.early_tensors]
                self._take([tensor for tensor in early if tensor is not None])
                self._take(node.outputs)
            else:
                self._take(everything)
            for size_bytes in prepared.persistent:
                memory.persist(size_bytes, ARENA_ALIGNMENT_BYTES)
            if prepared.early_tensors:
                self._take(everything)
            self._scratch += [(number, index, size_bytes) for size_bytes in prepared.scratch]
            memory.release()
            memory.resize_head(_REQUEST_BYTES * (len(self._scratch) + _REQUESTS_KEPT_FREE))

    def finish(self) -> TflmArena:
        """Plan the activations, and allocate the tensors that the caller sees."""
        memory = self._memory
        tensors = [tensor for graph in self._graph.subgraphs for tensor in graph.tensors]
        memory.persist(_HANDLE_BYTES * len(self._scratch), 4)
        memory.take(_POINTER_BYTES * len(self._graph.subgraphs))
        memory.take(_ALLOCATION_INFO_BYTES * (len(tensors) + len(self._scratch)))
        for tensor in tensors:
            if tensor.is_variable:
                memory.persist(element_bytes(tensor), ARENA_ALIGNMENT_BYTES)
        requests = self._requests()
        memory.need(_PLANNER_BUFFER_BYTES * len(requests))
        plan = plan_arena(requests)
        memory.resize_head(plan.size_bytes)
        main = self._graph.main
        for shown in (main.input_tensors, main.output_tensors):
            memory.persist(_POINTER_BYTES * len(shown), ARENA_ALIGNMENT_BYTES)
            for tensor in shown:
                memory.persist(temporary_bytes(tensor, self._build), 4)
        return TflmArena(
            plan=plan,
            tail_bytes=memory.tail,
            minimum_bytes=align_up(memory.peak, ARENA_ALIGNMENT_BYTES),
        )

    def _take(self, tensors: Sequence[Tensor]) -> None:
        for tensor in tensors:
            self._memory.take(temporary_bytes(tensor, self._build))

    def _requests(self) -> list[BufferRequest]:
        """Return the activations, then the scratch buffers.

        A tensor that no operator touches has a place too, before all others in time.
        """
        times = schedule(self._graph)
        alive = {request.tensor for request in times.requests}
        tensors = [tensor for graph in self._graph.subgraphs for tensor in graph.tensors]
        idle = [
            BufferRequest(
                tensor=number,
                name=tensor.name,
                size_bytes=buffer_bytes(tensor),
                first_step=-1,
                last_step=-1,
            )
            for number, tensor in enumerate(tensors)
            if number not in alive and is_planned(tensor)
        ]
        scratch = [
            BufferRequest(
                tensor=ABSENT,
                name=f"scratch of {self._nodes[number, index].operator.name} {index}",
                size_bytes=size_bytes,
                first_step=times.steps[number, index][0],
                last_step=times.steps[number, index][1],
            )
            for number, index, size_bytes in self._scratch
            if (number, index) in times.steps
        ]
        return [*times.requests, *idle, *scratch]
