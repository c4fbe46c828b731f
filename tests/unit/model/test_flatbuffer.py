"""The cursor reads what FlatBuffers hold, and follows no offset that is not sound."""

from __future__ import annotations

import struct

import flatbuffers
import pytest

from edgekit.errors import InvalidModelError
from edgekit.model.flatbuffer import CORRUPT_HINT, Buffer, Table, corrupt


def written() -> bytes:
    """A table of an int8, a uint32, a float, a bool, a string, a vector and a child table."""
    builder = flatbuffers.Builder(64)
    text = builder.CreateString("héllo")
    builder.StartVector(4, 3, 4)
    for value in (30, -20, 10):
        builder.PrependInt32(value)
    vector = builder.EndVector()
    builder.StartVector(8, 2, 8)
    for value in (-(2**40), 7):
        builder.PrependInt64(value)
    longs = builder.EndVector()
    children = []
    for value in (5, 6):
        builder.StartObject(1)
        builder.PrependInt32Slot(0, value, 0)
        children.append(builder.EndObject())
    builder.StartVector(4, 2, 4)
    for child in reversed(children):
        builder.PrependUOffsetTRelative(child)
    tables = builder.EndVector()
    builder.StartObject(10)
    builder.PrependInt8Slot(0, -5, 0)
    builder.PrependUint32Slot(1, 4_000_000_000, 0)
    builder.PrependFloat32Slot(2, 0.5, 0)
    builder.PrependBoolSlot(3, True, False)
    builder.PrependUOffsetTRelativeSlot(4, text, 0)
    builder.PrependUOffsetTRelativeSlot(5, vector, 0)
    builder.PrependUOffsetTRelativeSlot(6, children[1], 0)
    builder.PrependUOffsetTRelativeSlot(7, tables, 0)
    builder.PrependUOffsetTRelativeSlot(8, longs, 0)
    builder.Finish(builder.EndObject())
    return bytes(builder.Output())


def root(data: bytes) -> Table:
    return Buffer(data).root()


def test_every_kind_of_field_is_read():
    table = root(written())
    assert table.scalar(0, "int8") == -5
    assert table.scalar(1, "uint32") == 4_000_000_000
    assert table.real(2) == 0.5
    assert table.boolean(3) is True
    assert table.string(4) == "héllo"
    assert table.integers(5) == (10, -20, 30)
    assert table.integers(8, "int64") == (7, -(2**40))
    child = table.table(6, "the child")
    assert child is not None
    assert child.scalar(0, "int32") == 6
    assert [item.scalar(0, "int32") for item in table.tables(7, "item")] == [5, 6]


@pytest.mark.parametrize("slot", [9, 10, 5000])
def test_a_field_that_is_not_stored_has_its_default(slot: int):
    table = root(written())
    assert not table.has(slot)
    assert table.scalar(slot, "int32", 7) == 7
    assert table.real(slot, 1.5) == 1.5
    assert table.boolean(slot, default=True) is True
    assert table.string(slot) == ""
    assert table.integers(slot) == ()
    assert table.reals(slot) == ()
    assert table.blob(slot) is None
    assert table.table(slot, "a child") is None
    assert table.tables(slot, "item") == []


def test_items_are_named_after_their_number_and_owner():
    table = root(written())
    assert [item.where for item in table.tables(7, "item")] == ["item 0", "item 1"]
    table.where = "box 3"
    assert [item.where for item in table.tables(7, "item")] == [
        "item 0 of box 3",
        "item 1 of box 3",
    ]


def test_where_an_error_is_in_the_whole_model_goes_without_saying():
    assert corrupt("the model", "bad").message == "The model is corrupt: bad."
    assert corrupt("tensor 1", "bad").message == "The model is corrupt: tensor 1: bad."
    assert corrupt("tensor 1", "bad").hint == CORRUPT_HINT
    assert corrupt("tensor 1", "bad", hint="do that").hint == "do that"


HEADER = struct.pack("<I", 12)
VTABLE = struct.pack("<4H", 6, 8, 4, 0)
TABLE = struct.pack("<i", 8)


def one_field(value: int, *, rest: bytes = b"", vtable: bytes = VTABLE) -> bytes:
    """A root table at byte 12 with one field of four bytes, at byte 16."""
    return HEADER + vtable + TABLE + struct.pack("<I", value) + rest


def test_the_smallest_table_is_read():
    assert root(one_field(99)).scalar(0, "uint32") == 99


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "an offset at byte 0 lies outside of the file"),
        (b"\1\0\0", "an offset at byte 0 lies outside of the file"),
        (bytes(8), "the offset at byte 0 leads to byte 0, out of the file"),
        (struct.pack("<2I", 5, 0), "leads to byte 5, out of the file"),
        (struct.pack("<3I", 6, 0, 0), "leads to an unaligned place"),
        (struct.pack("<I", 0xFFFFFFFC) + bytes(8), "leads to byte 4294967292, out of"),
        (struct.pack("<Ii", 4, 9), "the table at byte 4 has no sound list of its fields"),
        (struct.pack("<Ii", 4, -1000), "the table at byte 4 has no sound list of its fields"),
        (struct.pack("<Ii", 4, 3), "the table at byte 4 has no sound list of its fields"),
        (struct.pack("<IHHi", 8, 2, 4, 4), "has a list of fields of a wrong size"),
        (struct.pack("<IHHi", 8, 5, 4, 4), "has a list of fields of a wrong size"),
        (struct.pack("<IHHi", 8, 400, 4, 4), "has a list of fields of a wrong size"),
    ],
)
def test_an_unsound_root_is_refused(data: bytes, message: str):
    with pytest.raises(InvalidModelError) as caught:
        root(data)
    assert message in caught.value.message


@pytest.mark.parametrize("distance", [1, 3, 6, 8, 0xFFFF])
def test_a_field_that_is_astray_is_refused(distance: int):
    data = one_field(1, vtable=struct.pack("<4H", 6, 8, distance, 0))
    with pytest.raises(InvalidModelError, match="field 0 of the table at byte 12 is astray"):
        root(data).scalar(0, "uint32")


def test_a_list_longer_than_the_file_is_refused():
    table = root(one_field(4, rest=struct.pack("<2I", 2, 1)))
    with pytest.raises(InvalidModelError, match="the list at byte 20 claims 2 elements of 4 bytes"):
        table.integers(0)


def test_a_list_that_is_not_aligned_to_its_elements_is_refused():
    data = one_field(8, rest=struct.pack("<IIq", 0, 1, 5))
    assert root(data).integers(0, "int32") == (5,)
    unaligned = one_field(4, rest=struct.pack("<IqI", 1, 5, 0))
    assert root(unaligned).integers(0, "int64") == (5,)
    with pytest.raises(InvalidModelError, match="the list at byte 24 is not aligned"):
        root(data).integers(0, "int64")


def test_a_text_without_its_final_zero_is_refused():
    assert root(one_field(4, rest=struct.pack("<I", 3) + b"abc\0")).string(0) == "abc"
    for rest in (struct.pack("<I", 3) + b"abc", struct.pack("<I", 3) + b"abcd"):
        with pytest.raises(InvalidModelError, match="the text at byte 24 has no end"):
            root(one_field(4, rest=rest)).string(0)


def test_what_may_be_read_is_bounded_by_the_size_of_the_file():
    rest = struct.pack("<I", 60_000) + bytes(60_000)
    table = root(one_field(4, rest=rest))
    with pytest.raises(InvalidModelError, match="its parts overlap"):
        for _ in range(10):
            table.integers(0, "int8")
