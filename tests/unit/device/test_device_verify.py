"""Outputs against the reference's."""

from __future__ import annotations

import struct

import pytest
from builders import make_graph, make_operator, make_tensor
from fake_device import FakeFirmware, over_socket
from hypothesis import given
from hypothesis import strategies as st

from edgekit.device.conversation import Patience
from edgekit.device.session import Session
from edgekit.device.verify import Output, compare, outputs_of, verify
from edgekit.errors import DeviceError, ProtocolError
from edgekit.graph import DType

PATIENT = Patience(boot_seconds=30.0, reply_seconds=30.0)
FOUR = make_graph(
    [make_tensor((1, 8), index=0), make_tensor((1, 4), DType.UINT8, index=1)],
    [make_operator("RELU", [0], [1])],
)
INPUTS = [bytes([number, 2, 3, 4, 50, 6, 7, 8]) for number in range(10)]
EXPECTED = [bytes([data[0] + 2, 7, 56, 15]) for data in INPUTS]


def verified(firmware, inputs=INPUTS, expected=EXPECTED, **options):
    with over_socket(firmware) as link:
        session = Session(link, patience=PATIENT)
        session.wait_ready()
        return verify(session, inputs, expected, graph=FOUR, reference="the truth", **options)


def compared(dtype, code, got, want):
    pack = f"<{len(got)}{code}"
    return compare(
        struct.pack(pack, *got), struct.pack(pack, *want), [Output(dtype=dtype, elements=len(got))]
    )


def test_equal_outputs_are_exact():
    told = []
    result = verified(FakeFirmware(), on_progress=lambda *step: told.append(step))
    assert result.is_exact
    assert (result.samples, result.elements, result.max_steps) == (10, 40, 0)
    assert result.top1_agreement == 1.0
    assert result.reference == "the truth"
    assert told == [(done, 10) for done in range(11)]


def test_one_wrong_element_is_found():
    wrong = [*EXPECTED[:4], EXPECTED[4][:3] + b"\x12", *EXPECTED[5:]]
    result = verified(FakeFirmware(), expected=wrong)
    assert not result.is_exact
    assert (result.mismatched_samples, result.mismatched_elements, result.max_steps) == (1, 1, 3)
    assert result.top1_agreement == 1.0


def test_a_wrong_winner_lowers_the_agreement():
    wrong = [b"\xff" + item[1:] for item in EXPECTED[:2]] + EXPECTED[2:]
    result = verified(FakeFirmware(), expected=wrong)
    assert result.mismatched_samples == 2
    assert result.top1_agreement == 0.8
    assert result.max_steps == 255 - EXPECTED[0][0]


def test_outputs_of_another_size_are_refused():
    with pytest.raises(ProtocolError) as caught:
        verified(FakeFirmware(), expected=[item + b"\0" for item in EXPECTED])
    assert "sent 4 output bytes, the model has 5" in caught.value.message
    assert "another model" in caught.value.hint
    assert caught.value.exit_code == 7


def test_a_device_that_fails_in_the_middle_ends_the_verification():
    def fails(firmware, words):
        if firmware.commands.count("infer 1 0") == 3:
            yield "e-[Model failed: 5]"
        else:
            yield from firmware.reply(words)
        yield "m-ready"

    with pytest.raises(DeviceError, match="code 5"):
        verified(FakeFirmware(overrides={"infer": fails}))


@pytest.mark.parametrize(("inputs", "expected"), [([], []), (INPUTS, EXPECTED[:-1])])
def test_counts_that_do_not_agree_are_the_callers_bug(inputs, expected):
    with pytest.raises(ValueError, match="expected outputs"):
        verified(FakeFirmware(), inputs, expected)


@pytest.mark.parametrize(
    ("dtype", "code", "got", "want", "steps"),
    [
        (DType.INT8, "b", [-128, 0], [127, 0], 255),
        (DType.UINT8, "B", [255, 0], [0, 0], 255),
        (DType.INT16, "h", [-5, 300], [-5, 299], 1),
        (DType.UINT16, "H", [65535, 1], [65534, 1], 1),
        (DType.INT32, "i", [1 << 30, 0], [-(1 << 30), 0], 1 << 31),
        (DType.INT64, "q", [1 << 40, 0], [0, 0], 1 << 40),
        (DType.BOOL, "B", [1, 0], [0, 0], 1),
        (DType.FLOAT32, "f", [1.0, 0.0], [1.0 + 2**-23, 0.0], 1),
        (DType.FLOAT32, "f", [1e-45, 0.0], [-1e-45, 0.0], 2),
        (DType.FLOAT32, "f", [0.0, 1.0], [-0.0, 1.0], 0),
    ],
)
def test_differences_are_steps_of_the_type(dtype, code, got, want, steps):
    result = compared(dtype, code, got, want)
    assert result.mismatched_elements == 1
    assert result.max_steps == steps


def test_the_same_nan_is_the_same():
    result = compared(DType.FLOAT32, "f", [float("nan"), 1.0], [float("nan"), 1.0])
    assert result.mismatched_elements == 0
    assert compared(DType.FLOAT32, "f", [float("nan")], [1.0]).max_steps > 1 << 23


def test_several_outputs_are_compared_each_with_its_own_type():
    outputs = [Output(dtype=DType.INT8, elements=2), Output(dtype=DType.INT16, elements=1)]
    got, want = struct.pack("<bbh", 1, 2, 1000), struct.pack("<bbh", 1, 2, 996)
    result = compare(got, want, outputs)
    assert (result.mismatched_elements, result.elements, result.max_steps) == (1, 3, 4)
    assert result.same_top1 is True
    assert compare(got[2:], want[2:], outputs[1:]).same_top1 is None


@pytest.mark.parametrize("size", [1, 5])
def test_bytes_that_are_not_the_outputs_are_the_callers_bug(size):
    with pytest.raises(ValueError, match="bytes"):
        compare(bytes(size), bytes(size), [Output(dtype=DType.INT16, elements=2)])


def test_a_graphs_outputs_give_the_layout():
    assert outputs_of(FOUR) == (Output(dtype=DType.UINT8, elements=4),)


@given(st.lists(st.tuples(st.integers(-128, 127), st.integers(-128, 127)), min_size=2))
def test_the_comparison_agrees_with_its_definition(pairs):
    got, want = zip(*pairs, strict=True)
    result = compared(DType.INT8, "b", got, want)
    assert result.mismatched_elements == sum(left != right for left, right in pairs)
    assert result.max_steps == max(abs(left - right) for left, right in pairs)
    assert result.same_top1 == (got.index(max(got)) == want.index(max(want)))


@given(st.floats(width=32, allow_nan=False), st.floats(width=32, allow_nan=False))
def test_the_float_distance_is_zero_only_for_equal_values(left, right):
    result = compared(DType.FLOAT32, "f", [left], [right])
    assert (result.max_steps == 0) == (left == right)
