"""What ``edgekit check`` says of operators that do not run, and of the file itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from edgekit.cli.output import Output
from edgekit.errors import RefusedModelError
from edgekit.findings import Finding, OperatorSupport, Severity
from edgekit.graph import Graph
from edgekit.libraries import load_library
from edgekit.plan.audit import audit
from edgekit.results import Plan
from edgekit.targets import Target

_PLACES = 8
_WAYS = 3
_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.NOTE: ""}


def refusal_code(plans: Sequence[Plan]) -> int | None:
    """Return the exit code where a target's engines refuse a sound model; ``None`` otherwise.

    A library that would compute wrong numbers counts even where another engine fits:
    the numbers must not go unnoticed. ``--engine`` asks for that other engine alone.

    Args:
        plans: The plans for one target, one an engine.
    """
    if any(plan.computes_wrong and plan.is_refused for plan in plans):
        return RefusedModelError.exit_code
    if not any(plan.runs for plan in plans) and any(plan.is_refused for plan in plans):
        return RefusedModelError.exit_code
    return None


def audit_model(graph: Graph, targets: Iterable[Target], engine: str | None) -> tuple[Finding, ...]:
    """Return what is wrong with a model's file, as the targets' libraries see it."""
    names = dict.fromkeys(
        support.library
        for target in targets
        for name, support in target.engines.items()
        if support.library and engine in (None, name)
    )
    return audit(graph, [load_library(name) for name in names])


def show_operators(output: Output, plan: Plan) -> None:
    """Print the operators that do not run with a plan's engine, alike ones in one row."""
    refused = [item for item in plan.operators if not item.runs]
    if not refused:
        return
    alike: dict[tuple[str, ...], list[OperatorSupport]] = {}
    for item in refused:
        ways = "; ".join(way.text for way in item.ways_out[:_WAYS])
        key = (item.operator, str(item.version), item.kind, item.status.value, ways)
        alike.setdefault(key, []).append(item)
    output.table(
        f"operators: {len(plan.operators) - len(refused)} of {len(plan.operators)} run",
        ("operator", "v", "in", "status", "where", "the cheapest ways out"),
        [(*key[:4], _places(items), key[4]) for key, items in alike.items()],
        numeric="lr",
    )


def _places(items: Sequence[OperatorSupport]) -> str:
    """Return the operators' numbers, those of called subgraphs after the subgraph's."""
    places = [
        f"{item.subgraph}:{item.index}" if item.subgraph else str(item.index) for item in items
    ]
    return ", ".join([*places[:_PLACES], *(["…"] if len(places) > _PLACES else [])])


def show_findings(
    output: Output, findings: Mapping[str, Sequence[Finding]], *, with_notes: bool = False
) -> None:
    """Print what is wrong with each model's file; notes only where asked for."""
    for model, of_model in findings.items():
        shown = [item for item in of_model if with_notes or item.severity is not Severity.NOTE]
        for item in shown:
            output.line(
                f"{item.severity.value}: {model}: {item.message}", style=_STYLES[item.severity]
            )
            output.line(f"  → {item.hint}")
        if shown:
            output.line()
