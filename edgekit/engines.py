"""The engines by name: which of them plan a model, and in what order a target prefers them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from edgekit.aot.budget import aot_plan
from edgekit.aot.support import aot_support
from edgekit.errors import InputError, did_you_mean
from edgekit.findings import WayOut
from edgekit.graph import Graph
from edgekit.plan.budget import tflm_plan
from edgekit.plan.op_support import target_support, tflm_problems
from edgekit.results import Plan
from edgekit.targets import Target

_PLANNERS: Mapping[str, Callable[..., Plan]] = {"tflm": tflm_plan, "aot": aot_plan}


def choose_engine(target: Target, name: str | None = None) -> str:
    """Return the engine to use on ``target``: ``name``, or the one that it prefers.

    Raises:
        InputError: The target does not have the engine.
    """
    if name is None:
        return next(iter(target.engines))
    if name not in target.engines:
        raise InputError(
            f"Target {target.name!r} has no engine {name!r}.",
            hint=did_you_mean(name, target.engines),
        )
    return name


def plan_model(graph: Graph, target: Target, engine: str, *, model: str) -> Plan:
    """Return what ``graph`` costs on ``target`` with ``engine``, before anything is built.

    Args:
        graph: The parsed model.
        target: The board.
        engine: One of the target's engines.
        model: The model's name, for the verdict.
    """
    plan = _PLANNERS[engine](graph, target, model=model)
    if engine == "aot":
        plan = replace(plan, operators=aot_support(graph))
    return _with_other_engine(plan, graph, target) if plan.problems else plan


def _with_other_engine(plan: Plan, graph: Graph, target: Target) -> Plan:
    """Add the target's other engine to the ways out for operators that only it runs."""
    (other,) = {"tflm", "aot"} - {plan.engine}
    if other not in target.engines or all(item.runs for item in plan.operators):
        return plan
    judged = target_support(graph, target) if other == "tflm" else aot_support(graph)
    running = {(item.subgraph, item.index) for item in judged if item.runs}
    way = WayOut(kind="engine", name=other, text=f"use the {other} engine")
    operators = tuple(
        replace(item, ways_out=_before_model_changes(item.ways_out, way))
        if not item.runs and (item.subgraph, item.index) in running
        else item
        for item in plan.operators
    )
    if plan.engine == "tflm":
        problems = tflm_problems(graph, target, operators)
        return replace(plan, operators=operators, problems=problems)
    return replace(plan, operators=operators)


def _before_model_changes(ways: Sequence[WayOut], way: WayOut) -> tuple[WayOut, ...]:
    changes = [item for item in ways if item.kind == "model"]
    return (*(item for item in ways if item.kind != "model"), way, *changes)


def plan_engines(
    graph: Graph, target: Target, engine: str | None, *, model: str
) -> tuple[Plan, ...]:
    """Return the plan for ``engine``, or where it is ``None`` for each of the target's engines."""
    names = tuple(target.engines) if engine is None else (choose_engine(target, engine),)
    return tuple(plan_model(graph, target, name, model=model) for name in names)


def with_suggestions(
    plan: Plan, graph: Graph, target: Target, *, others: Sequence[Target] = ()
) -> Plan:
    """Return the plan with ways to make the model fit; unchanged if it does already.

    Args:
        plan: The plan of ``graph`` for ``target``.
        graph: The parsed model.
        target: The board.
        others: Other boards to consider.
    """
    if plan.fits:
        return plan
    from edgekit.plan.suggest import suggest  # most checks do without it

    def planner(graph: Graph, target: Target, engine: str) -> Plan:
        return plan_model(graph, target, engine, model=plan.model)

    return replace(plan, suggestions=suggest(plan, graph, target, planner, others=others))
