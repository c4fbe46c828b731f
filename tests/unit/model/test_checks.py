"""Checks after the conversion, on models that the converter would have called a success."""

from __future__ import annotations

import dataclasses
import math

import pytest
from builders import make_graph, make_operator, make_tensor

from edgekit.errors import ConversionError
from edgekit.graph import DType
from edgekit.model.checks import check_converted, judge_agreement
from edgekit.model.evaluate import Agreement
from edgekit.model.variants import Variant


def check(graph, variant: Variant = Variant.INT8, io_type: str = "int8", inputs: int = 1):
    return check_converted(graph, variant, io_type, inputs=inputs)


def refused(*arguments, **options) -> ConversionError:
    with pytest.raises(ConversionError) as caught:
        check(*arguments, **options)
    assert caught.value.exit_code == 5
    assert caught.value.hint
    return caught.value


def test_a_sound_model_passes_without_a_word():
    assert check(make_graph()) == ()


def test_state_in_variables():
    graph = make_graph(
        [make_tensor(), make_tensor()],
        [make_operator("RELU"), make_operator("VAR_HANDLE", (), ())],
    )
    assert refused(graph).message == "The int8 model keeps state in variables (VAR_HANDLE)."


def test_an_input_that_was_dropped():
    assert refused(make_graph(), inputs=2).message == "The int8 model has 1 inputs, the original 2."


@pytest.mark.parametrize("place", [0, 1])
def test_inputs_or_outputs_of_another_type(place):
    tensors = [make_tensor(name="x"), make_tensor(name="y")]
    tensors[place] = make_tensor((1, 4), DType.FLOAT32, name="xy"[place])
    error = refused(make_graph(tensors))
    assert error.message == f"'{'xy'[place]}' of the int8 model is FLOAT32, not INT8."
    assert error.hint.endswith("with --io.")


def test_uint8_where_int8_was_asked_for():
    tensors = [make_tensor((1, 4), DType.UINT8, name="x"), make_tensor()]
    assert "is UINT8, not INT8" in refused(make_graph(tensors)).message
    assert check(make_graph([make_tensor((1, 4), DType.UINT8)] * 2), io_type="uint8") == ()


def test_token_numbers_stay_integers():
    assert check(make_graph([make_tensor((1, 4), DType.INT32, scale=None), make_tensor()])) == ()


@pytest.mark.parametrize("scale", [0.0, math.inf, math.nan, -1.0])
def test_scales_that_cannot_be_used(scale):
    error = refused(make_graph([make_tensor(), make_tensor(scale=scale, name="dead")]))
    assert error.message.startswith("'dead' of the int8 model has a quantisation scale of zero")
    assert "more varied samples" in error.hint


def test_a_tensor_that_never_changes_is_warned_of():
    tensors = [make_tensor(), make_tensor(scale=7.84e-9, name="relu;bias")]
    (warning,) = check(make_graph(tensors))
    assert warning.startswith("1 tensors are constant on the calibration data (the first: 'relu')")


def float_in_the_middle(*names: str):
    """Return int8 → DEQUANTIZE → the named operators in float → QUANTIZE."""
    tensors = [make_tensor(), *[make_tensor((1, 4), DType.FLOAT32)] * (len(names) + 1)]
    tensors.append(make_tensor())
    chain = ["DEQUANTIZE", *names, "QUANTIZE"]
    return tensors, [
        make_operator(name, (index,), (index + 1,)) for index, name in enumerate(chain)
    ]


def test_operators_that_stayed_in_float_are_counted_and_named():
    tensors, operators = float_in_the_middle("NEG", "NEG", "RFFT2D")
    last = len(tensors) - 1
    operators.append(make_operator("RELU", (last,), (last + 1,)))
    (warning,) = check(make_graph([*tensors, make_tensor()], operators))
    assert warning.startswith("3 of 4 operators stayed in float")
    assert "(NEG ×2, RFFT2D ×1)" in warning


def test_a_model_that_stayed_in_float_altogether():
    error = refused(make_graph(*float_in_the_middle("NEG")))
    assert error.message == "The whole int8 model stayed in float (NEG ×1)."
    assert "convert to float32" in error.hint


def test_a_float_model_may_be_float():
    graph = make_graph([make_tensor((1, 4), DType.FLOAT32)] * 2)
    assert check(graph, Variant.FLOAT32, "float32") == ()


def test_dynamic_shapes_are_warned_of():
    (warning,) = check(make_graph([make_tensor(shape_signature=(-1, 4), name="x"), make_tensor()]))
    assert warning.startswith("1 tensors have dynamic shapes (the first: 'x')")
    graph = make_graph()
    operators = (*graph.main.operators, make_operator("SHAPE", (0,), (1,), index=1))
    subgraph = dataclasses.replace(graph.main, operators=operators)
    (warning,) = check(dataclasses.replace(graph, subgraphs=(subgraph,)))
    assert "(operator SHAPE)" in warning


def agreement(top1: float | None, error: float) -> Agreement:
    return Agreement(samples=100, top1=top1, relative_error=error)


@pytest.mark.parametrize("given", [(1.0, 0.0), (0.9, 0.3), (None, 0.1)])
def test_near_answers_pass(given):
    assert judge_agreement(agreement(*given), Variant.INT8) == ()


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ((0.85, 0.1), "85.0 % of the answers the same, relative error 10.0 %, on 100 samples"),
        ((None, 0.5), "original: relative error 50.0 %, on 100 samples"),
        ((1.0, math.inf), "100.0 % of the answers the same, no common scale"),
    ],
)
def test_far_answers_are_warned_of(given, shown):
    (warning,) = judge_agreement(agreement(*given), Variant.INT8)
    assert shown in warning


def test_other_answers_of_near_outputs_are_near_ties():
    (warning,) = judge_agreement(agreement(0.64, 0.004), Variant.INT8)
    assert "64.0 % of the answers the same, relative error 0.4 %" in warning
    assert "nearly tied" in warning
    assert "Calibrate" not in warning
    (warning,) = judge_agreement(agreement(0.64, 0.06), Variant.INT8)
    assert "nearly tied" not in warning
    assert "Calibrate on more typical samples" in warning


def test_a_float_model_must_agree():
    assert judge_agreement(agreement(1.0, 1e-6), Variant.FLOAT32) == ()
    with pytest.raises(ConversionError) as caught:
        judge_agreement(agreement(0.5, 0.2), Variant.FLOAT32)
    assert caught.value.message.startswith("The float32 model computes something else than")
    assert "Dropout" in caught.value.hint
    assert caught.value.exit_code == 5
