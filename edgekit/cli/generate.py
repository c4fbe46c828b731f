"""``edgekit generate``: the firmware project for a model and a target."""

from __future__ import annotations

from pathlib import Path

import click

from edgekit.cli.check import show_plan
from edgekit.cli.options import engine_option, target_option
from edgekit.cli.output import Output, output_options


@click.command(name="generate")
@click.argument("model", type=click.Path(path_type=Path))
@target_option
@engine_option
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), help="Folder. Default: MODEL-TARGET-ENGINE."
)
@click.option("--force", is_flag=True, help="Replace a project that EdgeKit generated there.")
@output_options
def command(
    model: Path,
    target_name: str,
    engine: str | None,
    output: Path | None,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write the PlatformIO project that runs MODEL (.tflite) on a target."""
    from edgekit.engines import choose_engine
    from edgekit.firmware.project import write_project
    from edgekit.stages import load_model, make_project
    from edgekit.targets import load_target

    show = Output(as_json=as_json, quiet=quiet)
    target = load_target(target_name)
    chosen = choose_engine(target, engine)
    loaded = load_model(model)
    project, plan = make_project(loaded, target, chosen)
    folder = output or Path(f"{model.stem}-{target.name}-{chosen}")
    write_project(project, folder, overwrite=force)
    show_plan(show, plan)
    show.line(f"Wrote {len(project.files)} files to {folder}. Next: edgekit build {folder}")
    show.document("generate", folder=folder, files=sorted(project.files), plan=plan)
