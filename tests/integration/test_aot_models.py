"""Whole models compiled ahead of time against TFLM's own interpreter, byte for byte."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from aot_host import SANITIZERS, SHARED, STRICT, Host
from tflite_writer import ModelWriter
from tflm_oracle import run_tflm

from edgekit.aot.compiler import Compiled, compile_graph
from edgekit.errors import UnsupportedModelError
from edgekit.graph import Graph
from edgekit.model.reader import read_graph

SAMPLES = 5
CORES = ("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7")
MUST_COMPILE = {"kws01_int8", "ic01_int8", "ad01_int8", "hello_world_int8", "keras_cnn28_floatio"}


def random_samples(graph: Graph, count: int = SAMPLES) -> list[bytes]:
    rng = np.random.default_rng(11)
    samples = []
    for _ in range(count):
        parts = []
        for tensor in graph.main.input_tensors:
            if tensor.dtype.is_float:
                parts.append(rng.normal(0, 1, tensor.shape).astype(np.float32).tobytes())
            else:
                parts.append(rng.integers(0, 256, tensor.size_bytes, dtype=np.uint8).tobytes())
        samples.append(b"".join(parts))
    return samples


def check(models: list[bytes], folder: Path, *flags: str) -> list[Compiled]:
    """Compile models, and compare what they compute with TFLM on random inputs."""
    graphs = [read_graph(model) for model in models]
    samples = [random_samples(graph) for graph in graphs]
    compiled = [compile_graph(graph) for graph in graphs]
    expected = run_tflm(list(zip(models, samples, strict=True)))
    assert None not in expected
    assert Host(folder, *flags).compute(compiled, samples) == expected
    return compiled


@pytest.fixture(scope="session")
def compilable(shared_models: Path) -> dict[str, bytes]:
    """The reference models that have only what the engine has."""
    found = {}
    for path in sorted(shared_models.rglob("*.tflite")):
        data = path.read_bytes()
        try:
            compile_graph(read_graph(data))
        except UnsupportedModelError:
            continue
        found[path.stem] = data
    return found


@pytest.mark.shared_data
def test_reference_models_compute_what_tflm_computes(
    compilable: dict[str, bytes], tmp_path: Path
) -> None:
    assert compilable.keys() >= MUST_COMPILE
    check(list(compilable.values()), tmp_path, "-O2", *SANITIZERS)


@pytest.mark.shared_data
@pytest.mark.emulator
@pytest.mark.parametrize("core", CORES)
def test_reference_models_compile_for_cortex_m_without_a_warning(
    compilable: dict[str, bytes], core: str, tmp_path: Path
) -> None:
    for name, data in compilable.items():
        folder = tmp_path / name
        folder.mkdir()
        for file, text in compile_graph(read_graph(data)).files.items():
            (folder / file).write_text(text)
        for source in sorted(folder.glob("*.c")):
            subprocess.run(
                ["arm-none-eabi-gcc", "-mthumb", f"-mcpu={core}", "-Os", *STRICT,
                 f"-I{SHARED}", "-c", source, "-o", source.with_suffix(".o")],
                check=True,
            )  # fmt: skip


def mixed_model(*, with_float_edges: bool = False) -> bytes:
    """A residual network in small: most operators, padding, a dead branch, two outputs."""
    rng = np.random.default_rng(3)
    model = ModelWriter()
    edge = {} if with_float_edges else {"scale": 0.02, "zero_point": 128}
    x = model.input((1, 7, 6, 3), "float32" if with_float_edges else "uint8", **edge)
    quantised = model.tensor((1, 7, 6, 3), scale=0.02, zero_point=-5)
    model.op("QUANTIZE", x, quantised)
    weights = model.constant(
        rng.integers(-127, 128, (8, 3, 3, 3)).astype(np.int8), scale=np.full(8, 0.01), axis=0
    )
    bias = model.constant(rng.integers(-500, 500, 8).astype(np.int32), scale=np.full(8, 2e-4))
    conv = model.tensor((1, 7, 6, 8), scale=0.05, zero_point=-128)
    options = {"stride_w": 1, "stride_h": 1, "fused_activation_function": "RELU6"}
    model.op("CONV_2D", [quantised, weights, bias], conv, **options)
    weights = model.constant(
        rng.integers(-127, 128, (1, 3, 3, 8)).astype(np.int8), scale=np.full(8, 0.01), axis=3
    )
    bias = model.constant(rng.integers(-500, 500, 8).astype(np.int32), scale=np.full(8, 5e-4))
    depthwise = model.tensor((1, 7, 6, 8), scale=0.05, zero_point=3)
    model.op("DEPTHWISE_CONV_2D", [conv, weights, bias], depthwise,
             stride_w=1, stride_h=1, depth_multiplier=1)  # fmt: skip
    total = model.tensor((1, 7, 6, 8), scale=0.06, zero_point=7)
    model.op("ADD", [conv, depthwise], total)
    unread = model.tensor((1, 7, 6, 8), scale=0.06, zero_point=7)
    model.op("RELU", total, unread)
    padded = model.tensor((1, 9, 8, 8), scale=0.06, zero_point=7)
    amounts = np.array([[0, 0], [1, 1], [0, 2], [0, 0]], np.int32)
    model.op("PAD", [total, model.constant(amounts)], padded)
    pooled = model.tensor((1, 4, 4, 8), scale=0.06, zero_point=7)
    model.op("MAX_POOL_2D", padded, pooled, padding="VALID",
             stride_w=2, stride_h=2, filter_width=2, filter_height=2)  # fmt: skip
    mean = model.tensor((1, 8), scale=0.03, zero_point=0)
    model.op("MEAN", [pooled, model.constant(np.array([1, 2], np.int32))], mean)
    gate = model.tensor((1, 8), scale=1 / 256, zero_point=-128)
    model.op("LOGISTIC", mean, gate)
    flat = model.tensor((1, 128), scale=0.06, zero_point=7)
    model.op("RESHAPE", [pooled, model.constant(np.array([1, 128], np.int32))], flat)
    weights = model.constant(rng.integers(-128, 128, (5, 128)).astype(np.int8), scale=0.004)
    logits = model.tensor((1, 5), scale=0.2, zero_point=2)
    model.op("FULLY_CONNECTED", [flat, weights, None], logits)
    probabilities = model.tensor((1, 5), scale=1 / 256, zero_point=-128)
    model.op("SOFTMAX", logits, probabilities, beta=1.0)
    if with_float_edges:
        real = model.tensor((1, 5), "float32")
        model.op("DEQUANTIZE", probabilities, real)
        probabilities = real
    model.output(probabilities, gate)
    return model.bytes()


@pytest.mark.parametrize("with_float_edges", [False, True])
def test_a_mixed_model_computes_what_tflm_computes(tmp_path: Path, with_float_edges: bool) -> None:
    (compiled,) = check([mixed_model(with_float_edges=with_float_edges)], tmp_path,
                        "-O1", *SANITIZERS)  # fmt: skip
    assert "RELU" not in {operator.name for operator in compiled.operators}, "a dead branch"


def odd_models() -> dict[str, bytes]:
    """Models whose inputs and outputs are not the plain case."""
    models = {}
    model = ModelWriter()
    x = model.input((1, 8), scale=0.5)
    model.output(x, x)
    models["the input is the output, twice"] = model.bytes()

    model = ModelWriter()
    x = model.input((1, 8), scale=0.5)
    unread = model.input((2, 30), scale=0.5)
    y = model.tensor((1, 8), scale=0.3)
    model.op("RELU", x, y)
    model.output(y, y)
    assert unread
    models["an input that nothing reads, an output twice"] = model.bytes()

    model = ModelWriter()
    x = model.input((1, 8), scale=0.5)
    view = model.tensor((8,), scale=0.5)
    model.op("RESHAPE", [x, model.constant(np.array([8], np.int32))], view)
    y = model.tensor((8,), scale=0.3)
    model.op("RELU", view, y)
    model.output(view, y)
    models["a view of the input is an output, and read"] = model.bytes()

    model = ModelWriter()
    first, second = (model.input((1, 8), scale=0.5, name=name) for name in "ab")
    y = model.tensor((1, 8), scale=0.7, zero_point=4)
    model.op("ADD", [first, first], y)
    z = model.tensor((1, 8), scale=0.7, zero_point=4)
    model.op("ADD", [y, second], z)
    model.output(z, y)
    models["an input is read late, an output early"] = model.bytes()

    model = ModelWriter()
    x = model.input((1, 4), scale=0.5)
    known = model.constant(np.array([[-3, 0, 5, 127]], np.int8), scale=0.5)
    relu = model.tensor((1, 4), scale=0.5, zero_point=0)
    model.op("RELU", known, relu)
    view = model.tensor((1, 4), scale=0.5, zero_point=0)
    model.op("RESHAPE", [relu, model.constant(np.array([1, 4], np.int32))], view)
    y = model.tensor((1, 4), scale=0.7)
    model.op("ADD", [x, view], y)
    model.output(y)
    models["an operator on a constant"] = model.bytes()
    return models


def test_unusual_inputs_and_outputs_compute_what_tflm_computes(tmp_path: Path) -> None:
    check(list(odd_models().values()), tmp_path, "-O1", *SANITIZERS)


def test_products_of_scales_are_taken_in_float64(tmp_path: Path) -> None:
    """1/3 · 3/2 is a half in float32 and more in float64: -1 halves to 0, or to -1."""
    model = ModelWriter()
    x = model.input((1, 1), scale=1 / 3)
    y = model.tensor((1, 1), scale=1.0)
    weights = model.constant(np.array([[1]], np.int8), scale=1.5)
    model.op("FULLY_CONNECTED", [x, weights, None], y)
    model.output(y)
    data = model.bytes()
    compiled = compile_graph(read_graph(data))
    samples = [bytes([value]) for value in range(256)]
    (expected,) = run_tflm([(data, samples)])
    assert expected is not None
    assert expected[255] == b"\xff"
    assert Host(tmp_path).compute([compiled], [samples]) == [expected]


def test_ratios_of_scales_are_taken_in_float64(tmp_path: Path) -> None:
    """RELU of 1 with a ratio that is 1.5 in float32 and less in float64: 2, or 1."""
    output_scale = 1.75
    candidates = []
    for _ in range(40):
        output_scale = float(np.nextafter(np.float32(output_scale), np.float32(2)))
        input_scale = float(np.float32(1.5 * output_scale))
        if input_scale / output_scale < 1.5 == float(np.float32(input_scale / output_scale)):
            candidates.append((input_scale, output_scale))
    input_scale, output_scale = candidates[0]
    model = ModelWriter()
    x = model.input((1, 1), scale=input_scale)
    y = model.tensor((1, 1), scale=output_scale)
    model.op("RELU", x, y)
    model.output(y)
    data = model.bytes()
    samples = [bytes([value]) for value in range(256)]
    (expected,) = run_tflm([(data, samples)])
    assert expected is not None
    assert expected[1] == b"\1"
    assert Host(tmp_path).compute([compile_graph(read_graph(data))], [samples]) == [expected]


def test_a_softmax_over_more_equal_values_than_tflm_takes_gives_zeros(tmp_path: Path) -> None:
    """TFLM ends itself where 512 or more values are the largest; a 600th is below a step."""
    model = ModelWriter()
    x = model.input((1, 600), scale=0.1)
    y = model.tensor((1, 600), scale=1 / 256, zero_point=-128)
    model.op("SOFTMAX", x, y, beta=1.0)
    model.output(y)
    data = model.bytes()
    sample = bytes([5]) * 600
    assert run_tflm([(data, [sample])]) == [None]
    host = Host(tmp_path, "-O1", *SANITIZERS)
    computed = host.compute([compile_graph(read_graph(data))], [[sample]])
    assert computed == [[bytes([0x80]) * 600]]


def test_a_mean_whose_multiplier_is_almost_nothing_shifts_no_further_than_31(
    tmp_path: Path,
) -> None:
    model = ModelWriter()
    x = model.input((1, 8, 8, 2), scale=1e-9)
    y = model.tensor((1, 2), scale=1.0, zero_point=9)
    model.op("MEAN", [x, model.constant(np.array([1, 2], np.int32))], y)
    model.output(y)
    check([model.bytes()], tmp_path, "-O1", *SANITIZERS)
