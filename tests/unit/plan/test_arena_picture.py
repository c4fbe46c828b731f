"""The picture of an arena: sound XML, with every buffer at its place."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from builders import make_graph, make_operator, make_tensor
from hypothesis import given, settings
from hypothesis import strategies as st
from random_graphs import random_model
from written_models import control_flow_model, small_model

from edgekit.graph import Graph
from edgekit.model.reader import read_graph
from edgekit.plan.arena_picture import draw_arena
from edgekit.plan.tflm_kernels import TflmBuild
from edgekit.plan.tflm_overhead import tflm_arena

BUILD = TflmBuild(kernels="cmsis-nn", has_dsp=True, short_enums=True)
SVG = "{http://www.w3.org/2000/svg}"


def draw(graph: Graph, title: str = "a title") -> ElementTree.Element:
    return ElementTree.fromstring(draw_arena(graph, tflm_arena(graph, BUILD), title=title))


def test_every_buffer_has_a_box_with_its_name_size_and_place() -> None:
    graph = read_graph(small_model().bytes())
    arena = tflm_arena(graph, BUILD)
    boxes = list(draw(graph).iter(f"{SVG}g"))
    tips = {item.findtext(f"{SVG}title") for item in boxes}
    assert len(boxes) == len(arena.plan.buffers) > 3
    for buffer in arena.plan.buffers:
        assert (
            f"{buffer.name}: {buffer.size_bytes:,} B at {buffer.offset_bytes:,}, "
            f"steps {buffer.first_step} to {buffer.last_step}" in tips
        )


def test_boxes_that_are_alive_together_do_not_overlap() -> None:
    graph = read_graph(small_model().bytes())
    boxes = [item.find(f"{SVG}rect") for item in draw(graph).iter(f"{SVG}g")]
    spans = []
    for box in boxes:
        assert box is not None
        x, y, width, height = (float(box.get(key, "")) for key in ("x", "y", "width", "height"))
        spans.append((x, y, x + width, y + height))
    for index, (left, top, right, bottom) in enumerate(spans):
        for other in spans[index + 1 :]:
            apart = right <= other[0] or other[2] <= left
            assert apart or bottom <= other[1] + 0.2 or other[3] <= top + 0.2


def test_figures_and_operators_are_written() -> None:
    graph = read_graph(small_model().bytes())
    arena = tflm_arena(graph, BUILD)
    texts = [item.text or "" for item in draw(graph, "small & <good>").iter(f"{SVG}text")]
    assert texts[0] == "small & <good>"
    assert f"arena_used_bytes {arena.arena_used_bytes:,} B" in texts[1]
    assert {"0 CONV_2D", "1 RESHAPE", "2 FULLY_CONNECTED"} <= set(texts)


def test_names_that_are_no_xml_are_drawn_all_the_same() -> None:
    graph = make_graph(
        [make_tensor((1, 900), name="<a>\x01&b"), make_tensor((1, 900), name='"]]>')],
        [make_operator()],
    )
    assert draw(graph).tag == f"{SVG}svg"


@pytest.mark.parametrize("model", [control_flow_model().bytes()])
def test_subgraphs_are_drawn_too(model: bytes) -> None:
    graph = read_graph(model)
    assert len(list(draw(graph).iter(f"{SVG}g"))) == len(tflm_arena(graph, BUILD).plan.buffers)


@settings(max_examples=15)
@given(st.integers(0, 2**40))
def test_any_model_gives_a_sound_picture_that_nothing_leaves(seed: int) -> None:
    picture = draw(read_graph(random_model(seed, operators=40)))
    width, height = float(picture.get("width", "")), float(picture.get("height", ""))
    assert width <= 1500
    for box in picture.iter(f"{SVG}rect"):
        x, y = float(box.get("x", "0")), float(box.get("y", "0"))
        assert 0 <= x <= x + float(box.get("width", "")) <= width + 0.5
        assert -0.5 <= y <= y + float(box.get("height", "")) <= height
