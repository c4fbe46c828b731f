"""How much flash a TFLM build takes: the model, the interpreter with its kernels, the rest."""

from __future__ import annotations

from edgekit.graph import Graph
from edgekit.plan.tflm_code import CMSIS_NN, CMSIS_NN_2023, REFERENCE, CodeSizes
from edgekit.plan.tflm_kernels import TflmBuild
from edgekit.results import Basis, Item
from edgekit.targets import Target
from edgekit.units import format_bytes

_PROTOCOL_BYTES = 5_300
_PROTOCOL_MARGIN_BYTES = 1_500
"""EdgeKit's protocol and sketch: 4711 bytes at -Os, 5269 at -O2 (arm-none-eabi-gcc 12.2,
Cortex-M4F, edgekit_protocol.c); the margin is for the sketch."""


def code_sizes(build: TflmBuild) -> CodeSizes:
    """Return the figures for a kind of build; optimised kernels count as CMSIS-NN's."""
    if build.is_2023:
        return CMSIS_NN_2023
    return REFERENCE if build.kernels == "reference" else CMSIS_NN


def runtime_code(graph: Graph, build: TflmBuild) -> tuple[int, int]:
    """Return the estimated bytes of interpreter and kernels, and the ± for unmeasured ones."""
    return code_sizes(build).estimate(_operators(graph))


def _operators(graph: Graph) -> frozenset[str]:
    return frozenset(
        operator.name for subgraph in graph.subgraphs for operator in subgraph.operators
    )


def tflm_flash(graph: Graph, target: Target, build: TflmBuild) -> tuple[Item, ...]:
    """Return what a TFLM build puts into flash, part by part; only the model's operators."""
    sizes = code_sizes(build)
    items = [
        Item(name="model", size_bytes=graph.size_bytes, basis=Basis.EXACT),
        *(
            Item(
                name=name,
                size_bytes=size_bytes,
                basis=Basis.ESTIMATED,
                margin_bytes=unmeasured_bytes + round(size_bytes * sizes.margin),
                note="" if name == "interpreter" else _kernel_note(build, unmeasured_bytes),
            )
            for name, size_bytes, unmeasured_bytes in sizes.parts(_operators(graph))
        ),
    ]
    if sizes.error_text_bytes:
        items.append(
            Item(
                name="error texts",
                size_bytes=sizes.error_text_bytes,
                basis=Basis.ESTIMATED,
                margin_bytes=sizes.error_text_margin_bytes,
                note="messages that the library keeps",
            )
        )
    items.append(
        Item(
            name="sketch and protocol",
            size_bytes=_PROTOCOL_BYTES,
            basis=Basis.ESTIMATED,
            margin_bytes=_PROTOCOL_MARGIN_BYTES,
        )
    )
    return (*items, *framework_flash(target))


def _kernel_note(build: TflmBuild, unmeasured_bytes: int) -> str:
    return f"{build.kernels}, never measured" if unmeasured_bytes else build.kernels


def framework_flash(target: Target) -> tuple[Item, ...]:
    """Return what a target's framework puts into flash; nothing where there is none."""
    if not target.flash.framework_bytes:
        return ()
    return (
        Item(
            name=f"{target.platform.framework} framework",
            size_bytes=target.flash.framework_bytes,
            basis=Basis.ESTIMATED,
            margin_bytes=target.flash.framework_margin_bytes,
            note=f"an application has {format_bytes(target.flash.usable_bytes)}",
        ),
    )
