"""What the user gives to be converted, brought to a form that the child can load.

A file is recognised by its content. A ``.keras`` file is looked through here, without
TensorFlow: a damaged one is told apart from an unsafe one, and neither reaches Keras.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.errors import InputError, InvalidModelError, UnsupportedModelError

KERAS = "keras"
SAVED_MODEL = "saved_model"

_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    OverflowError,
    MemoryError,
)
"""What zipfile raises on a damaged, encrypted or hostile archive."""

_AGAIN = "Save the model again: model.save('model.keras')."
_EXPORT = (
    "Convert it where its code is at hand: edgekit.convert(model, …), or export it "
    "from there with model.export(folder), and convert the folder."
)
_HDF5_HINT = (
    "HDF5 models can run code when they are loaded, and Keras 2 writes them. If you trust the "
    'file, save it again in the Keras 3 format: python -c "import keras; '
    "keras.models.load_model('{name}', compile=False).save('{stem}.keras')\". If Keras 3 can't "
    "load it, load it with tf_keras and export a SavedModel: model.export('{stem}')."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A model that the child can load.

    ``kind`` is ``"keras"`` or ``"saved_model"``; ``label`` names it in messages.
    ``input_names`` are the names to give to the inputs of a function that was saved
    as a SavedModel, in its own order; empty where the file knows them.
    ``keras_version`` is what wrote a .keras file.
    """

    kind: str
    path: Path
    label: str
    input_names: tuple[str, ...] = ()
    keras_version: str = ""


def prepare_source(given: Any, folder: Path) -> Source:
    """Return a loadable form of what was given; objects are saved into ``folder``.

    Args:
        given: Path of a .keras file or SavedModel folder, a Keras 3 model, a
            ``tf.function`` with an input signature, or a concrete function.
        folder: Where a model object is saved for the child. A Keras model goes as
            .keras; one with code of its own (Lambda, custom layers) and a function,
            which can't cross to another process, as a SavedModel with a signature.

    Raises:
        InvalidModelError: The file is missing, damaged or of another format.
        UnsupportedModelError: It holds code that is not run, or is of Keras 2.
        InputError: The object is none of these.
    """
    if isinstance(given, str | Path):
        return _from_path(Path(given))
    kind = _kind_of_object(given)
    if kind == "model":
        return _from_keras_model(given, folder)
    if kind == "function":
        return _from_function(given, folder)
    raise InputError(
        f"Can't convert a {type(given).__module__}.{type(given).__name__}.",
        hint="Give a .keras file, a SavedModel folder, a Keras 3 model, or a tf.function with "
        "an input signature. Models of tf_keras: export a SavedModel with model.export(folder).",
    )


def _kind_of_object(given: Any) -> str:
    """Tell models and functions apart without importing TensorFlow."""
    for base in type(given).__mro__:
        package = base.__module__.partition(".")[0]
        if package == "keras" and base.__name__ == "Model":
            return "model"
        if package == "tensorflow" and base.__name__ in (
            "ConcreteFunction",
            "PolymorphicFunction",
            "Function",
        ):
            return "function"
    return ""


def _from_keras_model(model: Any, folder: Path) -> Source:
    path = folder / "model.keras"
    label = f"the model {model.name!r}"
    model.save(path)
    try:
        return Source(kind=KERAS, path=path, label=label, keras_version=inspect_keras_file(path))
    except UnsupportedModelError:  # its own code can't cross: its graph can
        from edgekit.model import tensorflow_models

        saved = folder / "saved_model"
        names = tensorflow_models.save_keras_model(model, saved)
    return Source(kind=SAVED_MODEL, path=saved, label=label, input_names=names)


def _from_function(function: Any, folder: Path) -> Source:
    from edgekit.model import tensorflow_models

    saved = folder / "saved_model"
    names = tensorflow_models.save_function(function, saved)
    return Source(kind=SAVED_MODEL, path=saved, label="the function", input_names=names)


def _from_path(path: Path) -> Source:
    if path.is_dir():
        if (path / "saved_model.pb").is_file():
            return Source(kind=SAVED_MODEL, path=path.resolve(), label=path.name)
        raise InvalidModelError(
            f"{path} is a folder without a saved_model.pb: it is not a SavedModel.",
            hint="Name the folder that holds saved_model.pb, or a .keras file.",
        )
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except FileNotFoundError as error:
        raise InvalidModelError(f"There is no model {path}.", hint="Check the path.") from error
    except OSError as error:
        raise InvalidModelError(
            f"Can't read {path}: {error.strerror}.", hint="Check the path and its permissions."
        ) from error
    if head.startswith(b"PK"):
        version = inspect_keras_file(path)
        return Source(kind=KERAS, path=path.resolve(), label=path.name, keras_version=version)
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        raise UnsupportedModelError(
            f"{path.name} is an HDF5 model (.h5), the format of Keras 2.",
            hint=_HDF5_HINT.format(name=path.name, stem=path.stem),
        )
    if head[4:8] == b"TFL3":
        raise InputError(
            f"{path.name} is already a .tflite: there is nothing to convert.",
            hint="Check or deploy it as it is; to quantise it, convert the model it came from.",
        )
    raise InvalidModelError(
        f"{path.name} is not a Keras model" + (": it is empty." if not head else "."),
        hint="Give a .keras file or a SavedModel folder. ONNX and PyTorch models: export a "
        "SavedModel or a .tflite with their own tools (onnx2tf, litert-torch). " + _AGAIN,
    )


def inspect_keras_file(path: Path) -> str:
    """Check a .keras archive without loading it; return the Keras version that wrote it.

    Raises:
        InvalidModelError: It is damaged, or another kind of archive.
        UnsupportedModelError: It holds a Lambda or code that is not Keras' own.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            if {"config.json", "metadata.json"} <= names:
                broken = archive.testzip()
                if broken is not None:
                    raise zipfile.BadZipFile(f"{broken} has a wrong checksum")
                config = json.loads(archive.read("config.json"))
                metadata = json.loads(archive.read("metadata.json"))
            else:
                config = metadata = None
    except (*_DAMAGED, RecursionError) as error:
        raise InvalidModelError(
            f"{path.name} is truncated or damaged: {error}.",
            hint="Copy or download the file again. " + _AGAIN,
        ) from error
    if not isinstance(config, dict) or not isinstance(metadata, dict):
        raise InvalidModelError(
            f"{path.name} is an archive, but not a Keras model.",
            hint="A .keras file holds config.json, metadata.json and model.weights.h5. " + _AGAIN,
        )
    if "model.weights.h5" not in names:
        raise InvalidModelError(f"{path.name} holds no weights.", hint=_AGAIN)
    foreign = next(_foreign_code({k: v for k, v in config.items() if k != "compile_config"}), None)
    if foreign is not None:
        raise UnsupportedModelError(f"{path.name} needs code: {foreign}.", hint=_EXPORT)
    return str(metadata.get("keras_version", ""))


def _foreign_code(value: Any, layer: str = "") -> Iterator[str]:
    """Give each part of a model's configuration that is code, or needs code to be loaded."""
    if isinstance(value, list):
        for item in value:
            yield from _foreign_code(item, layer)
    if not isinstance(value, dict):
        return
    config = value.get("config")
    kind = value.get("class_name")
    if isinstance(config, Mapping) and isinstance(config.get("name"), str) and "module" in value:
        layer = config["name"]
    where = f" (layer {layer!r})" if layer else ""
    if kind in ("Lambda", "__lambda__"):
        yield f"a Lambda{where}, which is never run from a file"
    elif kind == "function":
        yield f"the function {config!r}{where}, which is not part of Keras"
    elif isinstance(kind, str) and "module" in value and not _is_keras(value["module"]):
        yield f"the custom class {kind!r}{where}"
    for item in value.values():
        yield from _foreign_code(item, layer)


def _is_keras(module: Any) -> bool:
    return isinstance(module, str) and module.partition(".")[0] in ("keras", "builtins")
