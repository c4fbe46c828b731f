"""The converter's flags that a target's library asks for."""

from __future__ import annotations

import pytest
from builders import make_target

from edgekit.errors import RefusedModelError, UnsupportedModelError
from edgekit.model.choice import Choice, choose_flags
from edgekit.model.variants import Variant
from edgekit.targets import EngineSupport, Target


def board(library: str, kernels: str = "cmsis-nn") -> Target:
    engine = EngineSupport(template="", library=library, kernels=kernels, source="a test")
    return make_target(name="board", engines={"tflm": engine})


def choose(*targets: Target, io_type: str = "int8", per_channel_dense: bool = False) -> Choice:
    return choose_flags(
        targets, (Variant.INT8,), io_type=io_type, per_channel_dense=per_channel_dense
    )


def test_without_a_target_what_is_asked_for_is_taken() -> None:
    choice = choose_flags((), tuple(Variant), io_type="uint8", per_channel_dense=True)
    assert choice == Choice(io_type="uint8", per_channel_dense=True, reasons=())


@pytest.mark.parametrize("library", ["chirale", "tflm-esp32"])
def test_one_scale_for_a_dense_layer_and_the_reason(library: str) -> None:
    choice = choose(board(library))
    assert not choice.per_channel_dense
    (reason,) = choice.reasons
    assert "one scale for all weights, as board needs it" in reason


def test_a_library_that_is_right_needs_no_reason() -> None:
    assert choose(board("tflite-micro")).reasons == ()
    assert choose(board("tflite-micro"), per_channel_dense=True).per_channel_dense


@pytest.mark.parametrize(
    ("library", "word"), [("chirale", "ignores all scales"), ("tflm-esp32", "refuses")]
)
def test_per_channel_dense_is_refused_where_it_would_not_run(library: str, word: str) -> None:
    with pytest.raises(RefusedModelError, match=word) as caught:
        choose(board("tflite-micro"), board(library), per_channel_dense=True)
    assert caught.value.exit_code == 3
    assert "--per-channel-dense" in caught.value.hint


def test_a_float_variant_is_for_no_board() -> None:
    with pytest.raises(UnsupportedModelError, match="not float32") as caught:
        choose_flags([board("chirale")], tuple(Variant), io_type="int8", per_channel_dense=False)
    assert caught.value.exit_code == 2
    assert "--variant int8" in caught.value.hint


def test_a_target_without_a_library_takes_either() -> None:
    compiled = make_target(engines={"aot": EngineSupport(template="", source="a test")})
    assert choose(compiled, per_channel_dense=True).per_channel_dense


def test_uint8_inputs_are_taken_where_the_library_can_quantise() -> None:
    assert choose(board("chirale"), io_type="uint8").io_type == "uint8"
