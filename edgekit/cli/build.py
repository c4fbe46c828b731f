"""``edgekit build``: a generated project to firmware, its sizes beside the plan's."""

from __future__ import annotations

from pathlib import Path

import click

from edgekit.cli.output import Output, output_options


@click.command(name="build")
@click.argument("folder", type=click.Path(path_type=Path))
@output_options
def command(folder: Path, as_json: bool, quiet: bool) -> None:
    """Build the project in FOLDER with PlatformIO; compare the link with the plan."""
    from edgekit.cli.runs import show_sizes
    from edgekit.firmware.marker import read_marker
    from edgekit.stages import build_project

    show = Output(as_json=as_json, quiet=quiet)
    marker = read_marker(folder)
    with show.progress() as progress:
        firmware, sizes = build_project(folder, marker, progress=progress)
    if sizes is not None:
        show_sizes(show, sizes)
    show.line(f"Firmware: {firmware.elf} ({firmware.seconds:.1f} s)")
    show.document(
        "build", target=marker.target, engine=marker.engine, elf=firmware.elf, sizes=sizes
    )
