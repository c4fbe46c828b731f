"""What the converter's crashes and messages mean, and what to do: one table row each."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgekit.errors import (
    CalibrationError,
    ConversionError,
    EdgeKitError,
    InvalidModelError,
    MissingToolError,
    UnsupportedModelError,
)
from edgekit.model.jobs import Outcome
from edgekit.model.source import Source


@dataclass(frozen=True, slots=True)
class _Failure:
    """A pattern of the log; ``{0}`` in the message is its first group."""

    pattern: str
    error: type[EdgeKitError]
    message: str
    hint: str
    stage: str = ""


_PREPROCESS = "Give samples of the shape that one model input has, float32, without the batch."
_UNROLL = (
    "TFLM runs no loop of LSTM or GRU in int8. Build the layer with unroll=True, use "
    "Conv1D or a Dense stack instead, or convert to float32 only."
)

_FAILURES: tuple[_Failure, ...] = (
    _Failure(
        r"Cannot set tensor: Got value of type (\w+)",
        CalibrationError,
        "The calibration data is {0}, not what the model takes.",
        "Give float32 samples: x.astype('float32').",
    ),
    _Failure(
        r"input->dims->size != \d+ \((\d+ != \d+)\)",
        CalibrationError,
        "The calibration samples have the wrong number of dimensions ({0}).",
        _PREPROCESS,
    ),
    _Failure(
        r"num_input_elements != num_output_elements",
        CalibrationError,
        "The calibration samples have another shape than the model's input.",
        _PREPROCESS,
    ),
    _Failure(
        r"You need to provide either a dictionary",
        CalibrationError,
        "The calibration function yields bare arrays.",
        "Yield a list with one array per model input: yield [x].",
    ),
    _Failure(
        r"Invalid input shapes: expected (\d+ items got \d+)",
        CalibrationError,
        "The calibration data has the wrong number of inputs ({0}).",
        "Give one array per model input.",
    ),
    _Failure(
        r"a `representative_dataset` must be specified",
        CalibrationError,
        "There is no calibration data.",
        "Give samples: --calibration DATA.npz.",
    ),
    _Failure(
        r"Unsupported `?inference_(?:input|output)_type`? value",
        ConversionError,
        "The converter refuses this type of inputs and outputs.",
        "Choose int8 or uint8.",
    ),
    _Failure(
        r"Lowering tensor list ops is failed",
        ConversionError,
        "The model has a recurrent layer whose length or batch is dynamic.",
        "Give the input a fixed number of steps: keras.Input(shape=(steps, features)).",
    ),
    _Failure(
        r"'(tf\.\w+)' op is neither a custom op nor a flex op",
        ConversionError,
        "TensorFlow Lite has no operator for {0}.",
        "Replace the layer that uses it, or compute it outside the model.",
    ),
    _Failure(
        r"Ops that need custom implementation[^\n]*:\s*\n?\s*(.*)",
        ConversionError,
        "TensorFlow Lite has no operator for {0}.",
        "Replace the layer that uses it, or compute it outside the model.",
    ),
    _Failure(
        r"READ_VARIABLE|VarHandleOp|ReadVariableOp|Assign\w*VariableOp",
        ConversionError,
        "The model keeps state in variables, which the converter can't freeze.",
        "Make the state an input and an output of the model.",
        stage="converting",
    ),
    _Failure(
        r"(?:Could not locate|Unknown) (?:class|function|layer):? '?(\w+)",
        UnsupportedModelError,
        "{label} needs code that is not part of Keras: {0}.",
        "Convert it where that code is at hand: edgekit.convert(model, …).",
    ),
    _Failure(
        r"(File not found|Unable to (?:synchronously )?open file|bad object header|truncated file)",
        InvalidModelError,
        "The weights in {label} are damaged ({0}).",
        "Copy the file again, or save the model again: model.save('model.keras').",
        stage="loading",
    ),
    _Failure(
        r"MemoryError|bad_alloc|failed to allocate",
        ConversionError,
        "There was not enough memory for the conversion.",
        "Close other programs, or give fewer calibration samples.",
    ),
    _Failure(
        r"(?:ImportError|ModuleNotFoundError|DLL load failed)[^\n]*?(\w[^\n]*)",
        MissingToolError,
        "TensorFlow could not be started: {0}.",
        "Install it anew: pip install --force-reinstall 'edgekit[convert]'.",
        stage="starting",
    ),
)

_SIGNALS: dict[str, tuple[str, str]] = {
    "signal SIGSEGV": (
        "The known causes are an LSTM or GRU converted to int8, and values that become "
        "infinite inside the model.",
        _UNROLL + " If there is no such layer, check the weights and samples for huge values.",
    ),
    "signal SIGABRT": (
        "The known cause is a degenerate quantisation scale: a layer whose output is always "
        "the same on the calibration data, or weights that are all zero.",
        "Give more varied calibration samples; look for layers that are dead or untrained.",
    ),
    "signal SIGKILL": (
        "The system kills the program that takes the most memory.",
        "Close other programs, or give fewer calibration samples.",
    ),
    "signal SIGILL": (
        "This TensorFlow needs a processor with AVX instructions.",
        "Convert on another computer.",
    ),
}

_KERAS_2_HINT = (
    "It was saved by Keras {version}. If Keras 3 loads it where you made it, save it again with "
    "model.save('model.keras'); else load it with tf_keras and export a SavedModel: "
    "model.export(folder)."
)


def explain(outcome: Outcome, source: Source, timeout_seconds: float) -> EdgeKitError:
    """Return the error that says why a conversion's child failed, and the way out."""
    stage = outcome.stage or "starting Python"
    if outcome.timed_out:
        return ConversionError(
            f"The conversion of {source.label} was ended after {timeout_seconds:g} s, while "
            f"{stage}.",
            hint="Allow more time, or give fewer calibration samples.",
        )
    if outcome.how_it_ended() in _SIGNALS:
        cause, hint = _SIGNALS[outcome.how_it_ended()]
        return ConversionError(
            f"TensorFlow's converter crashed ({outcome.how_it_ended()}) while {stage}. {cause}",
            hint=hint,
        )
    if stage == "loading" and source.keras_version.startswith(("1.", "2.")):
        return UnsupportedModelError(
            f"Keras 3 can't load {source.label}: {_last_error(outcome)}",
            hint=_KERAS_2_HINT.format(version=source.keras_version),
        )
    for row in _FAILURES:
        found = re.search(row.pattern, outcome.output) if stage.startswith(row.stage) else None
        if found is not None:
            groups = [group.strip().rstrip(".") for group in found.groups() if group is not None]
            return row.error(row.message.format(*groups, label=source.label), hint=row.hint)
    if stage in ("loading", "tracing"):
        return InvalidModelError(
            f"TensorFlow failed {stage} {source.label}: {_last_error(outcome)}",
            hint="Check that Keras 3 loads and runs the model where it was made, and save it "
            "again: model.save('model.keras').",
        )
    return ConversionError(
        f"The conversion of {source.label} failed while {stage} ({outcome.how_it_ended()}):\n"
        f"{outcome.last_lines()}",
        hint="The converter's own words are above. A smaller model that still fails shows which "
        "layer it is.",
    )


def _last_error(outcome: Outcome) -> str:
    """Return the line of the log that names the last exception, or its last line."""
    lines = outcome.last_lines(400).splitlines()
    named = [line for line in lines if re.match(r"[\w.]*(?:Error|Exception)\b", line)]
    line = (named or lines or [outcome.how_it_ended()])[-1]
    return line[:300].rstrip(".") + "."
