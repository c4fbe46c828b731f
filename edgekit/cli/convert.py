"""``edgekit convert``: a Keras model or SavedModel to TensorFlow Lite."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgekit.cli.options import conversion_options, load_calibration
from edgekit.cli.output import Output, output_options
from edgekit.errors import InputError, OutputError, RefusedModelError
from edgekit.units import KIB

if TYPE_CHECKING:
    from edgekit.model.convert import Converted
    from edgekit.targets import Target


@click.command(name="convert")
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "--variant",
    "-v",
    "variant_names",
    default="int8",
    show_default=True,
    help="float32, int8, several separated by commas, or all.",
)
@conversion_options
@click.option(
    "--target",
    "-t",
    "target_names",
    multiple=True,
    help="A board that the model is for, repeatable: flags are chosen for its library.",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    help="Folder, or a file name that ends in .tflite. Default: beside SOURCE.",
)
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
@output_options
def command(
    source: Path,
    variant_names: str,
    calibration: str | None,
    io_type: str,
    per_channel_dense: bool,
    timeout_seconds: float,
    target_names: tuple[str, ...],
    output: Path | None,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Convert SOURCE (.keras or a SavedModel folder), checked before and after.

    int8 is full integer quantisation; it needs --calibration. With --target, what that
    board's library would fail on or compute wrong is refused, and no file is written.
    """
    from edgekit.files import make_folder, write_file
    from edgekit.model.choice import choose_flags
    from edgekit.model.convert import convert
    from edgekit.model.variants import Variant, parse_variant
    from edgekit.targets import load_target

    show = Output(as_json=as_json, quiet=quiet)
    names = [name.strip() for name in variant_names.split(",") if name.strip()]
    variants = tuple(Variant) if names == ["all"] else tuple(map(parse_variant, names))
    if not variants:
        raise InputError("No variant is asked for.", hint="Ask for --variant int8.")
    files = {variant: _file(source, variant.value, output, len(variants)) for variant in variants}
    for file in files.values():
        if file.exists() and not force:
            raise OutputError(
                f"{file} exists.", hint="Choose another --output, or overwrite it with --force."
            )
    targets = [load_target(name) for name in target_names]
    choice = choose_flags(targets, variants, io_type=io_type, per_channel_dense=per_channel_dense)
    samples = load_calibration(calibration)
    with show.progress() as progress:
        progress.stage(f"Converting {source.resolve().name}")
        converted = convert(
            source,
            variants=variants,
            calibration=samples,
            io_type=choice.io_type,
            per_channel_dense=choice.per_channel_dense,
            timeout_seconds=timeout_seconds,
            on_progress=progress.detail,
        )
    for item in converted:
        for target in targets:
            _require_engine(item, target)
    for item in converted:
        make_folder(files[item.variant].parent)
        write_file(files[item.variant], item.data)
    for reason in choice.reasons:
        show.line(reason)
    for text in dict.fromkeys(warning for item in converted for warning in item.warnings):
        show.warn(text)
    show.table(
        "",
        ("variant", "KiB", "sha256", "file"),
        [
            (
                item.variant.value,
                f"{len(item.data) / KIB:.1f}",
                item.sha256[:12],
                str(files[item.variant]),
            )
            for item in converted
        ],
        numeric="lr",
    )
    show.document(
        "convert",
        targets=[target.name for target in targets],
        flags=choice,
        variants=[
            {
                "variant": item.variant,
                "file": files[item.variant],
                "size_bytes": len(item.data),
                "sha256": item.sha256,
                "warnings": item.warnings,
            }
            for item in converted
        ],
    )


def _require_engine(converted: Converted, target: Target) -> None:
    """Raise if none of a target's engines runs a converted model.

    Raises:
        RefusedModelError: None does; the message has the reasons of the preferred one.
    """
    from edgekit.engines import plan_engines

    plans = plan_engines(converted.graph, target, None, model=converted.variant.value)
    if not any(plan.runs for plan in plans):
        problems = plans[0].problems
        raise RefusedModelError(
            f"The {converted.variant.value} model would not run on {target.name}: "
            + " ".join(problem.message for problem in problems),
            hint=" ".join(dict.fromkeys(problem.hint for problem in problems)),
        )


def _file(source: Path, variant: str, output: Path | None, count: int) -> Path:
    name = f"{source.resolve().stem}_{variant}.tflite"
    if output is None:
        return source.parent / name
    if output.suffix != ".tflite":
        return output / name
    if count > 1:
        raise InputError(
            f"{output} is one file, but {count} variants are asked for.",
            hint="Give a folder as --output.",
        )
    return output
