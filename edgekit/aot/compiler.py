"""Compiles a model ahead of time: its graph to C99 with no interpreter and no heap.

The passes, each over frozen values: ``lower`` (operators to kernel calls),
``schedule`` (their order), ``memory`` (offsets in the arena), ``emit`` (C text).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgekit.aot.ir import Port, Program
from edgekit.aot.lower import lower
from edgekit.aot.memory import Memory, place_buffers
from edgekit.aot.schedule import Schedule, schedule
from edgekit.aot.usage import constant_bytes
from edgekit.errors import UnsupportedModelError
from edgekit.graph import Graph
from edgekit.plan.consistency import consistency_problems
from edgekit.results import ArenaPlan, Problem


@dataclass(frozen=True, kw_only=True, slots=True)
class PlacedPort:
    """An input or output of the model and its offset in the arena."""

    port: Port
    offset_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class CompiledOperator:
    """A call in the compiled model: which operator it carries out, and with which kernel.

    ``index`` is the operator's in the model, -1 for a copy that only the compiler needs.
    """

    index: int
    name: str
    layer: str
    kernel: str
    macs: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Compiled:
    """A compiled model.

    ``files`` are the C files by name. ``arena`` is the one static buffer, exact;
    ``const_bytes`` what is declared ``static const`` where pointers have 4 bytes.
    """

    files: Mapping[str, str]
    arena: ArenaPlan
    inputs: tuple[PlacedPort, ...]
    outputs: tuple[PlacedPort, ...]
    operators: tuple[CompiledOperator, ...]
    const_bytes: int
    macs: int

    @property
    def kernels(self) -> tuple[str, ...]:
        """The kernels that are used, sorted."""
        return tuple(sorted({operator.kernel for operator in self.operators}))


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """A model lowered, scheduled and placed: all that is known before there is text."""

    program: Program
    schedule: Schedule
    memory: Memory

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return sum(call.macs for call in self.schedule.calls)


_last: tuple[Graph, Layout | tuple[Problem, ...]] | None = None
"""The graph that was laid out last: a check asks for each of a dozen targets, and the
layout is the same on all."""


def lay_out(graph: Graph) -> Layout | tuple[Problem, ...]:
    """Run the passes up to memory; return the problems where the engine can't do it."""
    global _last
    last = _last
    if last is not None and last[0] is graph:
        return last[1]
    layout = _lay_out(graph)
    _last = (graph, layout)
    return layout


def _lay_out(graph: Graph) -> Layout | tuple[Problem, ...]:
    lowered = lower(graph)
    problems = lowered.problems or consistency_problems(graph)
    if lowered.program is None or problems:
        return problems
    order = schedule(lowered.program)
    return Layout(
        program=lowered.program,
        schedule=order,
        memory=place_buffers(lowered.program, order),
    )


def compile_graph(graph: Graph) -> Compiled:
    """Compile a graph to C.

    Raises:
        UnsupportedModelError: The engine lacks operators, types or options of the
            model; the message names them all, each with its index and layer.
    """
    from edgekit.aot.emit import emit  # planning does without it, and must be quick

    layout = lay_out(graph)
    if not isinstance(layout, Layout):
        raise UnsupportedModelError(
            "The aot engine can't compile this model.\n"
            + "\n".join(f"- {problem.message}" for problem in layout),
            hint=layout[0].hint,
        )
    program, order, memory = layout.program, layout.schedule, layout.memory
    return Compiled(
        files=emit(program, order, memory, sha256=graph.sha256, macs=layout.macs),
        arena=memory.arena,
        inputs=_placed(program.inputs, memory),
        outputs=_placed(program.outputs, memory),
        operators=tuple(
            CompiledOperator(
                index=call.operator,
                name=call.operator_name,
                layer=call.layer,
                kernel=call.kernel,
                macs=call.macs,
            )
            for call in order.calls
        ),
        const_bytes=constant_bytes(program, order, 4),
        macs=layout.macs,
    )


def _placed(ports: tuple[Port, ...], memory: Memory) -> tuple[PlacedPort, ...]:
    return tuple(PlacedPort(port=port, offset_bytes=memory.offsets[port.buffer]) for port in ports)
