"""Quantisation of samples, compared with LiteRT's own QUANTIZE kernel."""

from __future__ import annotations

import numpy as np
import pytest
from builders import make_graph, make_operator, make_tensor
from hypothesis import given
from hypothesis import strategies as st
from tflite_writer import ModelWriter

from edgekit.errors import CalibrationError, UnsupportedModelError
from edgekit.graph import DType
from edgekit.model.interpreters import Engine, ModelJob, run_models
from edgekit.model.samples import make_samples
from edgekit.model.tensors import (
    dequantize,
    input_specs,
    plain_name,
    quantize,
    quantize_samples,
    split_outputs,
)


def graph_of(*tensors, outputs=1):
    """Return a graph whose first tensors are inputs and whose last are outputs."""
    first = len(tensors) - outputs
    operator = make_operator(inputs=range(first), outputs=range(first, len(tensors)))
    return make_graph(tensors, [operator])


def test_halves_are_rounded_away_from_zero():
    tensor = make_tensor((1, 6), DType.INT8, scale=1.0)
    values = np.array([0.5, 1.5, 2.5, -0.5, -1.5, -2.5], dtype=np.float32)
    assert quantize(values, tensor).tolist() == [1, 2, 3, -1, -2, -3]


def test_the_largest_float_below_one_half_rounds_to_zero():
    tensor = make_tensor((1, 1), DType.INT8, scale=1.0)
    assert quantize(np.nextafter(np.float32(0.5), np.float32(0)).reshape(1), tensor)[0] == 0


def test_values_out_of_range_are_clipped():
    tensor = make_tensor((1, 2), DType.INT8, scale=0.5, zero_point=-3)
    assert quantize(np.array([1e9, -1e9], dtype=np.float32), tensor).tolist() == [127, -128]


@pytest.mark.parametrize("dtype", [DType.INT8, DType.UINT8, DType.INT16])
def test_the_same_as_the_quantize_kernel(dtype):
    random = np.random.default_rng(7)
    scale, zero = 0.0123, {DType.INT8: -17, DType.UINT8: 99, DType.INT16: 0}[dtype]
    steps = random.integers(-400, 400, 500) + random.choice([0, 0.5, 0.25], 500)
    values = (steps * scale).astype(np.float32)
    model = ModelWriter()
    x = model.input((1, 500), dtype="float32", name="x")
    y = model.tensor((1, 500), dtype=dtype, scale=scale, zero_point=zero, name="y")
    model.op("QUANTIZE", [x], y)
    model.output(y)
    job = ModelJob(model=model.bytes(), inputs=(values.tobytes(),))
    (outputs,) = run_models([job], Engine.LITERT_REFERENCE, timeout_seconds=30)
    assert isinstance(outputs, tuple)
    ours = quantize(values, make_tensor((1, 500), dtype, scale=scale, zero_point=zero))
    assert ours.tobytes() == outputs[0]


def test_floats_are_only_cast_and_integers_without_scale_only_rounded():
    values = np.array([0.4, 7.5], dtype=np.float32)
    assert quantize(values, make_tensor((1, 2), DType.FLOAT32)).tobytes() == values.tobytes()
    assert quantize(values, make_tensor((1, 2), DType.INT32, scale=None)).tolist() == [0, 8]


@given(st.floats(1e-4, 1e3), st.integers(-128, 127), st.integers(-128, 127))
def test_what_was_dequantised_comes_back(scale, zero_point, stored):
    tensor = make_tensor((1, 1), DType.INT8, scale=scale, zero_point=zero_point)
    real = dequantize(np.array([[stored]], dtype=np.int8), tensor).astype(np.float32)
    assert quantize(real, tensor).item() == stored


def test_a_sample_is_all_inputs_one_after_another():
    graph = graph_of(
        make_tensor((1, 2), DType.INT8, name="b", scale=1.0),
        make_tensor((1, 1), DType.FLOAT32, name="a"),
        make_tensor((1, 2), name="out"),
    )
    samples = make_samples({"a": [[0.5], [1.5]], "b": [[1, 2], [3, 4]]})
    first, second = quantize_samples(graph, samples)
    assert first == b"\x01\x02" + np.float32(0.5).tobytes()
    assert second == b"\x03\x04" + np.float32(1.5).tobytes()


def test_the_converters_decoration_of_names_is_dropped():
    assert plain_name("serving_default_image:0") == "image"
    assert plain_name("image") == "image"


def test_a_fixed_batch_is_refused():
    graph = graph_of(make_tensor((8, 4), name="x"), make_tensor((8, 4)))
    with pytest.raises(UnsupportedModelError) as caught:
        input_specs(graph)
    assert caught.value.message == "Input 'x' has the fixed batch 8."
    assert "batch 1" in caught.value.hint
    assert caught.value.exit_code == 2


def test_a_type_that_numpy_lacks_is_refused():
    graph = graph_of(make_tensor((1, 4), DType.INT4, name="x"), make_tensor((1, 4)))
    with pytest.raises(UnsupportedModelError) as caught:
        quantize_samples(graph, make_samples(np.ones((1, 4))))
    assert caught.value.message == "The tensor 'x' has elements of type INT4."
    assert caught.value.hint
    assert caught.value.exit_code == 2


def test_samples_with_nan_are_refused():
    graph = graph_of(make_tensor((1, 2), name="x"), make_tensor((1, 2)))
    with pytest.raises(CalibrationError) as caught:
        quantize_samples(graph, make_samples([[[1.0, np.nan]]]))
    assert "NaN or infinite" in caught.value.message


def test_raw_outputs_are_split_by_output():
    graph = graph_of(
        make_tensor((1, 2), name="x"),
        make_tensor((1, 2), DType.INT8, name="p"),
        make_tensor((1, 1), DType.INT16, name="q"),
        outputs=2,
    )
    p, q = split_outputs(graph, [b"\x01\xff\x00\x01", b"\x02\xfe\xff\xff"])
    assert p.tolist() == [[1, -1], [2, -2]]
    assert q.tolist() == [[256], [-1]]
