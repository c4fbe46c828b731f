"""``edgekit generate``: the firmware project for a model and a target."""

from __future__ import annotations

from pathlib import Path

import click

from edgekit.cli.check_view import show_plan
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
@click.option(
    "--test-vector/--no-test-vector",
    default=True,
    help="Build in a sample with its reference output, for the board's self-test.",
)
@output_options
def command(
    model: Path,
    target_name: str,
    engine: str | None,
    output: Path | None,
    force: bool,
    test_vector: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write the PlatformIO project that runs MODEL (.tflite) on a target."""
    from edgekit.engines import choose_engine
    from edgekit.errors import MissingToolError
    from edgekit.firmware.project import write_project
    from edgekit.stages import load_model, make_project, make_vector, sample_inputs
    from edgekit.targets import load_target

    show = Output(as_json=as_json, quiet=quiet)
    target = load_target(target_name)
    chosen = choose_engine(target, engine)
    loaded = load_model(model)
    vector = None
    if test_vector:
        try:
            vector = make_vector(loaded, target, sample_inputs(loaded, None, 1)[0])
        except MissingToolError as error:
            show.warn(f"No test vector is built in: {error.message} {error.hint}")
    project, plan = make_project(loaded, target, chosen, vector=vector)
    folder = output or Path(f"{model.stem}-{target.name}-{chosen}")
    write_project(project, folder, overwrite=force)
    show_plan(show, plan)
    show.line(f"Wrote {len(project.files)} files to {folder}. Next: edgekit build {folder}")
    show.document("generate", folder=folder, files=sorted(project.files), plan=plan)
