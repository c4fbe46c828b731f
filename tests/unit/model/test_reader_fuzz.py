"""Whatever the bytes: a graph or an InvalidModelError, and soon."""

from __future__ import annotations

import random
import struct
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from written_models import WRITTEN, small_model

from edgekit.errors import InvalidModelError
from edgekit.graph import Graph
from edgekit.model.reader import read_graph

BOUND_SECONDS = 5.0
"""Far above the millisecond that a small file takes, far below what an endless loop does."""

FILES = [make().bytes() for make in WRITTEN]

VALUES = (0, 1, 2, 3, 4, 7, 0x7F, 0x80, 0xFF)
WORDS = (0, 1, 4, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFC)


def outcome(data: bytes) -> Graph | InvalidModelError:
    """Read, in bounded time; anything but InvalidModelError is let through and fails."""
    started = time.perf_counter()
    try:
        return read_graph(data)
    except InvalidModelError as error:
        assert error.message
        assert error.hint
        return error
    finally:
        assert time.perf_counter() - started < BOUND_SECONDS


@pytest.mark.parametrize("data", FILES, ids=[make.__name__ for make in WRITTEN])
def test_each_truncation_is_refused_or_still_sound(data: bytes):
    refused = [isinstance(outcome(data[:length]), InvalidModelError) for length in range(len(data))]
    # The builder writes the root first and the buffers' content last, with padding behind it.
    assert all(refused[: len(data) // 2])


@pytest.mark.parametrize("data", FILES, ids=[make.__name__ for make in WRITTEN])
def test_each_byte_may_have_another_value(data: bytes):
    refused = 0
    mutant = bytearray(data)
    for position, original in enumerate(data):
        for value in VALUES:
            mutant[position] = value
            refused += isinstance(outcome(bytes(mutant)), InvalidModelError)
        mutant[position] = original
    assert refused > len(data), "mutants that change nothing test nothing"


@pytest.mark.parametrize("data", FILES, ids=[make.__name__ for make in WRITTEN])
def test_each_word_may_have_another_value(data: bytes):
    mutant = bytearray(data)
    for position in range(0, len(data) - 3, 4):
        original = data[position : position + 4]
        for word in WORDS:
            struct.pack_into("<I", mutant, position, word)
            outcome(bytes(mutant))
        mutant[position : position + 4] = original


def test_words_may_change_places():
    randomness = random.Random(20)
    for _ in range(3000):
        mutant = bytearray(randomness.choice(FILES))
        for _ in range(randomness.randint(1, 6)):
            source = randomness.randrange(len(mutant) // 4) * 4
            target = randomness.randrange(len(mutant) // 4) * 4
            mutant[target : target + 4] = mutant[source : source + 4]
        outcome(bytes(mutant))


@given(st.binary(max_size=300))
def test_random_bytes_are_refused(data: bytes):
    assert isinstance(outcome(data), InvalidModelError)


@settings(max_examples=300)
@given(st.binary(max_size=300))
def test_random_bytes_behind_the_identifier_are_refused(data: bytes):
    assert isinstance(outcome(b"\x08\0\0\0TFL3" + data), InvalidModelError)


@settings(max_examples=300)
@given(st.sampled_from(FILES), st.data())
def test_several_bytes_may_change_at_once(file: bytes, data: st.DataObject):
    mutant = bytearray(file)
    places = st.integers(0, len(file) - 1)
    for place, value in data.draw(
        st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=8)
    ):
        mutant[place] = value
    outcome(bytes(mutant))


@settings(max_examples=100)
@given(st.sampled_from(FILES), st.data())
def test_a_piece_may_be_missing_or_repeated(file: bytes, data: st.DataObject):
    start = data.draw(st.integers(8, len(file) - 1))
    size = data.draw(st.integers(1, 64))
    outcome(file[:start] + file[start + size :])
    outcome(file[: start + size] + file[start:])


# --- files made to explode ---------------------------------------------------------------


def forge(*, subgraphs: int, tensors: int, name_bytes: int) -> bytes:
    """Return a file whose every offset is sound, but in which all lead to the same things.

    Each of the subgraphs is the same table, each of its tensors is the same table.
    """
    pieces = {
        "header": b"\0\0\0\0TFL3",
        "model vtable": struct.pack("<8H", 14, 16, 4, 0, 8, 0, 12, 0),
        "model": struct.pack("<4I", 0, 3, 0, 0),
        "buffers": struct.pack("<2I", 1, 0),
        "subgraphs": struct.pack("<I", subgraphs) + bytes(4 * subgraphs),
        "subgraph vtable": struct.pack("<4H", 6, 8, 4, 0),
        "subgraph": struct.pack("<2I", 0, 0),
        "tensors": struct.pack("<I", tensors) + bytes(4 * tensors),
        "tensor vtable": struct.pack("<6H", 12, 8, 0, 0, 0, 4),
        "tensor": struct.pack("<2I", 0, 0),
        "name": struct.pack("<I", name_bytes) + b"n" * name_bytes + b"\0",
        "buffer vtable": b"\0" * (-(5 + name_bytes) % 4) + struct.pack("<2H", 4, 4),
        "buffer": struct.pack("<I", 0),
    }
    starts = {}
    data = bytearray()
    for key, piece in pieces.items():
        data += piece
        starts[key] = len(data) - len(piece)
    starts["buffer vtable"] = starts["buffer"] - 4

    def refer(position: int, key: str) -> None:
        struct.pack_into("<I", data, position, starts[key] - position)

    for key in ("model", "subgraph", "tensor", "buffer"):
        struct.pack_into("<i", data, starts[key], starts[key] - starts[key + " vtable"])
    refer(0, "model")
    refer(starts["model"] + 8, "subgraphs")
    refer(starts["model"] + 12, "buffers")
    refer(starts["buffers"] + 4, "buffer")
    refer(starts["subgraph"] + 4, "tensors")
    refer(starts["tensor"] + 4, "name")
    for index in range(subgraphs):
        refer(starts["subgraphs"] + 4 + 4 * index, "subgraph")
    for index in range(tensors):
        refer(starts["tensors"] + 4 + 4 * index, "tensor")
    return bytes(data)


def peak_outcome(data: bytes) -> tuple[Graph | InvalidModelError, int]:
    """Read; return the outcome and the most memory that was in use, in bytes."""
    tracemalloc.start()
    try:
        return outcome(data), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_the_forged_file_is_readable_but_for_its_size():
    result = outcome(forge(subgraphs=2, tensors=3, name_bytes=5))
    assert isinstance(result, InvalidModelError)
    assert "it has no output" in result.message


@pytest.mark.parametrize(
    ("subgraphs", "tensors", "name_bytes"),
    [(2000, 2000, 5), (1, 2000, 100_000), (10_000, 1, 5), (200, 200, 2000)],
)
def test_shared_parts_do_not_multiply(subgraphs: int, tensors: int, name_bytes: int):
    data = forge(subgraphs=subgraphs, tensors=tensors, name_bytes=name_bytes)
    result, peak_bytes = peak_outcome(data)
    assert isinstance(result, InvalidModelError)
    assert "its parts overlap" in result.message
    assert peak_bytes < 400 * len(data)


def test_overlapping_buffers_are_refused_before_memory_is_full():
    model = small_model()
    for index in range(2000):
        buffer = model.buffer(b"")
        held = model.model.buffers[buffer]
        held.data = None
        held.offset, held.size = 2 + index, 60_000
    data = model.bytes() + b"\0" * 64_000
    result, peak_bytes = peak_outcome(data)
    assert isinstance(result, InvalidModelError)
    assert "buffers overlap" in result.message
    assert peak_bytes < 10 * len(data)


def test_a_list_that_claims_more_than_the_file_has_is_refused():
    data = small_model().bytes()
    shape = struct.pack("<5i", 4, 1, 4, 4, 1)
    assert data.count(shape) == 1
    mutant = data.replace(shape, struct.pack("<I4i", 0xFFFFFFFF, 1, 4, 4, 1))
    with pytest.raises(InvalidModelError, match="claims 4294967295 elements") as caught:
        read_graph(mutant)
    assert "tensor 0" in caught.value.message


def test_a_zeroed_body_is_refused():
    for file in FILES:
        assert isinstance(outcome(file[:8] + bytes(len(file) - 8)), InvalidModelError)
