"""A file of another kind is named, with what to do with it."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from written_models import small_model

from edgekit.errors import InvalidModelError
from edgekit.model.foreign import refuse_other_formats
from edgekit.model.reader import read_graph, read_model


def archive(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        for name in names:
            zipped.writestr(name, "{}")
    return file.getvalue()


def saved(save: object, *arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    save(file, *arrays)  # type: ignore[operator]
    return file.getvalue()


ONNX = b"\x08\x08\x12\x07pytorch\x1a\x052.1.0:" + bytes(40)
SAVED_MODEL = b"\x08\x01\x12\xaa\xbb\x01\x0a" + bytes(40)

FOREIGN = [
    (b"", "The model file is empty.", "again"),
    (b"\x89HDF\r\n\x1a\n" + bytes(64), "a Keras HDF5 file (.h5)", "edgekit convert"),
    (archive("metadata.json", "config.json"), "a Keras file (.keras)", "edgekit convert"),
    (archive("net/data.pkl", "net/version"), "a PyTorch file", "SavedModel"),
    (saved(np.savez, np.zeros(3)), "a NumPy archive (.npz)", "not its data"),
    (saved(np.save, np.zeros(3)), "a NumPy array (.npy)", "not its data"),
    (archive("model.tflite"), "a ZIP archive", "Unpack"),
    (gzip.compress(b"model", mtime=0), "a gzip archive", "Unpack"),
    (ONNX, "an ONNX file", "onnx2tf"),
    (SAVED_MODEL, "a TensorFlow SavedModel's saved_model.pb", "the folder"),
    (b"<!DOCTYPE html>\n<html>" + bytes(30), "a web page (HTML)", "raw file"),
    (b"\n\n <html lang='en'>", "a web page (HTML)", "raw file"),
    (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer", "git lfs pull"),
    (b"// model\nalignas(16) const unsigned char m[] = {", "C source text", "array was made"),
    (b"unsigned char model_tflite[] = {", "C source text", "array was made"),
    (b'{"format": "layers-model"}', "JSON text", ".tflite file itself"),
    (b"\x14\0\0\0TFL2" + bytes(64), "schema 'TFL2', not 'TFL3'", "convert the model again"),
    (b"\x14\0\0\0TFL3", "cut short: it has 8 bytes", "again"),
    (b"\x14\0\0\0TF", "bytes 4 to 7 are not 'TFL3'", "convert a Keras model"),
    (bytes(64), "bytes 4 to 7 are not 'TFL3'", "convert a Keras model"),
    (b"\xff" * 64, "bytes 4 to 7 are not 'TFL3'", "convert a Keras model"),
]


@pytest.mark.parametrize(("data", "message", "hint"), FOREIGN)
def test_another_format_is_named_with_the_way_out(data: bytes, message: str, hint: str):
    with pytest.raises(InvalidModelError) as caught:
        read_graph(data)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.exit_code == 2


def test_a_tflite_file_is_let_through():
    refuse_other_formats(small_model().bytes())


@pytest.mark.shared_data
def test_a_real_keras_2_file_is_named(shared_models: Path):
    with pytest.raises(InvalidModelError, match="HDF5"):
        read_model(shared_models / "ic01_keras2.h5")
