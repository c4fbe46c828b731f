"""Conversion with the real TensorFlow: figures, order, crashes, and Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from edgekit.errors import (
    CalibrationError,
    ConversionError,
    InputError,
    InvalidModelError,
    UnsupportedModelError,
)
from edgekit.model.convert import convert
from edgekit.model.evaluate import evaluate
from edgekit.model.interpreters import Engine, ModelJob, run_models
from edgekit.model.jobs import child_environment
from edgekit.model.reader import read_graph
from edgekit.model.reference import run_reference
from edgekit.model.samples import load_samples, make_samples
from edgekit.model.tensors import quantize_samples
from edgekit.model.variants import Variant
from edgekit.units import KIB

pytest.importorskip("ai_edge_litert")
pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.skipif(
        __import__("importlib.util", fromlist=["find_spec"]).find_spec("tensorflow") is None,
        reason="TensorFlow is not installed",
    ),
]

MAKER = Path(__file__).with_name("conversion_models.py")
BOTH = (Variant.FLOAT32, Variant.INT8)


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    done = subprocess.run(
        [sys.executable, MAKER, folder],
        env=child_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.fixture(scope="module")
def digits(models):
    """Return both variants of the digits CNN, and what progress was told."""
    told: list[str] = []
    calibration = load_samples(models / "train.npz")
    results = convert(
        models / "digits.keras", variants=BOTH, calibration=calibration, on_progress=told.append
    )
    return results, told


def refused(kind, source: Path, samples, **options):
    with pytest.raises(kind) as caught:
        convert(source, **{"variants": BOTH, "calibration": samples, **options})
    assert caught.value.hint
    return caught.value


def test_the_digits_cnn_has_the_known_sizes_and_loses_nothing(models, digits):
    (floating, integer), told = digits
    test = load_samples(models / "test.npz")
    accuracies = [evaluate(item.data, test).accuracy for item in (floating, integer)]
    assert len(test) == 397
    assert min(accuracies) > 0.96
    assert abs(accuracies[0] - accuracies[1]) < 0.01
    assert len(floating.data) == pytest.approx(82.9 * KIB, rel=0.02)
    assert len(integer.data) == pytest.approx(24.6 * KIB, rel=0.02)
    assert floating.warnings == integer.warnings == ()
    assert floating.agreement.relative_error < 1e-5
    assert integer.agreement.top1 >= 0.98
    for item in (floating, integer):
        assert [tensor.name for tensor in item.graph.main.input_tensors] == ["image"]
        assert item.graph.sha256 == item.sha256
    assert not any(tensor.dtype.is_float for tensor in integer.graph.main.tensors)
    assert told[0] == "Starting TensorFlow"
    assert "Loading digits.keras" in told
    assert told[-1] == "Checking the converted models"


def test_dense_weights_are_quantised_per_tensor(digits):
    (_, integer), _ = digits
    (dense,) = (op for op in integer.graph.main.operators if op.name == "FULLY_CONNECTED")
    weights = integer.graph.main.tensors[dense.inputs[1]]
    assert weights.quantization is not None
    assert not weights.quantization.is_per_channel


def test_no_shape_is_computed_at_run_time(digits):
    results, _ = digits
    for item in results:
        names = {operator.name for operator in item.graph.main.operators}
        assert not names & {"SHAPE", "STRIDED_SLICE", "PACK"}


def test_tflm_computes_the_same_bytes_as_litert(models, digits):
    (_, integer), _ = digits
    inputs = quantize_samples(integer.graph, load_samples(models / "test.npz").take(100))
    job = ModelJob(model=integer.data, inputs=inputs)
    (litert,) = run_models([job], Engine.LITERT_REFERENCE, timeout_seconds=60)
    assert run_reference(integer.data, inputs).outputs == litert


def test_another_process_gives_the_same_bytes(models, digits):
    (_, integer), _ = digits
    assert (models / "played" / "digits.tflite").read_bytes() == integer.data


def test_uint8_and_per_channel_dense_weights(models):
    main = read_graph((models / "played" / "uint8.tflite").read_bytes()).main
    ends = (*main.input_tensors, *main.output_tensors)
    assert {tensor.dtype.value for tensor in ends} == {"UINT8"}
    (dense,) = (op for op in main.operators if op.name == "FULLY_CONNECTED")
    quantization = main.tensors[dense.inputs[1]].quantization
    assert quantization is not None
    assert quantization.is_per_channel


def test_a_saved_model_keeps_the_order_of_its_inputs_and_outputs(models):
    main = read_graph((models / "played" / "both.tflite").read_bytes()).main
    assert [tensor.name for tensor in main.input_tensors] == ["zeta", "alpha"]
    assert [tensor.shape for tensor in main.output_tensors] == [(1, 5), (1, 2)]


def test_order_log_and_samples_of_another_range(models, tmp_path):
    random = np.random.default_rng(0)
    samples = make_samples({"alpha": random.random((120, 4)), "zeta": random.random((120, 3))})
    small = make_samples({"alpha": random.random((9, 4)) / 99, "zeta": random.random((9, 3))})
    results = convert(
        models / "both.keras",
        variants=BOTH,
        calibration=samples,
        evaluation=small,
        log=tmp_path / "tensorflow.log",
    )
    for item in results:
        main = item.graph.main
        assert [tensor.name for tensor in main.input_tensors] == ["zeta", "alpha"]
        assert [tensor.shape for tensor in main.output_tensors] == [(1, 5), (1, 2)]
        assert item.agreement.relative_error < 0.05
    assert results[0].warnings == ()
    (warning,) = results[1].warnings
    assert "'alpha'" in warning
    assert "preprocessed differently" in warning
    assert "flatbuffer_export" in (tmp_path / "tensorflow.log").read_text()


def test_models_with_code_and_functions_cross_as_saved_models(models):
    told = json.loads((models / "objects.json").read_text())
    assert told["lambda"]["inputs"] == ["x"]
    assert told["lambda"]["outputs"] == [[1, 3]]
    assert told["function"]["inputs"] == ["b", "a"]
    assert told["function"]["outputs"] == [[1, 2], [1, 2]]
    for item in told.values():
        assert item["relative_error"] < 0.05
        assert item["warnings"] == []


def test_an_lstm_that_kills_the_converter(models):
    samples = make_samples(np.random.default_rng(0).random((120, 10, 5)))
    error = refused(ConversionError, models / "lstm.keras", samples)
    assert "crashed (signal SIGSEGV) while calibrating full int8" in error.message
    assert "unroll=True" in error.hint
    assert error.exit_code == 5


@pytest.mark.parametrize(
    ("name", "kind", "message", "hint"),
    [
        (
            "dynamic",
            UnsupportedModelError,
            "of dynamic.keras has the dynamic shape (?, 5).",
            "keras.Input(shape=",
        ),
        (
            "no channels",
            CalibrationError,
            "Input 'image' takes samples of shape (N, 28, 28, 1);",
            "x[..., np.newaxis]",
        ),
        (
            "garbage",
            InvalidModelError,
            "TensorFlow can't load the SavedModel garbage: ",
            "Export it again",
        ),
        ("shapeless", InputError, "The tf.function has no input signature", "input_signature=["),
        ("batch", UnsupportedModelError, "'x' of the function has the fixed batch 8.", "batch 1"),
        ("float64", UnsupportedModelError, "Input 'wide' of the function is float64.", "float32"),
        ("infinite", ConversionError, "computes NaN or infinity on sample 0", "model.predict(x)"),
        ("subclassed", UnsupportedModelError, "no defined inputs", "keras.Input"),
    ],
)
def test_what_is_refused_once_tensorflow_has_looked_at_it(models, name, kind, message, hint):
    told = json.loads((models / "refusals.json").read_text())[name]
    assert told["class"] == kind.__name__
    assert message in told["message"]
    assert hint in told["hint"]
    assert told["exit_code"] == kind.exit_code


def test_a_keras_2_file_that_keras_3_cannot_load(models):
    samples = make_samples(np.random.default_rng(0).random((120, 10, 5)))
    error = refused(UnsupportedModelError, models / "keras2.keras", samples)
    assert error.message.startswith("Keras 3 can't load keras2.keras: ")
    assert "time_major" in error.message
    assert "Keras 2.15.0" in error.hint
    assert error.exit_code == 2


def test_weights_that_are_not_a_weights_file(models):
    error = refused(InvalidModelError, models / "damaged.keras", make_samples(np.eye(4)))
    assert "damaged.keras" in error.message
    assert "model.save('model.keras')" in error.hint
    assert error.exit_code == 2


def test_the_time_limit(models):
    samples = load_samples(models / "train.npz")
    error = refused(ConversionError, models / "digits.keras", samples, timeout_seconds=1)
    assert error.message.startswith("The conversion of digits.keras was ended after 1 s, while")
    assert error.exit_code == 5


INTERRUPTED = """
import sys
from pathlib import Path
from edgekit.model.convert import convert
from edgekit.model.samples import load_samples
from edgekit.model.variants import Variant

folder, output = Path(sys.argv[1]), Path(sys.argv[2])
(item,) = convert(
    folder / "digits.keras",
    variants=[Variant.INT8],
    calibration=load_samples(folder / "train.npz"),
    on_progress=lambda text: print(text, flush=True),
)
output.write_bytes(item.data)
"""


def children_of(pid: int) -> list[int]:
    """Return the processes that a process started, as Linux tells them."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in listed.split()]


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("Starting TensorFlow", signal.SIGINT),
        ("Calibrating on 300 samples", signal.SIGINT),
        ("Starting TensorFlow", signal.SIGKILL),
    ],
)
def test_an_interrupt_leaves_no_process_and_no_file(models, tmp_path, moment, number):
    output, temporary = tmp_path / "out.tflite", tmp_path / "temporary"
    temporary.mkdir()
    parent = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, models, output],
        env={**child_environment(), "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        for line in parent.stdout:
            if line.strip() == moment:
                break
        else:
            pytest.fail(f"{moment!r} was never told")
        children = children_of(parent.pid)
        assert children
        os.kill(parent.pid, number)  # the parent alone: its terminal's group is not asked
        assert parent.wait(timeout=15) == -number
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()
    deadline = time.monotonic() + 10
    while any(map(is_running, children)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in children if is_running(pid)]
    assert not output.exists()
    if number == signal.SIGINT:
        assert list(temporary.iterdir()) == []
