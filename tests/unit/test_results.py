"""What the stages hand on: sums, verdicts, and their JSON."""

import enum
import json
from dataclasses import FrozenInstanceError, dataclass, replace
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit import results
from edgekit.results import (
    ArenaPlan,
    BankUse,
    Basis,
    Item,
    LatencySummary,
    Plan,
    PlannedBuffer,
    Problem,
    SizeComparison,
    Verification,
    document,
    to_json,
)


def make_bank(*sizes_bytes: int, usable_bytes: int = 1000, margin_bytes: int = 0) -> BankUse:
    return BankUse(
        bank="flash",
        items=tuple(
            Item(
                name=f"part {index}",
                size_bytes=size_bytes,
                basis=Basis.ESTIMATED if margin_bytes else Basis.EXACT,
                margin_bytes=margin_bytes,
            )
            for index, size_bytes in enumerate(sizes_bytes)
        ),
        usable_bytes=usable_bytes,
    )


def make_plan(**changes) -> Plan:
    plan = Plan(
        model="digits",
        model_sha256="0" * 64,
        target="some-board",
        engine="aot",
        flash=make_bank(600),
        sram=make_bank(400),
        arena=ArenaPlan(
            size_bytes=96,
            buffers=(
                PlannedBuffer(
                    tensor=0,
                    name="input",
                    size_bytes=90,
                    offset_bytes=0,
                    first_step=0,
                    last_step=1,
                ),
            ),
        ),
        arena_bytes=96,
        largest_block_bytes=96,
        macs=12,
    )
    return replace(plan, **changes)


def make_verification(**changes) -> Verification:
    return replace(
        Verification(
            samples=100,
            mismatched_samples=0,
            mismatched_elements=0,
            elements=1000,
            max_steps=0,
            top1_agreement=1.0,
            reference="an interpreter",
        ),
        **changes,
    )


def make_sizes(**changes) -> SizeComparison:
    return replace(
        SizeComparison(
            flash_estimated_bytes=1020,
            flash_linked_bytes=1000,
            sram_estimated_bytes=500,
            sram_linked_bytes=500,
            arena_planned_bytes=96,
            arena_linked_bytes=96,
        ),
        **changes,
    )


# Banks


def test_a_bank_sums_its_parts_and_their_margins():
    bank = make_bank(300, 200, usable_bytes=1000, margin_bytes=7)
    assert bank.used_bytes == 500
    assert bank.margin_bytes == 14
    assert bank.slack_bytes == 500
    assert bank.fits


def test_a_bank_that_is_just_full_fits_and_one_byte_more_does_not():
    assert make_bank(999, 1).fits
    full = make_bank(1000, 1)
    assert full.slack_bytes == -1
    assert not full.fits


def test_an_empty_bank_fits():
    assert make_bank(usable_bytes=0).fits


@given(st.lists(st.integers(0, 2**32)), st.integers(0, 2**34))
def test_slack_and_use_make_up_what_is_usable(sizes_bytes, usable_bytes):
    bank = make_bank(*sizes_bytes, usable_bytes=usable_bytes)
    assert bank.used_bytes + bank.slack_bytes == usable_bytes
    assert bank.fits == (sum(sizes_bytes) <= usable_bytes)


# Plans


def test_a_plan_fits_when_all_three_bounds_hold():
    plan = make_plan()
    assert plan.runs
    assert plan.fits
    assert plan.verdict == "fits"
    assert plan.block_slack_bytes == 0


@pytest.mark.parametrize(
    "change",
    [
        {"flash": make_bank(1001)},
        {"sram": make_bank(1001)},
        {"largest_block_bytes": 95},
    ],
    ids=["flash", "sram", "block"],
)
def test_a_plan_does_not_fit_when_one_bound_is_broken(change):
    plan = make_plan(**change)
    assert plan.runs
    assert not plan.fits
    assert plan.verdict == "does not fit"


def test_a_plan_with_a_problem_can_not_run_however_small_it_is():
    plan = make_plan(problems=(Problem(message="No such op.", hint="Use another."),))
    assert not plan.runs
    assert not plan.fits
    assert plan.verdict == "can't run"


def test_results_are_frozen():
    with pytest.raises(FrozenInstanceError):
        make_plan().macs = 13


# Comparisons


def test_one_wrong_sample_is_not_exact():
    assert make_verification().is_exact
    assert not make_verification(mismatched_samples=1, mismatched_elements=1, max_steps=1).is_exact


def test_the_flash_error_is_relative_to_what_was_linked():
    assert make_sizes().flash_error_percent == pytest.approx(2.0)
    assert make_sizes(flash_estimated_bytes=900).flash_error_percent == pytest.approx(-10.0)


@pytest.mark.parametrize(("linked", "exact"), [(96, True), (97, False), (None, False)])
def test_the_arena_is_exact_or_not(linked, exact):
    assert make_sizes(arena_linked_bytes=linked).arena_is_exact is exact


# JSON


def test_json_holds_fields_and_the_figures_of_properties():
    data = to_json(make_plan())
    assert data["flash"] == {
        "bank": "flash",
        "items": [
            {
                "name": "part 0",
                "size_bytes": 600,
                "basis": "exact",
                "margin_bytes": 0,
                "note": "",
            }
        ],
        "usable_bytes": 1000,
        "used_bytes": 600,
        "margin_bytes": 0,
        "slack_bytes": 400,
        "fits": True,
    }
    assert data["arena"]["buffers"][0]["offset_bytes"] == 0
    assert (data["fits"], data["runs"], data["block_slack_bytes"]) == (True, True, 0)
    assert data["problems"] == []
    assert json.loads(json.dumps(data)) == data


def test_json_of_a_latency_says_what_it_is():
    latency = LatencySummary(
        unit="instructions",
        basis=Basis.EMULATED,
        median=10.5,
        mad=0.0,
        minimum=10.0,
        maximum=11.0,
        p99=None,
        windows=(10.0, 11.0),
        inferences_per_window=4,
        warmup=2,
        samples=8,
    )
    data = to_json(latency)
    assert data["unit"] == "instructions"
    assert data["basis"] == "emulated"
    assert data["p99"] is None
    assert data["windows"] == [10.0, 11.0]


def test_json_of_values_that_json_has_no_form_for():
    class Colour(enum.Enum):
        RED = "red"

    @dataclass(frozen=True)
    class Odd:
        path: object
        colour: Colour
        data: bytes
        table: dict
        _hidden: int = 1

        @property
        def _also_hidden(self) -> int:
            raise AssertionError("private properties are not written")

    for path in (PurePosixPath("a/b"), PureWindowsPath("a\\b")):
        odd = Odd(path=path, colour=Colour.RED, data=b"\x00\xff", table={1: (True, None)})
        data = to_json(odd)
        assert data["path"] == "a/b"
        assert data["colour"] == "red"
        assert data["data"] == "00ff"
        assert data["table"] == {"1": [True, None]}
        assert "_also_hidden" not in data


def test_a_dataclass_itself_is_not_taken_for_a_value():
    assert to_json(Plan) is Plan


def test_a_document_begins_with_its_schema_and_kind():
    made = document("check", exit_code=0, plans=(make_plan(),))
    assert list(made) == ["schema_version", "kind", "exit_code", "plans"]
    assert made["schema_version"] == results.SCHEMA_VERSION == 1
    assert made["kind"] == "check"
    assert made["plans"][0]["verdict"] == "fits"
    assert json.loads(json.dumps(made)) == made


def test_the_kinds_of_figures_have_different_names():
    assert [basis.value for basis in Basis] == [
        "exact",
        "estimated",
        "linked",
        "measured",
        "emulated",
    ]
