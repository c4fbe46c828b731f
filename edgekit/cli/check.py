"""``edgekit check``: will this model fit, said before anything is built."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from edgekit.cli.output import Output, output_options
from edgekit.engines import plan_engines
from edgekit.errors import DoesNotFitError, InputError, UnsupportedModelError, did_you_mean
from edgekit.model.reader import read_model
from edgekit.results import BankUse, Basis, Plan
from edgekit.targets import load_target, target_names
from edgekit.units import format_bytes, format_count


@click.command(name="check")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--target", "-t", "targets", multiple=True, help="A target; repeatable. Default: every target."
)
@click.option("--engine", "-e", help="tflm or aot. Default: each that the target has.")
@output_options
def command(
    model: Path, targets: tuple[str, ...], engine: str | None, as_json: bool, quiet: bool
) -> int:
    """Say whether MODEL (.tflite) fits each target, part by part.

    With --target, the exit code is 0 if it fits each of them with at least one
    engine, 3 if it does not fit, 2 if it can't run there at all. Without, it is 0
    if it fits at least one target.
    """
    output = Output(as_json=as_json, quiet=quiet)
    chosen = [load_target(name) for name in targets or target_names()]
    engines = {name for target in chosen for name in target.engines}
    if not targets and engine is not None and engine not in engines:
        raise InputError(f"No target has an engine {engine!r}.", hint=did_you_mean(engine, engines))
    graph, _ = read_model(model)
    plans = [
        plan
        for target in chosen
        if targets or engine is None or engine in target.engines
        for plan in plan_engines(graph, target, engine, model=model.stem)
    ]
    by_target: dict[str, list[Plan]] = {}
    for plan in plans:
        by_target.setdefault(plan.target, []).append(plan)
    exit_code = _exit_code(list(by_target.values()), every=bool(targets))
    output.document("check", fits=exit_code == 0, exit_code=exit_code, plans=plans)
    if len(plans) <= 2 or targets:
        for plan in plans:
            show_plan(output, plan)
    else:
        show_verdicts(output, plans)
    return exit_code


def _exit_code(plans_by_target: Sequence[Sequence[Plan]], *, every: bool) -> int:
    codes = [_target_exit_code(plans) for plans in plans_by_target]
    if not codes:
        return UnsupportedModelError.exit_code
    if every:
        return max(codes, key=lambda code: (code == UnsupportedModelError.exit_code, code))
    return 0 if 0 in codes else max(codes)


def _target_exit_code(plans: Sequence[Plan]) -> int:
    if any(plan.fits for plan in plans):
        return 0
    if any(plan.runs for plan in plans):
        return DoesNotFitError.exit_code
    return UnsupportedModelError.exit_code


def show_verdicts(output: Output, plans: Sequence[Plan]) -> None:
    """Print one row a target and engine."""
    output.table(
        "Before building (exact or estimated, as 'edgekit check --target' itemises)",
        ("target", "engine", "verdict", "flash", "slack", "SRAM", "slack", "arena"),
        [
            (
                plan.target,
                plan.engine,
                plan.verdict,
                *(
                    (
                        format_bytes(plan.flash.used_bytes),
                        format_bytes(plan.flash.slack_bytes),
                        format_bytes(plan.sram.used_bytes),
                        format_bytes(plan.sram.slack_bytes),
                        format_bytes(plan.arena_bytes),
                    )
                    if plan.runs
                    else ("", "", "", "", "")
                ),
            )
            for plan in plans
        ],
        numeric="lllrrrrr",
    )
    seen: dict[str, None] = {}
    for plan in plans:
        for problem in plan.problems:
            seen.setdefault(f"{plan.engine}: {problem.message} {problem.hint}")
    for line in seen:
        output.line(f"• {line}")


def show_plan(output: Output, plan: Plan) -> None:
    """Print one plan with each of its parts."""
    styles = {"fits": "bold green", "does not fit": "bold red", "can't run": "bold yellow"}
    output.line(
        f"{plan.model} on {plan.target} with {plan.engine}: {plan.verdict}",
        style=styles[plan.verdict],
    )
    for problem in plan.problems:
        output.line(f"  {problem.message}")
        output.line(f"  → {problem.hint}")
    if not plan.runs:
        return
    for bank in (plan.flash, plan.sram):
        output.table(
            f"{bank.bank}: {format_bytes(bank.used_bytes)} of {format_bytes(bank.usable_bytes)}"
            f" usable, {_slack(bank.slack_bytes)}",
            ("part", "bytes", "", "note"),
            _bank_rows(bank),
            numeric="lr",
        )
    output.line(
        f"Arena {plan.arena_bytes} B against the largest block of "
        f"{plan.largest_block_bytes} B: {_slack(plan.block_slack_bytes)}. "
        f"{format_count(plan.macs)} multiply-accumulates an inference."
    )
    output.line()


def _slack(slack_bytes: int) -> str:
    return f"{slack_bytes} B left" if slack_bytes >= 0 else f"{-slack_bytes} B too many"


def _bank_rows(bank: BankUse) -> list[tuple[str, str, str, str]]:
    return [
        (
            item.name,
            str(item.size_bytes),
            item.basis.value if item.basis is Basis.EXACT else f"estimated ± {item.margin_bytes}",
            item.note,
        )
        for item in bank.items
    ]
