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

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edgekit.graph import ABSENT, Graph, Tensor
from edgekit.libraries import load_library
from edgekit.model.offline_plan import ONLINE, read_offline_plan
from edgekit.plan.arena import ARENA_ALIGNMENT_BYTES, plan_arena
from edgekit.plan.lifetimes import BufferRequest, schedule
from edgekit.plan.tflm_kernels import (
    Node,
    TflmBuild,
    element_bytes,
    init_bytes,
    make_node,
    options_struct,
    prepare,
    quantization_bytes,
)
from edgekit.plan.tflm_temporaries import temporary_tensors
from edgekit.results import ArenaPlan
from edgekit.targets import Target
from edgekit.units import align_up

_REQUESTS_KEPT_FREE = 12
"""micro_allocator.cc, kMaxScratchBuffersPerOp."""

_SHORT_ENUM_ARCHITECTURES = ("armv6-m", "armv7-m", "armv7e-m", "armv8-m.main")
"""Where enumerations are as short as they can be: the arm-none-eabi ABI (AAPCS)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ArenaItem:
    """One allocation (or several of a kind) in the arena, and what it is for.

    ``region`` is ``"tail"``: kept as long as the interpreter, or ``"temporary"``: on
    the head while allocating. In the tail the bytes include the gap that alignment
    leaves, so that they add up.
    """

    region: str
    name: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class TflmArena:
    """TFLM's arena for one graph, in bytes.

    ``head_bytes`` holds the activations and scratch buffers at their planned offsets,
    ``tail_bytes`` what the interpreter keeps; their sum is what its
    ``arena_used_bytes()`` reports. ``temporary_bytes`` is the most that lies on the
    head's side while allocating. ``minimum_bytes`` is the smallest arena in which
    allocation succeeds: a multiple of 16, and often more than the sum, because
    allocation itself needs room; ``decided_by`` says in which step.
    """

    plan: ArenaPlan
    tail_bytes: int
    temporary_bytes: int
    minimum_bytes: int
    decided_by: str
    items: tuple[ArenaItem, ...]

    @property
    def head_bytes(self) -> int:
        """Activations and scratch buffers."""
        return self.plan.size_bytes

    @property
    def arena_used_bytes(self) -> int:
        """What the interpreter's ``arena_used_bytes()`` says."""
        return self.head_bytes + self.tail_bytes


def tflm_build(target: Target) -> TflmBuild:
    """Return how TFLM is compiled for a target that has the ``tflm`` engine."""
    engine = target.engines["tflm"]
    library = load_library(engine.library)
    is_arm = target.core.architecture in _SHORT_ENUM_ARCHITECTURES
    return TflmBuild(
        kernels=engine.kernels,
        has_dsp=target.core.has_dsp and is_arm,
        short_enums=is_arm,
        static_memory=library.static_memory,
        is_2023=library.is_2023,
    )


def tflm_arena(graph: Graph, build: TflmBuild) -> TflmArena:
    """Walk through TFLM's allocations for a graph, and return what they take."""
    walk = _Walk(graph, build)
    walk.start()
    walk.initialise()
    walk.prepare()
    return walk.finish()


class _Allocator:
    """TFLM's SingleArenaBufferAllocator, with an arena that is always large enough.

    A persistent allocation is checked against the head alone, not against temporaries
    (AllocatePersistentBuffer); a temporary one against the tail.
    """

    def __init__(self) -> None:
        self.head = 0
        self.temporary = 0
        self.tail = 0
        self.most_temporary = 0
        self.peak = 0
        self.decided_by = ""
        self.items: list[ArenaItem] = []

    def persist(self, name: str, size_bytes: int, alignment: int) -> None:
        before = self.tail
        self.tail = align_up(before + size_bytes, alignment)
        if self.tail > before:
            self.items.append(ArenaItem(region="tail", name=name, size_bytes=self.tail - before))
        self._note(self.head, name)

    def take(self, name: str, size_bytes: int, alignment: int) -> None:
        self.temporary = align_up(self.temporary, alignment) + size_bytes
        self.most_temporary = max(self.most_temporary, self.temporary)
        self._note(self.temporary, name)

    def resize_head(self, name: str, size_bytes: int) -> None:
        self.head = self.temporary = size_bytes
        self._note(self.head, name)

    def release(self) -> None:
        self.temporary = self.head

    def need(self, name: str, size_bytes: int) -> None:
        """Note a block that takes what is left, and must have ``size_bytes`` of it."""
        low = align_up(self.temporary, ARENA_ALIGNMENT_BYTES) + size_bytes
        self.most_temporary = max(self.most_temporary, low)
        self._note(low + align_up(self.tail, ARENA_ALIGNMENT_BYTES) - self.tail, name)

    def _note(self, low: int, name: str) -> None:
        if low + self.tail > self.peak:
            self.peak = low + self.tail
            self.decided_by = name


class _Walk:
    """One pass through the allocations of a model."""

    def __init__(self, graph: Graph, build: TflmBuild) -> None:
        self._graph = graph
        self._build = build
        self._sizes = build.sizes
        self._memory = _Allocator()
        self._scratch: list[tuple[int, int, int]] = []  # (subgraph, operator, bytes)
        self._most_tensors = (0, "")
        self._nodes: Mapping[tuple[int, int], Node] = {
            (number, operator.index): make_node(subgraph, operator, build)
            for number, subgraph in enumerate(graph.subgraphs)
            for operator in subgraph.operators
        }

    def start(self) -> None:
        """Allocate the interpreter's own structures, and those of each tensor and operator."""
        memory, sizes = self._memory, self._sizes
        memory.persist("arena allocator", sizes.arena_allocator, sizes.pointer)
        memory.persist("memory planner", sizes.planner, sizes.pointer)
        memory.persist("allocator", sizes.allocator, sizes.pointer)
        variables = len(_variable_names(self._nodes.values()))
        if variables:
            aligned = ARENA_ALIGNMENT_BYTES
            memory.persist("resource variables", sizes.variables, aligned)
            memory.persist("resource variables, each", sizes.variable * variables, aligned)
        memory.persist("options' allocator", sizes.data_allocator, sizes.pointer)
        memory.resize_head("scratch requests", sizes.request * _REQUESTS_KEPT_FREE)
        subgraphs = self._graph.subgraphs
        memory.persist("subgraphs", sizes.subgraph * len(subgraphs), sizes.pointer)
        for number, subgraph in enumerate(subgraphs):
            name = f"tensors{_of(number)}: {len(subgraph.tensors)}"
            memory.persist(name, sizes.eval_tensor * len(subgraph.tensors), sizes.pointer)
        for number, subgraph in enumerate(subgraphs):
            name = f"operators{_of(number)}: {len(subgraph.operators)}"
            memory.persist(name, sizes.node * len(subgraph.operators), sizes.pointer)

    def initialise(self) -> None:
        """Allocate every operator's parsed options, then every kernel's own data."""
        for key, node in self._nodes.items():
            (size_bytes, alignment) = options_struct(node)
            if size_bytes:
                self._memory.persist(f"{_label(key, node)}: options", size_bytes, alignment)
        for key, node in self._nodes.items():
            if size_bytes := init_bytes(node):
                self._persist_aligned(f"{_label(key, node)}: kernel data", size_bytes)

    def prepare(self) -> None:
        """Let every kernel allocate its arrays, scratch buffers and temporary tensors."""
        memory = self._memory
        variables = _Variables()
        for key, node in self._nodes.items():
            label = _label(key, node)
            prepared = prepare(node)
            before, after = temporary_tensors(node)
            self._take(label, before)
            for size_bytes in (*prepared.persistent, *variables.prepare(key[0], node)):
                self._persist_aligned(f"{label}: array", size_bytes)
            self._take(label, after)
            self._scratch += [(*key, size_bytes) for size_bytes in prepared.scratch]
            self._most_tensors = max(self._most_tensors, (memory.temporary - memory.head, label))
            memory.release()
            kept = len(self._scratch) + _REQUESTS_KEPT_FREE
            memory.resize_head("scratch requests", self._sizes.request * kept)

    def finish(self) -> TflmArena:
        """Plan the activations, and allocate the tensors that the caller sees."""
        memory, sizes = self._memory, self._sizes
        tensors = [tensor for graph in self._graph.subgraphs for tensor in graph.tensors]
        memory.persist("scratch handles", sizes.handle * len(self._scratch), sizes.pointer)
        requests_bytes = memory.head
        memory.take("planning", sizes.pointer * len(self._graph.subgraphs), sizes.pointer)
        described = len(tensors) + len(self._scratch)
        memory.take("planning", sizes.allocation * described, sizes.pointer)
        lifetimes_bytes = memory.temporary - requests_bytes
        offsets = read_offline_plan(self._graph) or (ONLINE,) * len(tensors)
        for tensor, offset in zip(tensors, offsets, strict=True):
            if tensor.is_variable and offset == ONLINE:
                self._persist_aligned(f"variable {tensor.name}", element_bytes(tensor))
        requests = self._requests()
        planned_bytes = sizes.planned_buffer * len(requests)
        memory.need("planning", planned_bytes)
        plan = plan_arena(requests)
        memory.resize_head("activations", plan.size_bytes)
        main = self._graph.main
        for kind, shown in (("input", main.input_tensors), ("output", main.output_tensors)):
            self._persist_aligned(f"{kind}s: {len(shown)}", sizes.pointer * len(shown))
            for tensor in shown:
                name = f"{kind} tensor {tensor.name}"
                memory.persist(name, sizes.tensor, sizes.pointer)
                for size_bytes, alignment in self._quantization(tensor):
                    memory.persist(f"{name}: quantisation", size_bytes, alignment)
        tensor_bytes, kernel = self._most_tensors
        temporaries = [
            ("scratch requests", requests_bytes),
            (f"temporary tensors of {kernel}", tensor_bytes),
            ("lifetimes, while planning", lifetimes_bytes),
            ("planner's lists, while planning", planned_bytes),
        ]
        memory.items += [
            ArenaItem(region="temporary", name=name, size_bytes=size_bytes)
            for name, size_bytes in temporaries
            if size_bytes
        ]
        return TflmArena(
            plan=plan,
            tail_bytes=memory.tail,
            temporary_bytes=memory.most_temporary,
            minimum_bytes=align_up(memory.peak, ARENA_ALIGNMENT_BYTES),
            decided_by=memory.decided_by,
            items=tuple(memory.items),
        )

    def _persist_aligned(self, name: str, size_bytes: int) -> None:
        self._memory.persist(name, size_bytes, ARENA_ALIGNMENT_BYTES)

    def _take(self, label: str, tensors: Sequence[Tensor]) -> None:
        for tensor in tensors:
            self._memory.take(label, self._sizes.tensor, self._sizes.pointer)
            for size_bytes, alignment in self._quantization(tensor):
                self._memory.take(label, size_bytes, alignment)

    def _quantization(self, tensor: Tensor) -> tuple[tuple[int, int], ...]:
        """Return sizes and alignments of the structure and of the list of zero points."""
        return tuple(
            zip(quantization_bytes(tensor, self._build), (self._sizes.pointer, 4), strict=False)
        )

    def _requests(self) -> list[BufferRequest]:
        """Return the activations, then the scratch buffers."""
        times = schedule(self._graph, with_idle=True)
        scratch = [
            BufferRequest(
                tensor=ABSENT,
                name=f"scratch of {_label((number, index), self._nodes[number, index])}",
                size_bytes=size_bytes,
                first_step=times.steps[number, index][0],
                last_step=times.steps[number, index][1],
            )
            for number, index, size_bytes in self._scratch
            if (number, index) in times.steps
        ]
        return [*times.requests, *scratch]


class _Variables:
    """The resource variables: the first ASSIGN_VARIABLE of each takes its buffer.

    Source:
        tflite-micro 90b983c, var_handle.cc, assign_variable.cc and
        micro_resource_variable.cc. A handle that comes from another subgraph is not
        known while preparing, and takes nothing.
    """

    def __init__(self) -> None:
        self._names: dict[tuple[int, int], tuple[object, object]] = {}
        self._assigned: set[tuple[object, object]] = set()

    def prepare(self, subgraph: int, node: Node) -> tuple[int, ...]:
        """Return the bytes that the operator takes for a variable's buffer."""
        operator = node.operator
        if operator.name == "VAR_HANDLE":
            for index in operator.outputs:
                self._names[subgraph, index] = _variable_name(node)
        if operator.name == "ASSIGN_VARIABLE" and operator.inputs:
            name = self._names.get((subgraph, operator.inputs[0]))
            value = node.input(1)
            if name is not None and value is not None and name not in self._assigned:
                self._assigned.add(name)
                return (element_bytes(value),)
        return ()


def _variable_name(node: Node) -> tuple[object, object]:
    options = node.operator.options
    return options.get("container"), options.get("shared_name")


def _variable_names(nodes: Iterable[Node]) -> set[tuple[object, object]]:
    return {_variable_name(node) for node in nodes if node.operator.name == "VAR_HANDLE"}


def _of(subgraph: int) -> str:
    return f" of subgraph {subgraph}" if subgraph else ""


def _label(key: tuple[int, int], node: Node) -> str:
    (subgraph, index) = key
    return f"{node.kernel} {index}" if not subgraph else f"{node.kernel} {subgraph}.{index}"
