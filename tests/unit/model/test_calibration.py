"""Checks of calibration data: each way to mislead the converter is refused or warned of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.errors import CalibrationError
from edgekit.model.calibration import (
    InputSpec,
    bind_samples,
    check_samples,
    check_values,
    compare_ranges,
)
from edgekit.model.samples import make_samples

IMAGE = InputSpec(name="image", shape=(28, 28, 1))


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def refused(samples, *inputs: InputSpec) -> CalibrationError:
    with pytest.raises(CalibrationError) as caught:
        check_samples(samples, inputs or (IMAGE,))
    assert caught.value.exit_code == 2
    assert caught.value.hint
    return caught.value


def test_good_samples_pass_without_a_word():
    assert check_samples(make_samples(noise(100, 28, 28, 1)), [IMAGE]) == ()


def test_no_samples_are_refused():
    error = refused(make_samples(np.zeros((0, 28, 28, 1))))
    assert error.message == "There are no samples in the samples."
    assert "at least 100" in error.hint


def test_fewer_than_100_are_warned_of():
    (warning,) = check_samples(make_samples(noise(99, 28, 28, 1)), [IMAGE])
    assert warning.startswith("Only 99 calibration samples; 100 or more")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused_with_their_place(value):
    array = noise(100, 28, 28, 1)
    array[7, 3, 4, 0] = value
    error = refused(make_samples({"image": array}, origin="cal.npz"))
    assert error.message == (
        "'image' in cal.npz holds 1 values that are NaN or infinite in float32, "
        "the first in sample 7 at [3, 4, 0]."
    )
    assert "np.nan_to_num" in error.hint


def test_float64_beyond_float32_is_not_finite():
    array = noise(100, 4).astype(np.float64)
    array[5, 1] = 1e300
    error = refused(make_samples(array), InputSpec(name="x", shape=(4,)))
    assert "the first in sample 5 at [1]" in error.message


@pytest.mark.parametrize("value", [0.0, 0.5])
def test_constant_data_is_refused(value):
    error = refused(make_samples(np.full((100, 28, 28, 1), value)))
    assert error.message.startswith(f"Every value in the samples is {value:g}:")


def test_one_constant_input_of_two_is_warned_of():
    warnings = check_values(make_samples({"a": noise(100, 4), "b": np.ones((100, 1))}))
    assert any("'b'" in text and "is the same" in text for text in warnings)


def test_the_same_sample_again_and_again_is_warned_of():
    warnings = check_values(make_samples(np.repeat(noise(1, 4), 120, axis=0)))
    assert warnings == ("All 120 samples in the samples are the same one.",)


def test_integers_are_taken_with_a_warning():
    pixels = np.random.default_rng(0).integers(0, 256, (100, 28, 28, 1), dtype=np.uint8)
    (warning,) = check_samples(make_samples(pixels), [IMAGE])
    assert "is stored as uint8 (0 to 255)" in warning


def test_floats_that_look_like_raw_pixels_are_warned_of():
    pixels = np.random.default_rng(0).integers(0, 256, (100, 28, 28, 1)).astype(np.float32)
    (warning,) = check_samples(make_samples(pixels), [IMAGE])
    assert "like raw pixels" in warning
    assert check_samples(make_samples(pixels / 255), [IMAGE]) == ()


def test_ranges_that_differ_tenfold_are_warned_of():
    ours, theirs = make_samples(noise(100, 4) * 255), make_samples(noise(100, 4))
    (warning,) = compare_ranges(ours, theirs)
    assert "preprocessed differently" in warning
    assert len(compare_ranges(theirs, ours)) == 1
    assert compare_ranges(theirs, theirs) == ()


def test_ranges_are_compared_by_name():
    small, large = noise(100, 4), noise(100, 3) * 1000
    ours = make_samples({"a": small, "b": large})
    assert compare_ranges(ours, make_samples({"b": large, "a": small})) == ()


@pytest.mark.parametrize(
    ("shape", "expression"),
    [
        ((100, 28, 28), "x[..., np.newaxis]"),
        ((28, 28, 1), "x[np.newaxis]"),
        ((100, 1, 28, 28, 1), "x[:, 0]"),
        ((100, 28, 28, 1, 1), "x[..., 0]"),
        ((100, 1, 28, 28), "np.transpose(x, (0, 2, 3, 1))"),
        ((100, 784), "x.reshape((-1, 28, 28, 1))"),
        ((100, 32, 32, 1), "Preprocess the samples exactly as for training."),
    ],
)
def test_a_wrong_shape_names_both_and_the_expression_that_mends_it(shape, expression):
    error = refused(make_samples(noise(*shape)))
    assert "(N, 28, 28, 1)" in error.message
    assert str(shape) in error.message
    assert expression in error.hint


@pytest.mark.parametrize(
    "shape", [(100, 28, 28), (28, 28, 1), (9, 1, 28, 28, 1), (9, 28, 28, 1, 1), (9, 1, 28, 28)]
)
def test_the_expression_in_the_hint_does_mend_it(shape):
    x = noise(*shape)
    hint = refused(make_samples(x)).hint
    mended = eval(hint.partition("x = ")[2].rstrip("."), {"np": np, "x": x})
    assert mended.shape[1:] == (28, 28, 1)


def test_channels_first_is_told_from_one_dimension_too_many():
    spec = InputSpec(name="x", shape=(32, 24, 3))
    hint = refused(make_samples(noise(9, 3, 32, 24)), spec).hint
    assert "np.transpose(x, (0, 2, 3, 1))" in hint


def test_arrays_are_put_in_the_models_order_by_name():
    inputs = [InputSpec(name="z", shape=(3,)), InputSpec(name="a", shape=(4,))]
    bound = bind_samples(make_samples({"a": noise(5, 4), "z": noise(5, 3)}), inputs)
    assert bound.names == ("z", "a")
    assert [array.shape for array in bound.arrays] == [(5, 3), (5, 4)]


def test_arrays_without_names_go_by_order():
    inputs = [InputSpec(name="z", shape=(3,)), InputSpec(name="a", shape=(4,))]
    bound = bind_samples(make_samples([noise(5, 3), noise(5, 4)]), inputs)
    assert bound.names == ("z", "a")


@pytest.mark.parametrize("key", ["x", "images", "arr_0", "image", "whatever"])
def test_the_only_input_takes_the_only_array(key):
    assert bind_samples(make_samples({key: noise(5, 28, 28, 1)}), [IMAGE]).names == ("image",)


def test_the_only_input_takes_the_generic_name_among_others():
    samples = make_samples({"extra": noise(5, 2), "x": noise(5, 28, 28, 1)})
    assert bind_samples(samples, [IMAGE]).arrays[0].shape == (5, 28, 28, 1)


def test_an_input_without_an_array_names_both_sides():
    error = refused(
        make_samples({"a": noise(100, 3), "c": noise(100, 4)}, origin="cal.npz"),
        InputSpec(name="a", shape=(3,)),
        InputSpec(name="b", shape=(4,)),
    )
    assert error.message == "The model's inputs are 'a', 'b'; the arrays in cal.npz are 'a', 'c'."
    assert "np.savez(file, a=…, b=…)" in error.hint


def test_the_wrong_number_of_unnamed_arrays_is_refused():
    error = refused(make_samples([noise(100, 3), noise(100, 3)]), InputSpec(name="a", shape=(3,)))
    assert "the arrays in the samples are 2 without names" in error.message


@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=5),
    st.lists(st.integers(1, 6), max_size=4),
)
def test_any_shape_is_taken_or_refused_but_never_crashes(got, wanted):
    samples = make_samples(np.arange(int(np.prod(got)), dtype=np.float32).reshape(got))
    try:
        bound = bind_samples(samples, [InputSpec(name="x", shape=tuple(wanted))])
    except CalibrationError as error:
        assert error.hint
    else:
        assert bound.arrays[0].shape[1:] == tuple(wanted)
