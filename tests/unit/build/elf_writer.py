"""A small 32-bit Arm ELF file, written by hand, so that its sizes are known."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

PROGBITS, SYMTAB, STRTAB, NOBITS = 1, 2, 3, 8
WRITE, ALLOC, EXECUTE = 1, 2, 4
R, W, X = 4, 2, 1
_HEADER_BYTES, _SEGMENT_BYTES, _SECTION_BYTES = 52, 32, 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A section; ``load_address`` is where its content lies before it is copied."""

    name: str
    kind: int
    flags: int
    address: int
    size: int
    permissions: int
    load_address: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Symbol:
    """A symbol; kind 1 is an object, 2 a function."""

    name: str
    size: int
    kind: int = 1


def write_elf(sections: Sequence[Section], symbols: Sequence[Symbol] = ()) -> bytes:
    """Return an ELF file with one segment for each section."""
    symbol_names = b"\0" + b"".join(symbol.name.encode() + b"\0" for symbol in symbols)
    table = bytes(16)
    for symbol in symbols:
        name = symbol_names.index(symbol.name.encode() + b"\0")
        table += struct.pack("<IIIBBH", name, 0, symbol.size, symbol.kind, 0, 1)

    names = ["", *(section.name for section in sections), ".symtab", ".strtab", ".shstrtab"]
    name_table = b"".join(name.encode() + b"\0" for name in names)
    name_offsets = [name_table.index(name.encode() + b"\0") for name in names]
    name_offsets[0] = 0

    body = bytearray(_HEADER_BYTES + _SEGMENT_BYTES * len(sections))
    headers = [bytes(_SECTION_BYTES)]
    segments = b""
    for index, section in enumerate(sections, start=1):
        offset = len(body)
        in_file = 0 if section.kind == NOBITS else section.size
        body += bytes(in_file)
        at = section.address if section.load_address is None else section.load_address
        segments += struct.pack(
            "<8I", 1, offset, section.address, at, in_file, section.size, section.permissions, 4
        )
        headers.append(
            struct.pack(
                "<10I",
                *(name_offsets[index], section.kind, section.flags, section.address, offset),
                *(section.size, 0, 0, 4, 0),
            )
        )
    count = len(sections)
    for kind, content, link, entry in (
        (SYMTAB, table, count + 2, 16),
        (STRTAB, symbol_names, 0, 0),
        (STRTAB, name_table, 0, 0),
    ):
        headers.append(
            struct.pack(
                "<10I",
                *(name_offsets[len(headers)], kind, 0, 0, len(body)),
                *(len(content), link, 1 if link else 0, 1, entry),
            )
        )
        body += content
    section_offset = len(body)
    header = b"\x7fELF\x01\x01\x01" + bytes(9)
    header += struct.pack(
        "<HHIIIIIHHHHHH",
        2,
        40,
        1,
        0,
        52,
        section_offset,
        0,
        52,
        32,
        count,
        40,
        len(headers),
        len(headers) - 1,
    )
    body[:_HEADER_BYTES] = header
    body[_HEADER_BYTES : _HEADER_BYTES + len(segments)] = segments
    return bytes(body) + b"".join(headers)
