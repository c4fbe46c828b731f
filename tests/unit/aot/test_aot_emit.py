"""The emitted C text: the same for the same model, safe, and only what is needed."""

from __future__ import annotations

import re
import struct

import pytest
from builders import make_graph, make_operator, make_tensor

from edgekit.aot.compiler import compile_graph
from edgekit.aot.emit import _comment, _float
from edgekit.errors import UnsupportedModelError
from edgekit.graph import DType, Graph


def relu(name: str = "y") -> Graph:
    return make_graph(
        [make_tensor((1, 4), scale=0.5), make_tensor((1, 4), scale=0.25, name=name)],
        [make_operator("RELU")],
        sha256="ab" * 32,
    )


def model_text(graph: Graph) -> str:
    return compile_graph(graph).files["edgekit_aot_model.c"]


def test_the_files_are_the_three_that_firmware_takes_in() -> None:
    assert set(compile_graph(relu()).files) == {
        "edgekit_aot_model.c",
        "edgekit_aot_kernels.c",
        "edgekit_aot_kernels.h",
    }


def test_equal_graphs_give_equal_text() -> None:
    assert compile_graph(relu()).files == compile_graph(relu()).files


def test_the_header_says_what_was_compiled_and_what_it_takes() -> None:
    compiled = compile_graph(relu())
    text = compiled.files["edgekit_aot_model.c"]
    assert "sha256 " + "ab" * 32 in text
    assert f"RAM:       {compiled.arena.size_bytes} bytes" in text
    assert f"Constants: {compiled.const_bytes} bytes" in text
    assert "Work:      0 multiply-accumulates" in text


def test_the_arena_is_one_aligned_array_of_the_planned_size() -> None:
    compiled = compile_graph(relu())
    text = compiled.files["edgekit_aot_model.c"]
    declaration = f"static uint8_t edgekit_arena[{compiled.arena.size_bytes}] EDGEKIT_ALIGNED(16);"
    assert declaration in text
    assert not re.search(r"^static (?!const|uint8_t edgekit_arena)", text, re.MULTILINE)


@pytest.mark.parametrize(
    "name", ["*/ int x; /*", "a\nb", "back\\", "??/", "é", "/* nested", "tab\t", "*\x00/"]
)
def test_a_layer_name_can_not_leave_its_comment(name: str) -> None:
    comment = _comment(name)
    assert "*/" not in comment
    assert "/*" not in comment
    assert "??" not in comment
    assert comment.isascii()
    assert comment.isprintable()
    assert not comment.endswith("\\")
    assert comment in model_text(relu(name))


@pytest.mark.parametrize("value", [0.0, 1.0, 0.5, 1 / 3, 1e-30, 3.4e38, 1e10])
def test_scales_are_written_exactly(value: float) -> None:
    (single,) = struct.unpack("<f", struct.pack("<f", value))
    text = _float(single)
    assert re.fullmatch(r"-?\d+(\.\d+)?(e[+-]\d+)?f", text)
    assert re.search(r"[.e]", text), "an integer with an f is no C literal"
    assert struct.pack("<f", float(text[:-1])) == struct.pack("<f", value)


def test_the_lowest_int32_is_written_without_overflow() -> None:
    tensors = [
        make_tensor((1, 1), zero_point=0),
        make_tensor((1, 1), scale=0.5, data=[1]),
        make_tensor((1,), DType.INT32, scale=0.25, data=[-(2**31)]),
        make_tensor((1, 1)),
    ]
    graph = make_graph(tensors, [make_operator("FULLY_CONNECTED", (0, 1, 2), (3,))])
    text = model_text(graph)
    assert "-2147483647 - 1" in text
    assert "-2147483648" not in text


def test_lines_are_short_and_end_plainly() -> None:
    for text in compile_graph(relu()).files.values():
        assert text.endswith("\n")
        assert "\r" not in text
        assert all(len(line) <= 100 for line in text.splitlines())


def test_compiled_says_which_kernel_carries_out_which_layer() -> None:
    compiled = compile_graph(relu("layer/relu"))
    (operator,) = compiled.operators
    assert (operator.index, operator.name, operator.layer) == (0, "RELU", "layer/relu")
    assert compiled.kernels == ("lookup",)
    assert compiled.inputs[0].port.size_bytes == 4
    assert compiled.outputs[0].offset_bytes != compiled.inputs[0].offset_bytes


def test_what_can_not_be_compiled_is_an_error_with_everything_in_it() -> None:
    graph = make_graph(
        [make_tensor(), make_tensor(name="a"), make_tensor(name="b")],
        [make_operator("GELU", (0,), (1,)), make_operator("TANH", (1,), (2,))],
    )
    with pytest.raises(UnsupportedModelError) as caught:
        compile_graph(graph)
    assert "Operator 0 GELU (a)" in caught.value.message
    assert "Operator 1 TANH (b)" in caught.value.message
    assert "tflm" in caught.value.hint
    assert caught.value.exit_code == 2
