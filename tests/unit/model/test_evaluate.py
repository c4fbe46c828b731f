"""Accuracy, error and agreement of .tflite files on samples."""

from __future__ import annotations

import numpy as np
import pytest
from tflite_writer import ModelWriter

from edgekit.errors import CalibrationError, InvalidModelError, UnsupportedModelError
from edgekit.model.evaluate import compare_outputs, evaluate, predict, score
from edgekit.model.samples import make_samples


def identity_model(elements: int = 3, *, quantized: bool = True) -> bytes:
    """Return a model whose outputs are its inputs, clipped at zero."""
    model = ModelWriter()
    how = {"scale": 0.01, "zero_point": -128} if quantized else {"dtype": "float32"}
    x = model.input((1, elements), name="x", **how)
    y = model.tensor((1, elements), name="y", **how)
    model.op("RELU", [x], y)
    model.output(y)
    return model.bytes()


def refused(call, *arguments, **options) -> CalibrationError:
    with pytest.raises(CalibrationError) as caught:
        call(*arguments, **options)
    assert caught.value.exit_code == 2
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("quantized", [True, False])
def test_accuracy_is_the_share_of_right_argmaxes(quantized):
    x = np.eye(3, dtype=np.float32)[[0, 1, 2, 2]]
    model = identity_model(quantized=quantized)
    result = evaluate(model, make_samples(x, [0, 1, 2, 0]), name="tiny")
    assert result.accuracy == 0.75
    assert result.mae is None
    assert (result.model, result.samples, result.size_bytes) == ("tiny", 4, len(model))
    assert "no delegate" in result.basis


def test_without_labels_there_are_no_figures():
    result = evaluate(identity_model(), make_samples(np.ones((2, 3))))
    assert (result.accuracy, result.mae, result.samples) == (None, None, 2)


def test_predictions_are_real_values():
    (outputs,) = predict(identity_model(), make_samples(np.array([[0.5, -1.0, 1.25]]))).outputs
    np.testing.assert_allclose(outputs, [[0.5, 0.0, 1.25]], atol=0.005)


def test_a_regression_gives_the_mean_absolute_error():
    x = np.array([[0.5], [1.0]], np.float32)
    result = evaluate(identity_model(1), make_samples([x], np.array([[0.75], [1.0]])))
    assert result.accuracy is None
    assert result.mae == pytest.approx(0.125, abs=0.005)


@pytest.mark.parametrize(
    ("outputs", "labels", "accuracy"),
    [
        ([[0.1, 0.9], [0.8, 0.2]], [1, 1], 0.5),
        ([[0.1, 0.9], [0.8, 0.2]], [[1], [0]], 1.0),
        ([[0.1, 0.9], [0.8, 0.2]], [[0, 1], [0, 1]], 0.5),
        ([[0.1, 0.9], [0.8, 0.2]], [[0.0, 1.0], [1.0, 0.0]], 1.0),
        ([[0.4], [0.6], [0.7]], [0, 1, 0], 2 / 3),
        ([[-3.0], [0.4], [2.0]], [0, 1, 1], 1.0),
        ([[[1, 2], [2, 1]], [[1, 2], [1, 2]]], [[1, 0], [1, 0]], 0.75),
    ],
    ids=["classes", "column", "one-hot", "one-hot floats", "probability", "logit", "per pixel"],
)
def test_what_the_labels_are_is_told_from_their_shape(outputs, labels, accuracy):
    assert score(np.array(outputs, float), np.array(labels)) == (pytest.approx(accuracy), None)


def test_targets_of_the_outputs_shape_are_a_regression():
    outputs = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert score(outputs, np.array([[1.5, 2.0], [3.0, 4.5]])) == (None, 0.25)
    assert score(np.array([[1.0], [2.0]]), np.array([1.0, 3.0])) == (None, 0.5)


def test_a_class_that_the_model_lacks():
    error = refused(score, np.zeros((2, 3)), np.array([1, 3]))
    assert error.message == (
        "The labels in the samples go from 1 to 3; the model has 3 classes, 0 to 2."
    )


def test_labels_of_another_shape():
    error = refused(score, np.zeros((2, 3)), np.zeros((2, 5)))
    assert "(2, 5)" in error.message
    assert "(2, 3)" in error.message


def test_labels_that_are_nan():
    assert "NaN" in refused(score, np.zeros((2, 3)), np.array([0, np.nan])).message


def test_no_samples():
    error = refused(evaluate, identity_model(), make_samples(np.zeros((0, 3))))
    assert error.message == "There are no samples in the samples."


def test_an_output_that_is_not():
    error = refused(evaluate, identity_model(), make_samples(np.ones((1, 3)), [0]), output=1)
    assert error.message == "The model has 1 outputs; there is no output 1."


def test_samples_of_another_shape():
    error = refused(evaluate, identity_model(), make_samples(np.ones((1, 4)), [0]))
    assert "takes samples of shape (N, 3)" in error.message


def test_a_damaged_model():
    with pytest.raises(InvalidModelError) as caught:
        evaluate(identity_model()[:100], make_samples(np.ones((1, 3)), [0]))
    assert caught.value.hint


def test_a_model_that_the_interpreter_refuses():
    model = ModelWriter()
    x = model.input((1, 3), scale=0.1, name="x")
    y = model.tensor((1, 3), scale=0.1)
    model.op("CUSTOM", [x], y, custom_name="Mystery")
    model.output(y)
    with pytest.raises(UnsupportedModelError, match="Mystery") as caught:
        evaluate(model.bytes(), make_samples(np.ones((1, 3)), [0]))
    assert caught.value.exit_code == 2


def test_agreement_is_the_worst_outputs():
    one = [np.array([[1.0, 2.0], [4.0, 3.0]]), np.array([[1.0], [1.0]])]
    two = [np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0], [1.0]])]
    agreement = compare_outputs(one, two)
    assert agreement.samples == 2
    assert agreement.top1 == 0.5
    assert agreement.relative_error == pytest.approx(np.sqrt(2 / 30))
    assert compare_outputs(one, one).relative_error == 0


def test_agreement_of_single_values_has_no_top1():
    agreement = compare_outputs([np.zeros((3, 1))], [np.zeros((3, 1))])
    assert (agreement.top1, agreement.relative_error) == (None, 0)
    assert compare_outputs([np.zeros((3, 1))], [np.ones((3, 1))]).relative_error == float("inf")


def test_agreement_with_nan_is_none_at_all():
    one, two = np.array([[1.0, np.nan]]), np.array([[1.0, 2.0]])
    assert compare_outputs([one], [two]).relative_error == float("inf")


def test_outputs_of_other_sizes_are_not_compared():
    with pytest.raises(ValueError, match="can't be compared"):
        compare_outputs([np.zeros((2, 3))], [np.zeros((2, 4))])
