"""A graph in int8 and with a smaller input: the shapes and types that a real one would have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from builders import make_graph, make_operator, make_target, make_tensor

from edgekit.engines import plan_model
from edgekit.graph import DType, Graph, Operator, Tensor
from edgekit.model.reader import read_graph
from edgekit.plan.variations import as_int8, with_smaller_input


def image_model(
    operators: Sequence[Operator], tensors: Sequence[Tensor], size: int = 8, channels: int = 2
) -> Graph:
    """A model whose tensor 0 is the image and 1 the weights of a 3×3 convolution to 4 channels."""
    weights = make_tensor((4, 3, 3, channels), data=[1] * 36 * channels)
    return make_graph([make_tensor((1, size, size, channels)), weights, *tensors], operators)


def convolution(source: int = 0, weights: int = 1, output: int = 2, **options) -> Operator:
    options = {"padding": "SAME", "stride_h": 1, "stride_w": 1, **options}
    return make_operator("CONV_2D", [source, weights], [output], **options)


def shapes(graph: Graph) -> list[tuple[int, ...]]:
    return [tensor.shape for tensor in graph.main.tensors]


# In int8


def float_model() -> Graph:
    return make_graph(
        [
            make_tensor((1, 4, 4, 2), DType.FLOAT32),
            make_tensor((8, 3, 3, 2), DType.FLOAT32, data=[0.5] * 144),
            make_tensor((8,), DType.FLOAT32, data=[0.5] * 8),
            make_tensor((1, 4, 4, 8), DType.FLOAT32),
            make_tensor((1, 4, 4, 8), DType.FLOAT32),
        ],
        [
            make_operator("CONV_2D", [0, 1, 2], [3], padding="SAME", stride_h=1, stride_w=1),
            make_operator("SOFTMAX", [3], [4]),
        ],
        size_bytes=10_000,
    )


def test_in_int8_an_element_takes_a_byte_and_a_bias_four() -> None:
    graph = as_int8(float_model())
    assert graph is not None
    (image, weights, bias, features, scores) = graph.main.tensors
    assert [t.size_bytes for t in (image, weights, bias, features)] == [32, 144, 32, 128]
    assert bias.dtype is DType.INT32
    assert weights.data is not None
    assert len(weights.data) == 144
    assert weights.quantization is not None
    assert len(weights.quantization.scales) == 8
    assert (scores.scale, scores.zero_point) == (1 / 256, -128)


def test_in_int8_the_file_shrinks_by_its_weights_and_grows_by_scales() -> None:
    graph = as_int8(float_model())
    assert graph is not None
    weights_saved = 3 * 144
    assert graph.size_bytes == 10_000 - weights_saved + 5 * 48 + 12 * (1 + 8 + 8 + 1 + 1)


def test_a_model_that_is_in_int8_already_has_no_int8_variation() -> None:
    assert as_int8(image_model([convolution()], [make_tensor((1, 8, 8, 4))])) is None


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["ic01", "kws01"])
@pytest.mark.parametrize("engine", ["tflm", "aot"])
def test_in_int8_a_published_float_model_takes_what_its_int8_sibling_takes(
    shared_models: Path, name: str, engine: str
) -> None:
    """Both were converted from the same weights: the arena is equal, flash within 10 %."""
    (float32, int8) = (
        read_graph((shared_models / f"{name}_{kind}.tflite").read_bytes())
        for kind in ("float32", "int8")
    )
    made = as_int8(float32)
    assert made is not None
    (computed, real) = (
        plan_model(graph, make_target(), engine, model=name) for graph in (made, int8)
    )
    assert computed.runs
    assert computed.arena_bytes == real.arena_bytes
    assert computed.flash.used_bytes == pytest.approx(real.flash.used_bytes, rel=0.1)


# A smaller input


def test_halving_the_image_halves_what_is_computed_from_it() -> None:
    graph = image_model(
        [convolution(), convolution(stride_h=2, stride_w=2, source=2, weights=3, output=4)],
        [
            make_tensor((1, 8, 8, 4)),
            make_tensor((4, 3, 3, 4), data=[1] * 144),
            make_tensor((1, 4, 4, 4)),
        ],
    )
    smaller = with_smaller_input(graph, 1, 2)
    assert smaller is not None
    assert (smaller.before, smaller.after) == ((8, 8), (4, 4))
    assert shapes(smaller.graph)[0] == (1, 4, 4, 2)
    assert shapes(smaller.graph)[2] == (1, 4, 4, 4)
    assert shapes(smaller.graph)[4] == (1, 2, 2, 4)
    assert smaller.graph.main.tensors[1] == graph.main.tensors[1]
    assert smaller.graph.size_bytes == graph.size_bytes


def test_without_padding_the_window_is_taken_off() -> None:
    graph = image_model([convolution(padding="VALID")], [make_tensor((1, 6, 6, 4))])
    smaller = with_smaller_input(graph, 3, 4)
    assert smaller is not None
    assert shapes(smaller.graph)[2] == (1, 4, 4, 4)


def test_an_image_too_small_for_a_window_has_no_smaller_input() -> None:
    graph = image_model([convolution(padding="VALID")], [make_tensor((1, 6, 6, 4))])
    assert with_smaller_input(graph, 1, 4) is None


def test_pooling_over_the_whole_image_stays_that() -> None:
    pool = make_operator(
        "AVERAGE_POOL_2D", [2], [3], padding="VALID",
        filter_height=8, filter_width=8, stride_h=8, stride_w=8,
    )  # fmt: skip
    graph = image_model(
        [convolution(), pool], [make_tensor((1, 8, 8, 4)), make_tensor((1, 1, 1, 4))]
    )
    smaller = with_smaller_input(graph, 1, 2)
    assert smaller is not None
    assert shapes(smaller.graph)[3] == (1, 1, 1, 4)
    assert smaller.graph.main.operators[1].options["filter_height"] == 4


def test_a_dense_layer_behind_a_flattened_image_shrinks() -> None:
    reshape = make_operator("RESHAPE", [2, 3], [4])
    dense = make_operator("FULLY_CONNECTED", [4, 5], [6])
    graph = image_model(
        [convolution(), reshape, dense],
        [
            make_tensor((1, 8, 8, 4)),
            make_tensor((2,), DType.INT32, data=[1, 256]),
            make_tensor((1, 256)),
            make_tensor((10, 256), data=[1] * 2560),
            make_tensor((1, 10)),
        ],
    )
    smaller = with_smaller_input(graph, 1, 2)
    assert smaller is not None
    assert shapes(smaller.graph)[4:] == [(1, 64), (10, 64), (1, 10)]
    weights = smaller.graph.main.tensors[5]
    assert weights.data is not None
    assert len(weights.data) == 640
    assert smaller.graph.size_bytes == graph.size_bytes - 1920


def test_joins_pads_and_means_follow() -> None:
    graph = image_model(
        [
            convolution(),
            make_operator("PAD", [2, 3], [4]),
            make_operator("CONCATENATION", [4, 4], [5], axis=3),
            make_operator("MEAN", [5, 6], [7], keep_dims=False),
        ],
        [
            make_tensor((1, 8, 8, 4)),
            make_tensor((4, 2), DType.INT32, data=[0, 0, 1, 1, 2, 2, 0, 0]),
            make_tensor((1, 10, 12, 4)),
            make_tensor((1, 10, 12, 8)),
            make_tensor((2,), DType.INT32, data=[1, 2]),
            make_tensor((1, 8)),
        ],
    )
    smaller = with_smaller_input(graph, 1, 2)
    assert smaller is not None
    assert [shapes(smaller.graph)[index] for index in (4, 5, 7)] == [
        (1, 6, 8, 4),
        (1, 6, 8, 8),
        (1, 8),
    ]


def test_a_constant_of_the_images_size_has_no_smaller_one() -> None:
    graph = image_model(
        [convolution(), make_operator("ADD", [2, 3], [4])],
        [
            make_tensor((1, 8, 8, 4)),
            make_tensor((1, 8, 8, 4), data=[1] * 256),
            make_tensor((1, 8, 8, 4)),
        ],
    )
    assert with_smaller_input(graph, 1, 2) is None


@pytest.mark.parametrize("name", ["CUSTOM", "STRIDED_SLICE", "TRANSPOSE_CONV"])
def test_an_operator_without_a_rule_has_no_smaller_input(name: str) -> None:
    graph = image_model(
        [convolution(), make_operator(name, [2], [3])],
        [make_tensor((1, 8, 8, 4)), make_tensor((1, 8, 8, 4))],
    )
    assert with_smaller_input(graph, 1, 2) is None


def test_a_model_without_an_image_has_no_smaller_input() -> None:
    dense = make_operator("FULLY_CONNECTED", [0, 1], [2])
    graph = make_graph(
        [make_tensor((1, 8)), make_tensor((4, 8), data=[1] * 32), make_tensor((1, 4))], [dense]
    )
    assert with_smaller_input(graph, 1, 2) is None
    image = image_model([convolution()], [make_tensor((1, 8, 8, 4))])
    two = replace(image, subgraphs=(image.main, image.main))
    assert with_smaller_input(two, 1, 2) is None


@pytest.mark.shared_data
def test_the_whole_size_gives_the_same_graph_where_there_is_a_rule(shared_models: Path) -> None:
    """Every rule reproduces the converter's own shapes."""
    tried = 0
    for path in sorted((shared_models / "corpus").glob("*.tflite")):
        graph = read_graph(path.read_bytes())
        same = with_smaller_input(graph, 1, 1)
        if same is not None:
            tried += 1
            assert shapes(same.graph) == shapes(graph), path.name
            assert same.graph.size_bytes == graph.size_bytes
    assert tried >= 10
