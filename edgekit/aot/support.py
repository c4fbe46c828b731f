"""What becomes of each operator of a model with the aot engine."""

from __future__ import annotations

from edgekit.aot.compiler import Layout, lay_out
from edgekit.aot.lower import lower
from edgekit.findings import OperatorStatus, OperatorSupport, WayOut
from edgekit.graph import Graph, layer_of
from edgekit.plan.number_kinds import number_kind

_REPLACE = WayOut(kind="model", text="replace the layer by others")


_last: tuple[Graph, tuple[OperatorSupport, ...]] | None = None
"""The graph that was judged last: a check asks for each of a dozen targets."""


def aot_support(graph: Graph) -> tuple[OperatorSupport, ...]:
    """Return what becomes of each operator of the main subgraph, in order.

    It is what lowering says, so it is right by construction: the engine refuses what it
    would not compute exactly as the reference does. Whether another engine has what it
    lacks is for the caller to say.
    """
    global _last
    last = _last
    if last is None or last[0] is not graph:
        last = _last = (graph, _aot_support(graph))
    return last[1]


def _aot_support(graph: Graph) -> tuple[OperatorSupport, ...]:
    refused = {} if isinstance(lay_out(graph), Layout) else lower(graph).refused
    subgraph = graph.main
    return tuple(
        OperatorSupport(
            subgraph=0,
            index=operator.index,
            operator=operator.custom_name or operator.name,
            version=operator.version,
            layer=(
                layer_of(subgraph.tensors[operator.outputs[0]].name) if operator.outputs else ""
            ),
            kind=number_kind(subgraph, operator),
            status=(OperatorStatus.FAILS if operator.index in refused else OperatorStatus.RUNS),
            reason=refused.get(operator.index, ""),
            ways_out=(_REPLACE,) if operator.index in refused else (),
        )
        for operator in subgraph.operators
    )
