"""``edgekit arena``: what TFLM's arena takes for a model, item by item."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from edgekit.cli.output import Output, output_options
from edgekit.errors import OutputError, UnsupportedModelError
from edgekit.graph import Graph, layer_of
from edgekit.libraries import load_library
from edgekit.model.reader import read_model
from edgekit.plan.consistency import consistency_problems
from edgekit.plan.tflm_cores import CPUS, KERNELS, build_for
from edgekit.plan.tflm_overhead import TflmArena, tflm_arena

TFLM_ITSELF = "tflite-micro"

KNOWN_CUSTOM_OPERATORS = frozenset({"CIRCULAR_BUFFER"})
"""Custom operators of TFLM whose memory is planned; detection and signal kernels are not."""

_REGIONS = {
    "head": "head: activations and scratch buffers, at their planned places",
    "tail": "tail: kept as long as the interpreter",
    "temporary": "temporary: on the head's side while allocating",
}


@click.command(name="arena")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--kernels",
    type=click.Choice(KERNELS),
    default="cmsis-nn",
    show_default=True,
    help="TFLM's own kernels, or Arm's.",
)
@click.option("--cpu", default="cortex-m4", show_default=True, help=f"The core: {', '.join(CPUS)}.")
@click.option(
    "--library",
    "library_name",
    default=TFLM_ITSELF,
    show_default=True,
    help="The TFLM library, by its record's name: versions of TFLM differ.",
)
@click.option(
    "--picture",
    type=click.Path(path_type=Path),
    help="Draw the arena over time into this .svg file.",
)
@output_options
def command(
    model: Path,
    kernels: str,
    cpu: str,
    library_name: str,
    picture: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Itemise the arena that MODEL (.tflite) takes in TFLM on a 32-bit core.

    'arena_used_bytes' is what the interpreter will say; 'minimum_bytes' is the smallest
    arena in which its AllocateTensors succeeds, which is often more.
    """
    output = Output(as_json=as_json, quiet=quiet)
    library = load_library(library_name)
    build = build_for(library, kernels=kernels, cpu=cpu)
    graph, _ = read_model(model)
    if unfit := consistency_problems(graph):  # what its kernels would allocate means nothing
        raise UnsupportedModelError(unfit[0].message, hint=unfit[0].hint)
    arena = tflm_arena(graph, build)
    unknown = sorted(_operators(graph) - library.operators.keys() - KNOWN_CUSTOM_OPERATORS)
    if picture is not None:
        _draw(picture, graph, arena, title=f"{model.stem}: {kernels} kernels on {cpu}")
    output.document(
        "arena",
        model=model.name,
        sha256=graph.sha256,
        kernels=kernels,
        cpu=cpu,
        library=library.title,
        arena_used_bytes=arena.arena_used_bytes,
        minimum_bytes=arena.minimum_bytes,
        head_bytes=arena.head_bytes,
        tail_bytes=arena.tail_bytes,
        temporary_bytes=arena.temporary_bytes,
        decided_by=arena.decided_by,
        unknown_operators=unknown,
        items=list(_items(arena)),
        picture=picture,
    )
    _show(output, arena, f"{model.name}, {kernels} kernels on {cpu}, {library.title}")
    if unknown:
        output.warn(
            f"What {', '.join(unknown)} would take is not counted: {library.title} has no such "
            "operator, or EdgeKit does not know what its kernel allocates."
        )


def _operators(graph: Graph) -> set[str]:
    return {
        operator.custom_name or operator.name
        for subgraph in graph.subgraphs
        for operator in subgraph.operators
    }


def _items(arena: TflmArena) -> Iterable[dict[str, Any]]:
    """Return every item: buffers with their offsets and steps, then the allocations."""
    for buffer in arena.plan.buffers:
        yield {
            "region": "head",
            "name": buffer.name,
            "size_bytes": buffer.size_bytes,
            "offset_bytes": buffer.offset_bytes,
            "first_step": buffer.first_step,
            "last_step": buffer.last_step,
        }
    for item in arena.items:
        yield {"region": item.region, "name": item.name, "size_bytes": item.size_bytes}


def _draw(path: Path, graph: Graph, arena: TflmArena, *, title: str) -> None:
    from edgekit.files import write_file
    from edgekit.plan.arena_picture import draw_arena

    if path.suffix.lower() != ".svg":
        raise OutputError(
            f"{path.name} is not named as an SVG picture.", hint="Give a file name ending in .svg."
        )
    write_file(path, draw_arena(graph, arena, title=title).encode())


def _show(output: Output, arena: TflmArena, title: str) -> None:
    for region, heading in _REGIONS.items():
        rows = [
            (layer_of(item["name"]), f"{item['size_bytes']:,}", _place(item))
            for item in _items(arena)
            if item["region"] == region
        ]
        if rows:
            output.table(heading, ("item", "bytes", ""), rows, numeric="lr")
    output.line(title, style="bold")
    output.line(
        f"Head {arena.head_bytes:,} B + tail {arena.tail_bytes:,} B = "
        f"arena_used_bytes {arena.arena_used_bytes:,} B."
    )
    output.line(
        f"Smallest arena that works: {arena.minimum_bytes:,} B (decided by: {arena.decided_by}; "
        f"temporaries up to {arena.temporary_bytes:,} B)."
    )


def _place(item: dict[str, Any]) -> str:
    if "offset_bytes" not in item:
        return ""
    return f"at {item['offset_bytes']:,}, steps {item['first_step']} to {item['last_step']}"
