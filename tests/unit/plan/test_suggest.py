"""What would make a model fit: each way's figures are those of a plan of its own."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import SOURCE, make_graph, make_operator, make_target, make_tensor
from planned_models import branches
from tiny_models import tiny_float_model, tiny_int8_model

from edgekit.engines import plan_model, with_suggestions
from edgekit.graph import Graph
from edgekit.model.reader import read_graph
from edgekit.plan.variations import as_int8, with_smaller_input
from edgekit.results import Plan, Suggestion
from edgekit.targets import Bank, Target
from edgekit.units import KIB


def conv_model(size: int = 16) -> Graph:
    pixels = (1, size, size, 4)
    return make_graph(
        [
            make_tensor(pixels),
            make_tensor((4, 3, 3, 4), data=[1] * 144),
            make_tensor(pixels),
        ],
        [make_operator("CONV_2D", [0, 1], [2], padding="SAME", stride_h=1, stride_w=1)],
        size_bytes=3000,
    )


def plan(graph: Graph, target: Target, engine: str = "tflm") -> Plan:
    return plan_model(graph, target, engine, model="m")


def ways(graph: Graph, target: Target, engine: str = "tflm", *others: Target) -> dict:
    made = with_suggestions(plan(graph, target, engine), graph, target, others=others)
    return {way.kind: way for way in made.suggestions}


def tight(graph: Graph, engine: str = "tflm", missing_bytes: int = 16, **changes) -> Target:
    """Return a target whose largest block is too small for the engine's arena."""
    arena_bytes = plan(graph, make_target(), engine).arena_bytes
    return make_target(largest_block_bytes=arena_bytes - missing_bytes, **changes)


def assert_is_plan(way: Suggestion, made: Plan, before: Plan) -> None:
    assert way.verdict == made.verdict
    assert (way.flash_bytes, way.sram_bytes, way.arena_bytes) == (
        made.flash.used_bytes,
        made.sram.used_bytes,
        made.arena_bytes,
    )
    assert way.arena_change_bytes == made.arena_bytes - before.arena_bytes
    assert way.flash_change_bytes == made.flash.used_bytes - before.flash.used_bytes
    assert way.slack_bytes == min(
        made.flash.slack_bytes, made.sram.slack_bytes, made.block_slack_bytes
    )


def test_a_model_that_fits_needs_no_suggestion() -> None:
    graph = conv_model()
    fitting = plan(graph, make_target())
    assert fitting.fits
    assert with_suggestions(fitting, graph, make_target()) is fitting


def test_the_other_engine_is_planned() -> None:
    graph = conv_model()
    target = tight(graph)
    way = ways(graph, target)["engine"]
    assert_is_plan(way, plan(graph, target, "aot"), plan(graph, target))
    assert way.fits
    assert way.arena_change_bytes is not None
    assert way.arena_change_bytes < 0
    assert "aot" in way.message


def test_an_engine_that_is_no_better_is_not_suggested() -> None:
    graph = conv_model()
    target = tight(graph, "aot")
    assert "engine" not in ways(graph, target, "aot")


def test_a_smaller_input_is_planned_and_the_largest_that_fits_is_named() -> None:
    graph = conv_model()
    target = tight(graph, "aot", missing_bytes=100)
    way = ways(graph, target, "aot")["input"]
    smaller = with_smaller_input(graph, 3, 4)
    assert smaller is not None
    assert_is_plan(way, plan(smaller.graph, target, "aot"), plan(graph, target, "aot"))
    assert "12×12 instead of 16×16" in way.message
    assert way.fits


def test_a_far_too_large_image_is_quartered() -> None:
    graph = conv_model()
    target = tight(graph, "aot", missing_bytes=1750)
    assert "4×4 instead of 16×16" in ways(graph, target, "aot")["input"].message


def test_what_half_the_image_gives_is_said_even_if_nothing_fits() -> None:
    graph = conv_model(64)
    way = ways(graph, make_target(sram_bytes=300), "aot")["input"]
    assert way.verdict == "does not fit"
    assert "32×32 instead of 64×64" in way.message
    assert way.slack_bytes < 0


def test_a_smaller_input_is_no_way_where_flash_is_missing() -> None:
    graph = conv_model()
    assert "input" not in ways(graph, make_target(flash_bytes=1000), "aot")


def test_a_float_model_is_planned_in_int8() -> None:
    graph = read_graph(tiny_float_model())
    in_int8 = as_int8(graph)
    assert in_int8 is not None
    target = make_target()
    before = plan(graph, target)
    assert before.verdict == "can't run"
    found = ways(graph, target)
    assert set(found) == {"int8"}
    assert_is_plan(found["int8"], plan(in_int8, target), before)
    assert "edgekit convert" in found["int8"].message


def test_a_float_model_that_is_too_large_in_int8_gets_further_ways_on_top() -> None:
    graph = read_graph(tiny_float_model())
    in_int8 = as_int8(graph)
    assert in_int8 is not None
    target = tight(in_int8)
    found = ways(graph, target)
    assert not found["int8"].fits
    assert found["engine"].message.startswith("In int8, too:")
    assert found["engine"].fits


def test_another_bank_is_a_way_but_not_as_firmware_is_generated() -> None:
    graph = conv_model()
    bank = Bank(
        title="PSRAM", total_bytes=64 * KIB, largest_block_bytes=64 * KIB, speed="slow",
        needs="a module that has it", source=SOURCE,
    )  # fmt: skip
    target = replace(tight(graph, "aot"), banks={"psram": bank})
    before = plan(graph, target, "aot")
    way = ways(graph, target, "aot")["bank"]
    assert before.verdict == way.verdict == "fits only in slow memory"
    assert not way.fits
    assert "PSRAM" in way.message
    assert "a module that has it" in way.message
    assert way.sram_bytes == before.sram.used_bytes - before.arena_bytes
    assert way.arena_change_bytes == 0
    assert way.slack_bytes >= 0


def test_the_smallest_other_board_that_fits_is_named_first() -> None:
    graph = conv_model()
    target = tight(graph, "aot")
    boards = [
        make_target(name="large", sram_bytes=256 * KIB),
        make_target(name="tiny", sram_bytes=1 * KIB),
        make_target(name="small", sram_bytes=32 * KIB),
    ]
    made = with_suggestions(plan(graph, target, "aot"), graph, target, others=boards)
    named = [way for way in made.suggestions if way.kind == "target"]
    assert ["(small)" in named[0].message, "(large)" in named[1].message] == [True, True]
    assert len(named) == 2
    assert_is_plan(named[0], plan(graph, boards[2], "aot"), plan(graph, target, "aot"))


def test_ways_that_fit_come_first() -> None:
    graph = conv_model(64)
    target = make_target(sram_bytes=300)
    made = with_suggestions(
        plan(graph, target, "aot"), graph, target, others=[make_target(name="large")]
    )
    assert [way.fits for way in made.suggestions] == sorted(
        (way.fits for way in made.suggestions), reverse=True
    )
    assert made.suggestions[0].kind == "target"


def test_an_arena_that_can_be_planned_better_is_planned_anew() -> None:
    graph = read_graph(branches().bytes())
    target = tight(graph)
    way = ways(graph, target)["placement"]
    assert way.arena_change_bytes is not None
    assert way.arena_change_bytes < 0
    assert "edgekit optimize" in way.message
    assert way.fits


def test_an_arena_that_can_not_be_planned_better_is_left_alone() -> None:
    graph = conv_model()
    assert "placement" not in ways(graph, tight(graph))


def test_what_the_arena_would_have_to_shrink_by_is_the_largest_excess() -> None:
    graph = read_graph(tiny_int8_model())
    arena_bytes = plan(graph, make_target(), "aot").arena_bytes
    used_bytes = plan(graph, make_target(sram_bytes=4 * KIB), "aot").sram.used_bytes
    assert plan(graph, make_target(), "aot").arena_excess_bytes == 0
    block = make_target(largest_block_bytes=arena_bytes - 48)
    assert plan(graph, block, "aot").arena_excess_bytes == 48
    whole = make_target(sram_bytes=used_bytes - 5)
    assert plan(graph, whole, "aot").arena_excess_bytes == 5


@pytest.mark.parametrize("engine", ["tflm", "aot"])
def test_a_refused_model_has_no_changes_where_nothing_was_laid_out(engine: str) -> None:
    graph = read_graph(tiny_float_model())
    before = plan(graph, make_target(), engine)
    way = ways(graph, make_target(), engine)["int8"]
    assert (way.arena_change_bytes is None) == (before.arena_bytes == 0)


def test_an_engine_without_a_project_for_the_board_is_said_to_have_none() -> None:
    graph = conv_model()
    target = tight(graph)
    planned = replace(target.engines["aot"], template="")
    planning = replace(target, engines={**target.engines, "aot": planned})
    assert "makes no project" not in ways(graph, target)["engine"].message
    assert "makes no project with aot" in ways(graph, planning)["engine"].message


def test_no_placement_is_searched_for_in_a_huge_model() -> None:
    """The search would take longer than an answer may."""
    tensors = [make_tensor((1, 64)) for _ in range(302)]
    chain = [make_operator("RELU", [index], [index + 1]) for index in range(301)]
    graph = make_graph(tensors, chain)
    assert "placement" not in ways(graph, tight(graph))
