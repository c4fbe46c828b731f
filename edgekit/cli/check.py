"""``edgekit check``: will this model fit, said before anything is built."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from edgekit.cli.check_operators import audit_model, refusal_code, show_findings
from edgekit.cli.check_view import show_matrix, show_plan, show_verdicts
from edgekit.cli.check_witness import hear_witness, show_witness
from edgekit.cli.output import Output, output_options
from edgekit.engines import plan_engines, with_suggestions
from edgekit.errors import (
    DoesNotFitError,
    InputError,
    UnsupportedModelError,
    VerificationError,
    did_you_mean,
)
from edgekit.graph import Graph
from edgekit.model.reader import read_model
from edgekit.results import Plan
from edgekit.targets import Target, load_target, target_names

EVERY_TARGET = "all"


@click.command(name="check")
@click.argument("models", metavar="MODEL", nargs=-1, required=True,
                type=click.Path(path_type=Path))  # fmt: skip
@click.option(
    "--target",
    "-t",
    "targets",
    multiple=True,
    help="A target, repeatable, or 'all'. Default: all.",
)
@click.option("--engine", "-e", help="tflm or aot. Default: each that the target has.")
@click.option("--witness", is_flag=True, help="Show TFLM's own arena on this computer beside ours.")
@output_options
def command(
    models: tuple[Path, ...],
    targets: tuple[str, ...],
    engine: str | None,
    witness: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Say whether MODEL (.tflite, one or several) fits each target, part by part.

    With named targets, the exit code is 0 if each MODEL fits each of them with at least
    one engine, 3 if one does not fit or a library would fail on it or compute wrong
    numbers, 2 if the model itself can't run anywhere; what would help is planned too.
    For all targets, it is 0 if each MODEL fits at least one.
    """
    output = Output(as_json=as_json, quiet=quiet)
    named = EVERY_TARGET not in targets and bool(targets)
    chosen = [load_target(name) for name in (targets if named else target_names())]
    engines = {name for target in chosen for name in target.engines}
    if not named and engine is not None and engine not in engines:
        raise InputError(f"No target has an engine {engine!r}.", hint=did_you_mean(engine, engines))
    graphs = {name: (read_model(path)[0], path) for name, path in _names(models).items()}
    plans: dict[str, list[Plan]] = {}
    for name, (graph, _) in graphs.items():
        plans[name] = [
            plan
            for target in chosen
            if named or engine is None or engine in target.engines
            for plan in _plans(graph, target, engine, model=name, with_ways_out=named)
        ]
    audits = {name: audit_model(graph, chosen, engine) for name, (graph, _) in graphs.items()}
    codes = {name: _exit_code(of_model, every=named) for name, of_model in plans.items()}
    exit_code = _worst(codes.values())
    testimonies = hear_witness(graphs) if witness else ()
    if exit_code == 0 and any(item.agrees is False for item in testimonies):
        exit_code = VerificationError.exit_code
    everything = [plan for of_model in plans.values() for plan in of_model]
    output.document(
        "check",
        fits=exit_code == 0,
        exit_code=exit_code,
        models=[
            {
                "model": name,
                "file": path,
                "sha256": graph.sha256,
                "fits": codes[name] == 0,
                "exit_code": codes[name],
                "audit": audits[name],
            }
            for name, (graph, path) in graphs.items()
        ],
        witness=testimonies,
        matrix=[_cell(plan) for plan in everything],
        plans=everything,
    )
    if not as_json and not quiet:
        _show(output, plans, named=named)
        show_findings(output, audits)
        show_witness(output, testimonies)
    return exit_code


def _names(paths: Sequence[Path]) -> dict[str, Path]:
    """Return the models by name: the file's stem, or the whole path where stems are equal."""
    stems = [path.stem for path in paths]
    names = {
        path.stem if stems.count(path.stem) == 1 else path.with_suffix("").as_posix(): path
        for path in paths
    }
    if len(names) < len(paths):
        raise InputError("A model is given twice.", hint="Name each file once.")
    return names


def _plans(
    graph: Graph, target: Target, engine: str | None, *, model: str, with_ways_out: bool
) -> tuple[Plan, ...]:
    plans = plan_engines(graph, target, engine, model=model)
    if not with_ways_out or all(plan.fits for plan in plans):
        return plans
    # Another board is a way out only where no engine will do.
    fits = any(plan.fits for plan in plans)
    others = [] if fits else [load_target(name) for name in target_names()]
    return tuple(with_suggestions(plan, graph, target, others=others) for plan in plans)


def _exit_code(plans: Sequence[Plan], *, every: bool) -> int:
    by_target: dict[str, list[Plan]] = {}
    for plan in plans:
        by_target.setdefault(plan.target, []).append(plan)
    codes = [_target_exit_code(of_target) for of_target in by_target.values()]
    if not codes:
        return UnsupportedModelError.exit_code
    if every:
        return _worst(codes)
    return 0 if 0 in codes else max(codes)


def _worst(codes: Iterable[int]) -> int:
    """Return the worst of exit codes: can't run, then does not fit, then fits."""
    return max(codes, key=lambda code: (code == UnsupportedModelError.exit_code, code))


def _target_exit_code(plans: Sequence[Plan]) -> int:
    refused = refusal_code(plans)
    if refused is not None:
        return refused
    if any(plan.fits for plan in plans):
        return 0
    if any(plan.runs for plan in plans):
        return DoesNotFitError.exit_code
    return UnsupportedModelError.exit_code


def _cell(plan: Plan) -> dict[str, Any]:
    """Return one cell of the matrix: the verdict, and what is left."""
    return {
        "model": plan.model,
        "target": plan.target,
        "engine": plan.engine,
        "verdict": plan.verdict,
        "fits": plan.fits,
        "flash_slack_bytes": plan.flash.slack_bytes,
        "sram_slack_bytes": plan.sram.slack_bytes,
        "block_slack_bytes": plan.block_slack_bytes,
        "arena_bytes": plan.arena_bytes,
    }


def _show(output: Output, plans_by_model: Mapping[str, Sequence[Plan]], *, named: bool) -> None:
    plans = [plan for plans in plans_by_model.values() for plan in plans]
    if len(plans_by_model) > 1:
        show_matrix(output, plans_by_model)
    elif named or len(plans) <= 2:
        for plan in plans:
            show_plan(output, plan)
    else:
        show_verdicts(output, plans)
