"""Tell what a file is that is not a .tflite, and what to do with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgekit.errors import InvalidModelError
from edgekit.model.schema import FILE_IDENTIFIER

SMALLEST_BYTES = 16
"""A root offset, the file identifier, an empty table and its vtable."""


@dataclass(frozen=True, slots=True)
class _Format:
    what: str
    hint: str
    is_it: Callable[[bytes], bool]


def _starts(*prefixes: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(prefixes)


def _text_starts(*prefixes: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(prefixes)


def _is_zip_with(*names: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(b"PK\x03\x04") and any(name in head for name in names)


def _is_onnx(head: bytes) -> bool:
    """Whether it begins as ModelProto does: ``ir_version`` 3 to 31, then a text or a list."""
    return len(head) > 3 and head[0] == 0x08 and 3 <= head[1] < 32 and head[2] in (0x12, 0x3A, 0x42)


_CONVERT = "Convert it first, with 'edgekit convert'."

_FORMATS: tuple[_Format, ...] = (
    _Format("a Keras HDF5 file (.h5)", _CONVERT, _starts(b"\x89HDF\r\n\x1a\n")),
    _Format(
        "a PyTorch file",
        "Export it from PyTorch to a SavedModel or a .tflite (e.g. with litert-torch).",
        _is_zip_with(b"data.pkl", b"/version"),
    ),
    _Format("a NumPy archive (.npz)", "Name the model, not its data.", _is_zip_with(b".npy")),
    _Format("a Keras file (.keras)", _CONVERT, _is_zip_with(b"config.json", b"metadata.json")),
    _Format("a ZIP archive", "Unpack it and name the .tflite in it.", _starts(b"PK\x03\x04")),
    _Format("a NumPy array (.npy)", "Name the model, not its data.", _starts(b"\x93NUMPY")),
    _Format("a gzip archive", "Unpack it and name the .tflite in it.", _starts(b"\x1f\x8b")),
    _Format(
        "a TensorFlow SavedModel's saved_model.pb",
        "Convert the folder that it lies in, with 'edgekit convert'.",
        _starts(b"\x08\x01\x12"),
    ),
    _Format(
        "an ONNX file",
        "Convert it to a SavedModel or a .tflite first (e.g. with onnx2tf).",
        _is_onnx,
    ),
    _Format(
        "a web page (HTML)",
        "The download saved the page around the file: use the link to the raw file.",
        _text_starts(b"<!doctype html", b"<html", b"<head", b"<?xml"),
    ),
    _Format(
        "a Git LFS pointer, not the file itself",
        "Fetch the file: git lfs pull",
        _text_starts(b"version https://git-lfs"),
    ),
    _Format(
        "C source text",
        "Name the .tflite that the array was made from.",
        _text_starts(b"#include", b"/*", b"//", b"const ", b"unsigned ", b"alignas", b"static "),
    ),
    _Format("JSON text", "Name the .tflite file itself.", _text_starts(b"{", b"[")),
)


def refuse_other_formats(data: bytes) -> None:
    """Return if the bytes begin as a .tflite does.

    Raises:
        InvalidModelError: They don't; where the format is known, the message names it.
    """
    if not data:
        raise InvalidModelError(
            "The model file is empty.", hint="Download, copy or convert the model again."
        )
    if data[4:8] == FILE_IDENTIFIER and len(data) >= SMALLEST_BYTES:
        return
    head = data[:256]
    for known in _FORMATS:
        if known.is_it(head):
            raise InvalidModelError(f"This is {known.what}, not a .tflite.", hint=known.hint)
    if data[4:8] == FILE_IDENTIFIER:
        raise InvalidModelError(
            f"The model is cut short: it has {len(data)} bytes.",
            hint="Download, copy or convert the model again.",
        )
    if data[4:7] == FILE_IDENTIFIER[:3]:
        raise InvalidModelError(
            f"This .tflite is of schema {data[4:8].decode('ascii', 'replace')!r}, not 'TFL3'.",
            hint="It was written before 2018: convert the model again with a current TensorFlow.",
        )
    raise InvalidModelError(
        "This is not a .tflite file: bytes 4 to 7 are not 'TFL3'.",
        hint="Give a .tflite file; convert a Keras model or SavedModel with 'edgekit convert'.",
    )
