"""What ``convert`` refuses before TensorFlow is started."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.errors import CalibrationError, InputError, InvalidModelError, MissingToolError
from edgekit.model import convert as convert_module
from edgekit.model.convert import convert
from edgekit.model.samples import make_samples
from edgekit.model.variants import Variant

SAMPLES = make_samples(np.random.default_rng(0).random((100, 4)))


@pytest.fixture(autouse=True)
def no_child(monkeypatch):
    """Fail a test that would start the child: nothing here may cost that much."""

    def refuse(*arguments, **options):
        raise AssertionError("the child was started")

    monkeypatch.setattr(convert_module, "run_job", refuse)


def refused(kind: type[InputError], **options):
    with pytest.raises(kind) as caught:
        convert("none.keras", **{"variants": [Variant.INT8], "calibration": SAMPLES, **options})
    assert caught.value.hint
    return caught.value


def test_no_variant():
    assert refused(InputError, variants=[]).message == "No variant is asked for."


def test_int8_without_calibration_data():
    error = refused(CalibrationError, calibration=None)
    assert error.message == "Calibration data is missing; it is needed for int8."
    assert "--calibration" in error.hint
    assert error.exit_code == 2


def test_an_input_type_that_the_variant_lacks():
    error = refused(InputError, io_type="int16")
    assert error.message == "Inputs and outputs of the int8 variant can't be 'int16'."
    assert error.hint == "Choose one of: int8, uint8."


def test_calibration_data_is_checked_first():
    assert "NaN" in refused(CalibrationError, calibration=make_samples([[np.nan]] * 9)).message
    assert "yielded no samples" in refused(CalibrationError, calibration=lambda: iter(())).message


def test_nan_is_refused_for_float_models_too():
    error = refused(
        CalibrationError, variants=[Variant.FLOAT32], calibration=make_samples([[np.nan]] * 9)
    )
    assert "NaN" in error.message


def test_a_model_that_is_not_there():
    error = refused(InvalidModelError)
    assert error.message == "There is no model none.keras."
    assert error.exit_code == 2


def test_without_tensorflow(monkeypatch):
    monkeypatch.setattr(convert_module.importlib.util, "find_spec", lambda name: None)
    error = refused(MissingToolError)  # type: ignore[type-var]
    assert error.message == "Conversion needs TensorFlow and Keras 3."
    assert error.hint == "Install them: pip install 'edgekit[convert]'"
    assert error.exit_code == 4
