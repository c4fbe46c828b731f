"""What may be converted: told by content, looked through before Keras sees it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.errors import InputError, InvalidModelError, UnsupportedModelError
from edgekit.model.source import inspect_keras_file, prepare_source


def layer(kind: str = "Dense", module: str | None = "keras.layers", **config: Any) -> dict:
    return {"module": module, "class_name": kind, "config": {"name": "mine", **config}}


def write_keras(path: Path, *layers: dict, version: str = "3.15.1", weights: bool = True) -> Path:
    config = {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "model", "layers": list(layers or [layer()])},
        "compile_config": {"loss": layer("MyLoss", None)},
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("metadata.json", json.dumps({"keras_version": version}))
        if weights:
            archive.writestr("model.weights.h5", bytes(range(256)) * 20)
    return path


def refused(given: Any, folder: Path, error: type[InputError]) -> InputError:
    with pytest.raises(error) as caught:
        prepare_source(given, folder)
    assert caught.value.exit_code == 2
    assert caught.value.hint
    return caught.value


def test_a_keras_file_is_told_by_its_content(tmp_path):
    source = prepare_source(write_keras(tmp_path / "model.bin"), tmp_path)
    assert (source.kind, source.label, source.keras_version) == ("keras", "model.bin", "3.15.1")
    assert source.path.is_absolute()


def test_a_saved_model_is_a_folder_with_its_file(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01")
    source = prepare_source(str(tmp_path), tmp_path)
    assert (source.kind, source.label) == ("saved_model", tmp_path.name)


def test_another_folder(tmp_path):
    error = refused(tmp_path, tmp_path, InvalidModelError)
    assert error.message.endswith("is a folder without a saved_model.pb: it is not a SavedModel.")


def test_a_missing_file(tmp_path):
    error = refused(tmp_path / "none.keras", tmp_path, InvalidModelError)
    assert error.message == f"There is no model {tmp_path / 'none.keras'}."


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"", InvalidModelError, "file is not a Keras model: it is empty."),
        (b"\x93garbage and more of it", InvalidModelError, "file is not a Keras model."),
        (b"\x89HDF\r\n\x1a\n" + bytes(99), UnsupportedModelError, "HDF5 model (.h5), the format"),
        (b"\x1c\0\0\0TFL3" + bytes(99), InputError, "is already a .tflite: there is nothing"),
        (b"PK\x03\x04" + bytes(99), InvalidModelError, "file is truncated or damaged"),
    ],
)
def test_other_files(tmp_path, content, error, message):
    (tmp_path / "file").write_bytes(content)
    assert message in refused(tmp_path / "file", tmp_path, error).message


def test_an_hdf5_file_says_how_to_save_it_again(tmp_path):
    (tmp_path / "old.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99))
    hint = refused(tmp_path / "old.h5", tmp_path, UnsupportedModelError).hint
    assert "keras.models.load_model('old.h5', compile=False).save('old.keras')" in hint
    assert "tf_keras" in hint


def test_a_real_keras_2_file(shared_models, tmp_path):
    error = refused(shared_models / "ic01_keras2.h5", tmp_path, UnsupportedModelError)
    assert error.message == "ic01_keras2.h5 is an HDF5 model (.h5), the format of Keras 2."


@pytest.mark.parametrize("part", ["config.json", "metadata.json"])
def test_an_archive_of_something_else(tmp_path, part):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(part, "{}")
    error = refused(tmp_path / "a.zip", tmp_path, InvalidModelError)
    assert error.message == "a.zip is an archive, but not a Keras model."


def test_a_model_without_weights(tmp_path):
    path = write_keras(tmp_path / "m.keras", weights=False)
    assert refused(path, tmp_path, InvalidModelError).message == "m.keras holds no weights."


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_file(tmp_path, share):
    path = write_keras(tmp_path / "m.keras")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    error = refused(path, tmp_path, InvalidModelError)
    assert error.message.startswith("m.keras is truncated or damaged: ")
    assert "Copy or download the file again." in error.hint


def test_a_flipped_bit_in_the_weights(tmp_path):
    path = write_keras(tmp_path / "m.keras")
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        begin = archive.getinfo("model.weights.h5").header_offset
    content[begin + 60] ^= 1
    path.write_bytes(bytes(content))
    assert "damaged" in refused(path, tmp_path, InvalidModelError).message


@settings(max_examples=150)
@given(st.data())
def test_a_damaged_file_is_refused_or_still_sound(tmp_path_factory, data):
    path = write_keras(tmp_path_factory.getbasetemp() / "damaged.keras")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content[: data.draw(st.integers(1, len(content)))]))
    try:
        assert isinstance(inspect_keras_file(path), str)
    except InputError as error:
        assert error.hint


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (layer("Lambda"), "m.keras needs code: a Lambda (layer 'mine'), which is never run"),
        (
            layer("TimeDistributed", layer=layer("Lambda")),
            "m.keras needs code: a Lambda (layer 'mine'), which is never run from a file.",
        ),
        (layer("Rescale", "my_package.layers"), "the custom class 'Rescale' (layer 'mine')"),
        (layer("Rescale", None), "the custom class 'Rescale' (layer 'mine')"),
        (
            layer(
                activation={
                    "module": "builtins",
                    "class_name": "function",
                    "config": "swishy",
                    "registered_name": "function",
                }
            ),
            "the function 'swishy' (layer 'mine'), which is not part of Keras",
        ),
        (layer(activation={"class_name": "__lambda__", "config": {"code": "4wE"}}), "a Lambda"),
    ],
)
def test_code_in_a_file_is_never_loaded(tmp_path, bad, message):
    path = write_keras(tmp_path / "m.keras", layer(), bad)
    error = refused(path, tmp_path, UnsupportedModelError)
    assert message in error.message
    assert "Convert it where its code is at hand" in error.hint


def test_a_custom_loss_does_not_matter(tmp_path):
    assert inspect_keras_file(write_keras(tmp_path / "m.keras")) == "3.15.1"


def test_deep_nesting_is_damage_not_a_crash(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", "[" * 200_000)
        archive.writestr("metadata.json", "{}")
    assert "damaged" in refused(tmp_path / "m.keras", tmp_path, InvalidModelError).message


@pytest.mark.parametrize("thing", [object(), 3, None, [1]])
def test_an_object_of_another_kind(tmp_path, thing):
    error = refused(thing, tmp_path, InputError)
    assert error.message.startswith("Can't convert a builtins.")
    assert "a .keras file, a SavedModel folder, a Keras 3 model" in error.hint
