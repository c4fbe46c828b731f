"""``edgekit verify``: a device's outputs against the reference, bit for bit."""

from __future__ import annotations

from pathlib import Path

import click

from edgekit.cli.options import data_option, load_data, port_option
from edgekit.cli.output import Output, output_options


@click.command(name="verify")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("model", type=click.Path(path_type=Path))
@data_option
@port_option
@output_options
def command(
    folder: Path,
    model: Path,
    data: Path | None,
    samples: int,
    port: str | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Run inputs on the project in FOLDER and compare with MODEL's reference outputs.

    MODEL is the .tflite that the project was generated from. Exit code 8 if a single
    output byte differs.
    """
    from edgekit.cli.runs import show_verification
    from edgekit.errors import VerificationError
    from edgekit.firmware.marker import read_marker
    from edgekit.stages import load_model, open_project, sample_inputs, verify_device

    show = Output(as_json=as_json, quiet=quiet)
    marker = read_marker(folder)
    loaded = load_model(model)
    marker.require_model(loaded.graph)
    inputs = sample_inputs(loaded, load_data(data), samples)
    with show.progress() as progress:
        progress.stage(f"Starting {marker.target}")
        with open_project(folder, marker, port=port) as session:
            verification = verify_device(session, loaded, inputs, progress=progress)
    show_verification(show, verification)
    show.document(
        "verify",
        target=marker.target,
        engine=marker.engine,
        model=marker.name,
        verification=verification,
    )
    return 0 if verification.is_exact else VerificationError.exit_code
