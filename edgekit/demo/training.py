"""Train the demonstration's model; a program of its own, run in a child process.

``python -m edgekit.demo.training FOLDER`` writes ``digits.keras``,
``calibration.npz`` (200 training images) and ``test.npz`` (397 held-out images with
their labels). The data are scikit-learn's digits (1,797 images of 8×8 handwritten
digits, UCI Optical Recognition of Handwritten Digits), which come with the package,
enlarged to 28×28. Nothing is downloaded.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

TEST_IMAGES = 397
CALIBRATION_IMAGES = 200
EPOCHS = 12
SEED = 20
SIDE = 28
_STORED_SIDE = 8
_STORED_MAXIMUM = 16.0


def load_digits_28() -> tuple[Any, Any]:
    """Return images, float32 (N, 28, 28, 1) in 0 to 1, and labels, int64 (N,), shuffled."""
    import numpy as np
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = digits.images.astype(np.float32) / _STORED_MAXIMUM
    factor = SIDE / _STORED_SIDE
    enlarged = zoom(images, (1, factor, factor), order=1).astype(np.float32)
    order = np.random.default_rng(SEED).permutation(len(enlarged))
    return np.clip(enlarged, 0.0, 1.0)[order, :, :, None], digits.target[order]


def build_model() -> Any:
    """Return the untrained CNN: Conv16, pool, Conv32, pool, Flatten, Dense10."""
    import keras

    return keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 1), name="image"),
            keras.layers.Conv2D(16, 3, padding="same", activation="relu", name="conv1"),
            keras.layers.MaxPooling2D(2, name="pool1"),
            keras.layers.Conv2D(32, 3, padding="same", activation="relu", name="conv2"),
            keras.layers.MaxPooling2D(2, name="pool2"),
            keras.layers.Flatten(name="flatten"),
            keras.layers.Dense(10, activation="softmax", name="digit"),
        ],
        name="digits",
    )


def train(folder: Path) -> None:
    """Train the model and write it, the calibration and the test data to ``folder``."""
    import keras
    import numpy as np

    keras.utils.set_random_seed(SEED)
    images, labels = load_digits_28()
    train_images, train_labels = images[:-TEST_IMAGES], labels[:-TEST_IMAGES]
    model = build_model()
    model.compile(
        optimizer=keras.optimizers.Adam(2e-3),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    for epoch in range(EPOCHS):
        history = model.fit(
            train_images, train_labels, batch_size=32, epochs=1, verbose=0, shuffle=True
        ).history
        accuracy = history["accuracy"][0]
        sys.stdout.write(f"epoch {epoch + 1}/{EPOCHS}: accuracy {accuracy:.4f}\n")
        sys.stdout.flush()
    model.save(folder / "digits.keras")
    np.savez(folder / "calibration.npz", x=train_images[:CALIBRATION_IMAGES])
    np.savez(folder / "test.npz", x=images[-TEST_IMAGES:], y=labels[-TEST_IMAGES:])


if __name__ == "__main__":
    train(Path(sys.argv[1]))
