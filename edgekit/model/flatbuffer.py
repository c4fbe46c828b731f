"""A cursor over a FlatBuffer's bytes that checks every offset before it follows it.

Layout, all little endian::

    root      uint32 at byte 0: where the root table starts
    table     int32: distance back to its vtable; then the fields' values
    vtable    uint16: its own bytes; uint16: the table's bytes; then one uint16 a
              slot: the field's distance from the table's start, 0 = not there
    offset    uint32: distance forward, from itself, to a table, vector or string
    vector    uint32: number of elements; then the elements
    string    a vector of bytes; then a zero byte

The work is bounded as well as the offsets: a sound file stores each thing once, so
reading it takes about as many bytes as it has. A crafted file in which thousands of
offsets lead to one big vector spends its allowance, and is refused.

Source:
    The FlatBuffers documentation, "Internals"; alignment as flatbuffers::Verifier has it.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from edgekit.errors import InvalidModelError

CORRUPT_HINT = "The file is damaged or was cut short: download, copy or convert the model again."

ALLOWANCE_PER_BYTE = 4
"""Bytes that may be read for each byte of the file; things that share parts need over 1."""

ALLOWANCE_BASE = 65536
"""Bytes that may be read whatever the file's size."""


WHOLE = "the model"
"""The root table's name, which goes without saying in messages."""


def corrupt(where: str, problem: str, *, hint: str = CORRUPT_HINT) -> InvalidModelError:
    """Return the error for a file that breaks its format at ``where``."""
    place = "" if where == WHOLE else f"{where}: "
    return InvalidModelError(f"The model is corrupt: {place}{problem}.", hint=hint)


@dataclass(frozen=True, slots=True)
class _Scalar:
    """How a scalar is stored: its bytes, and its letter in :mod:`struct`."""

    size_bytes: int
    letter: str
    unpack: struct.Struct


def _scalar(letter: str) -> _Scalar:
    unpack = struct.Struct("<" + letter)
    return _Scalar(unpack.size, letter, unpack)


_SCALARS: Mapping[str, _Scalar] = {
    "bool": _scalar("B"),
    "int8": _scalar("b"),
    "uint8": _scalar("B"),
    "int32": _scalar("i"),
    "uint32": _scalar("I"),
    "int64": _scalar("q"),
    "uint64": _scalar("Q"),
    "float32": _scalar("f"),
}

_UINT32 = struct.Struct("<I")
_INT32 = struct.Struct("<i")
_TWO_UINT16 = struct.Struct("<HH")


class Buffer:
    """The bytes of a file, and what may still be spent on reading them."""

    __slots__ = ("_allowance", "_vtables", "data", "size_bytes")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size_bytes = len(data)
        self._allowance = ALLOWANCE_PER_BYTE * len(data) + ALLOWANCE_BASE
        self._vtables: dict[int, tuple[int, ...]] = {}

    def root(self) -> Table:
        """Return the root table.

        Raises:
            InvalidModelError: There is no sound table where byte 0 says.
        """
        return Table(self, self.follow(0, WHOLE), WHOLE)

    def spend(self, size_bytes: int, where: str) -> None:
        """Count ``size_bytes`` as read.

        Raises:
            InvalidModelError: A sound file of this size would not have so much.
        """
        self._allowance -= size_bytes
        if self._allowance < 0:
            raise corrupt(where, "its parts overlap: more is referred to than the file can hold")

    def follow(self, position: int, where: str) -> int:
        """Return where the offset stored at ``position`` leads.

        Raises:
            InvalidModelError: It leads out of the file, nowhere, or to an odd place.
        """
        if not 0 <= position <= self.size_bytes - 4:
            raise corrupt(where, f"an offset at byte {position} lies outside of the file")
        (distance,) = _UINT32.unpack_from(self.data, position)
        target: int = position + distance
        if distance == 0 or target > self.size_bytes - 4:
            raise corrupt(
                where, f"the offset at byte {position} leads to byte {target}, out of the file"
            )
        if target & 3:
            raise corrupt(where, f"the offset at byte {position} leads to an unaligned place")
        return target

    def vtable(self, table: int, where: str) -> tuple[int, ...]:
        """Return the field distances, by slot, of the table that starts at ``table``."""
        (distance,) = _INT32.unpack_from(self.data, table)
        position = table - distance
        known = self._vtables.get(position)
        if known is not None:
            return known
        if position & 1 or not 0 <= position <= self.size_bytes - 4:
            raise corrupt(where, f"the table at byte {table} has no sound list of its fields")
        size_bytes, _ = _TWO_UINT16.unpack_from(self.data, position)
        if size_bytes < 4 or size_bytes & 1 or position + size_bytes > self.size_bytes:
            raise corrupt(where, f"the table at byte {table} has a list of fields of a wrong size")
        self.spend(size_bytes, where)
        slots = (size_bytes - 4) // 2
        fields = struct.unpack_from(f"<{slots}H", self.data, position + 4)
        self._vtables[position] = fields
        return fields

    def vector(self, position: int, element_bytes: int, where: str) -> tuple[int, int]:
        """Return a vector's first element's place and its number of elements.

        ``position`` is an offset's target, so that the count itself can be read.
        """
        (count,) = _UINT32.unpack_from(self.data, position)
        start = position + 4
        if count * element_bytes > self.size_bytes - start:
            raise corrupt(
                where,
                f"the list at byte {position} claims {count} elements of {element_bytes} bytes,"
                " more than the file has",
            )
        if count and element_bytes > 4 and start % element_bytes:
            raise corrupt(where, f"the list at byte {position} is not aligned to its elements")
        return start, count


class Table:
    """One table of the file. ``where`` names it in messages."""

    __slots__ = ("_buffer", "_fields", "_start", "where")

    def __init__(self, buffer: Buffer, start: int, where: str) -> None:
        buffer.spend(8, where)
        self._buffer = buffer
        self._start = start
        self._fields = buffer.vtable(start, where)
        self.where = where

    def _place(self, slot: int, size_bytes: int) -> int:
        """Return where the field in ``slot`` is stored; 0 where it is not."""
        if slot >= len(self._fields):
            return 0
        distance = self._fields[slot]
        if distance == 0:
            return 0
        place = self._start + distance
        if distance < 4 or place + size_bytes > self._buffer.size_bytes or place % size_bytes:
            raise corrupt(self.where, f"field {slot} of the table at byte {self._start} is astray")
        return place

    def scalar(self, slot: int, kind: str, default: int = 0) -> int:
        """Return a whole number; ``kind`` is ``"int8"``, ``"uint32"`` …."""
        how = _SCALARS[kind]
        place = self._place(slot, how.size_bytes)
        if not place:
            return default
        value: int = how.unpack.unpack_from(self._buffer.data, place)[0]
        return value

    def real(self, slot: int, default: float = 0.0) -> float:
        """Return a float32."""
        how = _SCALARS["float32"]
        place = self._place(slot, how.size_bytes)
        if not place:
            return default
        value: float = how.unpack.unpack_from(self._buffer.data, place)[0]
        return value

    def boolean(self, slot: int, *, default: bool = False) -> bool:
        """Return a bool."""
        return bool(self.scalar(slot, "bool", int(default)))

    def has(self, slot: int) -> bool:
        """Whether the field in ``slot`` is stored."""
        return self._place(slot, 1) != 0

    def table(self, slot: int, where: str) -> Table | None:
        """Return the table that a field refers to; ``None`` where there is none."""
        place = self._place(slot, 4)
        if not place:
            return None
        return Table(self._buffer, self._buffer.follow(place, where), where)

    def tables(self, slot: int, name: str) -> list[Table]:
        """Return a vector of tables; each is named ``name``, its number and this table."""
        place = self._place(slot, 4)
        if not place:
            return []
        buffer = self._buffer
        owner = "" if self.where == WHOLE else f" of {self.where}"
        start, count = buffer.vector(buffer.follow(place, self.where), 4, self.where)
        buffer.spend(4 * count, self.where)
        found = []
        for index in range(count):
            where = f"{name} {index}{owner}"
            found.append(Table(buffer, buffer.follow(start + 4 * index, where), where))
        return found

    def blob(self, slot: int) -> tuple[int, int] | None:
        """Return the first byte and the size of a vector of bytes; ``None`` where none is."""
        place = self._place(slot, 4)
        if not place:
            return None
        return self._buffer.vector(self._buffer.follow(place, self.where), 1, self.where)

    def integers(self, slot: int, kind: str = "int32") -> tuple[int, ...]:
        """Return a vector of whole numbers; empty where there is none."""
        values: tuple[int, ...] = self._vector(slot, kind)
        return values

    def reals(self, slot: int) -> tuple[float, ...]:
        """Return a vector of float32; empty where there is none."""
        values: tuple[float, ...] = self._vector(slot, "float32")
        return values

    def _vector(self, slot: int, kind: str) -> tuple[int, ...]:
        place = self._place(slot, 4)
        if not place:
            return ()
        how = _SCALARS[kind]
        buffer = self._buffer
        start, count = buffer.vector(buffer.follow(place, self.where), how.size_bytes, self.where)
        buffer.spend(4 + count * how.size_bytes, self.where)
        return struct.unpack_from(f"<{count}{how.letter}", buffer.data, start)

    def string(self, slot: int) -> str:
        """Return a string; empty where there is none. Bytes that are not UTF-8 are escaped."""
        found = self.blob(slot)
        if found is None:
            return ""
        start, size_bytes = found
        buffer = self._buffer
        end = start + size_bytes
        if end >= buffer.size_bytes or buffer.data[end] != 0:
            raise corrupt(self.where, f"the text at byte {start} has no end")
        buffer.spend(5 + size_bytes, self.where)
        return buffer.data[start:end].decode("utf-8", errors="backslashreplace")
