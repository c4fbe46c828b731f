"""The verdict on a model compiled ahead of time: each memory bank, part by part.

Weights, tables, the arena and the protocol's input buffer are known to the byte. Code
is a sum of measured sizes: each kernel, each call, and the firmware around the model,
for the compiler and the flags that EdgeKit's own platforms use.
"""

from __future__ import annotations

from edgekit.aot.code_size import CodeSizes, Firmware, code_sizes
from edgekit.aot.compiler import Layout, lay_out
from edgekit.aot.usage import array_bytes, table_bytes
from edgekit.graph import Graph
from edgekit.plan.budget import input_bytes, make_plan, protocol_sram
from edgekit.plan.flash import framework_flash
from edgekit.results import ArenaPlan, Basis, Item, Plan
from edgekit.targets import Target


def aot_plan(graph: Graph, target: Target, *, model: str) -> Plan:
    """Return what a model costs on a target with the ``aot`` engine.

    What the engine lacks is in the plan's problems; then nothing but the firmware around
    the model is counted.
    """
    sizes = code_sizes(target.core)
    layout = lay_out(graph)
    firmware = sizes.firmware_for(input_bytes(graph))
    flash = (_firmware_item(sizes, firmware, model), *framework_flash(target))
    if not isinstance(layout, Layout):
        return make_plan(
            graph,
            target,
            model=model,
            engine="aot",
            flash=flash,
            sram=protocol_sram(graph, target),
            arena=ArenaPlan(size_bytes=0, buffers=()),
            arena_bytes=0,
            problems=layout,
        )
    arena = layout.memory.arena
    return make_plan(
        graph,
        target,
        model=model,
        engine="aot",
        flash=(*_model_items(layout, sizes, firmware, target.core.pointer_bytes), *flash),
        sram=(
            Item(name="arena", size_bytes=arena.size_bytes, basis=Basis.EXACT,
                 note="inputs, outputs and scratch included"),
            *protocol_sram(graph, target),
            Item(name="firmware", size_bytes=firmware.data_bytes, basis=Basis.ESTIMATED,
                 margin_bytes=sizes.margin(firmware.data_bytes), note="start-up and port"),
        ),
        arena=arena,
        arena_bytes=arena.size_bytes,
    )  # fmt: skip


def _model_items(
    layout: Layout, sizes: CodeSizes, firmware: Firmware, pointer_bytes: int
) -> tuple[Item, ...]:
    calls = layout.schedule.calls
    kernels = {call.kernel for call in calls}
    kernel_bytes = sizes.kernel_bytes(kernels, firmware)
    code_bytes = sizes.scaled(sizes.model_bytes + len(calls) * sizes.call_bytes)
    return (
        Item(
            name="weights and tables",
            size_bytes=array_bytes(layout.program, layout.schedule),
            basis=Basis.EXACT,
        ),
        Item(
            name="kernel parameters",
            size_bytes=table_bytes(layout.program, layout.schedule, pointer_bytes),
            basis=Basis.EXACT,
        ),
        Item(
            name="kernels",
            size_bytes=kernel_bytes,
            basis=Basis.ESTIMATED,
            margin_bytes=sizes.margin(kernel_bytes),
            note=", ".join(sorted(kernels)),
        ),
        Item(
            name="model code",
            size_bytes=code_bytes,
            basis=Basis.ESTIMATED,
            margin_bytes=sizes.margin(code_bytes),
            note=f"{len(calls)} calls",
        ),
    )


def _firmware_item(sizes: CodeSizes, firmware: Firmware, model: str) -> Item:
    # The protocol has the model's name in two texts.
    size_bytes = sizes.scaled(firmware.flash_bytes) + 2 * len(model)
    return Item(
        name="firmware",
        size_bytes=size_bytes,
        basis=Basis.ESTIMATED,
        margin_bytes=sizes.margin(size_bytes),
        note="start-up, port, protocol and C library",
    )
