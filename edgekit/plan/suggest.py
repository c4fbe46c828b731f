"""What would make a model fit that does not, each way planned as the model itself is.

A way is tried by planning it: another engine, another memory for the arena, the graph
in int8 or with a smaller input, another board. Nothing is estimated by a rule of thumb.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from edgekit.errors import UnsupportedModelError
from edgekit.graph import Graph
from edgekit.plan.variations import as_int8, with_smaller_input
from edgekit.results import Plan, Suggestion
from edgekit.targets import Target

Planner = Callable[[Graph, Target, str], Plan]
"""Plans a graph for a target with one of its engines."""

_OTHER_TARGETS = 3
_SEARCHED_OPERATORS = 200
"""In how large a model a better placement is searched for: it takes up to half a second."""
_STEPS = ((1, 2), (3, 4), (1, 4))
"""The share of an input's height and width to try: a half, and what that leads to."""


def suggest(
    plan: Plan, graph: Graph, target: Target, planner: Planner, *, others: Sequence[Target] = ()
) -> tuple[Suggestion, ...]:
    """Return ways to make a model fit, those that do so first; none if it fits already.

    Args:
        plan: The plan that does not fit, or can't run.
        graph: The model.
        target: The plan's target.
        planner: Makes the plans of the other ways.
        others: Other boards to consider.
    """
    if plan.fits:
        return ()
    found: list[Suggestion] = []
    base, start, also = plan, graph, ""
    if not plan.runs:
        in_int8 = as_int8(graph)
        if in_int8 is not None:
            made = planner(in_int8, target, plan.engine)
            if made.runs:
                base, start, also = made, in_int8, "In int8, too: "
                message = "Convert it to int8 ('edgekit convert --variant int8')."
                found.append(_suggestion("int8", message, made, plan))
    if not base.fits:
        found += _engines(base, start, target, planner, plan, also)
        found += _placement(base, start, target, planner, plan, also)
        found += _banks(base, target, plan, also)
        found += _inputs(base, start, target, planner, plan, also)
        found += _targets(base, start, target, planner, plan, also, others)
    return tuple(sorted(found, key=lambda way: not way.fits))


def _suggestion(kind: str, message: str, made: Plan, plan: Plan) -> Suggestion:
    return Suggestion(
        kind=kind,
        message=message,
        verdict=made.verdict,
        flash_bytes=made.flash.used_bytes,
        flash_change_bytes=_change(made.flash.used_bytes, plan.flash.used_bytes, plan),
        sram_bytes=made.sram.used_bytes,
        sram_change_bytes=_change(made.sram.used_bytes, plan.sram.used_bytes, plan),
        arena_bytes=made.arena_bytes,
        arena_change_bytes=_change(made.arena_bytes, plan.arena_bytes, plan),
        slack_bytes=min(made.flash.slack_bytes, made.sram.slack_bytes, made.block_slack_bytes),
    )


def _change(after_bytes: int, before_bytes: int, plan: Plan) -> int | None:
    """Return the difference; ``None`` if the engine refused the model and laid nothing out."""
    return after_bytes - before_bytes if plan.arena_bytes else None


def _engines(
    base: Plan, graph: Graph, target: Target, planner: Planner, plan: Plan, also: str
) -> list[Suggestion]:
    found = []
    for engine in target.engines:
        made = planner(graph, target, engine) if engine != base.engine else base
        is_less = not base.runs or made.shortage_bytes < base.shortage_bytes
        if made.runs and (made.fits or is_less):
            message = f"{also}Use the {engine} engine.{_without_project(target, engine)}"
            found.append(_suggestion("engine", message, made, plan))
    return found


def _without_project(target: Target, engine: str) -> str:
    if target.engines[engine].template:
        return ""
    return f" EdgeKit makes no project with {engine} for that board yet."


def _placement(
    base: Plan, graph: Graph, target: Target, planner: Planner, plan: Plan, also: str
) -> list[Suggestion]:
    """Return what TFLM's arena takes with the best plan of it written into the model."""
    if not base.runs or base.engine != "tflm" or base.arena_excess_bytes == 0:
        return []
    if sum(len(subgraph.operators) for subgraph in graph.subgraphs) > _SEARCHED_OPERATORS:
        return []
    # The search takes a while, and is not for models that fit.
    from edgekit.model.offline_plan import METADATA_NAME, encode_offline_plan
    from edgekit.plan.optimize import optimise, reordered

    try:
        best = optimise(graph)
    except UnsupportedModelError:
        return []  # the model has a plan of its own that can't be replaced
    metadata = encode_offline_plan(best.offsets, subgraphs=len(graph.subgraphs))
    planned = replace(
        reordered(graph, best.order),
        metadata={**graph.metadata, METADATA_NAME: metadata},
        size_bytes=graph.size_bytes + len(metadata),
    )
    made = planner(planned, target, base.engine)
    if not made.runs or made.arena_bytes >= base.arena_bytes:
        return []
    message = f"{also}Plan its arena anew ('edgekit optimize')."
    return [_suggestion("placement", message, made, plan)]


def _banks(base: Plan, target: Target, plan: Plan, also: str) -> list[Suggestion]:
    if not (base.runs and base.flash.fits):
        return []
    others = base.sram.used_bytes - base.arena_bytes
    return [
        Suggestion(
            kind="bank",
            message=f"{also}Put the arena into the {bank.title}: it takes {bank.needs}.",
            verdict="fits only in slow memory"
            if bank.speed == "slow"
            else "fits only in other memory",
            flash_bytes=base.flash.used_bytes,
            flash_change_bytes=_change(base.flash.used_bytes, plan.flash.used_bytes, plan),
            sram_bytes=others,
            sram_change_bytes=_change(others, plan.sram.used_bytes, plan),
            arena_bytes=base.arena_bytes,
            arena_change_bytes=_change(base.arena_bytes, plan.arena_bytes, plan),
            slack_bytes=min(
                base.flash.slack_bytes,
                bank.slack_bytes,
                bank.block_slack_bytes,
                target.sram.usable_bytes - others,
            ),
        )
        for bank in base.banks
        if bank.fits and not bank.is_main
    ]


def _inputs(
    base: Plan, graph: Graph, target: Target, planner: Planner, plan: Plan, also: str
) -> list[Suggestion]:
    """Return the largest of three smaller inputs that fits, else what half the size gives.

    It is no way where flash is what is missing: the weights of convolutions stay.
    """
    if not base.runs or base.arena_excess_bytes == 0:
        return []
    made: dict[tuple[int, int], Suggestion] = {}

    def fits(step: tuple[int, int]) -> bool:
        smaller = with_smaller_input(graph, *step)
        if smaller is None:
            return False
        planned = planner(smaller.graph, target, base.engine)
        if planned.runs:
            (before, after) = ("×".join(map(str, size)) for size in (smaller.before, smaller.after))
            message = f"{also}Train it for a smaller input, {after} instead of {before}."
            made[step] = _suggestion("input", message, planned, plan)
        return planned.fits

    (half, larger, smallest) = _STEPS
    fits(smallest if not fits(half) else larger)
    fitting = [way for step, way in made.items() if way.fits]
    if fitting:
        return [max(fitting, key=lambda way: way.arena_bytes)]
    return [made[half]] if half in made else []


def _targets(
    base: Plan,
    graph: Graph,
    target: Target,
    planner: Planner,
    plan: Plan,
    also: str,
    others: Sequence[Target],
) -> list[Suggestion]:
    """Return the smallest other boards on which the model fits as it is."""
    found = []
    for other in sorted(others, key=lambda board: (board.sram.usable_bytes, board.name)):
        if other.name == target.name or other.is_emulated:
            continue
        for engine in sorted(other.engines, key=lambda name: name != base.engine):
            made = planner(graph, other, engine)
            if made.fits:
                message = f"{also}Use {other.title} ({other.name}) with {engine}."
                message += _without_project(other, engine)
                found.append(_suggestion("target", message, made, plan))
                break
        if len(found) == _OTHER_TARGETS:
            break
    return found
