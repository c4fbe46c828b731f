"""The verdict by memory bank: where the arena fits, what is left, and what it takes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import SOURCE, make_graph, make_operator, make_target, make_tensor
from hypothesis import given
from hypothesis import strategies as st

from edgekit.engines import plan_model
from edgekit.errors import DoesNotFitError
from edgekit.plan.budget import bank_verdicts
from edgekit.results import Plan, to_json
from edgekit.stages import require_fit
from edgekit.targets import Bank, Target, load_target, target_names
from edgekit.units import KIB


def bank(size_bytes: int = 64 * KIB, **changes) -> Bank:
    return Bank(
        **{
            "title": "PSRAM",
            "total_bytes": size_bytes,
            "largest_block_bytes": size_bytes,
            "speed": "slow",
            "needs": "a module that has it",
            "source": SOURCE,
            **changes,
        }
    )


def target_with(*, block_bytes: int, **banks: Bank) -> Target:
    return replace(make_target(sram_bytes=32 * KIB, largest_block_bytes=block_bytes), banks=banks)


GRAPH = make_graph(
    [make_tensor((1, 4000)), make_tensor((4, 4000), data=[1] * 16000), make_tensor((1, 4))],
    [make_operator("FULLY_CONNECTED", [0, 1], [2])],
    size_bytes=20_000,
)


def plan(target: Target) -> Plan:
    return plan_model(GRAPH, target, "aot", model="m")


def test_one_bank_has_the_same_verdict_as_the_plan() -> None:
    (only,) = plan(make_target()).banks
    made = plan(make_target())
    assert only.is_main
    assert only.verdict == made.verdict == "fits"
    assert only.slack_bytes == made.sram.slack_bytes
    assert only.block_slack_bytes == made.block_slack_bytes
    assert only.arena_bytes == made.arena_bytes
    assert only.arena_bytes + only.other_bytes == made.sram.used_bytes


def test_slow_memory_is_a_way_out_and_said_to_be_slow() -> None:
    made = plan(target_with(block_bytes=1 * KIB, psram=bank()))
    assert [verdict.verdict for verdict in made.banks] == ["does not fit", "fits in slow memory"]
    assert made.verdict == "fits only in slow memory"
    assert not made.fits
    assert made.banks[1].slack_bytes == 64 * KIB - made.arena_bytes
    assert made.banks[1].other_bytes == 0


def test_fast_memory_goes_before_slow() -> None:
    made = plan(target_with(block_bytes=1 * KIB, slow=bank(), quick=bank(speed="fast")))
    assert made.verdict == "fits only in other memory"


def test_a_bank_that_holds_no_arena_is_no_way_out() -> None:
    made = plan(target_with(block_bytes=1 * KIB, scratch=bank(holds_arena=False)))
    assert len(made.banks) == 1
    assert made.verdict == "does not fit"


def test_an_arena_must_be_in_one_piece_in_any_bank() -> None:
    pieces = bank(largest_block_bytes=2 * KIB)
    made = plan(target_with(block_bytes=1 * KIB, pieces=pieces))
    assert made.banks[1].slack_bytes > 0
    assert made.banks[1].block_slack_bytes < 0
    assert made.verdict == "does not fit"


def test_what_stays_in_the_main_memory_must_fit_there_too() -> None:
    target = replace(make_target(sram_bytes=64), banks={"psram": bank()})
    made = plan(target)
    assert made.banks[1].slack_bytes > 0
    assert not made.banks[1].fits
    assert made.verdict == "does not fit"


def test_other_memory_is_no_way_out_where_flash_is_missing() -> None:
    target = replace(
        make_target(flash_bytes=1000, sram_bytes=32 * KIB, largest_block_bytes=64),
        banks={"psram": bank()},
    )
    assert plan(target).verdict == "does not fit"


def test_framework_and_stack_are_taken_off_each_bank() -> None:
    board = load_target("esp32")
    (main, *others) = bank_verdicts(board, 10_000, 2_000)
    assert (main.framework_bytes, main.stack_bytes) == (
        board.sram.framework_bytes,
        board.sram.stack_bytes,
    )
    assert main.slack_bytes == board.sram.usable_bytes - 12_000
    for verdict, (name, other) in zip(others, board.banks.items(), strict=True):
        assert verdict.bank == name
        assert verdict.slack_bytes == other.usable_bytes - 10_000


def test_firmware_is_not_generated_for_memory_that_it_does_not_use() -> None:
    made = plan(target_with(block_bytes=1 * KIB, psram=bank()))
    with pytest.raises(DoesNotFitError) as caught:
        require_fit(made, GRAPH)
    assert "PSRAM" in caught.value.hint
    assert "a module that has it" in caught.value.hint


def test_the_boards_with_psram_have_it_as_a_slow_bank() -> None:
    for name in ("esp32", "esp32s3"):
        psram = load_target(name).banks["psram"]
        assert psram.speed == "slow"
        assert psram.holds_arena
        assert psram.needs


@pytest.mark.parametrize("name", target_names())
def test_a_boards_pieces_add_up(name: str) -> None:
    board = load_target(name)
    assert not board.sram.pieces or sum(board.sram.pieces.values()) == board.sram.total_bytes
    for other in board.banks.values():
        assert 0 < other.largest_block_bytes <= other.usable_bytes <= other.total_bytes


def test_json_has_each_banks_verdict() -> None:
    (main, psram) = to_json(plan(target_with(block_bytes=1 * KIB, psram=bank())))["banks"]
    assert (main["bank"], psram["bank"]) == ("sram", "psram")
    assert psram["verdict"] == "fits in slow memory"
    assert psram["needs"] == "a module that has it"
    assert main["block_slack_bytes"] < 0


@given(
    arena_bytes=st.integers(0, 300_000),
    other_bytes=st.integers(0, 300_000),
    name=st.sampled_from(target_names()),
)
def test_a_bank_fits_just_when_nothing_is_in_excess(
    arena_bytes: int, other_bytes: int, name: str
) -> None:
    board = load_target(name)
    for verdict in bank_verdicts(board, arena_bytes, other_bytes):
        main_bytes = other_bytes + (arena_bytes if verdict.is_main else 0)
        memory = board.sram if verdict.is_main else board.banks[verdict.bank]
        assert verdict.fits == (
            main_bytes <= board.sram.usable_bytes
            and arena_bytes <= memory.usable_bytes
            and arena_bytes <= memory.largest_block_bytes
        )
