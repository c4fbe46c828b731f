"""The report of a run, as Markdown."""

from __future__ import annotations

import dataclasses

import pytest

from edgekit.plan.budget import bank_verdicts
from edgekit.report.markdown import render_markdown, table
from edgekit.results import (
    ArenaPlan,
    BankUse,
    Basis,
    Item,
    LatencySummary,
    Plan,
    Problem,
    Run,
    SizeComparison,
    VariantResult,
    Verification,
)
from edgekit.targets import load_target


def bank(name, used, usable):
    item = Item(name="weights", size_bytes=used, basis=Basis.EXACT)
    return BankUse(bank=name, items=(item,), usable_bytes=usable)


@pytest.fixture
def plan():
    return Plan(
        model="digits",
        model_sha256="ab" * 32,
        target="qemu-cortex-m4",
        engine="aot",
        flash=bank("flash", 1000, 4000),
        sram=bank("sram", 300, 200),
        arena=ArenaPlan(size_bytes=288, buffers=()),
        arena_bytes=288,
        largest_block_bytes=4096,
        macs=1234,
    )


@pytest.fixture
def run(plan):
    return Run(
        model="digits",
        model_sha256="ab" * 32,
        edgekit_version="0.1.0",
        target="qemu-cortex-m4",
        engine="aot",
        plan=plan,
    )


def test_a_run_that_only_planned_has_no_figures_of_later_stages(run):
    text = render_markdown(run)
    assert "# digits on qemu-cortex-m4" in text
    assert "## Latency" not in text
    assert "## Verification" not in text
    assert "**100 B too many.**" in text
    assert "3000 B left." in text


def test_several_banks_are_shown_with_their_verdicts(run, plan):
    assert "By bank" not in render_markdown(run)
    banks = bank_verdicts(load_target("esp32s3"), 270_000, 5_000)
    text = render_markdown(dataclasses.replace(run, plan=dataclasses.replace(plan, banks=banks)))
    (main, psram) = (
        next(line for line in text.splitlines() if line.startswith(f"| {title} |"))
        for title in ("SRAM", "PSRAM")
    )
    assert "does not fit" in main
    assert "fits in slow memory; takes a module with PSRAM" in psram


def test_instructions_are_never_called_time(run):
    latency = LatencySummary(
        unit="instructions",
        basis=Basis.EMULATED,
        median=3_100_000.0,
        mad=0.0,
        minimum=3_100_000.0,
        maximum=3_100_000.0,
        p99=None,
        windows=(3_100_000.0,) * 5,
        inferences_per_window=10,
        warmup=1,
        samples=0,
    )
    text = render_markdown(dataclasses.replace(run, latency=latency))
    assert "3.10 M instructions (emulated; instructions, not time)" in text
    assert "| median | 3,100,000 |" in text
    assert "µs" not in text


def test_a_variant_shows_size_reduction_and_accuracy(run):
    variants = (
        VariantResult(
            variant="float32", file="a", size_bytes=80_000, sha256="", accuracy=0.98, samples=397
        ),
        VariantResult(
            variant="int8", file="b", size_bytes=20_000, sha256="", accuracy=0.97, samples=397
        ),
    )
    text = render_markdown(dataclasses.replace(run, variants=variants))
    assert "| int8 | 19.5 | 75 % | 0.9700 | 397 | `b` |" in text


def test_a_wrong_arena_is_said(run):
    sizes = SizeComparison(
        flash_estimated_bytes=1010,
        flash_linked_bytes=1000,
        sram_estimated_bytes=300,
        sram_linked_bytes=301,
        arena_planned_bytes=288,
        arena_linked_bytes=304,
    )
    text = render_markdown(dataclasses.replace(run, sizes=sizes))
    assert "+1.00 %" in text
    assert "DIFFERS" in text


def test_a_verification_says_how_many_are_exact(run):
    verification = Verification(
        samples=100,
        mismatched_samples=2,
        mismatched_elements=3,
        elements=1000,
        max_steps=4,
        top1_agreement=0.99,
        reference="TFLM",
    )
    text = render_markdown(dataclasses.replace(run, verification=verification))
    assert "**98 of 100** samples" in text
    assert "| 100 | 2 | 3 of 1000 | 4 | 99.0 % |" in text


def test_a_target_that_cannot_run_it_says_why(run, plan):
    refused = dataclasses.replace(
        plan, problems=(Problem(message="This is a float32 model.", hint="Convert it."),)
    )
    text = render_markdown(dataclasses.replace(run, verdicts=(refused,)))
    assert "can't run: This is a float32 model." in text


def test_a_cell_cannot_break_its_table():
    assert table(("a",), [("x|y",)]).splitlines()[-1] == "| x\\|y |"
