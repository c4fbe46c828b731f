"""Makes the models and samples of ``test_conversion.py``, in a process of its own.

python conversion_models.py make FOLDER       writes .keras files, SavedModels, samples
python conversion_models.py objects FOLDER    converts objects that live in this process
"""

from __future__ import annotations

import json
import os
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import keras
import numpy as np
import tensorflow as tf
from keras import Input, Model, Sequential, layers

from edgekit import process
from edgekit.errors import EdgeKitError
from edgekit.model import worker
from edgekit.model.convert import convert
from edgekit.model.samples import load_samples, make_samples
from edgekit.model.variants import Variant

TRAINING_IMAGES = 1400


def make(folder: Path) -> None:
    digits(folder)
    keras.utils.set_random_seed(1)
    z, a = Input((3,), name="zeta"), Input((4,), name="alpha")
    first = layers.Dense(5)(z)
    both = Model([z, a], [first, layers.Dense(2)(layers.Concatenate()([first, a]))])
    both.save(folder / "both.keras")
    both.export(folder / "both", verbose=False)
    steps = Input((None, 5))
    Model(steps, layers.Dense(3)(steps)).save(folder / "dynamic.keras")
    steps = Input((10, 5))
    recurrent = Model(steps, layers.Dense(3)(layers.LSTM(4)(steps)))
    recurrent.save(folder / "lstm.keras")
    rewrite(folder / "lstm.keras", folder / "keras2.keras", "config.json", old_config)
    rewrite(folder / "both.keras", folder / "damaged.keras", "model.weights.h5", lambda data: b"?")


def digits(folder: Path) -> None:
    """Train Conv16-pool-Conv32-pool-Flatten-Dense10 on scikit-learn's digits at 28×28."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype("float32").reshape(-1, 8, 8, 1)
    images = tf.image.resize(images, (28, 28)).numpy()
    order = np.random.default_rng(0).permutation(len(images))
    images, labels = images[order], labels[order]
    keras.utils.set_random_seed(0)
    model = Sequential(
        [
            Input((28, 28, 1), name="image"),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    train, test = slice(TRAINING_IMAGES), slice(TRAINING_IMAGES, None)
    model.fit(images[train], labels[train], epochs=10, batch_size=32, verbose=0)
    model.save(folder / "digits.keras")
    np.savez(folder / "train.npz", x=images[train][:300], y=labels[train][:300])
    np.savez(folder / "test.npz", x=images[test], y=labels[test])


def rewrite(source: Path, target: Path, name: str, change) -> None:
    """Copy a .keras file with one of its parts changed."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for part in old.namelist():
            data = old.read(part)
            if target.name == "keras2.keras" and part == "metadata.json":
                data = b'{"keras_version": "2.15.0"}'
            new.writestr(part, change(data) if part == name else data)


def old_config(data: bytes) -> bytes:
    """Give the LSTM an option that only Keras 2 knows."""
    return data.replace(b'"return_sequences"', b'"time_major": false, "return_sequences"')


def objects() -> dict[str, object]:
    """Convert a model with code of its own and a concrete function; tell what came out."""
    random = np.random.default_rng(0)
    model = Sequential(
        [Input((4,), name="x"), layers.Lambda(lambda value: value * 2), layers.Dense(3)]
    )
    weights = tf.Variable(random.random((3, 2), dtype=np.float32))

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, 3), tf.float32, name="b"),
            tf.TensorSpec((None, 2), tf.float32, name="a"),
        ]
    )
    def function(b, a):
        return b @ weights + a, a * 2

    told = {}
    for name, source, samples in (
        ("lambda", model, {"x": random.random((120, 4))}),
        (
            "function",
            function.get_concrete_function(),
            {"a": random.random((120, 2)), "b": random.random((120, 3))},
        ),
    ):
        (item,) = convert(
            source, variants=[Variant.INT8], calibration=make_samples(samples), timeout_seconds=120
        )
        told[name] = {
            "inputs": [tensor.name for tensor in item.graph.main.input_tensors],
            "outputs": [list(tensor.shape) for tensor in item.graph.main.output_tensors],
            "relative_error": item.agreement.relative_error,
            "warnings": item.warnings,
        }
    return told


@contextmanager
def playing_the_child() -> Iterator[None]:
    """Let ``convert`` do in this process what it starts a child for."""

    def play(command, *, log, **options):
        log.touch()
        return process.Completed(returncode=worker.main([command[-1]]), output="", seconds=0.0)

    real, process.run = process.run, play
    try:
        yield
    finally:
        process.run = real


def converted(folder: Path) -> None:
    """Convert some files here, whose results need no process of their own."""
    random = np.random.default_rng(0)
    calibration = load_samples(folder / "train.npz")
    both = make_samples({"alpha": random.random((120, 4)), "zeta": random.random((120, 3))})
    (folder / "played").mkdir()
    for name, source, samples, options in (
        ("digits", "digits.keras", calibration, {}),
        ("uint8", "digits.keras", calibration, {"io_type": "uint8", "per_channel_dense": True}),
        ("both", "both", both, {}),
    ):
        (item,) = convert(folder / source, variants=[Variant.INT8], calibration=samples, **options)
        (folder / "played" / f"{name}.tflite").write_bytes(item.data)


def refusals(folder: Path) -> dict[str, object]:
    """Convert what is refused by the child's code, here in this process."""

    random = np.random.default_rng(0)
    image = load_samples(folder / "train.npz")
    garbage = folder / "garbage"
    garbage.mkdir()
    (garbage / "saved_model.pb").write_bytes(b"\x08\x01garbage")

    @tf.function
    def shapeless(x):
        return x

    @tf.function(input_signature=[tf.TensorSpec((None, 4), tf.float64, name="wide")])
    def wide(x):
        return x * 2

    @tf.function(input_signature=[tf.TensorSpec((None, 4), tf.float32, name="x")])
    def endless(x):
        return x / 0.0

    narrow = make_samples(random.random((120, 4)))
    cases = {
        "dynamic": (folder / "dynamic.keras", make_samples(random.random((120, 10, 5)))),
        "no channels": (folder / "digits.keras", make_samples(image.arrays[0][..., 0])),
        "garbage": (garbage, narrow),
        "shapeless": (shapeless, narrow),
        "batch": (shapeless.get_concrete_function(tf.TensorSpec((8, 4), name="x")), narrow),
        "float64": (wide, narrow),
        "infinite": (endless, narrow),
        "subclassed": (Subclassed(), narrow),
    }
    told = {}
    for name, (source, samples) in cases.items():
        try:
            convert(source, variants=[Variant.INT8], calibration=samples)
        except EdgeKitError as error:
            told[name] = {
                "class": type(error).__name__,
                "message": error.message,
                "hint": error.hint,
                "exit_code": error.exit_code,
            }
    return told


class Subclassed(Model):
    """A model that says nothing of its inputs."""

    def call(self, x):
        return x


if __name__ == "__main__":
    place = Path(sys.argv[1])
    make(place)
    (place / "objects.json").write_text(json.dumps(objects()))
    with playing_the_child():
        converted(place)
        (place / "refusals.json").write_text(json.dumps(refusals(place)))
