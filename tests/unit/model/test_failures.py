"""What users see of the converter's crashes and messages."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.errors import (
    CalibrationError,
    ConversionError,
    InvalidModelError,
    MissingToolError,
    UnsupportedModelError,
)
from edgekit.model.failures import explain
from edgekit.model.jobs import Outcome
from edgekit.model.source import Source

SOURCE = Source(kind="keras", path=Path("m.keras"), label="m.keras", keras_version="3.15.1")


def explained(
    output: str = "",
    *,
    stage: str = "converting to full int8",
    returncode: int = 1,
    timed_out: bool = False,
    source: Source = SOURCE,
):
    outcome = Outcome(
        result=None, returncode=returncode, timed_out=timed_out, stage=stage, output=output
    )
    error = explain(outcome, source, 600)
    assert error.hint
    return error


@pytest.mark.parametrize(
    ("output", "kind", "message", "hint"),
    [
        (
            "ValueError: Cannot set tensor: Got value of type FLOAT64 but expected type FLOAT32",
            CalibrationError,
            "The calibration data is FLOAT64, not what the model takes.",
            "astype('float32')",
        ),
        (
            "RuntimeError: tensorflow/lite/kernels/conv.cc:345 input->dims->size != 4 (3 != 4)",
            CalibrationError,
            "The calibration samples have the wrong number of dimensions (3 != 4).",
            "shape that one model input has",
        ),
        (
            "reshape.cc:94 num_input_elements != num_output_elements (6272 != 784)",
            CalibrationError,
            "The calibration samples have another shape than the model's input.",
            "shape that one model input has",
        ),
        (
            "ValueError: You need to provide either a dictionary with input names and values",
            CalibrationError,
            "The calibration function yields bare arrays.",
            "yield [x]",
        ),
        (
            "ValueError: Invalid input shapes: expected 1 items got 2 items.",
            CalibrationError,
            "The calibration data has the wrong number of inputs (1 items got 2).",
            "one array per model input",
        ),
        (
            "ValueError: For full integer quantization, a `representative_dataset` must be "
            "specified.",
            CalibrationError,
            "There is no calibration data.",
            "--calibration",
        ),
        (
            "ValueError: Unsupported `inference_input_type` value: <dtype: 'int16'>",
            ConversionError,
            "The converter refuses this type of inputs and outputs.",
            "int8 or uint8",
        ),
        (
            "ConverterError: <unknown>:0: error: 'tf.Erf' op is neither a custom op nor a flex op",
            ConversionError,
            "TensorFlow Lite has no operator for tf.Erf.",
            "Replace the layer",
        ),
        (
            "error: Lowering tensor list ops is failed. Please consider using Select TF ops",
            ConversionError,
            "The model has a recurrent layer whose length or batch is dynamic.",
            "fixed number of steps",
        ),
        (
            "ValueError: Input 0 of node X/AssignAddVariableOp was passed float",
            ConversionError,
            "The model keeps state in variables, which the converter can't freeze.",
            "Make the state an input",
        ),
        (
            "MemoryError: Unable to allocate 80 GiB",
            ConversionError,
            "There was not enough memory for the conversion.",
            "fewer calibration samples",
        ),
    ],
)
def test_each_known_message_has_its_meaning_and_way_out(output, kind, message, hint):
    error = explained("noise before\n" + output + "\nnoise after")
    assert type(error) is kind
    assert error.message == message
    assert hint in error.hint
    assert error.exit_code == (2 if kind is CalibrationError else 5)


@pytest.mark.parametrize(
    ("signal", "cause", "hint"),
    [
        (
            -11,
            "signal SIGSEGV) while calibrating full int8. The known causes are an LSTM",
            "unroll",
        ),
        (-6, "signal SIGABRT) while calibrating full int8. The known cause is a degener", "varied"),
        (-9, "signal SIGKILL) while calibrating full int8. The system kills", "fewer"),
        (
            -4,
            "signal SIGILL) while calibrating full int8. This TensorFlow needs",
            "another computer",
        ),
    ],
)
def test_each_signal_names_its_known_cause(signal, cause, hint):
    error = explained(stage="calibrating full int8", returncode=signal)
    assert type(error) is ConversionError
    assert cause in error.message
    assert hint in error.hint
    assert error.exit_code == 5


def test_the_time_limit():
    error = explained(timed_out=True, returncode=0, stage="calibrating full int8")
    assert error.message == (
        "The conversion of m.keras was ended after 600 s, while calibrating full int8."
    )
    assert error.exit_code == 5


def test_weights_that_keras_cannot_read():
    error = explained(
        "OSError: Unable to synchronously open file (bad superblock)", stage="loading"
    )
    assert type(error) is InvalidModelError
    assert error.message.startswith("The weights in m.keras are damaged")
    assert error.exit_code == 2


def test_a_class_that_keras_does_not_know():
    error = explained("TypeError: Could not locate class 'Mystery'. Make sure", stage="loading")
    assert type(error) is UnsupportedModelError
    assert error.message == "m.keras needs code that is not part of Keras: Mystery."


def test_a_keras_2_file_that_keras_3_cannot_load():
    old = Source(kind="keras", path=Path("o.keras"), label="o.keras", keras_version="2.15.0")
    log = "Traceback\nValueError: Unrecognized keyword arguments passed to LSTM: time_major"
    error = explained(log, stage="loading", source=old)
    assert type(error) is UnsupportedModelError
    assert error.message.startswith("Keras 3 can't load o.keras: ValueError: Unrecognized")
    assert "It was saved by Keras 2.15.0." in error.hint
    assert "model.export(folder)" in error.hint


@pytest.mark.parametrize("stage", ["loading", "tracing"])
def test_an_unknown_failure_before_the_conversion_is_the_models(stage):
    error = explained("Traceback\nSomeError: whatever happened", stage=stage)
    assert type(error) is InvalidModelError
    assert error.message == f"TensorFlow failed {stage} m.keras: SomeError: whatever happened."


def test_an_unknown_failure_of_the_conversion_shows_the_last_lines():
    error = explained("one\n@edgekit {}\n\ntwo\nthree")
    assert type(error) is ConversionError
    assert error.message == (
        "The conversion of m.keras failed while converting to full int8 (exit code 1):\n"
        "one\ntwo\nthree"
    )
    assert error.exit_code == 5


def test_a_tensorflow_that_does_not_start():
    error = explained("ImportError: libfoo.so not found", stage="starting TensorFlow")
    assert type(error) is MissingToolError
    assert "libfoo.so not found" in error.message
    assert "pip install" in error.hint
    assert error.exit_code == 4
