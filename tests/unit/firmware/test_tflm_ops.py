"""The table of TFLM's operators, and what a library lacks."""

from __future__ import annotations

import dataclasses
import re

import pytest
from builders import make_graph, make_operator, make_subgraph, make_tensor

from edgekit.errors import TargetError, UnsupportedModelError
from edgekit.firmware.tflm_library import find_library
from edgekit.firmware.tflm_ops import CUSTOM_RESOLVER_METHOD, RESOLVER_METHOD, resolver_methods
from edgekit.graph import Graph
from edgekit.libraries import all_libraries, load_library
from edgekit.model import schema

CHIRALE = find_library("chirale")
COMPLETE = load_library("tflite-micro")


def graph_with(*names: str, custom_name: str = "") -> Graph:
    operators = [
        make_operator(name, [index], [index + 1], custom_name=custom_name)
        for index, name in enumerate(names)
    ]
    return make_graph([make_tensor() for _ in range(len(names) + 1)], operators)


def test_every_operator_is_one_of_the_schema() -> None:
    assert set(RESOLVER_METHOD) <= set(schema.OPERATORS)
    assert "CUSTOM" not in RESOLVER_METHOD


def test_every_operator_has_a_method_of_its_own() -> None:
    methods = [*RESOLVER_METHOD.values(), *CUSTOM_RESOLVER_METHOD.values()]
    assert len(set(methods)) == len(methods)
    for name, method in RESOLVER_METHOD.items():
        letters = re.sub(r"[^a-z0-9]", "", name.lower())
        assert method.lower() == "add" + letters


def test_operators_of_a_library_are_those_of_the_table() -> None:
    for library in all_libraries():
        assert library.operators.keys() <= RESOLVER_METHOD.keys()
        assert set(library.custom_operators) <= CUSTOM_RESOLVER_METHOD.keys()
    assert COMPLETE.operators.keys() == RESOLVER_METHOD.keys()
    assert set(COMPLETE.custom_operators) == CUSTOM_RESOLVER_METHOD.keys()


def test_methods_are_sorted_and_listed_once() -> None:
    graph = graph_with("SOFTMAX", "CONV_2D", "CONV_2D", "ADD")
    assert resolver_methods(graph, CHIRALE) == ("AddAdd", "AddConv2D", "AddSoftmax")


def test_operators_of_called_subgraphs_count() -> None:
    called = make_subgraph(operators=[make_operator("TANH")])
    graph = dataclasses.replace(graph_with("IF"), subgraphs=(graph_with("IF").main, called))
    assert resolver_methods(graph, CHIRALE) == ("AddIf", "AddTanh")


def test_custom_operator_goes_by_its_own_name() -> None:
    graph = graph_with("CUSTOM", custom_name="TFLite_Detection_PostProcess")
    assert resolver_methods(graph, CHIRALE) == ("AddDetectionPostprocess",)


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (graph_with("RELU", "LSTM"), "Operator 1 is LSTM, which TensorFlow Lite Micro does not"),
        (graph_with("CUSTOM", custom_name="MyOp"), "Operator 0 is MyOp, which TensorFlow Lite"),
        (graph_with("BATCH_MATMUL"), "BATCH_MATMUL, which Chirale_TensorFLowLite 2.0.0 does not"),
    ],
)
def test_operator_that_is_not_there_is_named(graph: Graph, message: str) -> None:
    with pytest.raises(UnsupportedModelError, match=re.escape(message)) as caught:
        resolver_methods(graph, CHIRALE)
    assert caught.value.hint
    assert caught.value.exit_code == 2


def test_newer_library_has_them() -> None:
    assert resolver_methods(graph_with("BATCH_MATMUL"), COMPLETE) == ("AddBatchMatMul",)


def test_unknown_library_offers_the_known_ones() -> None:
    with pytest.raises(TargetError) as caught:
        find_library("chiral")
    assert caught.value.hint.startswith("Did you mean 'chirale'?")


def test_a_library_that_platformio_can_not_get_is_refused() -> None:
    with pytest.raises(TargetError, match=r"pico-tflmicro.*PlatformIO can't get it") as caught:
        find_library("pico-tflmicro")
    assert "chirale" in caught.value.hint
