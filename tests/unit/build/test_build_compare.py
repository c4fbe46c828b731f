"""Plan and link side by side."""

from __future__ import annotations

import pytest

from edgekit.build.compare import compare_sizes
from edgekit.firmware.marker import Marker
from edgekit.results import ArenaPlan, BankUse, Basis, BuildSizes, Item, Plan

SIZES = BuildSizes(flash_bytes=20_000, sram_bytes=6_000, symbols={"edgekit_arena": 5_000})


def bank(name: str, *sizes: int) -> BankUse:
    items = tuple(
        Item(name=str(index), size_bytes=size, basis=Basis.ESTIMATED)
        for index, size in enumerate(sizes)
    )
    return BankUse(bank=name, items=items, usable_bytes=1_000_000)


def plan(arena_bytes: int = 5_000) -> Plan:
    return Plan(
        model="m",
        model_sha256="0" * 64,
        target="t",
        engine="aot",
        flash=bank("flash", 15_000, 5_100),
        sram=bank("sram", 5_000, 1_000),
        arena=ArenaPlan(size_bytes=arena_bytes, buffers=()),
        arena_bytes=arena_bytes,
        largest_block_bytes=100_000,
        macs=1,
    )


def test_the_estimates_error_is_in_percent_of_the_link():
    comparison = compare_sizes(plan(), SIZES)
    assert comparison.flash_estimated_bytes == 20_100
    assert comparison.flash_linked_bytes == 20_000
    assert comparison.flash_error_percent == pytest.approx(0.5)
    assert comparison.sram_estimated_bytes == comparison.sram_linked_bytes == 6_000


@pytest.mark.parametrize(("planned", "is_exact"), [(5_000, True), (4_999, False), (5_001, False)])
def test_an_arena_is_exact_or_it_is_not(planned, is_exact):
    assert compare_sizes(plan(planned), SIZES).arena_is_exact is is_exact


def test_an_arena_that_was_not_linked_is_not_exact():
    sizes = BuildSizes(flash_bytes=1, sram_bytes=1, symbols={})
    comparison = compare_sizes(plan(), sizes)
    assert comparison.arena_linked_bytes is None
    assert not comparison.arena_is_exact


def test_unknown_sizes_have_no_comparison():
    assert compare_sizes(plan(), None) is None


def test_a_projects_marker_compares_as_its_plan_does():
    marker = Marker(
        name="m",
        target="t",
        engine="aot",
        model_sha256="0" * 64,
        edgekit_version="0",
        flash_estimated_bytes=20_100,
        sram_estimated_bytes=6_000,
        arena_planned_bytes=5_000,
        files=(),
    )
    assert compare_sizes(marker, SIZES) == compare_sizes(plan(), SIZES)
