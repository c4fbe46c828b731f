"""``edgekit optimize``: a copy of a model that takes a smaller arena in stock TFLM."""

from __future__ import annotations

import hashlib
from pathlib import Path

import click

from edgekit.cli.output import Output, output_options
from edgekit.errors import InvalidModelError, OutputError, UnsupportedModelError
from edgekit.graph import Graph
from edgekit.model.proof import Proof
from edgekit.plan.optimize import OptimisedPlan
from edgekit.progress import Progress


@click.command(name="optimize")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), required=True, help="The .tflite to write."
)
@click.option(
    "--samples",
    "-n",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="How many pseudo-random inputs the outputs are compared on.",
)
@click.option("--force", is_flag=True, help="Overwrite the output if it is there.")
@output_options
def command(
    model: Path, output: Path, samples: int, force: bool, as_json: bool, quiet: bool
) -> None:
    """Plan MODEL's arena anew, into a copy that TFLM's own planner honours.

    Tensors get offsets, and operators another order, where that takes less. The copy
    is proved on TFLM's interpreter (tflite-micro) before it is written. Where nothing
    can be gained, it is MODEL unchanged.
    """
    from edgekit.files import write_file
    from edgekit.model.reader import read_model
    from edgekit.model.rewrite import with_offline_plan
    from edgekit.plan.optimize import optimise

    show = Output(as_json=as_json, quiet=quiet)
    if output.exists() and not force:
        raise OutputError(
            f"{output} exists.", hint="Choose another --output, or overwrite it with --force."
        )
    graph, data = read_model(model)
    changed, proof, unproved = data, None, ""
    with show.progress() as progress:
        plan = optimise(graph, progress=progress)
        if plan.gain_bytes:
            order = plan.order if plan.is_reordered else None
            changed = with_offline_plan(data, plan.offsets, order=order)
            proof, unproved = _prove(graph, data, changed, samples, progress)
    if unproved:
        show.warn(f"The copy is not proved: {unproved}")
    write_file(output, changed)
    _show(show, plan, proof, output, len(changed) - len(data))
    show.document(
        "optimize",
        model=model,
        model_sha256=graph.sha256,
        output=output,
        output_sha256=hashlib.sha256(changed).hexdigest(),
        is_changed=changed != data,
        is_reordered=plan.is_reordered,
        gain_bytes=plan.gain_bytes,
        reaches_bound=plan.reaches_bound,
        added_bytes=len(changed) - len(data),
        heads=plan.figures,
        order=plan.order,
        offsets_bytes=plan.offsets,
        proof=proof,
        unproved=unproved or None,
    )


def _prove(
    graph: Graph, data: bytes, changed: bytes, samples: int, progress: Progress
) -> tuple[Proof | None, str]:
    """Return the proof, or why there can be none here."""
    from edgekit.model.interpreters import has_micro
    from edgekit.model.proof import prove_same, random_inputs

    if not has_micro():
        return None, (
            "tflite-micro is not installed (Linux on x86-64: pip install --pre 'edgekit[micro]')."
        )
    progress.stage(f"Proving {samples} inputs on TFLM's interpreter")
    try:
        return prove_same(data, changed, random_inputs(graph, samples)), ""
    except (InvalidModelError, UnsupportedModelError) as error:  # of the original itself
        return None, error.message


def _show(
    show: Output, plan: OptimisedPlan, proof: Proof | None, output: Path, added_bytes: int
) -> None:
    show.table(
        "Activations and scratch buffers in the arena",
        ("kernels", "before", "after", "bound", "any order", "least arena before", "after"),
        [
            (
                figure.kernels,
                f"{figure.before_bytes:,}",
                f"{figure.after_bytes:,}",
                f"{figure.bound_bytes:,}",
                f"{figure.any_order_bound_bytes:,}",
                f"{figure.minimum_before_bytes:,}",
                f"{figure.minimum_after_bytes:,}",
            )
            for figure in plan.figures
        ],
        numeric="lrrrrrr",
    )
    if not plan.gain_bytes:
        reason = (
            "TFLM's own plan reaches the bound"
            if plan.reaches_bound
            else "no better plan was found than TFLM's own"
        )
        show.line(f"Nothing to gain: {reason}. {output} is the model unchanged.")
        return
    order = ", operators in another order" if plan.is_reordered else ""
    show.line(
        f"{output}: up to {plan.gain_bytes:,} B less arena{order}, {added_bytes:,} B more flash."
    )
    if proof is not None:
        show.line(
            f"Proved on {proof.reference}: the same bytes for {proof.samples} inputs, arena "
            f"{proof.before.total_bytes:,} → {proof.after.total_bytes:,} B on this computer."
        )
