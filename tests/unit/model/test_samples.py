"""Samples from files, functions and memory."""

from __future__ import annotations

import io
import itertools
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.errors import CalibrationError
from edgekit.model.samples import Samples, load_samples, make_samples, samples_from_callable

X = np.arange(24, dtype=np.float32).reshape(6, 4)


def refused(call, *arguments, **options) -> CalibrationError:
    with pytest.raises(CalibrationError) as caught:
        call(*arguments, **options)
    assert caught.value.exit_code == 2
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("key", ["y", "labels"])
def test_an_npz_has_arrays_by_name_and_labels(tmp_path, key):
    np.savez(tmp_path / "data.npz", **{"x": X, key: np.arange(6)})
    samples = load_samples(tmp_path / "data.npz")
    assert samples.names == ("x",)
    assert samples.origin == "data.npz"
    np.testing.assert_array_equal(samples.arrays[0], X)
    np.testing.assert_array_equal(samples.labels, np.arange(6))


def test_a_lone_array_called_y_is_the_input(tmp_path):
    np.savez(tmp_path / "data.npz", y=X)
    assert load_samples(tmp_path / "data.npz").names == ("y",)


def test_an_npy_is_the_only_input_whatever_its_suffix(tmp_path):
    with (tmp_path / "data.bin").open("wb") as file:
        np.save(file, X.astype(np.float64))
    samples = load_samples(tmp_path / "data.bin")
    assert samples.names == ()
    assert samples.arrays[0].dtype == np.float32
    assert samples.stored_types == ("float64",)


def test_a_missing_file(tmp_path):
    error = refused(load_samples, tmp_path / "none.npz")
    assert error.message.startswith("There is no samples file")


def test_a_pickle_is_never_loaded(tmp_path):
    touched = tmp_path / "touched"

    class Hostile:
        def __reduce__(self):
            return (touched.touch, ())

    for name, content in {
        "a.npy": pickle.dumps(Hostile()),
        "b.npy": _npy(np.array([Hostile()], dtype=object), allow_pickle=True),
    }.items():
        (tmp_path / name).write_bytes(content)
        error = refused(load_samples, tmp_path / name)
        assert "pickled objects are never loaded" in error.hint
    np.savez(tmp_path / "c.npz", x=np.array([Hostile()], dtype=object))
    refused(load_samples, tmp_path / "c.npz")
    assert not touched.exists()


def _npy(array: np.ndarray, **options) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


@pytest.mark.parametrize("content", [b"", b"1,2,3\n4,5,6\n", b"PK\x03\x04" + bytes(50)])
def test_a_foreign_file(tmp_path, content):
    path = tmp_path / "data.npz"
    path.write_bytes(content)
    error = refused(load_samples, path)
    assert error.message.startswith(f"Can't read samples from {path}: ")
    assert "load it unsafely" not in error.message  # numpy's advice on what it takes for a pickle
    assert "np.savez" in error.hint


def test_a_header_that_claims_more_than_memory(tmp_path):
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (900000000000000, 99), }"
    path = tmp_path / "data.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode())
    refused(load_samples, path)


def test_an_archive_without_arrays(tmp_path):
    with zipfile.ZipFile(tmp_path / "data.npz", "w") as archive:
        archive.writestr("readme.txt", "nothing")
    assert "no numpy arrays" in refused(load_samples, tmp_path / "data.npz").message


NPZ = io.BytesIO()
np.savez_compressed(NPZ, x=X, y=np.arange(6))


@settings(max_examples=150)
@given(st.data())
def test_a_damaged_file_is_refused_or_read_but_never_crashes(tmp_path_factory, data):
    content = bytearray(NPZ.getvalue() if data.draw(st.booleans()) else _npy(X))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(1, len(content)))
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    path.write_bytes(bytes(content[:cut]))
    try:
        assert isinstance(load_samples(path), Samples)
    except CalibrationError as error:
        assert error.hint


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array(["a", "b"]), "not numbers"),
        (np.array([1j, 2j]), "not numbers"),
        (np.float32(3), "is a single number"),
    ],
)
def test_what_is_not_an_array_of_numbers(array, message):
    assert message in refused(make_samples, array).message


def test_arrays_of_different_lengths():
    error = refused(make_samples, {"a": X, "b": X[:5]})
    assert "different numbers of samples (a: 6, b: 5)" in error.message


def test_labels_of_another_length():
    assert refused(make_samples, X, [1, 2]).message.startswith("There are 2 labels for 6 samples")


def test_labels_that_are_words():
    assert "not numbers" in refused(make_samples, X, list("abcdef")).message


def test_taking_some_keeps_the_labels():
    some = make_samples({"x": X}, np.arange(6)).take(2)
    assert len(some) == 2
    assert some.labels is not None
    assert list(some.labels) == [0, 1]


@pytest.mark.parametrize(
    "function",
    [
        lambda: X,
        lambda: (X,),
        lambda: {"x": X},
        lambda: make_samples(X),
        lambda: iter(list(X)),
        lambda: ([row[np.newaxis]] for row in X),
        lambda: ({"x": row[np.newaxis]} for row in X),
        lambda: ((X[start : start + 2],) for start in (0, 2, 4)),
    ],
)
def test_every_form_that_a_function_may_give(function):
    samples = samples_from_callable(function)
    assert len(samples.arrays) == 1
    np.testing.assert_array_equal(samples.arrays[0], X)


def test_an_endless_generator_is_cut():
    samples = samples_from_callable(lambda: ([X[:1]] for _ in itertools.count()), limit=10)
    assert len(samples) == 10


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (X, "is not callable: it is a ndarray"),
        (lambda: None, "returned nothing"),
        (lambda: 3, "returned a int"),
        (lambda: iter(()), "yielded no samples"),
        (lambda: iter([X[0], X[0][:2]]), "different shapes"),
        (lambda: iter([[X[:1]], [X[:1], X[:1]]]), "different shapes or numbers of inputs"),
        (lambda: iter([{"a": X[:1]}, {"b": X[:1]}]), "different shapes or numbers of inputs"),
        (lambda: iter([[np.float32(1)]]), "different shapes"),
    ],
)
def test_what_a_function_may_not_give(function, message):
    assert message in refused(samples_from_callable, function).message


def test_an_error_of_the_function_itself_passes_through():
    with pytest.raises(ZeroDivisionError):
        samples_from_callable(lambda: 1 / 0)
