"""``edgekit measure``: the latency of an inference on a device."""

from __future__ import annotations

from pathlib import Path

import click

from edgekit.cli.options import port_option
from edgekit.cli.output import Output, output_options


@click.command(name="measure")
@click.argument("folder", type=click.Path(path_type=Path))
@port_option
@click.option("--windows", default=5, show_default=True, help="How many windows to time.")
@click.option("--inferences", type=int, help="Inferences a window. Default: enough for 0.01 %.")
@click.option("--warmup", default=2, show_default=True, help="Inferences before each window.")
@output_options
def command(
    folder: Path,
    port: str | None,
    windows: int,
    inferences: int | None,
    warmup: int,
    as_json: bool,
    quiet: bool,
) -> None:
    """Measure the latency of the built (or flashed) project in FOLDER.

    An emulated board gives instructions, not time.
    """
    from edgekit.cli.runs import show_latency
    from edgekit.device.measure import measure
    from edgekit.firmware.marker import read_marker
    from edgekit.stages import open_project

    show = Output(as_json=as_json, quiet=quiet)
    marker = read_marker(folder)
    with show.progress() as progress:
        progress.stage(f"Starting {marker.target}")
        with open_project(folder, marker, port=port) as session:
            progress.stage("Measuring")
            latency = measure(
                session,
                windows=windows,
                inferences=inferences,
                warmup=warmup,
                on_progress=progress.advance,
            )
            info = session.info() if session.optional_info() is not None else None
    show_latency(show, latency)
    show.document(
        "measure",
        target=marker.target,
        engine=marker.engine,
        model=marker.name,
        latency=latency,
        device=info,
    )
