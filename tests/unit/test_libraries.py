"""The records of the TFLM libraries, and the checker that reads them."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from edgekit.errors import TargetError
from edgekit.libraries import (
    NUMBER_KINDS,
    BrokenOperator,
    Library,
    LibraryOperator,
    PerChannelFullyConnected,
    all_libraries,
    library_names,
    load_library,
    parse_library,
)
from edgekit.targets import load_target, target_names

PROJECT = Path(__file__).resolve().parents[2]

RECORD = """
title = "A library 1.0"
tflm_date = "2024-01"
header = "library.h"
kernels = ["reference"]
profiler_clock = "works"
static_memory = true
structures = "current"
source = "a test"

[per_channel_fully_connected]
int8 = "wrong"
int16x8 = "refused"
int4 = "right"
reason = "it is old"
source = "a test"

[operators]
ADD = { max_version = 2, types = ["int8"] }
RESHAPE = { max_version = 1, types = [] }

[broken_operators.ADD]
reason = "crashes"
source = "a test"
"""


def refusal(text: str) -> TargetError:
    with pytest.raises(TargetError) as caught:
        parse_library(text, name="mine")
    assert caught.value.hint
    return caught.value


def changed(before: str, after: str) -> str:
    assert before in RECORD
    return RECORD.replace(before, after, 1)


def test_a_record_is_read() -> None:
    library = parse_library(RECORD, name="mine")
    assert library.name == "mine"
    assert library.operators["ADD"].types == ("int8",)
    assert library.per_channel_fully_connected.outcome("int8") == "wrong"
    assert library.per_channel_fully_connected.outcome("float32") == "right"
    assert library.broken_operators["ADD"].types == ()
    assert not library.is_2023


@pytest.mark.parametrize(
    ("before", "after", "path", "word"),
    [
        ('title = "A library 1.0"\n', "", "title", "missing"),
        ('header = "library.h"', 'headers = "library.h"', "headers", "unknown"),
        ("static_memory = true", 'static_memory = "yes"', "static_memory", "true or false"),
        ("max_version = 2", 'max_version = "2"', "operators.ADD.max_version", "whole number"),
        ("max_version = 2", "versions = 2", "operators.ADD.versions", "unknown"),
        (', types = ["int8"] }', " }", "operators.ADD.types", "missing"),
        ('kernels = ["reference"]', 'kernels = "reference"', "kernels", "list"),
        ('int4 = "right"\n', "", "per_channel_fully_connected.int4", "missing"),
    ],
)
def test_an_unknown_missing_or_mistyped_key_is_named(
    before: str, after: str, path: str, word: str
) -> None:
    message = refusal(changed(before, after)).message
    assert f"key '{path}'" in message
    assert word in message
    assert message.startswith("Library 'mine'")


@pytest.mark.parametrize(
    ("before", "after", "path"),
    [
        ('["reference"]', '["fast"]', "kernels[0]"),
        ('["reference"]', "[]", "kernels"),
        ('"works"', '"ticks"', "profiler_clock"),
        ('"current"', '"2022"', "structures"),
        ('"library.h"', '""', "header"),
        ('int8 = "wrong"', 'int8 = "bad"', "per_channel_fully_connected.int8"),
        ('reason = "it is old"', 'reason = ""', "per_channel_fully_connected.reason"),
        ('reason = "it is old"', 'reason = "It is."', "per_channel_fully_connected.reason"),
        ('["int8"]', '["int8", "int7"]', "operators.ADD.types[1]"),
        ("max_version = 2", "max_version = 0", "operators.ADD.max_version"),
        ("[broken_operators.ADD]", "[broken_operators.SUB]", "broken_operators.SUB"),
        ('reason = "crashes"', 'reason = " "', "broken_operators.ADD.reason"),
    ],
)
def test_a_senseless_value_is_named(before: str, after: str, path: str) -> None:
    assert f"key '{path}' has a value" in refusal(changed(before, after)).message


def test_every_table_says_where_it_is_from() -> None:
    text = changed('crashes"\nsource = "a test"', 'crashes"\nsource = ""')
    assert "'broken_operators.ADD.source' is empty" in refusal(text).message


def test_text_that_is_no_toml_is_refused() -> None:
    assert "not valid TOML" in refusal("title = ").message


def test_an_unknown_library_offers_the_nearest() -> None:
    with pytest.raises(TargetError, match="Unknown TFLM library 'chiral'") as caught:
        load_library("chiral")
    assert caught.value.hint.startswith("Did you mean 'chirale'?")


@pytest.mark.parametrize("library", all_libraries(), ids=library_names())
def test_every_record_is_sound(library: Library) -> None:
    assert re.fullmatch(r"20\d\d-\d\d", library.tflm_date)
    assert {"CONV_2D", "FULLY_CONNECTED", "SOFTMAX"} <= library.operators.keys()
    assert {kind for item in library.operators.values() for kind in item.types} == set(NUMBER_KINDS)
    assert len(library.source) > 40


def test_the_age_of_a_library_decides_on_one_scale_a_channel() -> None:
    """TFLM ignored the scales before 2024-05, refused them until 2024-09, was right after."""
    for library in all_libraries():
        outcome = library.per_channel_fully_connected.int8
        if library.tflm_date < "2024-05":
            assert outcome == "wrong", library.name
        elif library.tflm_date < "2024-10":
            assert outcome == "refused", library.name
        else:
            assert outcome == "right", library.name


def test_every_target_refers_to_a_record_that_has_its_kernels_and_processor() -> None:
    for name in target_names():
        target = load_target(name)
        for engine in target.engines.values():
            if engine.library:
                library = load_library(engine.library)
                assert engine.kernels in library.kernels
                assert target.core.architecture in library.architectures


def test_every_key_is_in_the_guide_to_adding_a_library() -> None:
    guide = (PROJECT / "docs" / "adding-a-library.md").read_text(encoding="utf-8")
    tables = {
        "per_channel_fully_connected": PerChannelFullyConnected,
        "operators": LibraryOperator,
        "broken_operators": BrokenOperator,
    }
    for field in dataclasses.fields(Library):
        if field.name in tables:
            path = field.name
            if path != "per_channel_fully_connected":
                path += ".<operator>"
            for key in dataclasses.fields(tables[field.name]):
                assert f"`{path}.{key.name}`" in guide, key.name
        elif field.name != "name":
            assert f"| `{field.name}` |" in guide, field.name
