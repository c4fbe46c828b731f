"""The table of variants."""

from __future__ import annotations

import pytest

from edgekit.errors import InputError
from edgekit.model.variants import VARIANTS, Variant, io_type_of, parse_variant


def test_every_variant_has_a_row_with_its_types():
    assert set(VARIANTS) == set(Variant)
    assert all(spec.io_types for spec in VARIANTS.values())


def test_names_are_parsed_and_near_ones_offered():
    assert parse_variant("int8") is Variant.INT8
    with pytest.raises(InputError) as caught:
        parse_variant("int4")
    assert caught.value.message == "Unknown variant 'int4'."
    assert "Did you mean 'int8'" in caught.value.hint
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("variant", "wanted", "given"),
    [
        (Variant.INT8, "int8", "int8"),
        (Variant.INT8, "uint8", "uint8"),
        (Variant.FLOAT32, "uint8", "float32"),
        (Variant.FLOAT32, "float32", "float32"),
    ],
)
def test_float_variants_keep_float_inputs(variant, wanted, given):
    assert io_type_of(variant, wanted) == given


@pytest.mark.parametrize(
    ("variant", "wanted"),
    [(Variant.INT8, "int16"), (Variant.INT8, "float32"), (Variant.FLOAT32, "x")],
)
def test_a_type_that_the_variant_lacks(variant, wanted):
    with pytest.raises(InputError) as caught:
        io_type_of(variant, wanted)
    assert repr(wanted) in caught.value.message
    assert caught.value.hint.startswith("Choose one of: ")
    assert caught.value.exit_code == 2
