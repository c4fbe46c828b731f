"""Make TFLM's arena smaller: where tensors lie, and in which order operators run.

The result is a plan for the model's own file, so it must serve every set of kernels
that may run it. They differ in their scratch buffers, which TFLM places itself around
what the plan fixes: each candidate is laid out as TFLM would for all of them, and
counts only if none needs more than before.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgekit.errors import UnsupportedModelError
from edgekit.graph import ABSENT, Graph
from edgekit.model.offline_plan import (
    METADATA_NAME,
    ONLINE,
    encode_offline_plan,
    read_offline_plan,
)
from edgekit.plan.arena import ARENA_ALIGNMENT_BYTES, live_lower_bound
from edgekit.plan.lifetimes import BufferRequest, schedule
from edgekit.plan.operator_order import OrderSearch, search_order
from edgekit.plan.placement import extent, find_overlap, place, place_online
from edgekit.plan.tflm_kernels import TflmBuild
from edgekit.plan.tflm_overhead import tflm_arena
from edgekit.progress import Progress, Silence

KERNELS: Mapping[str, TflmBuild] = {
    "reference": TflmBuild(kernels="reference", has_dsp=False, short_enums=True),
    "cmsis-nn": TflmBuild(kernels="cmsis-nn", has_dsp=True, short_enums=True),
    "cmsis-nn without DSP": TflmBuild(kernels="cmsis-nn", has_dsp=False, short_enums=True),
    "cmsis-nn of 2023": TflmBuild(
        kernels="cmsis-nn", has_dsp=True, short_enums=True, static_memory=False, is_2023=True
    ),
}
"""The sets of kernels whose scratch buffers are known; a plan must serve all of them."""

_ORDER_METADATA = "model_control_dependencies"
"""Metadata that names operators by their number, which another order would make wrong;
tensorflow/lite/graph_info.h, kModelControlDependenciesMetadataKey."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HeadFigures:
    """The arena's head (activations and scratch buffers) with one set of kernels, in bytes.

    ``bound_bytes``: the most alive in one step, in the plan's order of operators; no
    placement takes less. ``any_order_bound_bytes`` holds for every order. The minima are
    the smallest whole arenas in which TFLM's allocation succeeds, on an Arm Cortex-M.
    """

    kernels: str
    before_bytes: int
    after_bytes: int
    bound_bytes: int
    any_order_bound_bytes: int
    minimum_before_bytes: int
    minimum_after_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimisedPlan:
    """A plan for the model's file.

    ``offsets`` are those of :mod:`edgekit.model.offline_plan`. ``order`` has the main
    subgraph's operators as they should run, by their present indices; it is that of the
    file where another gains nothing (``is_reordered``).
    """

    offsets: tuple[int, ...]
    order: tuple[int, ...]
    figures: tuple[HeadFigures, ...]

    @property
    def is_reordered(self) -> bool:
        """Whether the operators run in another order than before."""
        return list(self.order) != sorted(self.order)

    @property
    def gain_bytes(self) -> int:
        """The most that any set of kernels gains."""
        return max(figure.before_bytes - figure.after_bytes for figure in self.figures)

    @property
    def reaches_bound(self) -> bool:
        """Whether no placement could take less with any set of kernels."""
        return all(figure.after_bytes == figure.bound_bytes for figure in self.figures)


def optimise(graph: Graph, *, progress: Progress | None = None) -> OptimisedPlan:
    """Return the best plan found; its figures are never worse than before.

    Where nothing can be gained, the offsets are those that the file has already, or
    all ``ONLINE``.

    Raises:
        InvalidModelError: The model has a plan that is not for its tensors.
        UnsupportedModelError: It has a plan that places variables too, or in which
            tensors overlap while they live.
    """
    show = progress or Silence()
    present = _present_plan(graph)
    file_order = tuple(range(len(graph.main.operators)))
    base = _Layout(graph)
    _refuse_overlap(base, present)
    before = base.sizes(present)
    show.stage("Searching for a smaller placement")
    best = _Candidate(order=file_order, layout=base, offsets=present, sizes=before)
    best = _better(best, before, show)
    show.stage("Searching for a better order of operators")
    searches = _search_orders(base)
    if _ORDER_METADATA not in graph.metadata:
        for order in sorted({search.order for search in searches.values()} - {file_order}):
            layout = _Layout(reordered(graph, order))
            if any(layout.tails[name] > base.tails[name] for name in KERNELS):
                continue
            offsets = (ONLINE,) * len(present)
            start = _Candidate(
                order=order, layout=layout, offsets=offsets, sizes=layout.sizes(offsets)
            )
            best = min(best, _better(start, before, show), key=lambda item: item.rank(before))
    minimum_before = _minima(graph)
    minimum_after = _minima(best.planned_graph())
    if any(minimum_after[name] > minimum_before[name] for name in KERNELS):
        best = _Candidate(order=file_order, layout=base, offsets=present, sizes=before)
        minimum_after = minimum_before
    return OptimisedPlan(
        offsets=best.offsets,
        order=best.order,
        figures=tuple(
            HeadFigures(
                kernels=name,
                before_bytes=before[name],
                after_bytes=best.sizes[name],
                bound_bytes=live_lower_bound(best.layout.requests[name]),
                any_order_bound_bytes=searches[name].bound_bytes,
                minimum_before_bytes=minimum_before[name],
                minimum_after_bytes=minimum_after[name],
            )
            for name in KERNELS
        ),
    )


def _minima(graph: Graph) -> dict[str, int]:
    return {name: tflm_arena(graph, build).minimum_bytes for name, build in KERNELS.items()}


def reordered(graph: Graph, order: Sequence[int]) -> Graph:
    """Return the graph with the main subgraph's operators in another order.

    Raises:
        ValueError: ``order`` does not have each operator once.
    """
    operators = graph.main.operators
    if sorted(order) != list(range(len(operators))):
        raise ValueError("the order must have each operator once")
    main = dataclasses.replace(
        graph.main,
        operators=tuple(
            dataclasses.replace(operators[index], index=place) for place, index in enumerate(order)
        ),
    )
    return dataclasses.replace(graph, subgraphs=(main, *graph.subgraphs[1:]))


def _present_plan(graph: Graph) -> tuple[int, ...]:
    """Return the offsets that the file has, all ``ONLINE`` where it has none."""
    tensors = [tensor for subgraph in graph.subgraphs for tensor in subgraph.tensors]
    offsets = read_offline_plan(graph)
    if offsets is None:
        return (ONLINE,) * len(tensors)
    for tensor, offset in zip(tensors, offsets, strict=True):
        if tensor.is_variable and offset != ONLINE:
            raise UnsupportedModelError(
                f"The model's {METADATA_NAME} metadata also places variables"
                f" ({tensor.name[:60]!r}).",
                hint="Optimise the model from before that plan was made.",
            )
    return offsets


def _refuse_overlap(layout: _Layout, offsets: Sequence[int]) -> None:
    """Raise where the file's own plan has tensors share bytes while both live.

    Its maker then knew more of the kernels than their order, or it computes nonsense.
    """
    fixed = {index: offset for index, offset in enumerate(offsets) if offset != ONLINE}
    requests = layout.requests["reference"]
    found = find_overlap(requests, place_online(requests, fixed)) if fixed else None
    if found is not None:
        one, other = found
        raise UnsupportedModelError(
            f"In the model's {METADATA_NAME} metadata {one.name[:60]!r} and"
            f" {other.name[:60]!r} overlap while both are in use.",
            hint="Optimise the model from before that plan was made.",
        )


class _Layout:
    """What TFLM has to place for one graph, by set of kernels."""

    def __init__(self, graph: Graph) -> None:
        kept = {name: data for name, data in graph.metadata.items() if name != METADATA_NAME}
        self.graph = graph = dataclasses.replace(graph, metadata=kept)
        self.requests: dict[str, tuple[BufferRequest, ...]] = {}
        self.tails: dict[str, int] = {}
        for name, build in KERNELS.items():
            arena = tflm_arena(graph, build)
            self.tails[name] = arena.tail_bytes
            self.requests[name] = tuple(
                BufferRequest(
                    tensor=buffer.tensor,
                    name=buffer.name,
                    size_bytes=buffer.size_bytes,
                    first_step=buffer.first_step,
                    last_step=buffer.last_step,
                )
                for buffer in arena.plan.buffers
            )
        self.online = _must_stay_online(graph)

    def sizes(self, offsets: Sequence[int]) -> dict[str, int]:
        """Return the head's size with each set of kernels, as TFLM would lay it out."""
        fixed = {index: offset for index, offset in enumerate(offsets) if offset != ONLINE}
        return {
            name: extent(requests, place_online(requests, fixed))
            for name, requests in self.requests.items()
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class _Candidate:
    order: tuple[int, ...]
    layout: _Layout
    offsets: tuple[int, ...]
    sizes: Mapping[str, int]

    def planned_graph(self) -> Graph:
        """Return the graph with the plan in its metadata."""
        graph = self.layout.graph
        plan = encode_offline_plan(self.offsets, subgraphs=len(graph.subgraphs))
        return dataclasses.replace(graph, metadata={**graph.metadata, METADATA_NAME: plan})

    def rank(self, before: Mapping[str, int]) -> tuple[bool, int, bool]:
        """Return what candidates are compared by, the lowest being the best."""
        is_worse = any(self.sizes[name] > before[name] for name in KERNELS)
        is_reordered = list(self.order) != sorted(self.order)
        return is_worse, sum(self.sizes.values()), is_reordered


def _better(start: _Candidate, before: Mapping[str, int], show: Progress) -> _Candidate:
    """Return a candidate with other offsets, if some are better than those that it has.

    One that reaches every bound is not touched: a plan that gains nothing only fixes
    what another library's kernels might want elsewhere.
    """
    layout, best = start.layout, start
    for requests in dict.fromkeys(layout.requests.values()):
        bounds = {name: live_lower_bound(asked) for name, asked in layout.requests.items()}
        if dict(best.sizes) == bounds:
            break
        placement = place(
            requests, on_progress=lambda size, bound: show.detail(f"{size} B, bound {bound} B")
        )
        offsets = [ONLINE] * len(start.offsets)
        for request, offset in zip(requests, placement.offsets, strict=True):
            if request.tensor != ABSENT and request.tensor not in layout.online:
                offsets[request.tensor] = offset
        found = dataclasses.replace(start, offsets=tuple(offsets), sizes=layout.sizes(offsets))
        best = min(best, found, key=lambda item: item.rank(before))
    return best


def _must_stay_online(graph: Graph) -> frozenset[int]:
    """Return tensors that must have no offset, because TFLM would mistake it for another's.

    For the variables of every subgraph it looks at the plan's first entries, as if they
    were the main subgraph's; an offset there leaves such a variable without memory.

    Source:
        tflite-micro 90b983c, micro_allocator.cc, AllocateVariables.
    """
    return frozenset(
        tensor.index
        for subgraph in graph.subgraphs
        for tensor in subgraph.tensors
        if tensor.is_variable
    )


def _search_orders(layout: _Layout) -> dict[str, OrderSearch]:
    """Return for each set of kernels the best order of the main subgraph's operators."""
    main = layout.graph.main
    steps = schedule(layout.graph).steps
    found: dict[tuple[tuple[int, int], ...], OrderSearch] = {}
    searches = {}
    for name, requests in layout.requests.items():
        beside = [
            request
            for request in requests
            if request.tensor == ABSENT or request.tensor >= len(main.tensors)
        ]
        extra = {
            operator.index: _most_alive(beside, *steps[0, operator.index])
            for operator in main.operators
        }
        key = tuple(sorted(extra.items()))
        if key not in found:
            found[key] = search_order(main, extra, alignment=ARENA_ALIGNMENT_BYTES)
        searches[name] = found[key]
    return searches


def _most_alive(requests: Sequence[BufferRequest], first: int, last: int) -> int:
    """Return the most bytes of ``requests`` alive in one step from ``first`` to ``last``."""
    return live_lower_bound(
        [
            dataclasses.replace(
                request,
                first_step=max(request.first_step, first),
                last_step=min(request.last_step, last),
            )
            for request in requests
            if request.first_step <= last and request.last_step >= first
        ]
    )
