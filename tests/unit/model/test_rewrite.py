"""A changed .tflite, read by the official schema and by our reader: only the change changed."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as fb
from hypothesis import given, settings
from hypothesis import strategies as st
from planned_models import branches, skips
from tflite_writer import finish, load
from tiny_models import tiny_float_model, tiny_int8_model
from written_models import control_flow_model, small_model, stateful_model

from edgekit.errors import InvalidModelError, UnsupportedModelError
from edgekit.model.offline_plan import (
    METADATA_NAME,
    ONLINE,
    encode_offline_plan,
    read_offline_plan,
)
from edgekit.model.reader import read_graph
from edgekit.model.rewrite import with_offline_plan

MODELS = {
    "small": small_model().bytes,
    "control flow": control_flow_model().bytes,
    "stateful": stateful_model().bytes,
    "branches": branches().bytes,
    "tiny int8": tiny_int8_model,
    "tiny float": tiny_float_model,
}


def tensors_of(data: bytes) -> int:
    return sum(len(subgraph.tensors) for subgraph in read_graph(data).subgraphs)


def plain(value):
    """Return an object of the official API as plain data, to be compared."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, list):
        return [plain(item) for item in value]
    if hasattr(value, "__dict__"):
        return {key: plain(item) for key, item in vars(value).items()}
    return value


def without_plan(data: bytes):
    """Return what the official schema reads, without plan and without its buffer."""
    model = load(data)
    kept = [entry for entry in model.metadata or [] if entry.name != METADATA_NAME.encode()]
    found = [entry for entry in model.metadata or [] if entry.name == METADATA_NAME.encode()]
    assert len(found) <= 1
    for entry in found:
        assert entry.buffer == len(model.buffers) - 1
        model.buffers.pop()
    model.metadata = kept
    return plain(model)


@pytest.mark.parametrize("name", MODELS)
def test_the_official_schema_reads_the_plan_and_all_else_unchanged(name):
    data = MODELS[name]()
    offsets = [16 * number if number % 3 else ONLINE for number in range(tensors_of(data))]
    new = with_offline_plan(data, offsets)
    model = load(new)
    (entry,) = [entry for entry in model.metadata if entry.name == METADATA_NAME.encode()]
    stored = np.asarray(model.buffers[entry.buffer].data, np.uint8).tobytes()
    subgraphs = len(model.subgraphs)
    assert stored == struct.pack(f"<{3 + len(offsets)}i", 1, subgraphs, len(offsets), *offsets)
    assert without_plan(new) == without_plan(data)
    assert fb.Model.ModelBufferHasIdentifier(new, 0)
    assert read_offline_plan(read_graph(new)) == tuple(offsets)


@pytest.mark.parametrize("name", MODELS)
def test_buffers_stay_aligned(name):
    """Kernels read weights where they lie in the file."""
    data = MODELS[name]()
    new = with_offline_plan(data, range(0, 16 * tensors_of(data), 16))
    model = fb.Model.GetRootAs(new, 0)
    for index in range(model.BuffersLength()):
        buffer = model.Buffers(index)
        if buffer.DataLength():
            start = buffer._tab.Vector(buffer._tab.Offset(4))
            assert start % 16 == 0, index


@given(seed=st.integers(0, 10**6), data=st.data())
@settings(max_examples=25)
def test_operators_are_put_in_another_order_and_nothing_else(seed, data):
    old = skips(seed, 8).bytes()
    operators = read_graph(old).main.operators
    order = legal_order(operators, data)
    new = with_offline_plan(old, [ONLINE] * tensors_of(old), order=order)
    assert len(new) == len(old)
    expected = load(old)
    expected.subgraphs[0].operators = [expected.subgraphs[0].operators[i] for i in order]
    assert plain(load(new)) == plain(expected)


def legal_order(operators, data):
    made_by = {tensor: op.index for op in operators for tensor in op.outputs}
    order: list[int] = []
    while len(order) < len(operators):
        ready = [
            op.index
            for op in operators
            if op.index not in order
            and all(made_by.get(tensor, -1) in (-1, *order) for tensor in op.inputs)
        ]
        order.append(data.draw(st.sampled_from(ready)))
    return order


def test_a_plan_is_replaced_in_its_place():
    data = small_model().bytes()
    count = tensors_of(data)
    once = with_offline_plan(data, [0] * count)
    twice = with_offline_plan(once, [16] * count)
    assert len(twice) == len(once)
    assert read_offline_plan(read_graph(twice)) == (16,) * count
    back = with_offline_plan(twice, [ONLINE] * count)
    assert read_offline_plan(read_graph(back)) == (ONLINE,) * count
    assert without_plan(back) == without_plan(data)


def test_a_plan_of_another_size_is_replaced_too():
    model = small_model()
    model.metadata(METADATA_NAME, b"\1\0\0\0")
    model.metadata("last", b"kept")
    data = model.bytes()
    new = with_offline_plan(data, [32] * tensors_of(data))
    graph = read_graph(new)
    assert read_offline_plan(graph) == (32,) * tensors_of(data)
    assert graph.metadata["last"] == b"kept"
    assert [entry.name for entry in load(new).metadata].count(METADATA_NAME.encode()) == 1


def test_a_plan_that_a_tensor_shares_its_bytes_with_is_not_overwritten():
    model = small_model()
    count = len(model.model.subgraphs[0].tensors)
    plan = encode_offline_plan([0] * (count + 1), subgraphs=1)
    weights = model.constant(np.frombuffer(plan, np.int8), scale=0.5)
    model.metadata(METADATA_NAME, b"")
    model.model.metadata[-1].buffer = model.model.subgraphs[0].tensors[weights].buffer
    data = model.bytes()
    new = with_offline_plan(data, [48] * (count + 1))
    graph = read_graph(new)
    assert graph.main.tensors[weights].data == plan
    assert read_offline_plan(graph) == (48,) * (count + 1)


def test_a_plan_that_fixes_nothing_is_left_out():
    data = small_model().bytes()
    assert with_offline_plan(data, [ONLINE] * tensors_of(data)) == data


def test_one_offset_a_tensor_and_each_operator_once_are_asked_for():
    data = small_model().bytes()
    count = tensors_of(data)
    with pytest.raises(ValueError, match=f"1 offsets for {count} tensors"):
        with_offline_plan(data, [0])
    with pytest.raises(ValueError, match="each operator once"):
        with_offline_plan(data, [0] * count, order=[0, 0, 1])


def test_an_order_in_which_a_tensor_is_read_too_early_is_refused():
    data = small_model().bytes()
    with pytest.raises(InvalidModelError, match="before it is computed"):
        with_offline_plan(data, [0] * tensors_of(data), order=[1, 0, 2])


def test_weights_behind_the_flatbuffer_are_refused():
    model = small_model().model
    buffer = fb.BufferT()
    buffer.offset, buffer.size = 64, 8
    model.buffers.append(buffer)
    data = finish(model)
    with pytest.raises(UnsupportedModelError, match="behind its FlatBuffer"):
        with_offline_plan(data, [0] * tensors_of(data))


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (b"", "no plan for its"),
        (struct.pack("<3i", 1, 1, 0), "no plan for its"),
        (encode_offline_plan([0] * 3, subgraphs=1), "no plan for its"),
        (encode_offline_plan([-2] * 8, subgraphs=1), "negative offset"),
    ],
)
def test_a_plan_for_other_tensors_is_refused(plan, message):
    model = small_model()
    model.metadata(METADATA_NAME, plan)
    graph = read_graph(model.bytes())
    assert len(graph.main.tensors) == 8
    with pytest.raises(InvalidModelError, match=message):
        read_offline_plan(graph)


def test_a_model_without_a_plan_has_none():
    assert read_offline_plan(read_graph(small_model().bytes())) is None
