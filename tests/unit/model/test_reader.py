"""The reader agrees with the official schema module, and names what is wrong with a file."""

from __future__ import annotations

import hashlib
import os
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tflite_writer
from ai_edge_litert import schema_py_generated as fb
from tflite_writer import ModelWriter
from written_models import (
    WRITTEN,
    edited,
    small_model,
    stateful_model,
    tensor_named,
)

from edgekit.errors import InvalidModelError
from edgekit.graph import ABSENT, DType, Graph, Operator, Quantization, Tensor
from edgekit.model import schema
from edgekit.model.reader import read_graph, read_model
from edgekit.model.schema_options import BUILTIN_OPTIONS
from edgekit.model.schema_options2 import BUILTIN_OPTIONS_2

# --- agreement with the official schema -------------------------------------------------


def listed(values: object) -> list[object]:
    """Return a vector of the official API as a list; it may be missing or an array."""
    return [] if values is None else np.asarray(values).tolist()


def text(value: bytes | None) -> str:
    return (value or b"").decode()


def assert_same_tensor(tensor: Tensor, official: fb.TensorT, model: fb.ModelT) -> None:
    assert tensor.name == text(official.name)
    assert list(tensor.shape) == listed(official.shape)
    assert list(tensor.shape_signature) == listed(official.shapeSignature)
    assert schema.TENSOR_TYPES.index(tensor.dtype) == official.type
    assert tensor.is_variable == official.isVariable
    assert tensor.is_sparse == (official.sparsity is not None)
    data = listed(model.buffers[official.buffer].data)
    assert list(tensor.data or b"") == data
    quantization = official.quantization
    scales = listed(quantization.scale) if quantization else []
    if not scales:
        assert tensor.quantization is None
        return
    points = listed(quantization.zeroPoint) or [0]
    assert tensor.quantization == Quantization(
        scales=tuple(scales),
        zero_points=tuple(points * len(scales) if len(points) == 1 else points),
        axis=quantization.quantizedDimension if len(tensor.shape) > 1 else 0,
    )


def assert_same_operator(operator: Operator, official: fb.OperatorT, model: fb.ModelT) -> None:
    code = model.operatorCodes[official.opcodeIndex]
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    assert operator.name == schema.OPERATORS[number]
    assert operator.version == code.version
    assert operator.custom_name == (text(code.customCode) if operator.name == "CUSTOM" else "")
    assert list(operator.inputs) == listed(official.inputs)
    assert list(operator.outputs) == listed(official.outputs)
    assert list(operator.intermediates) == listed(official.intermediates)

    given = official.builtinOptions or official.builtinOptions2
    if given is None:
        return
    tables = BUILTIN_OPTIONS if official.builtinOptions else BUILTIN_OPTIONS_2
    number = official.builtinOptionsType or official.builtinOptions2Type
    fields = schema.options_fields(tables[number - 1].table)
    assert list(operator.options) == [field.name for field in fields]
    for field in fields:
        value = getattr(given, tflite_writer.camel_case(field.name))
        ours = operator.options[field.name]
        if field.enumeration:
            assert ours == schema.ENUMERATIONS[field.enumeration].members[value]
        elif field.is_vector:
            assert list(ours) == listed(value)
        else:
            assert ours == (text(value) if field.scalar == "" else value)


def assert_same(graph: Graph, data: bytes) -> None:
    """Compare every field of a graph with what the official API reads."""
    model = tflite_writer.load(data)
    assert graph.sha256 == hashlib.sha256(data).hexdigest()
    assert graph.size_bytes == len(data)
    assert graph.description == text(model.description)
    metadata = {
        text(item.name): bytes(listed(model.buffers[item.buffer].data))
        for item in model.metadata or []
    }
    assert dict(graph.metadata) == metadata
    assert len(graph.subgraphs) == len(model.subgraphs)
    for subgraph, official in zip(graph.subgraphs, model.subgraphs, strict=True):
        assert subgraph.name == text(official.name)
        assert list(subgraph.inputs) == listed(official.inputs)
        assert list(subgraph.outputs) == listed(official.outputs)
        assert [item.index for item in subgraph.tensors] == list(range(len(official.tensors)))
        assert [item.index for item in subgraph.operators] == list(range(len(official.operators)))
        for tensor, other in zip(subgraph.tensors, official.tensors, strict=True):
            assert_same_tensor(tensor, other, model)
        for operator, other in zip(subgraph.operators, official.operators, strict=True):
            assert_same_operator(operator, other, model)


@pytest.mark.parametrize("make", WRITTEN, ids=lambda make: make.__name__)
def test_a_written_model_is_read_as_the_official_api_reads_it(make: Callable[[], ModelWriter]):
    data = make().bytes()
    assert_same(read_graph(data), data)


@pytest.mark.shared_data
def test_the_reference_models_are_read_as_the_official_api_reads_them(shared_models: Path):
    paths = sorted(shared_models.rglob("*.tflite"))
    assert len(paths) > 5
    for path in paths:
        graph, data = read_model(path)
        assert data == path.read_bytes()
        assert_same(graph, data)


@pytest.mark.shared_data
def test_reading_takes_milliseconds(shared_models: Path):
    data = (shared_models / "kws01_int8.tflite").read_bytes()
    read_graph(data)
    shortest = float("inf")
    for _ in range(10):
        started = time.perf_counter()
        read_graph(data)
        shortest = min(shortest, time.perf_counter() - started)
    assert shortest < 0.02, "typically 1 ms"


# --- what the graph says -----------------------------------------------------------------


def test_the_graph_has_what_was_written():
    graph = read_graph(small_model().bytes())
    conv, reshape, dense = graph.main.operators
    image = graph.main.input_tensors[0]

    assert graph.description == "a small model"
    assert graph.metadata == {"min_runtime_version": b"1.14.0\0\0"}
    assert (image.name, image.shape, image.dtype) == ("image", (1, 4, 4, 1), DType.INT8)
    assert (image.scale, image.zero_point, image.data) == (0.5, -3, None)
    assert (conv.name, conv.version, conv.inputs, conv.outputs) == ("CONV_2D", 3, (0, 1, 2), (3,))
    assert conv.options["padding"] == "VALID"
    assert conv.options["dilation_w_factor"] == 1
    assert reshape.options == {"new_shape": (1, 8)}
    assert dense.inputs == (4, 6, ABSENT)
    kernel = graph.main.tensors[1]
    assert kernel.data == bytes(range(18))
    assert kernel.quantization == Quantization(scales=(0.25, 0.5), zero_points=(0, 0), axis=0)
    assert graph.main.output_tensors[0].name == "scores"


def test_custom_names_intermediates_and_variables_are_read():
    graph = read_graph(stateful_model().bytes())
    svdf, custom = graph.main.operators
    assert svdf.intermediates == (5,)
    assert graph.main.tensors[svdf.inputs[4]].is_variable
    assert (custom.name, custom.custom_name, custom.options) == ("CUSTOM", "FlexErf", {})
    assert graph.main.tensors[6].shape_signature == (-1, 2)


def test_the_graph_can_not_be_changed():
    graph = read_graph(small_model().bytes())
    with pytest.raises(TypeError):
        graph.main.operators[0].options["padding"] = "SAME"  # type: ignore[index]
    with pytest.raises(TypeError):
        graph.metadata["more"] = b""  # type: ignore[index]


def test_a_single_zero_point_is_widened_and_none_means_zero():
    def single(model: fb.ModelT) -> None:
        tensor_named(model, "kernel").quantization.zeroPoint = [3]
        tensor_named(model, "bias").quantization.zeroPoint = None

    tensors = read_graph(edited(single)).main.tensors
    assert tensors[1].quantization.zero_points == (3, 3)
    assert tensors[2].quantization.zero_points == (0, 0)


def test_a_list_is_quantised_along_its_only_axis():
    def old_converter(model: fb.ModelT) -> None:
        tensor_named(model, "bias").quantization.quantizedDimension = 3

    bias = read_graph(edited(old_converter)).main.tensors[2]
    assert bias.quantization == Quantization(scales=(0.125, 0.25), zero_points=(0, 0), axis=0)


def test_an_empty_quantisation_table_is_none():
    def empty(model: fb.ModelT) -> None:
        tensor_named(model, "features").quantization = fb.QuantizationParametersT()

    assert read_graph(edited(empty)).main.tensors[3].quantization is None


def test_a_blockwise_quantisation_is_not_taken_for_a_scale():
    def blockwise(model: fb.ModelT) -> None:
        details = fb.BlockwiseQuantizationT()
        details.blockSize = 32
        quantization = tensor_named(model, "dense").quantization
        quantization.detailsType = fb.QuantizationDetails.BlockwiseQuantization
        quantization.details = details

    assert read_graph(edited(blockwise)).main.tensors[6].quantization is None


def test_a_degenerate_scale_is_left_to_other_checks():
    def degenerate(model: fb.ModelT) -> None:
        tensor_named(model, "scores").quantization.scale = [0.0]

    assert read_graph(edited(degenerate)).main.output_tensors[0].scale == 0.0


def test_old_files_have_their_code_in_the_old_field_alone():
    def old(model: fb.ModelT) -> None:
        for code in model.operatorCodes:
            code.builtinCode = 0

    names = [item.name for item in read_graph(edited(old)).main.operators]
    assert names == ["CONV_2D", "RESHAPE", "FULLY_CONNECTED"]


def test_new_codes_are_read_from_the_new_field():
    model = ModelWriter()
    x = model.input((1, 4), DType.FLOAT32)
    model.output(model.op("GELU", x, model.tensor((1, 4), DType.FLOAT32), approximate=True))
    (operator,) = read_graph(model.bytes()).main.operators
    assert (operator.name, dict(operator.options)) == ("GELU", {"approximate": True})


def test_options_that_are_not_stored_have_their_defaults():
    model = ModelWriter()
    x = model.input((1, 4), DType.FLOAT32)
    model.output(model.op("ADD", [x, x], model.tensor((1, 4), DType.FLOAT32)))
    operator = model.model.subgraphs[0].operators[0]
    operator.builtinOptionsType, operator.builtinOptions = 0, None
    (read,) = read_graph(model.bytes()).main.operators
    assert dict(read.options) == {"fused_activation_function": "NONE", "pot_scale_int16": True}


def test_a_constant_without_elements_is_a_constant():
    model = ModelWriter()
    x = model.input((1, 1), scale=0.5)
    empty = model.constant(np.zeros((0,), np.int32))
    y = model.tensor((), scale=0.5)
    model.op("RESHAPE", [x, empty], y)
    model.output(y)
    tensors = read_graph(model.bytes()).main.tensors
    assert tensors[1].data == b""
    assert tensors[2].data is None


def test_a_sparse_constant_is_marked_and_its_size_not_compared():
    def sparse(model: fb.ModelT) -> None:
        dense = tensor_named(model, "dense")
        dense.sparsity = fb.SparsityParametersT()
        model.buffers[dense.buffer].data = np.ones(5, np.uint8)

    read = read_graph(edited(sparse)).main.tensors[6]
    assert read.is_sparse
    assert read.data == b"\1" * 5


def test_a_string_constant_has_any_size():
    model = ModelWriter()
    x = model.constant(np.zeros(20, np.uint8))
    model.model.subgraphs[0].tensors[x].type = fb.TensorType.STRING
    model.model.subgraphs[0].tensors[x].shape = [2]
    model.output(x)
    assert read_graph(model.bytes()).main.tensors[0].dtype is DType.STRING


def test_a_name_that_is_not_utf_8_is_escaped():
    data = small_model().bytes().replace(b"features", b"feat\xffres")
    assert read_graph(data).main.tensors[3].name == "feat\\xffres"


def behind_the_flatbuffer(place: Callable[[int], tuple[int, int]]) -> bytes:
    """A model over 2 GB keeps its buffers so: outside, at an offset in the file."""
    model = small_model()
    held = model.model.buffers[tensor_named(model.model, "dense").buffer]
    payload = bytes(range(24))
    held.data = None
    held.offset, held.size = 2**40, len(payload)
    length = len(model.bytes())
    held.offset, held.size = place(length)
    return model.bytes() + payload


def test_a_buffer_behind_the_flatbuffer_is_read():
    data = behind_the_flatbuffer(lambda length: (length, 24))
    assert read_graph(data).main.tensors[6].data == bytes(range(24))


def test_a_buffer_that_leaves_the_file_is_refused():
    data = behind_the_flatbuffer(lambda length: (length + 1, 24))
    with pytest.raises(InvalidModelError, match="its 24 bytes at byte"):
        read_graph(data)
    with pytest.raises(InvalidModelError, match="leave the file"):
        read_graph(behind_the_flatbuffer(lambda _: (2**63, 2**63 + 24)))


# --- files -------------------------------------------------------------------------------


def test_a_missing_file_is_an_error_with_a_hint(tmp_path: Path):
    with pytest.raises(InvalidModelError, match="No such file") as caught:
        read_model(tmp_path / "absent.tflite")
    assert caught.value.hint == "Check the path and its permissions."
    assert isinstance(caught.value.__cause__, OSError)


def test_a_path_that_no_system_takes_is_an_error(tmp_path: Path):
    with pytest.raises(InvalidModelError, match="Can't read the model"):
        read_model(tmp_path / ("x" * 5000))


def test_a_folder_is_an_error_that_says_so(tmp_path: Path):
    with pytest.raises(InvalidModelError, match="is a folder") as caught:
        read_model(tmp_path)
    assert "SavedModel" in caught.value.hint


@pytest.mark.skipif(os.name == "nt", reason="a socket file is POSIX's")
def test_a_file_that_is_not_regular_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("model.tflite")
        with pytest.raises(InvalidModelError, match="not a regular file"):
            read_model(Path("model.tflite"))


def test_the_bytes_come_with_the_graph(tmp_path: Path):
    path = tmp_path / "model.tflite"
    path.write_bytes(small_model().bytes())
    graph, data = read_model(path)
    assert data == path.read_bytes()
    assert graph == read_graph(data)


def test_a_wrong_identifier_is_not_read_further():
    data = bytearray(small_model().bytes())
    struct.pack_into("<4s", data, 4, b"NOPE")
    with pytest.raises(InvalidModelError, match="bytes 4 to 7 are not 'TFL3'"):
        read_graph(bytes(data))
