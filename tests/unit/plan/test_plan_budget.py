"""The verdict of the tflm engine: parts, sums, slack, and the largest block."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from builders import make_graph, make_operator, make_target, make_tensor
from ground_truth import measurements

from edgekit.graph import DType, Graph
from edgekit.model.reader import read_graph
from edgekit.plan.arena import plan_arena
from edgekit.plan.budget import db_bytes, input_bytes, make_plan, protocol_sram, tflm_plan
from edgekit.plan.tflm_overhead import tflm_arena, tflm_build
from edgekit.results import Basis, Item, Problem
from edgekit.targets import load_target
from edgekit.units import KIB


def dense(width: int = 8) -> Graph:
    return make_graph(
        [
            make_tensor((1, width)),
            make_tensor((4, width), data=[1] * (4 * width)),
            make_tensor((1, 4)),
        ],
        [make_operator("FULLY_CONNECTED", [0, 1], [2])],
        size_bytes=2000,
        sha256="ab" * 32,
    )


def test_a_plan_says_what_it_is_of() -> None:
    plan = tflm_plan(dense(), load_target("nano33ble"), model="digits")
    assert (plan.model, plan.target, plan.engine) == ("digits", "nano33ble", "tflm")
    assert plan.model_sha256 == "ab" * 32
    assert plan.macs == 32
    assert plan.problems == ()
    assert plan.fits


def test_the_arena_is_the_smallest_that_works_and_a_reserve() -> None:
    target = load_target("nano33ble")
    plan = tflm_plan(dense(), target, model="digits")
    smallest = tflm_arena(dense(), tflm_build(target)).minimum_bytes
    parts = {item.name: item for item in plan.sram.items}
    assert plan.arena_bytes % 16 == 0
    assert plan.arena_bytes == smallest + parts["arena: interpreter"].margin_bytes
    assert (
        parts["arena: activations"].size_bytes + parts["arena: interpreter"].size_bytes
        == plan.arena_bytes
    )
    assert parts["arena: activations"].size_bytes == plan.arena.size_bytes
    assert parts["arena: activations"].basis is Basis.EXACT
    assert parts["arena: interpreter"].basis is Basis.ESTIMATED


def test_the_banks_are_held_against_what_the_target_leaves() -> None:
    target = load_target("esp32")
    plan = tflm_plan(dense(), target, model="digits")
    assert plan.flash.usable_bytes == target.flash.usable_bytes
    assert plan.sram.usable_bytes == target.sram.usable_bytes
    assert plan.largest_block_bytes == target.sram.largest_block_bytes
    assert plan.flash.used_bytes == sum(item.size_bytes for item in plan.flash.items)
    assert plan.flash.slack_bytes == target.flash.usable_bytes - plan.flash.used_bytes


def test_too_little_flash_does_not_fit_by_what_is_missing() -> None:
    needed = tflm_plan(dense(), make_target(), model="digits").flash.used_bytes
    exactly = tflm_plan(dense(), make_target(flash_bytes=needed), model="digits")
    short = tflm_plan(dense(), make_target(flash_bytes=needed - 1), model="digits")
    assert exactly.fits
    assert not short.fits
    assert short.flash.slack_bytes == -1


def test_too_little_sram_does_not_fit_by_what_is_missing() -> None:
    needed = tflm_plan(dense(), make_target(), model="digits").sram.used_bytes
    assert tflm_plan(dense(), make_target(sram_bytes=needed), model="digits").sram.slack_bytes >= 0
    small = tflm_plan(dense(4000), make_target(sram_bytes=8 * KIB), model="digits")
    assert not small.fits
    assert small.sram.slack_bytes < 0


def test_an_arena_above_the_largest_block_does_not_fit_however_much_is_free() -> None:
    arena_bytes = tflm_plan(dense(), make_target(), model="digits").arena_bytes
    plan = tflm_plan(dense(), make_target(largest_block_bytes=arena_bytes - 16), model="digits")
    assert plan.sram.fits
    assert plan.flash.fits
    assert plan.block_slack_bytes == -16
    assert not plan.fits
    assert tflm_plan(dense(), make_target(largest_block_bytes=arena_bytes), model="digits").fits


def test_a_refused_model_is_still_itemised() -> None:
    graph = make_graph(
        [make_tensor(dtype=DType.FLOAT32), make_tensor(dtype=DType.FLOAT32)], [make_operator()]
    )
    plan = tflm_plan(graph, make_target(), model="floats")
    assert not plan.runs
    assert plan.verdict == "can't run"
    assert plan.sram.used_bytes > 0


def test_the_input_buffer_holds_all_inputs() -> None:
    graph = make_graph(
        [make_tensor((1, 10)), make_tensor((1, 3), DType.FLOAT32), make_tensor((1, 10))],
        [make_operator("CUSTOM", [0, 1], [2])],
    )
    assert input_bytes(graph) == 22
    (loaded, protocol) = protocol_sram(graph, make_target())
    assert (loaded.size_bytes, loaded.basis) == (22, Basis.EXACT)
    assert protocol.size_bytes == 80 + 96


def test_a_small_target_takes_short_lines() -> None:
    assert db_bytes(make_target(sram_bytes=2 * KIB), 784) == 31
    assert db_bytes(make_target(sram_bytes=8 * KIB), 784) == 128
    assert db_bytes(make_target(sram_bytes=64 * KIB), 784) == 512
    assert db_bytes(make_target(sram_bytes=64 * KIB), 10) == 31


def test_either_engine_can_make_its_plan() -> None:
    flash = Item(name="code", size_bytes=100, basis=Basis.EXACT)
    sram = Item(name="arena", size_bytes=64, basis=Basis.EXACT)
    problem = Problem(message="no", hint="yes")
    graph = dense()
    plan = make_plan(
        graph,
        make_target(flash_bytes=90, sram_bytes=64),
        model="digits",
        engine="aot",
        flash=[flash],
        sram=[sram],
        arena=plan_arena([]),
        arena_bytes=64,
        problems=[problem],
    )
    assert plan.engine == "aot"
    assert plan.flash.items == (flash,)
    assert plan.flash.slack_bytes == -10
    assert plan.sram.slack_bytes == 0
    assert plan.problems == (problem,)
    assert plan.macs == 32


@pytest.mark.shared_data
def test_the_reserve_covers_every_measured_arena_and_the_statics(shared_models: Path) -> None:
    target = make_target()
    for row in measurements(shared_models):
        if row.variant != "m4_ref_rel" or row.static_bytes is None:
            continue
        graph = read_graph((shared_models / "corpus" / f"{row.model}.tflite").read_bytes())
        plan = tflm_plan(graph, target, model=row.model)
        assert row.arena_min_bytes < plan.arena_bytes
        parts = {item.name: item for item in plan.sram.items}
        objects = parts["interpreter objects"]
        measured = row.static_bytes - row.arena_min_bytes
        assert abs(objects.size_bytes - measured) <= objects.margin_bytes, row.model


def test_planning_imports_no_heavy_package() -> None:
    program = (
        "import sys, edgekit.targets, edgekit.plan.budget, edgekit.plan.arena\n"
        "heavy = {'numpy', 'jinja2', 'tensorflow', 'rich', 'serial', 'elftools', 'click'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
