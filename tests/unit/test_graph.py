"""Graphs: what their properties say, and that nobody can change them."""

from __future__ import annotations

import dataclasses

import pytest
from builders import make_graph, make_operator, make_subgraph, make_tensor

from edgekit.graph import DType, Quantization


@pytest.mark.parametrize(
    ("shape", "dtype", "size_bytes"),
    [
        ((1, 4), DType.INT8, 4),
        ((2, 3), DType.FLOAT32, 24),
        ((), DType.INT32, 4),
        ((0, 5), DType.INT8, 0),
        ((3,), DType.INT4, 2),
        ((5,), DType.INT2, 2),
        ((7,), DType.BOOL, 7),
        ((2,), DType.COMPLEX128, 32),
        ((9,), DType.STRING, 0),
    ],
)
def test_a_tensor_takes_its_elements_bits_rounded_up(
    shape: tuple[int, ...], dtype: DType, size_bytes: int
):
    assert make_tensor(shape, dtype).size_bytes == size_bytes


def test_a_scalar_has_one_element():
    assert make_tensor(()).element_count == 1


@pytest.mark.parametrize("dtype", DType)
def test_every_type_has_a_size_and_a_kind(dtype: DType):
    assert dtype.bits >= 0
    assert dtype.is_float == ("FLOAT" in dtype.name)
    assert dtype.value == dtype.name


@pytest.mark.parametrize(
    ("dtype", "bits"),
    [(DType.INT8, 8), (DType.FLOAT16, 16), (DType.UINT64, 64), (DType.FLOAT8_E5M2, 8)],
)
def test_types_have_the_bits_of_their_name(dtype: DType, bits: int):
    assert dtype.bits == bits


def test_scale_and_zero_point_are_those_of_the_first_channel():
    tensor = make_tensor(scale=0.25, zero_point=-7)
    assert (tensor.scale, tensor.zero_point) == (0.25, -7)


def test_a_tensor_that_is_not_quantised_has_scale_zero():
    tensor = make_tensor(scale=None)
    assert tensor.quantization is None
    assert (tensor.scale, tensor.zero_point) == (0.0, 0)


def test_several_scales_are_per_channel():
    assert Quantization(scales=(0.5, 0.25), zero_points=(0, 0), axis=3).is_per_channel
    assert not Quantization(scales=(0.5,), zero_points=(0,)).is_per_channel


def test_a_tensor_with_data_is_a_constant_even_where_it_is_empty():
    assert make_tensor((2,), data=[1, -1]).data == b"\x01\xff"
    assert make_tensor((2,), data=[1, -1]).is_constant
    assert make_tensor((0,), data=b"").is_constant
    assert not make_tensor().is_constant


def test_the_main_subgraph_is_the_first():
    other = make_subgraph(name="other")
    graph = make_graph(subgraphs=[other])
    assert graph.main.name == "main"
    assert graph.subgraphs[1] is other


def test_inputs_and_outputs_come_in_their_declared_order():
    graph = make_graph(
        [make_tensor(name="a"), make_tensor(name="b"), make_tensor(name="sum")],
        [make_operator("ADD", (0, 1), (2,))],
        inputs=[1, 0],
        outputs=[2, 0],
    )
    assert [tensor.name for tensor in graph.main.input_tensors] == ["b", "a"]
    assert [tensor.name for tensor in graph.main.output_tensors] == ["sum", "a"]


def test_graphs_can_not_be_changed():
    graph = make_graph()
    with pytest.raises(dataclasses.FrozenInstanceError):
        graph.main.tensors[0].name = "other"  # type: ignore[misc]


def test_the_builder_finds_inputs_and_outputs():
    graph = make_graph(
        [make_tensor(), make_tensor((4,), data=[1, 2, 3, 4]), make_tensor(), make_tensor()],
        [make_operator("MUL", (0, 1), (2,)), make_operator("RELU", (2,), (3,))],
    )
    assert (graph.main.inputs, graph.main.outputs) == ((0,), (3,))
    assert [operator.index for operator in graph.main.operators] == [0, 1]


def test_the_builder_fills_options_in_and_refuses_unknown_ones():
    operator = make_operator("CONV_2D", (0, 1), (2,), padding="VALID", stride_w=2)
    assert operator.options["padding"] == "VALID"
    assert operator.options["dilation_h_factor"] == 1
    with pytest.raises(TypeError, match="RELU has no option"):
        make_operator("RELU", padding="VALID")
