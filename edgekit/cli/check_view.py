"""How verdicts are shown: one plan part by part, many as a table, several models as a matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgekit.cli.check_operators import show_operators
from edgekit.cli.output import Output
from edgekit.results import BankUse, BankVerdict, Basis, Plan, Suggestion
from edgekit.units import format_bytes, format_count

_MODELS_AS_COLUMNS = 4
_STYLES = {"fits": "bold green", "does not fit": "bold red"}


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
    _show_problems(output, plans)


def show_matrix(output: Output, plans_by_model: Mapping[str, Sequence[Plan]]) -> None:
    """Print each model's verdict on each target with each engine.

    A few models are the columns of one table; more than that have rows, so that no
    table gets too wide, and the engines are its columns.
    """
    verdicts = {
        (plan.target, plan.engine, model): plan.verdict
        for model, plans in plans_by_model.items()
        for plan in plans
    }
    models = list(plans_by_model)
    if len(models) <= _MODELS_AS_COLUMNS:
        pairs = dict.fromkeys((target, engine) for target, engine, _ in verdicts)
        columns = ["target", "engine", *models]
        rows = [(*pair, *(verdicts.get((*pair, model), "") for model in models)) for pair in pairs]
    else:
        engines = list(dict.fromkeys(engine for _, engine, _ in verdicts))
        columns = ["model", "target", *engines]
        targets = dict.fromkeys((model, target) for target, _, model in verdicts)
        rows = [
            (model, target, *(verdicts.get((target, engine, model), "") for engine in engines))
            for model, target in targets
        ]
    output.table("Before building", columns, rows)
    for model, plans in plans_by_model.items():
        _show_problems(output, plans, prefix=f"{model}, ")


def _show_problems(output: Output, plans: Sequence[Plan], *, prefix: str = "") -> None:
    seen: dict[str, None] = {}
    for plan in plans:
        for problem in plan.problems:
            seen.setdefault(f"{prefix}{plan.engine}: {problem.message} {problem.hint}")
    for line in seen:
        output.line(f"• {line}")


def show_plan(output: Output, plan: Plan) -> None:
    """Print one plan with each of its parts, the verdict by bank, and what would help."""
    output.line(
        f"{plan.model} on {plan.target} with {plan.engine}: {plan.verdict}",
        style=_STYLES.get(plan.verdict, "bold yellow"),
    )
    for problem in plan.problems:
        output.line(f"  {problem.message}")
        output.line(f"  → {problem.hint}")
    show_operators(output, plan)
    if plan.runs:
        _show_parts(output, plan)
    if plan.suggestions:
        _show_suggestions(output, plan.suggestions)
    if plan.runs or plan.suggestions:
        output.line()


def _show_parts(output: Output, plan: Plan) -> None:
    for bank in (plan.flash, plan.sram):
        output.table(
            f"{bank.bank}: {format_bytes(bank.used_bytes)} of {format_bytes(bank.usable_bytes)}"
            f" usable, {_slack(bank.slack_bytes)}{_doubt(bank)}",
            ("part", "bytes", "", "note"),
            _bank_rows(bank),
            numeric="lr",
        )
    if plan.banks:
        _show_banks(output, plan.banks, with_needs=not plan.fits)
    output.line(
        f"Arena {plan.arena_bytes} B against the largest block of "
        f"{plan.largest_block_bytes} B: {_slack(plan.block_slack_bytes)}. "
        f"{format_count(plan.macs)} multiply-accumulates an inference."
    )
    if plan.arena_excess_bytes:
        share = min(100.0, 100 * plan.arena_excess_bytes / max(1, plan.arena_bytes))
        output.line(
            f"The arena would have to be {plan.arena_excess_bytes} B smaller ({share:.0f} %)."
            if plan.arena_excess_bytes <= plan.arena_bytes
            else "No arena is small enough: the other data does not fit by itself."
        )


def _show_banks(output: Output, banks: Sequence[BankVerdict], *, with_needs: bool) -> None:
    """Print a row for each memory with the arena put there, in bytes."""
    output.table(
        "data memory by bank, with the arena in it",
        (
            "bank",
            "total",
            "framework",
            "stack",
            "arena",
            "other",
            "left",
            "largest block",
            "verdict",
        ),
        [
            (
                bank.title,
                *(
                    str(size)
                    for size in (
                        bank.total_bytes,
                        bank.framework_bytes,
                        bank.stack_bytes,
                        bank.arena_bytes,
                        bank.other_bytes,
                        bank.slack_bytes,
                        bank.largest_block_bytes,
                    )
                ),
                bank.verdict,
            )
            for bank in banks
        ],
        numeric="lrrrrrrr",
    )
    for bank in banks:
        if with_needs and bank.needs and bank.fits:
            output.line(f"The {bank.title} takes {bank.needs}.")


def _show_suggestions(output: Output, suggestions: Sequence[Suggestion]) -> None:
    output.table(
        "what would help, each planned; slack: the least of flash, SRAM and largest block",
        ("way", "verdict", "flash", "", "arena", "", "slack"),
        [
            (
                way.message,
                way.verdict,
                format_bytes(way.flash_bytes),
                _change(way.flash_change_bytes),
                format_bytes(way.arena_bytes),
                _change(way.arena_change_bytes),
                format_bytes(way.slack_bytes),
            )
            for way in suggestions
        ],
        numeric="llrrrrr",
    )


def _change(size_bytes: int | None) -> str:
    if size_bytes is None:
        return ""
    return f"{'+' if size_bytes > 0 else ''}{format_bytes(size_bytes)}"


def _slack(slack_bytes: int) -> str:
    return f"{slack_bytes} B left" if slack_bytes >= 0 else f"{-slack_bytes} B too many"


def _doubt(bank: BankUse) -> str:
    """Say where the estimates' margin is larger than what is left, or what is in excess."""
    if abs(bank.slack_bytes) >= bank.margin_bytes:
        return ""
    return f" (within the estimates' ± {bank.margin_bytes} B)"


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
