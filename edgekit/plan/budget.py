"""The verdict on a model, a target and an engine: each memory bank, part by part."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.findings import OperatorSupport
from edgekit.graph import Graph
from edgekit.plan.consistency import consistency_problems
from edgekit.plan.flash import tflm_flash
from edgekit.plan.op_support import target_support, tflm_problems
from edgekit.plan.tflm_kernels import TflmBuild
from edgekit.plan.tflm_overhead import TflmArena, tflm_arena, tflm_build
from edgekit.plan.work import macs
from edgekit.results import ArenaPlan, BankUse, BankVerdict, Basis, Item, Plan, Problem
from edgekit.targets import Target
from edgekit.units import KIB, align_up

MINIMUM_DB_BYTES = 31
"""Data bytes of a ``db`` line from MLPerf Tiny's runner (mlcommons/tiny, benchmark/runner)."""

_DB_BYTES_BY_SRAM = ((32 * KIB, 512), (8 * KIB, 128), (0, MINIMUM_DB_BYTES))
"""Data bytes of the longest ``db`` line for targets of at least this much usable SRAM."""

_PROTOCOL_LINE_BYTES = 80
_PROTOCOL_OTHER_BYTES = 96
"""firmware_templates/shared/edgekit_protocol.c: MLPERF_LINE_BYTES; its output buffer of
64 bytes and its counters."""

_INTERPRETER_BYTES = 352
_RESOLVER_BYTES_EACH = 40
_OBJECTS_MARGIN_BYTES = 128
"""Statics of MicroInterpreter, a resolver with an entry an operator, and newlib's
mathematics: 280 to 784 bytes in the measured builds (bss + data − arena), the resolver's
entries 37 bytes each; rounded up."""

_ARENA_MARGIN_BYTES = 128
_ARENA_MARGIN_BYTES_EACH = 16
"""Kept in the arena beyond the computed minimum: once, and for each operator.

Measured under QEMU: for tensorflow/tflite-micro 90b983c the minimum is exact in 166 of
166 builds (reference and CMSIS-NN kernels, Cortex-M3 and M4), for Chirale_TensorFLowLite
2.0.0 in 63 of 66 models (Cortex-M4, CMSIS-NN), in the other three 16 bytes high. The
reserve is for what was not measured: other compilers and ABIs, where a kernel's data may
grow by one step of the arena's alignment.
"""


def tflm_plan(graph: Graph, target: Target, *, model: str) -> Plan:
    """Return what a model costs on a target with the ``tflm`` engine.

    The arena is the smallest that TFLM can allocate in (16-byte steps), and a reserve
    for what compilers and TFLM's versions make of its structures. Of a model whose
    operators do not fit their tensors only the problems are said, and no arena.
    """
    support = target_support(graph, target)
    build = tflm_build(target)
    unfit = consistency_problems(graph)
    if unfit:  # what its kernels would allocate means nothing
        return make_plan(
            graph,
            target,
            model=model,
            engine="tflm",
            flash=tflm_flash(graph, target, build),
            sram=protocol_sram(graph, target),
            arena=ArenaPlan(size_bytes=0, buffers=()),
            arena_bytes=0,
            problems=(*tflm_problems(graph, target, support), *unfit),
            operators=support,
        )
    arena = _arena(graph, build)
    operators = sum(len(subgraph.operators) for subgraph in graph.subgraphs)
    margin_bytes = align_up(_ARENA_MARGIN_BYTES + _ARENA_MARGIN_BYTES_EACH * operators, 16)
    return make_plan(
        graph,
        target,
        model=model,
        engine="tflm",
        flash=tflm_flash(graph, target, build),
        sram=(
            *_arena_items(arena, margin_bytes),
            _objects_item(graph),
            *protocol_sram(graph, target),
        ),
        arena=arena.plan,
        arena_bytes=arena.minimum_bytes + margin_bytes,
        problems=tflm_problems(graph, target, support),
        operators=support,
    )


_last: tuple[Graph, dict[TflmBuild, TflmArena]] | None = None
"""The arenas of the graph that was planned last: a check asks for each of a dozen targets,
and many of them compile TFLM alike."""


def _arena(graph: Graph, build: TflmBuild) -> TflmArena:
    global _last
    if _last is None or _last[0] is not graph:
        _last = (graph, {})
    arenas = _last[1]
    if build not in arenas:
        arenas[build] = tflm_arena(graph, build)
    return arenas[build]


def make_plan(
    graph: Graph,
    target: Target,
    *,
    model: str,
    engine: str,
    flash: Sequence[Item],
    sram: Sequence[Item],
    arena: ArenaPlan,
    arena_bytes: int,
    problems: Sequence[Problem] = (),
    operators: Sequence[OperatorSupport] = (),
) -> Plan:
    """Return the plan of either engine from its items.

    Args:
        graph: The parsed model.
        target: The board; its usable flash and SRAM and its largest block are the limits.
        model: The model's name, for the verdict.
        engine: The engine's name.
        flash: What goes into flash, the framework's code included (``framework_flash``).
        sram: What goes into SRAM, the arena and the protocol's buffers included
            (``protocol_sram``); not the framework's, which the target has taken off.
        arena: Where each buffer lies.
        arena_bytes: What firmware reserves for the arena.
        problems: Why the engine can't run the model.
        operators: What becomes of each operator.
    """
    sram_use = BankUse(bank="sram", items=tuple(sram), usable_bytes=target.sram.usable_bytes)
    return Plan(
        model=model,
        model_sha256=graph.sha256,
        target=target.name,
        engine=engine,
        flash=BankUse(bank="flash", items=tuple(flash), usable_bytes=target.flash.usable_bytes),
        sram=sram_use,
        arena=arena,
        arena_bytes=arena_bytes,
        largest_block_bytes=target.sram.largest_block_bytes,
        macs=macs(graph),
        problems=tuple(problems),
        operators=tuple(operators),
        banks=bank_verdicts(target, arena_bytes, sram_use.used_bytes - arena_bytes),
    )


def bank_verdicts(target: Target, arena_bytes: int, other_bytes: int) -> tuple[BankVerdict, ...]:
    """Return the verdict for each data memory that may hold the arena, the main one first.

    Args:
        target: The board.
        arena_bytes: The arena, which must be in one piece.
        other_bytes: All other static data; it stays in the main memory.
    """
    main = target.sram
    others_fit = other_bytes <= main.usable_bytes
    verdicts = [
        BankVerdict(
            bank="sram",
            title=main.title,
            is_main=True,
            speed=main.speed,
            total_bytes=main.total_bytes,
            framework_bytes=main.framework_bytes,
            stack_bytes=main.stack_bytes,
            arena_bytes=arena_bytes,
            other_bytes=other_bytes,
            largest_block_bytes=main.largest_block_bytes,
            others_fit=others_fit,
        )
    ]
    verdicts += [
        BankVerdict(
            bank=name,
            title=bank.title,
            is_main=False,
            speed=bank.speed,
            total_bytes=bank.total_bytes,
            framework_bytes=bank.framework_bytes,
            stack_bytes=bank.stack_bytes,
            arena_bytes=arena_bytes,
            other_bytes=0,
            largest_block_bytes=bank.largest_block_bytes,
            others_fit=others_fit,
            needs=bank.needs,
        )
        for name, bank in target.banks.items()
        if bank.holds_arena
    ]
    return tuple(verdicts)


def input_bytes(graph: Graph) -> int:
    """Return the bytes of all the model's inputs, one after another."""
    return sum(tensor.size_bytes for tensor in graph.main.input_tensors)


def db_bytes(target: Target, input_size_bytes: int) -> int:
    """Return how many data bytes firmware for ``target`` accepts in one ``db`` line."""
    usable = target.sram.usable_bytes
    most = next(size for at_least, size in _DB_BYTES_BY_SRAM if usable >= at_least)
    return max(MINIMUM_DB_BYTES, min(most, input_size_bytes))


def protocol_sram(graph: Graph, target: Target) -> tuple[Item, ...]:
    """Return the serial protocol's static buffers, the same for both engines."""
    size_bytes = input_bytes(graph)
    line_bytes = max(3 + 2 * db_bytes(target, size_bytes), _PROTOCOL_LINE_BYTES)
    return (
        Item(name="loaded input", size_bytes=size_bytes, basis=Basis.EXACT),
        Item(
            name="protocol",
            size_bytes=line_bytes + _PROTOCOL_OTHER_BYTES,
            basis=Basis.ESTIMATED,
            margin_bytes=32,
            note="a command's line, and output",
        ),
    )


def _arena_items(arena: TflmArena, margin_bytes: int) -> tuple[Item, ...]:
    return (
        Item(
            name="arena: activations",
            size_bytes=arena.head_bytes,
            basis=Basis.EXACT,
            note="scratch buffers included",
        ),
        Item(
            name="arena: interpreter",
            size_bytes=arena.minimum_bytes - arena.head_bytes + margin_bytes,
            basis=Basis.ESTIMATED,
            margin_bytes=margin_bytes,
            note=f"{margin_bytes} bytes of it in reserve for other compilers and versions of TFLM",
        ),
    )


def _objects_item(graph: Graph) -> Item:
    operators = {operator.name for subgraph in graph.subgraphs for operator in subgraph.operators}
    return Item(
        name="interpreter objects",
        size_bytes=_INTERPRETER_BYTES + _RESOLVER_BYTES_EACH * len(operators),
        basis=Basis.ESTIMATED,
        margin_bytes=_OBJECTS_MARGIN_BYTES,
    )
