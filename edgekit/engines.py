"""The engines by name: which of them plan a model, and in what order a target prefers them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from edgekit.aot.budget import aot_plan
from edgekit.errors import InputError, did_you_mean
from edgekit.graph import Graph
from edgekit.plan.budget import tflm_plan
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
    return _PLANNERS[engine](graph, target, model=model)


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
