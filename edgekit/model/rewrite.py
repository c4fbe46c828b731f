"""Change a .tflite without rebuilding it: a new arena plan, another order of operators.

A FlatBuffer's offsets only lead forwards, and are relative: so the old file is moved
back as one piece, and a new root table goes before it, with new lists of buffers and of
metadata that lead into the old piece and to what is added. All else stays byte for byte
as it was; the old root table and its two lists stay behind, unused.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgekit.errors import UnsupportedModelError
from edgekit.graph import Graph, Subgraph
from edgekit.model.flatbuffer import WHOLE, Buffer
from edgekit.model.offline_plan import METADATA_NAME, ONLINE, encode_offline_plan
from edgekit.model.reader import read_graph
from edgekit.model.schema import FILE_IDENTIFIER

_ALIGNMENT_BYTES = 16
"""schema.fbs, Buffer.data, force_align; the old piece moves by a multiple of it."""

_VERSION_SLOT, _SUBGRAPHS_SLOT, _BUFFERS_SLOT, _METADATA_SLOT = 0, 2, 4, 6
_KNOWN_SLOTS = 10
"""schema.fbs, table Model: all fields but the version are offsets."""

_OPERATORS_SLOT = 3
"""schema.fbs, table SubGraph."""

_DATA_SLOT = 0
_BUFFER_OFFSET_SLOT = 1
"""schema.fbs, table Buffer: the bytes; or, over 2 GB, at which byte of the file they are."""

_OPERATOR_OFFSET_SLOT = 9
"""schema.fbs, table Operator, large_custom_options_offset: likewise."""

_NAME_SLOT, _BUFFER_SLOT = 0, 1
"""schema.fbs, table Metadata."""


def with_offline_plan(
    data: bytes, offsets: Sequence[int], *, order: Sequence[int] | None = None
) -> bytes:
    """Return a copy of a .tflite that brings along a plan of TFLM's arena.

    A plan that leaves all to TFLM is left out, unless it replaces another.

    Args:
        data: The model; if it has a plan, that is replaced.
        offsets: As :func:`~edgekit.model.offline_plan.read_offline_plan` returns them.
        order: The main subgraph's operators in their new order, by their present
            indices; as they are if not given.

    Raises:
        InvalidModelError: The model is not sound.
        UnsupportedModelError: It is built in a way that can't be changed safely.
        ValueError: Not one offset a tensor, or not each operator once.
    """
    graph = read_graph(data)
    count = sum(len(subgraph.tensors) for subgraph in graph.subgraphs)
    if len(offsets) != count:
        raise ValueError(f"{len(offsets)} offsets for {count} tensors")
    plan = encode_offline_plan(offsets, subgraphs=len(graph.subgraphs))
    old = bytearray(data)
    expected = graph
    if order is not None:
        expected = _expected(graph, order)
        _permute_operators(old, order)
    if METADATA_NAME not in graph.metadata and all(offset == ONLINE for offset in offsets):
        if read_graph(bytes(old)).subgraphs != expected.subgraphs:
            raise _shared_parts()
        return bytes(old)
    in_place = _replaced(bytes(old), METADATA_NAME, plan)
    if in_place is not None and _is_as_meant(read_graph(in_place), expected, plan):
        return in_place
    new = _with_metadata(bytes(old), METADATA_NAME, plan)
    if not _is_as_meant(read_graph(new), expected, plan):
        raise _shared_parts()
    return new


def _shared_parts() -> UnsupportedModelError:
    return UnsupportedModelError(
        "The model's file shares parts between operators or subgraphs in a way that"
        " can't be changed safely.",
        hint="Convert the model again, and optimise that file.",
    )


def _expected(graph: Graph, order: Sequence[int]) -> Graph:
    operators = graph.main.operators
    if sorted(order) != list(range(len(operators))):
        raise ValueError("the order must have each operator once")
    moved = tuple(
        dataclasses.replace(operators[index], index=place) for place, index in enumerate(order)
    )
    main = dataclasses.replace(graph.main, operators=moved)
    return dataclasses.replace(graph, subgraphs=(main, *graph.subgraphs[1:]))


def _is_as_meant(new: Graph, expected: Graph, plan: bytes) -> bool:
    """Compare what was written, read back, with what was meant."""
    metadata = {**expected.metadata, METADATA_NAME: plan}
    moved = _moved(expected, new.size_bytes - expected.size_bytes)
    return new.subgraphs == moved and dict(new.metadata) == metadata


def _moved(graph: Graph, distance: int) -> tuple[Subgraph, ...]:
    """Return the subgraphs with every constant ``distance`` bytes further on in the file."""
    return tuple(
        dataclasses.replace(
            subgraph,
            tensors=tuple(
                tensor
                if tensor.file_offset is None
                else dataclasses.replace(tensor, file_offset=tensor.file_offset + distance)
                for tensor in subgraph.tensors
            ),
        )
        for subgraph in graph.subgraphs
    )


class _Source:
    """The old file: where its tables and lists are. It was read before, so it is sound."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._buffer = Buffer(data)
        self.root = self._buffer.follow(0, WHOLE)

    def field(self, table: int, slot: int) -> int:
        """Return where a field is stored; 0 where it is not."""
        fields = self._buffer.vtable(table, WHOLE)
        return table + fields[slot] if slot < len(fields) and fields[slot] else 0

    def slots(self, table: int) -> list[int]:
        """Return the slots that are stored."""
        fields = self._buffer.vtable(table, WHOLE)
        return [slot for slot, distance in enumerate(fields) if distance]

    def follow(self, place: int) -> int:
        """Return where the offset at ``place`` leads."""
        return self._buffer.follow(place, WHOLE)

    def items(self, table: int, slot: int) -> list[int]:
        """Return the places of a list's elements, each an offset; empty without a list."""
        place = self.field(table, slot)
        if not place:
            return []
        start, count = self._buffer.vector(self.follow(place), 4, WHOLE)
        return [start + 4 * index for index in range(count)]

    def tables(self, table: int, slot: int) -> list[int]:
        """Return where the tables of a list start."""
        return [self.follow(place) for place in self.items(table, slot)]

    def blob(self, table: int, slot: int) -> tuple[int, int] | None:
        """Return the first byte and the size of a list of bytes; ``None`` without one."""
        place = self.field(table, slot)
        return self._buffer.vector(self.follow(place), 1, WHOLE) if place else None

    def text(self, table: int, slot: int) -> bytes:
        """Return a string's bytes."""
        start, size_bytes = self.blob(table, slot) or (0, 0)
        return self.data[start : start + size_bytes]


def _permute_operators(data: bytearray, order: Sequence[int]) -> None:
    """Rewrite the main subgraph's list of operators; the tables stay where they are.

    Each table lies behind the whole list, as an offset leads forwards.
    """
    source = _Source(bytes(data))
    main = source.tables(source.root, _SUBGRAPHS_SLOT)[0]
    places = source.items(main, _OPERATORS_SLOT)
    tables = [source.follow(place) for place in places]
    for place, index in zip(places, order, strict=True):
        struct.pack_into("<I", data, place, tables[index] - place)


def _replaced(data: bytes, name: str, content: bytes) -> bytes | None:
    """Return the file with a metadata entry's bytes replaced by as many others.

    ``None`` where there is no such entry, or more than one, or it has another size.
    """
    source = _Source(data)
    found = [
        table
        for table in source.tables(source.root, _METADATA_SLOT)
        if source.text(table, _NAME_SLOT) == name.encode()
    ]
    if len(found) != 1:
        return None
    place = source.field(found[0], _BUFFER_SLOT)
    index = struct.unpack_from("<I", data, place)[0] if place else 0
    stored = source.blob(source.tables(source.root, _BUFFERS_SLOT)[index], _DATA_SLOT)
    if stored is None or stored[1] != len(content):
        return None
    return data[: stored[0]] + content + data[stored[0] + stored[1] :]


def _with_metadata(data: bytes, name: str, content: bytes) -> bytes:
    """Return the file with one more buffer, and the metadata entry that names it."""
    source = _Source(data)
    _refuse_absolute_places(source)
    buffers = source.tables(source.root, _BUFFERS_SLOT)
    entries = [
        table
        for table in source.tables(source.root, _METADATA_SLOT)
        if source.text(table, _NAME_SLOT) != name.encode()
    ]
    slots = sorted({*source.slots(source.root), _BUFFERS_SLOT, _METADATA_SLOT})
    if slots[-1] >= _KNOWN_SLOTS:
        raise UnsupportedModelError(
            "The model's root table has fields that this EdgeKit does not know.",
            hint="Update EdgeKit.",
        )
    front = _Front()
    root = front.table(slots)
    buffer_list = front.vector(len(buffers) + 1)
    entry_list = front.vector(len(entries) + 1)
    buffer = front.table([_DATA_SLOT])
    entry = front.table([_NAME_SLOT, _BUFFER_SLOT])
    text = front.blob(name.encode(), 4)
    blob = front.blob(content, _ALIGNMENT_BYTES)
    base = front.end()

    front.link(0, root.start)
    for slot in slots:
        place = source.field(source.root, slot)
        if slot == _VERSION_SLOT:
            front.put(root.fields[slot], struct.unpack_from("<I", data, place)[0])
        elif slot == _BUFFERS_SLOT:
            front.link(root.fields[slot], buffer_list.start)
        elif slot == _METADATA_SLOT:
            front.link(root.fields[slot], entry_list.start)
        else:
            front.link(root.fields[slot], base + source.follow(place))
    for number, table in enumerate(buffers):
        front.link(buffer_list.fields[number], base + table)
    for number, table in enumerate(entries):
        front.link(entry_list.fields[number], base + table)
    front.link(buffer_list.fields[len(buffers)], buffer.start)
    front.link(entry_list.fields[len(entries)], entry.start)
    front.link(buffer.fields[_DATA_SLOT], blob)
    front.link(entry.fields[_NAME_SLOT], text)
    front.put(entry.fields[_BUFFER_SLOT], len(buffers))
    return bytes(front.data) + data


def _refuse_absolute_places(source: _Source) -> None:
    """Raise where the file says at which byte something lies, which moving it breaks."""
    operators = [
        operator
        for subgraph in source.tables(source.root, _SUBGRAPHS_SLOT)
        for operator in source.tables(subgraph, _OPERATORS_SLOT)
    ]
    for tables, slot in (
        (source.tables(source.root, _BUFFERS_SLOT), _BUFFER_OFFSET_SLOT),
        (operators, _OPERATOR_OFFSET_SLOT),
    ):
        for table in tables:
            place = source.field(table, slot)
            if place and struct.unpack_from("<Q", source.data, place)[0] > 1:
                raise UnsupportedModelError(
                    "The model keeps weights behind its FlatBuffer, as files over 2 GB do.",
                    hint="Convert it again as one plain .tflite.",
                )


@dataclass(frozen=True, slots=True)
class _Piece:
    """A table or list in the new front: its start, and where each field or element is."""

    start: int
    fields: Mapping[int, int]


class _Front:
    """What goes before the old file; every field of its tables takes four bytes."""

    def __init__(self) -> None:
        self.data = bytearray(4) + FILE_IDENTIFIER

    def table(self, slots: Sequence[int]) -> _Piece:
        """Append a table and the list of its fields; the values are still zero."""
        self._align(4)
        vtable = len(self.data)
        distances = [0] * (max(slots) + 1)
        for number, slot in enumerate(slots):
            distances[slot] = 4 + 4 * number
        self.data += struct.pack(
            f"<{2 + len(distances)}H", 4 + 2 * len(distances), 4 + 4 * len(slots), *distances
        )
        self._align(4)
        start = len(self.data)
        self.data += struct.pack("<i", start - vtable) + bytes(4 * len(slots))
        return _Piece(start, {slot: start + distances[slot] for slot in slots})

    def vector(self, count: int) -> _Piece:
        """Append a list of ``count`` offsets; they are still zero."""
        self._align(4)
        start = len(self.data)
        self.data += struct.pack("<I", count) + bytes(4 * count)
        return _Piece(start, {number: start + 4 + 4 * number for number in range(count)})

    def blob(self, content: bytes, alignment: int) -> int:
        """Append bytes, the first of them aligned, with a zero behind; return their list."""
        self.data += bytes(-(len(self.data) + 4) % alignment)
        start = len(self.data)
        self.data += struct.pack("<I", len(content)) + content + b"\0"
        return start

    def end(self) -> int:
        """Fill up to the alignment; return where the old file begins."""
        self._align(_ALIGNMENT_BYTES)
        return len(self.data)

    def put(self, place: int, value: int) -> None:
        """Write a whole number."""
        struct.pack_into("<I", self.data, place, value)

    def link(self, place: int, target: int) -> None:
        """Write an offset that leads from ``place`` to ``target``."""
        self.put(place, target - place)

    def _align(self, alignment: int) -> None:
        self.data += bytes(-len(self.data) % alignment)
