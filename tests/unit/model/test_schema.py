"""The schema's tables say what the official schema module says."""

from __future__ import annotations

import numpy as np
import pytest
import tflite_writer
from ai_edge_litert import schema_py_generated as fb

from edgekit.graph import DType, OptionValue
from edgekit.model import schema
from edgekit.model.reader import read_graph
from edgekit.model.schema_options import BUILTIN_OPTIONS, Row
from edgekit.model.schema_options2 import BUILTIN_OPTIONS_2

ROWS = (*BUILTIN_OPTIONS, *BUILTIN_OPTIONS_2)


def members(enumeration: type) -> list[str]:
    """Return an official enumeration's names by code, which must be dense from 0."""
    values = {
        code: name
        for name, code in vars(enumeration).items()
        if isinstance(code, int) and not name.startswith("__")
    }
    assert sorted(values) == list(range(len(values)))
    return [values[code] for code in range(len(values))]


def test_operator_codes_are_the_official_ones():
    assert list(schema.OPERATORS) == members(fb.BuiltinOperator)


def test_element_types_are_the_official_ones():
    assert [dtype.value for dtype in schema.TENSOR_TYPES] == members(fb.TensorType)


@pytest.mark.parametrize("name", schema.ENUMERATIONS)
def test_enumerations_are_the_official_ones(name: str):
    assert list(schema.ENUMERATIONS[name].members) == members(getattr(fb, name))


def test_option_tables_have_the_official_codes():
    assert ["NONE"] + [row.table for row in BUILTIN_OPTIONS] == members(fb.BuiltinOptions)
    assert ["NONE"] + [row.table for row in BUILTIN_OPTIONS_2] == members(fb.BuiltinOptions2)


def test_option_tables_belong_to_operators_that_exist():
    listed = [operator for row in ROWS for operator in row.operators.split()]
    assert set(listed) <= set(schema.OPERATORS)
    assert len(listed) == len(set(listed))


def test_an_unknown_table_has_no_fields():
    with pytest.raises(KeyError):
        schema.options_fields("NoSuchOptions")


def example(field: schema.Field) -> tuple[object, OptionValue]:
    """Return a value that is not the default: as the official API has it, and as we do."""
    if "subgraph" in field.name:
        return ([1, 2], (1, 2)) if field.is_vector else (2, 2)
    if not field.scalar:
        return b"some text", "some text"
    if field.is_vector and field.scalar == "float32":
        return [0.5, -2.25], (0.5, -2.25)
    if field.is_vector:
        return [1, 0, 1], (1, 0, 1)
    if field.enumeration:
        names = schema.ENUMERATIONS[field.enumeration].members
        return len(names) - 1, names[-1]
    if field.scalar == "bool":
        return not field.default, not field.default
    if field.scalar == "float32":
        return -0.375, -0.375
    lasts = {"int64": 2**40 + field.slot, "int32": 2**20 + field.slot, "uint32": 2**31 + field.slot}
    return lasts[field.scalar], lasts[field.scalar]


def read_options(row: Row, options: object) -> dict[str, OptionValue]:
    """Write a model of one operator with the official API, and read it with ours."""
    operator = row.operators.split()[0]
    writer = tflite_writer.ModelWriter()
    inputs = [writer.input((1, 4), DType.FLOAT32) for _ in range(5)]
    custom = "x" if operator == "CUSTOM" else ""
    output = writer.tensor((1, 4), DType.FLOAT32)
    writer.op(operator, inputs, output, custom_name=custom)
    writer.output(output)
    writer.subgraph("first")
    writer.subgraph("second")
    written = writer.model.subgraphs[0].operators[0]
    if row in BUILTIN_OPTIONS:
        written.builtinOptionsType = BUILTIN_OPTIONS.index(row) + 1
        written.builtinOptions = options
    else:
        written.builtinOptions2Type = BUILTIN_OPTIONS_2.index(row) + 1
        written.builtinOptions2 = options
    return dict(read_graph(writer.bytes()).main.operators[0].options)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.table)
def test_each_field_is_read_from_where_the_official_api_writes_it(row: Row):
    options = getattr(fb, row.table + "T")()
    fields = schema.options_fields(row.table)
    assert {tflite_writer.camel_case(field.name) for field in fields} == set(vars(options))

    expected = {}
    for field in fields:
        official, ours = example(field)
        if isinstance(official, list) and field.scalar == "uint8":
            official = np.array(official, np.uint8)
        setattr(options, tflite_writer.camel_case(field.name), official)
        expected[field.name] = ours

    assert read_options(row, options) == expected


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.table)
def test_defaults_are_the_official_ones(row: Row):
    options = getattr(fb, row.table + "T")()
    for field in schema.options_fields(row.table):
        official = getattr(options, tflite_writer.camel_case(field.name))
        if official is None:
            assert field.default_value in ((), "")
        elif field.enumeration:
            names = schema.ENUMERATIONS[field.enumeration].members
            assert field.default_value == names[official]
        else:
            assert field.default_value == official
            assert type(field.default_value) is type(official)
