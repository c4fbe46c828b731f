"""Models in TensorFlow: loaded, and traced to one concrete function at batch 1.

Always at batch 1: with a dynamic batch the converter writes SHAPE, STRIDED_SLICE and
PACK before every Flatten, which TFLM refuses or computes wrongly. This module and
``worker_convert`` are the only ones that import TensorFlow.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.errors import InputError, InvalidModelError, MissingToolError, UnsupportedModelError

_NAME = re.compile(r"[^A-Za-z0-9_.\-/]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Traced:
    """A model as one concrete function with flat inputs and outputs, at batch 1."""

    function: Any
    input_names: tuple[str, ...]
    input_shapes: tuple[tuple[int, ...], ...]
    input_types: tuple[str, ...]


def import_tensorflow() -> Any:
    """Return the module ``tensorflow``.

    Raises:
        MissingToolError: It or Keras 3 is not installed, or does not load.
    """
    try:
        import keras
        import tensorflow
    except ImportError as error:
        raise MissingToolError(
            f"Conversion needs TensorFlow and Keras 3: {error}.",
            hint="Install them: pip install 'edgekit[convert]'",
        ) from error
    if int(keras.__version__.split(".")[0]) < 3:
        raise MissingToolError(
            f"Keras {keras.__version__} is installed; conversion needs Keras 3.",
            hint="Install it: pip install 'edgekit[convert]'",
        )
    return tensorflow


def load_keras(path: Path) -> Any:
    """Return the model of a .keras file, with no code of its own run."""
    import keras

    return keras.saving.load_model(path, compile=False, safe_mode=True)


def trace_keras(model: Any, label: str) -> Traced:
    """Trace a Keras model at batch 1; inputs and outputs keep the model's order.

    Raises:
        UnsupportedModelError: It has no fixed inputs, or a dynamic dimension.
    """
    import keras

    inputs = getattr(model, "inputs", None)
    if not inputs:
        raise UnsupportedModelError(
            f"There are no defined inputs in {label}: it is a subclassed model, or was never "
            "built.",
            hint="Build it from keras.Input, or give a tf.function with an input signature.",
        )
    names = [tensor.name for tensor in inputs]
    shapes = [
        batch_one(tensor.shape, name, label) for tensor, name in zip(inputs, names, strict=True)
    ]

    def call(*flat: Any) -> Any:
        if isinstance(model, keras.Sequential):
            return keras.tree.flatten(model(flat[0], training=False))
        packed = keras.tree.pack_sequence_as(model.input, list(flat))
        return keras.tree.flatten(model(packed, training=False))

    return _trace(call, names, shapes, [tensor.dtype for tensor in inputs])


def load_saved_model(path: Path, label: str, names: Sequence[str]) -> tuple[Any, Traced]:
    """Load a SavedModel and trace its serving signature at batch 1.

    Inputs come in the order of the model's ``serve`` or ``__call__`` where that is
    recorded (Keras records it), else in natural order of their names; outputs in
    natural order of theirs, because a signature keeps no order. ``names`` renames
    the inputs.

    Returns:
        The loaded object, which must outlive the function, and the trace.

    Raises:
        InvalidModelError: It can't be loaded, or has no signature.
        UnsupportedModelError: An input has a dynamic dimension, or a fixed batch.
    """
    import tensorflow as tf

    try:
        loaded = tf.saved_model.load(str(path))
    except (OSError, ValueError, KeyError, AttributeError, tf.errors.OpError) as error:
        raise InvalidModelError(
            f"TensorFlow can't load the SavedModel {label}: {first_line(error)}",
            hint="It may be damaged, or use operators of another library. Export it again: "
            "model.export(folder).",
        ) from error
    signatures = loaded.signatures
    key = "serving_default" if "serving_default" in signatures else next(iter(signatures), None)
    if key is None or (key != "serving_default" and len(signatures) > 1):
        found = ", ".join(sorted(signatures)) or "none"
        raise InvalidModelError(
            f"{label} has no signature 'serving_default'; its signatures: {found}.",
            hint="Export it with one: model.export(folder), or "
            "tf.saved_model.save(module, folder, signatures=function).",
        )
    signature = signatures[key]
    specs = dict(signature.structured_input_signature[1])
    order = _recorded_order(loaded, set(specs)) or sorted(specs, key=_natural)
    outputs = sorted(signature.structured_outputs, key=_natural)
    for name in order:
        _require_free_batch(specs[name].shape, name, label)

    def call(*flat: Any) -> Any:
        results = signature(**dict(zip(order, flat, strict=True)))
        return [results[name] for name in outputs]

    shapes = [batch_one(specs[name].shape, name, label) for name in order]
    types = [specs[name].dtype.name for name in order]
    return loaded, _trace(call, list(names or order), shapes, types)


def _recorded_order(loaded: Any, names: set[str]) -> list[str] | None:
    import tensorflow as tf

    for attribute in ("serve", "__call__", "call"):
        for function in getattr(getattr(loaded, attribute, None), "concrete_functions", ()):
            flat = tf.nest.flatten(function.structured_input_signature)
            found = [spec.name for spec in flat if isinstance(spec, tf.TensorSpec)]
            if set(found) == names and len(found) == len(names):
                return found
    return None


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a sort key by which ``output_10`` comes after ``output_2``."""
    parts = re.findall(r"\d+|\D+", name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def batch_one(shape: Any, name: str, label: str) -> tuple[int, ...]:
    """Return an input's shape with its first dimension, the batch, set to 1.

    Raises:
        UnsupportedModelError: Another dimension is dynamic, or the rank unknown.
    """
    rank = getattr(shape, "rank", len(shape) if isinstance(shape, tuple | list) else None)
    if rank is None or rank == 0:
        raise UnsupportedModelError(
            f"Input {name!r} of {label} has no fixed number of dimensions, batch first.",
            hint="Give it one: keras.Input(shape=(…)), or tf.TensorSpec((None, …)).",
        )
    sizes = list(shape)
    if any(size is None for size in sizes[1:]):
        shown = "(" + ", ".join("?" if size is None else str(size) for size in sizes[1:]) + ")"
        raise UnsupportedModelError(
            f"Input {name!r} of {label} has the dynamic shape {shown}.",
            hint="A microcontroller needs fixed buffers: rebuild the model with every dimension "
            "given, e.g. keras.Input(shape=(100, 5)), and copy the weights: "
            "new.set_weights(old.get_weights()).",
        )
    return (1, *(int(size) for size in sizes[1:]))


def _require_free_batch(shape: Any, name: str, label: str) -> None:
    if shape.rank and shape[0] not in (None, 1):
        raise UnsupportedModelError(
            f"Input {name!r} of {label} has the fixed batch {shape[0]}.",
            hint="Export the model with batch 1 or None; the first dimension is the batch.",
        )


def _trace(call: Any, names: list[str], shapes: list[tuple[int, ...]], types: list[str]) -> Traced:
    import tensorflow as tf

    plain = tuple(_NAME.sub("_", name) for name in names)
    specs = [
        tf.TensorSpec(shape, tf.as_dtype(dtype), name=name)
        for name, shape, dtype in zip(plain, shapes, types, strict=True)
    ]
    function = tf.function(call, autograph=False).get_concrete_function(*specs)
    return Traced(
        function=function,
        input_names=plain,
        input_shapes=tuple(shapes),
        input_types=tuple(tf.as_dtype(dtype).name for dtype in types),
    )


def save_keras_model(model: Any, folder: Path) -> tuple[str, ...]:
    """Save a Keras model with code of its own as a SavedModel; return its inputs' names.

    Raises:
        UnsupportedModelError: Keras runs on another backend than TensorFlow.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        raise UnsupportedModelError(
            f"The model {model.name!r} has custom code, and Keras runs on "
            f"{keras.backend.backend()}.",
            hint="Run it with KERAS_BACKEND=tensorflow, or use Keras' own layers only.",
        )
    import_tensorflow()
    traced = trace_keras(model, f"the model {model.name!r}")
    return _save(traced, folder, tracked=model)


def save_function(function: Any, folder: Path) -> tuple[str, ...]:
    """Save a function as a SavedModel with a signature; return its inputs' names.

    Raises:
        InputError: A ``tf.function`` has no input signature.
        UnsupportedModelError: An input has a dynamic dimension, or a fixed batch.
    """
    tf = import_tensorflow()
    if not hasattr(function, "structured_input_signature"):
        if function.input_signature is None:
            raise InputError(
                "The tf.function has no input signature, so its shapes are unknown.",
                hint="Decorate it with @tf.function(input_signature=[tf.TensorSpec(…)]), or give "
                "function.get_concrete_function(tf.TensorSpec(…)).",
            )
        function = function.get_concrete_function()
    specs = tf.nest.flatten(function.structured_input_signature)
    if not specs or not all(isinstance(spec, tf.TensorSpec) for spec in specs):
        raise InputError(
            "The function takes something other than tensors, or nothing.",
            hint="Bind the other arguments beforehand: a function of tensors only.",
        )
    names = [spec.name or f"input_{index}" for index, spec in enumerate(specs)]
    shapes = []
    for spec, name in zip(specs, names, strict=True):
        _require_free_batch(spec.shape, name, "the function")
        shapes.append(batch_one(spec.shape, name, "the function"))

    def call(*flat: Any) -> Any:
        positional, keywords = tf.nest.pack_sequence_as(
            function.structured_input_signature, list(flat)
        )
        return tf.nest.flatten(function(*positional, **keywords))

    traced = _trace(call, names, shapes, [spec.dtype.name for spec in specs])
    return _save(traced, folder, tracked=function)


def _save(traced: Traced, folder: Path, *, tracked: Any) -> tuple[str, ...]:
    """Save a traced function under names that keep the order of inputs and outputs."""
    import tensorflow as tf

    specs = [
        tf.TensorSpec(shape, tf.as_dtype(dtype), name=f"input_{index}")
        for index, (shape, dtype) in enumerate(
            zip(traced.input_shapes, traced.input_types, strict=True)
        )
    ]

    def serve(*flat: Any) -> Any:
        results = tf.nest.flatten(traced.function(*flat))
        return {f"output_{index}": tf.identity(value) for index, value in enumerate(results)}

    module = tf.Module()
    module.tracked = tracked
    module.variables_used = list(traced.function.graph.variables)
    module.captures = list(traced.function.captured_inputs)
    module.serve_function = tf.function(serve, autograph=False, input_signature=specs)
    tf.saved_model.save(module, str(folder), signatures=module.serve_function)
    return traced.input_names


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its class."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]
