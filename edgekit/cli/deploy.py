"""``edgekit deploy``: the whole way, from a model to a report."""

from __future__ import annotations

from pathlib import Path

import click

from edgekit.cli.options import (
    conversion_options,
    data_option,
    engine_option,
    load_calibration,
    load_data,
    port_option,
    target_option,
)
from edgekit.cli.output import Output, output_options
from edgekit.cli.runs import show_run


@click.command(name="deploy")
@click.argument("source", type=click.Path(path_type=Path))
@target_option
@engine_option
@conversion_options
@data_option
@port_option
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), help="Folder. Default: SOURCE-TARGET."
)
@output_options
def command(
    source: Path,
    target_name: str,
    engine: str | None,
    calibration: str | None,
    io_type: str,
    per_channel_dense: bool,
    timeout_seconds: float,
    data: Path | None,
    samples: int,
    port: str | None,
    output: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Take SOURCE (.keras, SavedModel or .tflite) to a verified, measured device.

    Converts, checks every target, generates, builds, flashes or boots, verifies bit
    for bit, measures, and writes report.md and report.json.
    """
    from edgekit.pipeline import Conversion, deploy
    from edgekit.targets import load_target

    show = Output(as_json=as_json, quiet=quiet)
    target = load_target(target_name)
    folder = output or Path(f"{source.stem}-{target.name}")
    conversion = Conversion(
        calibration=load_calibration(calibration),
        io_type=io_type,
        per_channel_dense=per_channel_dense,
        timeout_seconds=timeout_seconds,
    )
    test = load_data(data)
    with show.progress() as progress:
        run = deploy(
            source,
            target,
            folder=folder,
            engine=engine,
            conversion=conversion,
            test=test,
            samples=samples,
            port=port,
            progress=progress,
        )
    show_run(show, run, folder)
