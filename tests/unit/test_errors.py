"""The error tree: messages, hints and exit codes."""

from __future__ import annotations

import pytest

from edgekit import errors
from edgekit.errors import EdgeKitError, did_you_mean

EXIT_CODES = {
    "EdgeKitError": 1,
    "InputError": 2,
    "InvalidModelError": 2,
    "UnsupportedModelError": 2,
    "RefusedModelError": 3,
    "CalibrationError": 2,
    "TargetError": 2,
    "OutputError": 2,
    "DoesNotFitError": 3,
    "MissingToolError": 4,
    "ConversionError": 5,
    "BuildError": 6,
    "DeviceError": 7,
    "DeviceTimeoutError": 7,
    "LinkClosedError": 7,
    "ProtocolError": 7,
    "VerificationError": 8,
}

CLASSES = {
    name: item
    for name, item in vars(errors).items()
    if isinstance(item, type) and issubclass(item, EdgeKitError)
}


def test_every_error_has_its_exit_code():
    assert {name: item.exit_code for name, item in CLASSES.items()} == EXIT_CODES


@pytest.mark.parametrize("name", CLASSES)
def test_the_tree_in_the_docs_has_every_error(name: str):
    (line,) = [line for line in str(errors.__doc__).splitlines() if name in line.split()]
    if CLASSES[name].__base__ in (Exception, EdgeKitError):
        assert str(EXIT_CODES[name]) in line.split()


@pytest.mark.parametrize("kind", CLASSES.values())
def test_an_error_says_what_failed_and_what_to_do(kind: type[EdgeKitError]):
    error = kind("It failed.", hint="Try again.")
    assert (str(error), error.message, error.hint) == ("It failed.", "It failed.", "Try again.")
    assert kind("It failed.").hint == ""


def test_the_nearest_names_are_offered_first():
    hint = did_you_mean("nano33blee", ["uno", "nano33ble", "pico"])
    assert hint == "Did you mean 'nano33ble'? Known: nano33ble, pico, uno."


def test_where_none_is_near_all_are_listed():
    assert did_you_mean("zzz", ["uno", "pico"]) == "Known: pico, uno."


def test_where_nothing_is_known_nothing_is_offered():
    assert did_you_mean("zzz", []) == ""
