"""Models whose parts are all readable, but that could not run, are refused by name."""

from __future__ import annotations

import time

import pytest
from tflite_writer import ModelWriter
from written_models import change, control_flow_model, edited

from edgekit.errors import InvalidModelError
from edgekit.graph import DType
from edgekit.model import schema, soundness
from edgekit.model.flatbuffer import CORRUPT_HINT
from edgekit.model.reader import NEWER_HINT, read_graph

FLOAT_INF = float("inf")
FLOAT_NAN = float("nan")

UNSOUND = [
    ("model.version", 2, "schema version 2, not 3", NEWER_HINT),
    ("model.subgraphs", [], "it has no subgraph", CORRUPT_HINT),
    ("inputs", [0, 99], "input tensor 99 does not exist; there are 8", CORRUPT_HINT),
    ("inputs", [0, 0], "a tensor is listed twice as an input", CORRUPT_HINT),
    ("inputs", [], "operator 0 (CONV_2D): it reads tensor 0 ('image') before", CORRUPT_HINT),
    ("outputs", [], "it has no output", CORRUPT_HINT),
    ("outputs", [-1], "output tensor -1 does not exist", CORRUPT_HINT),
    ("operators", [], "output tensor 7 ('scores') is never computed", CORRUPT_HINT),
    ("operators.0.opcodeIndex", 9, "operator 0: operator code 9 does not exist", CORRUPT_HINT),
    ("operators.0.inputs", [0, 1, 8], "(CONV_2D): input tensor 8 does not exist", CORRUPT_HINT),
    ("operators.0.inputs", [0, 1, -2], "(CONV_2D): input tensor -2 does not", CORRUPT_HINT),
    ("operators.0.inputs", [0, -1, 2], "its input 1 is absent, but not optional", CORRUPT_HINT),
    ("operators.0.inputs", [0], "it has 1 inputs, and needs 2", CORRUPT_HINT),
    ("operators.0.inputs", [4, 1, 2], "reads tensor 4 ('flat') before it is", CORRUPT_HINT),
    ("operators.0.inputs", [3, 1, 2], "reads tensor 3 ('features') before it is", CORRUPT_HINT),
    ("operators.0.outputs", [], "operator 0 (CONV_2D): it has no output", CORRUPT_HINT),
    ("operators.0.outputs", [-1], "output tensor -1 does not exist", CORRUPT_HINT),
    ("operators.0.outputs", [8], "output tensor 8 does not exist", CORRUPT_HINT),
    ("operators.0.outputs", [1], "it writes to the constant 1 ('kernel')", CORRUPT_HINT),
    ("operators.1.outputs", [3], "it writes to tensor 3 ('features') again", CORRUPT_HINT),
    ("operators.1.outputs", [0], "it writes to tensor 0 ('image') again", CORRUPT_HINT),
    ("operators.0.intermediates", [8], "intermediate tensor 8 does not exist", CORRUPT_HINT),
    ("operators.0.builtinOptions.padding", 2, "padding has the unknown value 2", NEWER_HINT),
    ("operators.0.builtinOptions.padding", -1, "padding has the unknown value -1", NEWER_HINT),
    ("operators.0.builtinOptions.strideW", 0, "(CONV_2D): its stride_w is 0", CORRUPT_HINT),
    ("operators.0.builtinOptions.dilationHFactor", -1, "dilation_h_factor is -1", CORRUPT_HINT),
    ("operators.0.builtinOptionsType", 0, "its stride_w is 0", CORRUPT_HINT),
    ("operators.0.builtinOptionsType", 250, "no options have the code 250", NEWER_HINT),
    ("operators.0.builtinOptionsType", 5, "it has Pool2DOptions, not Conv2DOptions", CORRUPT_HINT),
    ("operators.0.builtinOptions", None, "its options are missing", CORRUPT_HINT),
    ("model.operatorCodes.0.builtinCode", 300, "no operator has the code 300", NEWER_HINT),
    ("model.operatorCodes.0.builtinCode", 127, "the code 127 stands for no", NEWER_HINT),
    ("model.operatorCodes.0.builtinCode", 32, "a custom operator has no name", CORRUPT_HINT),
    ("model.operatorCodes.0.version", 0, "operator code 0: CONV_2D has version 0", CORRUPT_HINT),
    ("tensors.3.type", 77, "tensor 3 ('features'): no element type has the code 77", NEWER_HINT),
    ("tensors.3.type", -1, "no element type has the code -1", NEWER_HINT),
    ("tensors.3.shape", [1, -2, 2, 2], "its shape [1, -2, 2, 2] is not possible", CORRUPT_HINT),
    ("tensors.3.shape", [65536, 65536], "its shape [65536, 65536] is not", CORRUPT_HINT),
    ("tensors.3.shape", [1] * 33, "(33 dimensions) is not possible", CORRUPT_HINT),
    ("tensors.3.shapeSignature", [1, 2], "shape signature [1, 2] is not one of", CORRUPT_HINT),
    ("tensors.3.shapeSignature", [1, 2, -2, 2], "signature [1, 2, -2, 2] is not", CORRUPT_HINT),
    ("tensors.3.buffer", 99, "tensor 3 ('features'): buffer 99 does not exist", CORRUPT_HINT),
    ("tensors.1.shape", [2, 3, 3, 2], "holds 18 bytes, but INT8 [2, 3, 3, 2] takes", CORRUPT_HINT),
    ("tensors.1.type", 2, "it holds 18 bytes, but INT32 [2, 3, 3, 1] takes 72", CORRUPT_HINT),
    ("tensors.1.quantization.quantizedDimension", 4, "along axis 4 of the shape", CORRUPT_HINT),
    ("tensors.1.quantization.quantizedDimension", -1, "along axis -1 of the", CORRUPT_HINT),
    ("tensors.1.quantization.quantizedDimension", 1, "2 scales along axis 1 of", CORRUPT_HINT),
    ("tensors.1.quantization.scale", [0.5, FLOAT_INF], "not a finite number", CORRUPT_HINT),
    ("tensors.1.quantization.scale", [FLOAT_NAN], "not a finite number", CORRUPT_HINT),
    ("tensors.1.quantization.zeroPoint", [0, 0, 0], "2 scales but 3 zero points", CORRUPT_HINT),
    ("tensors.1.quantization.zeroPoint", [0, 128], "zero point lies outside of INT8", CORRUPT_HINT),
    ("tensors.1.quantization.detailsType", 9, "no quantisation has the code 9", NEWER_HINT),
    ("model.metadata.0.buffer", 99, "metadata entry 0: buffer 99 does not exist", CORRUPT_HINT),
]


@pytest.mark.parametrize(("path", "value", "message", "hint"), UNSOUND)
def test_an_unsound_model_is_refused(path: str, value: object, message: str, hint: str):
    data = edited(change(path, value))
    with pytest.raises(InvalidModelError) as caught:
        read_graph(data)
    assert caught.value.message.startswith("The model is corrupt: ")
    assert message in caught.value.message
    assert caught.value.hint == hint
    assert caught.value.exit_code == 2


CONTROL = [
    ("operators.0.builtinOptions.thenSubgraphIndex", 3, "its then_subgraph_index is 3, but there"),
    ("operators.0.builtinOptions.elseSubgraphIndex", -1, "its else_subgraph_index is -1"),
    ("operators.0.builtinOptions.thenSubgraphIndex", 0, "call each other without end (0 → 0)"),
    (
        "model.subgraphs.1.operators.0.inputs",
        [4],
        "operator 0 (RELU) of subgraph 1: input tensor 4",
    ),
    ("model.subgraphs.2.tensors.1.shape", [-1], "tensor 1 of subgraph 2 ('tensor_1'): its shape"),
    ("model.subgraphs.2.outputs", [9], "subgraph 2: output tensor 9 does not exist"),
]


@pytest.mark.parametrize(("path", "value", "message"), CONTROL)
def test_an_unsound_subgraph_is_refused(path: str, value: object, message: str):
    with pytest.raises(InvalidModelError) as caught:
        read_graph(edited(change(path, value), control_flow_model))
    assert message in caught.value.message


def test_a_not_finite_option_is_refused():
    model = ModelWriter()
    x = model.input((1, 4), DType.FLOAT32)
    model.output(model.op("SOFTMAX", x, model.tensor((1, 4), DType.FLOAT32), beta=FLOAT_NAN))
    with pytest.raises(InvalidModelError, match=r"\(SOFTMAX\): beta is not a finite number"):
        read_graph(model.bytes())


def test_a_model_compiled_for_an_accelerator_is_told_from_a_corrupt_one():
    model = ModelWriter()
    x, scratch = model.input((1, 4)), model.tensor((1, 64))
    model.output(model.op("CUSTOM", [x, scratch], model.tensor((1, 4)), custom_name="ethos-u"))
    with pytest.raises(InvalidModelError, match="operator 0 \\('ethos-u'\\) works in") as caught:
        read_graph(model.bytes())
    assert "Vela" in caught.value.hint
    assert "corrupt" not in caught.value.message


def test_weights_in_another_file_are_refused_with_the_way_out():
    with pytest.raises(InvalidModelError, match="in another file") as caught:
        read_graph(edited(change("tensors.1.externalBuffer", 1)))
    assert "one .tflite file" in caught.value.hint


def test_a_subgraph_chain_of_any_length_is_checked_quickly():
    model = ModelWriter()
    x = model.input((1,), DType.FLOAT32)
    model.output(x)
    count = 3000
    for index in range(1, count):
        model.op("CALL_ONCE", [], [], init_subgraph_index=index)
        model.subgraph("")
    started = time.perf_counter()
    assert len(read_graph(model.bytes()).subgraphs) == count
    assert time.perf_counter() - started < 5


def test_only_operators_that_exist_have_required_inputs():
    assert set(soundness.REQUIRED_INPUTS) <= set(schema.OPERATORS)
