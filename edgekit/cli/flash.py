"""``edgekit flash``: built firmware onto a board."""

from __future__ import annotations

from pathlib import Path

import click

from edgekit.cli.options import port_option
from edgekit.cli.output import Output, output_options


@click.command(name="flash")
@click.argument("folder", type=click.Path(path_type=Path))
@port_option
@output_options
def command(folder: Path, port: str | None, as_json: bool, quiet: bool) -> None:
    """Upload the firmware of the project in FOLDER to the attached board."""
    from edgekit.device.flash import flash
    from edgekit.firmware.marker import read_marker
    from edgekit.targets import load_target

    show = Output(as_json=as_json, quiet=quiet)
    marker = read_marker(folder)
    target = load_target(marker.target)
    with show.progress() as progress:
        progress.stage(f"Flashing {target.name}")
        flash(folder, target, port=port, on_line=progress.detail)
    show.line(f"Flashed {marker.name} onto {target.title}. Next: edgekit measure {folder}")
    show.document("flash", target=target.name, model=marker.name)
