"""Check that a graph can be executed: indices in range, and nothing read before it exists."""

from __future__ import annotations

from edgekit.graph import ABSENT, Graph, Operator, Subgraph
from edgekit.model.flatbuffer import corrupt


def check(graph: Graph) -> None:
    """Return if every subgraph can run in its order of operators.

    Raises:
        InvalidModelError: There is no subgraph; an index is out of range; a tensor is
            read before it is computed, or computed twice; an operator calls a subgraph
            that does not exist, or that calls it in turn.
    """
    if not graph.subgraphs:
        raise corrupt("the model", "it has no subgraph")
    for index, subgraph in enumerate(graph.subgraphs):
        _check_subgraph(subgraph, "the model" if index == 0 else f"subgraph {index}")
    _check_calls(graph)


def _check_subgraph(subgraph: Subgraph, where: str) -> None:
    tensors = subgraph.tensors
    count = len(tensors)
    for role, indices in (("input", subgraph.inputs), ("output", subgraph.outputs)):
        for index in indices:
            if not 0 <= index < count:
                raise corrupt(where, f"{role} tensor {index} does not exist; there are {count}")
    if len(set(subgraph.inputs)) != len(subgraph.inputs):
        raise corrupt(where, "a tensor is listed twice as an input")
    available = {
        tensor.index
        for tensor in tensors
        if tensor.is_constant or tensor.is_variable or tensor.element_count == 0
    }
    available.update(subgraph.inputs)
    for operator in subgraph.operators:
        _check_operator(operator, subgraph, available, where)
    for index in subgraph.outputs:
        if index not in available:
            raise corrupt(where, f"output tensor {_named(subgraph, index)} is never computed")


def _check_operator(
    operator: Operator, subgraph: Subgraph, available: set[int], where: str
) -> None:
    count = len(subgraph.tensors)
    owner = "" if where == "the model" else f" of {where}"
    place = f"operator {operator.index} ({operator.custom_name[:60] or operator.name}){owner}"
    for index in operator.inputs:
        if index == ABSENT:
            continue
        if not 0 <= index < count:
            raise corrupt(place, f"input tensor {index} does not exist; there are {count}")
        if index not in available:
            raise corrupt(place, f"it reads tensor {_named(subgraph, index)} before it is computed")
    for index in operator.intermediates:
        if index != ABSENT and not 0 <= index < count:
            raise corrupt(place, f"intermediate tensor {index} does not exist; there are {count}")
    for index in operator.outputs:
        if not 0 <= index < count:
            raise corrupt(place, f"output tensor {index} does not exist; there are {count}")
        tensor = subgraph.tensors[index]
        if tensor.is_constant:
            raise corrupt(place, f"it writes to the constant {_named(subgraph, index)}")
        if index in available and not tensor.is_variable and tensor.element_count:
            raise corrupt(place, f"it writes to tensor {_named(subgraph, index)} again")
        available.add(index)


def _named(subgraph: Subgraph, index: int) -> str:
    name = subgraph.tensors[index].name
    return f"{index} ({name[:60]!r})" if name else str(index)


def _check_calls(graph: Graph) -> None:
    """Check the subgraphs that options name, e.g. ``then_subgraph_index`` of IF."""
    calls: list[set[int]] = []
    for subgraph in graph.subgraphs:
        called: set[int] = set()
        for operator in subgraph.operators:
            for name, value in operator.options.items():
                if "subgraph" not in name:
                    continue
                for index in value if isinstance(value, tuple) else (value,):
                    if not isinstance(index, int) or not 0 <= index < len(graph.subgraphs):
                        raise corrupt(
                            f"operator {operator.index} ({operator.name})",
                            f"{name} is {index}, but there are {len(graph.subgraphs)} subgraphs",
                        )
                    called.add(index)
        calls.append(called)
    # Take away, again and again, the subgraphs that call none that is left.
    left = {index for index, called in enumerate(calls) if called}
    while left:
        ended = {index for index in left if not calls[index] & left}
        if not ended:
            raise corrupt(f"subgraph {min(left)}", "it calls itself, so that it would never end")
        left -= ended
