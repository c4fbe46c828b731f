"""The plan of a compiled model: what is exact, what is estimated, what it can't do."""

from __future__ import annotations

import subprocess
import sys

from builders import make_graph, make_operator, make_target, make_tensor

from edgekit.aot.budget import aot_plan
from edgekit.aot.compiler import compile_graph
from edgekit.graph import DType, Graph
from edgekit.plan.work import macs
from edgekit.results import BankUse, Basis, Item


def dense(rows: int = 8, columns: int = 64) -> Graph:
    return make_graph(
        [
            make_tensor((1, columns), scale=0.5),
            make_tensor((rows, columns), scale=0.25, data=bytes(range(64)) * rows),
            make_tensor((rows,), DType.INT32, scale=0.125, data=[7] * rows),
            make_tensor((1, rows), scale=2.0),
        ],
        [make_operator("FULLY_CONNECTED", (0, 1, 2), (3,))],
    )


def item(bank: BankUse, name: str) -> Item:
    return next(item for item in bank.items if item.name == name)


def test_static_memory_is_exact() -> None:
    graph = dense()
    plan = aot_plan(graph, make_target(), model="dense")
    arena = item(plan.sram, "arena")
    assert arena.basis is Basis.EXACT
    assert arena.size_bytes == plan.arena_bytes == plan.arena.size_bytes == 80
    assert item(plan.sram, "loaded input").size_bytes == 64
    assert plan.arena == compile_graph(graph).arena


def test_constants_are_exact_and_code_is_estimated() -> None:
    graph = dense()
    plan = aot_plan(graph, make_target(), model="dense")
    weights = item(plan.flash, "weights and tables")
    assert weights.basis is Basis.EXACT
    assert weights.size_bytes == 8 * 64 + 8 * 4 + 4 + 4  # weights, bias, multiplier, shift
    tables = item(plan.flash, "kernel parameters")
    assert weights.size_bytes + tables.size_bytes == compile_graph(graph).const_bytes
    for name in ("kernels", "model code", "firmware"):
        assert item(plan.flash, name).basis is Basis.ESTIMATED
        assert item(plan.flash, name).size_bytes > 0


def test_a_longer_name_takes_more_flash() -> None:
    short = aot_plan(dense(), make_target(), model="a")
    long = aot_plan(dense(), make_target(), model="abcdef")
    assert long.flash.used_bytes == short.flash.used_bytes + 10


def test_pointers_of_another_width_change_the_parameters_only() -> None:
    wide = aot_plan(dense(), make_target(pointer_bytes=8), model="m")
    plain = aot_plan(dense(), make_target(), model="m")
    changed = [a.name for a, b in zip(wide.flash.items, plain.flash.items, strict=True) if a != b]
    assert changed == ["kernel parameters"]


def test_work_is_what_the_plan_counts_everywhere() -> None:
    graph = dense()
    plan = aot_plan(graph, make_target(), model="m")
    assert plan.macs == macs(graph) == compile_graph(graph).macs == 512


def test_what_is_lacking_is_a_problem_not_an_exception() -> None:
    graph = make_graph([make_tensor(), make_tensor(name="y")], [make_operator("GELU")])
    plan = aot_plan(graph, make_target(), model="m")
    assert not plan.runs
    assert not plan.fits
    (problem,) = plan.problems
    assert problem.message == "Operator 0 GELU (y): the aot engine does not have this operator."
    assert plan.arena_bytes == 0


def test_a_small_target_does_not_fit() -> None:
    plan = aot_plan(dense(), make_target(sram_bytes=64), model="m")
    assert plan.runs
    assert not plan.fits
    assert plan.sram.slack_bytes < 0


def test_planning_loads_nothing_heavy() -> None:
    code = (
        "import sys, edgekit.aot.budget, edgekit.aot.compiler; "
        "print([m for m in ('numpy', 'jinja2', 'tensorflow', 'elftools') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
