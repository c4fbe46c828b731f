"""TFLM's interpreter in a child: its outputs, and what becomes of models that break it."""

from __future__ import annotations

import numpy as np
import pytest
from tflite_writer import ModelWriter
from tiny_models import tiny_int8_model

from edgekit.errors import (
    EdgeKitError,
    InvalidModelError,
    MissingToolError,
    UnsupportedModelError,
)
from edgekit.model import interpreters, reference
from edgekit.model.interpreters import Engine, describe_engine
from edgekit.model.reference import (
    ModelJob,
    ReferenceOutputs,
    reference_engine,
    run_reference,
    run_reference_batch,
)

needs_micro = pytest.mark.skipif(
    not interpreters.has_micro(), reason="tflite-micro is not installed"
)


def relu_model(elements: int = 4) -> bytes:
    model = ModelWriter()
    x = model.input((1, elements), scale=0.1, name="x")
    y = model.tensor((1, elements), scale=0.1, name="y")
    model.op("RELU", [x], y)
    model.output(y)
    return model.bytes()


def crashing_model() -> bytes:
    """Return a model on which TFLM divides by zero: filters deeper than the input."""
    model = ModelWriter()
    x = model.input((1, 8, 8, 2), scale=0.1, name="x")
    scales = [0.1, 0.1, 0.1]
    weights = model.constant(np.ones((3, 3, 3, 7), np.int8), scale=scales, axis=0)
    bias = model.constant(np.ones(3, np.int32), scale=[0.01] * 3)
    y = model.tensor((1, 6, 6, 3), scale=0.1)
    model.op("CONV_2D", [x, weights, bias], y, padding="VALID", stride_w=1, stride_h=1)
    model.output(y)
    return model.bytes()


def unknown_operator_model() -> bytes:
    model = ModelWriter()
    x = model.input((1, 4), scale=0.1, name="x")
    y = model.tensor((1, 4), scale=0.1)
    model.op("CUSTOM", [x], y, custom_name="Mystery")
    model.output(y)
    return model.bytes()


CRASHING_INPUT = bytes(8 * 8 * 2)


@needs_micro
def test_outputs_are_raw_bytes_sample_by_sample():
    result = run_reference(relu_model(), [b"\x01\xff\x02\xfe", b"\x80\x7f\x00\x05"])
    assert result.outputs == (b"\x01\x00\x02\x00", b"\x00\x7f\x00\x05")
    assert result.reference.startswith("TFLM interpreter (tflite-micro 0.")


@needs_micro
def test_a_whole_model_agrees_with_litert():
    model = tiny_int8_model()
    inputs = tuple(np.random.default_rng(seed).bytes(64) for seed in range(20))
    job = ModelJob(model=model, inputs=inputs)
    (litert,) = interpreters.run_models([job], Engine.LITERT_REFERENCE, timeout_seconds=30)
    assert run_reference(model, inputs).outputs == litert


@needs_micro
def test_several_inputs_and_outputs_are_in_the_models_order():
    model = ModelWriter()
    a = model.input((1, 2), scale=0.5, name="a")
    b = model.input((1, 3), scale=0.5, name="b")
    p, q = model.tensor((1, 3), scale=0.5, name="p"), model.tensor((1, 2), scale=0.5, name="q")
    model.op("RELU", [b], p)
    model.op("RELU", [a], q)
    model.output(p, q)
    result = run_reference(model.bytes(), [bytes([1, 2, 3, 4, 5])])
    assert result.outputs == (bytes([3, 4, 5, 1, 2]),)


@needs_micro
def test_float_models_run_too():
    model = ModelWriter()
    x = model.input((1, 2), dtype="float32", name="x")
    y = model.tensor((1, 2), dtype="float32")
    model.op("RELU", [x], y)
    model.output(y)
    values = np.array([-1.5, 2.5], np.float32)
    (output,) = run_reference(model.bytes(), [values.tobytes()]).outputs
    assert np.frombuffer(output, np.float32).tolist() == [0.0, 2.5]


@needs_micro
def test_a_model_that_crashes_costs_only_itself():
    good = ModelJob(model=relu_model(), inputs=(b"\x01\xff\x02\xfe",))
    bad = ModelJob(model=crashing_model(), inputs=(CRASHING_INPUT,))
    unknown = ModelJob(model=unknown_operator_model(), inputs=(bytes(4),))
    broken = ModelJob(model=b"nonsense", inputs=(bytes(4),))
    results = run_reference_batch([good, bad, good, unknown, broken, bad, good])
    for index in (0, 2, 6):
        result = results[index]
        assert isinstance(result, ReferenceOutputs)
        assert result.outputs == (b"\x01\x00\x02\x00",)
    for index in (1, 5):
        crashed = results[index]
        assert isinstance(crashed, InvalidModelError)
        assert crashed.message == (
            f"The model crashed {describe_engine(Engine.MICRO)} (signal SIGFPE)."
        )
        assert "probably damaged" in crashed.hint
        assert crashed.exit_code == 2
    refused = results[3]
    assert isinstance(refused, UnsupportedModelError)
    assert "refuses the model: " in refused.message
    assert "CUSTOM" in refused.message
    assert "edgekit inspect" in refused.hint
    assert isinstance(results[4], InvalidModelError)


@needs_micro
def test_a_single_model_that_crashes_raises():
    with pytest.raises(InvalidModelError, match="signal SIGFPE") as caught:
        run_reference(crashing_model(), [CRASHING_INPUT])
    assert caught.value.exit_code == 2


@needs_micro
def test_a_model_that_does_not_end_is_given_up_and_the_next_one_runs():
    many = ModelJob(model=relu_model(20_000), inputs=(bytes(20_000),) * 3000)
    few = ModelJob(model=relu_model(), inputs=(b"\x01\xff\x02\xfe",))
    hung, ran = run_reference_batch([many, few], timeout_seconds=0.05)
    assert isinstance(hung, InvalidModelError)
    assert "did not end within 0.05 s" in hung.message
    assert "allow more time" in hung.hint
    assert isinstance(ran, ReferenceOutputs)


@needs_micro
def test_an_input_of_the_wrong_size():
    with pytest.raises(UnsupportedModelError) as caught:
        run_reference(relu_model(), [b"\x01\x02\x03\x04", b"\x01"])
    assert caught.value.message == "Sample 1 has 1 bytes; the model's inputs take 4."
    assert caught.value.hint
    assert caught.value.exit_code == 2


def test_no_samples_and_no_models_are_fine():
    assert run_reference(relu_model(), []).outputs == ()
    assert run_reference_batch([]) == ()


def test_without_tflite_micro_litert_is_the_reference_with_a_caveat(monkeypatch):
    monkeypatch.setattr(reference, "has_micro", lambda: False)
    engine, description = reference_engine()
    assert engine is Engine.LITERT_REFERENCE
    assert "LiteRT rounds FULLY_CONNECTED once" in description
    result = run_reference(relu_model(), [b"\x01\xff\x02\xfe"])
    assert result.outputs == (b"\x01\x00\x02\x00",)
    assert result.reference == description


@pytest.mark.parametrize(
    ("engine", "extra"), [(Engine.MICRO, "edgekit[micro]"), (Engine.LITERT, "edgekit[run]")]
)
def test_a_missing_interpreter_says_how_to_get_it(monkeypatch, engine, extra):
    monkeypatch.setattr(interpreters.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingToolError) as caught:
        interpreters.run_models([], engine, timeout_seconds=1)
    assert "not installed" in caught.value.message or "No interpreter" in caught.value.message
    assert f"'{extra}'" in caught.value.hint
    assert caught.value.exit_code == 4


def test_an_interpreter_that_does_not_start_is_not_the_models_fault(monkeypatch, tmp_path):
    (tmp_path / "ai_edge_litert").mkdir()
    (tmp_path / "ai_edge_litert" / "__init__.py").write_text("raise ImportError('broken wheel')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    job = ModelJob(model=relu_model(), inputs=(bytes(4),))
    with pytest.raises(EdgeKitError) as caught:
        interpreters.run_models([job], Engine.LITERT, timeout_seconds=30)
    assert isinstance(caught.value, MissingToolError)
    assert "does not start: ImportError: broken wheel" in caught.value.message
    assert "--force-reinstall" in caught.value.hint
    assert caught.value.exit_code == 4


def test_outputs_that_contradict_the_file_are_refused():
    model = ModelWriter()
    x = model.input((1, 4), scale=0.1, name="x")
    y = model.tensor((1, 9), scale=0.1)
    model.op("RELU", [x], y)
    model.output(y)
    job = ModelJob(model=model.bytes(), inputs=(bytes(4),))
    (result,) = interpreters.run_models([job], Engine.LITERT_REFERENCE, timeout_seconds=30)
    assert isinstance(result, InvalidModelError)
    assert "4 output bytes for 1 samples; the file says 9 for each" in result.message
    assert result.hint
