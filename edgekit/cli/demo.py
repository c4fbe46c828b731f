"""``edgekit demo``: train a small model and take it to an emulated board."""

from __future__ import annotations

from pathlib import Path

import click

from edgekit.cli.output import Output, output_options
from edgekit.cli.runs import show_run


@click.command(name="demo")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    default=Path("edgekit-demo"),
    show_default=True,
    help="Folder for the model, the projects and the report.",
)
@output_options
def command(output: Path, as_json: bool, quiet: bool) -> None:
    """Train a CNN on handwritten digits and deploy it to an emulated Cortex-M4.

    Nothing is downloaded, and no hardware is needed.
    """
    from edgekit.demo import run_demo

    show = Output(as_json=as_json, quiet=quiet)
    with show.progress() as progress:
        run = run_demo(output, progress=progress)
    show_run(show, run, output)
