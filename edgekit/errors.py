"""Every error that EdgeKit raises on purpose.

The tree, with the exit code that the command line ends with::

    EdgeKitError                     1   base; never raised itself
    ├── InputError                   2   what the user gave can't be used
    │   ├── InvalidModelError            the file is not a sound .tflite or Keras model
    │   ├── UnsupportedModelError        sound, but not for this engine or target
    │   │   └── RefusedModelError    3   its library would fail on it, or compute it wrong
    │   ├── CalibrationError             calibration or test data that would mislead
    │   ├── TargetError                  unknown target, or a broken profile
    │   └── OutputError                  the output folder is in use or not ours
    ├── DoesNotFitError              3   the model does not fit the target
    ├── MissingToolError             4   a program, package or board support is missing
    ├── ConversionError              5   the converter failed or lied
    ├── BuildError                   6   PlatformIO or the compiler failed, or a plan was wrong
    ├── DeviceError                  7   the device can't be reached or misbehaves
    │   ├── DeviceTimeoutError           it did not answer in time
    │   ├── LinkClosedError              the link was cut
    │   └── ProtocolError                it answered something that we can't read
    └── VerificationError            8   the device computes other numbers than the reference

An interrupted command (Ctrl-C) ends with 130, a terminated one with 143.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class EdgeKitError(Exception):
    """Base of all expected errors: what failed, and in ``hint`` what to do next."""

    exit_code: int = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputError(EdgeKitError):
    """What the user gave can't be used."""

    exit_code = 2


class InvalidModelError(InputError):
    """The file is not a sound model: truncated, corrupt, or of another format."""


class UnsupportedModelError(InputError):
    """The model is sound, but the engine or the target can't run it."""


class RefusedModelError(UnsupportedModelError):
    """The model is sound, but the engine or its library would fail on it or compute it wrong."""

    exit_code = 3


class CalibrationError(InputError):
    """Calibration or test data that is unreadable, or that would silently mislead."""


class TargetError(InputError):
    """No such target, or its profile breaks the schema."""


class OutputError(InputError):
    """The output folder is in use, not ours to overwrite, or can't be written."""


class DoesNotFitError(EdgeKitError):
    """The model needs more flash or SRAM than the target has."""

    exit_code = 3


class MissingToolError(EdgeKitError):
    """A program, a Python package or a board's support is not installed."""

    exit_code = 4


class ConversionError(EdgeKitError):
    """The converter failed, crashed, timed out, or wrote what was not asked for."""

    exit_code = 5


class BuildError(EdgeKitError):
    """PlatformIO or the compiler failed, or the link contradicts the plan."""

    exit_code = 6


class DeviceError(EdgeKitError):
    """The device can't be reached, or it misbehaves."""

    exit_code = 7


class DeviceTimeoutError(DeviceError):
    """The device did not answer in time."""


class LinkClosedError(DeviceError):
    """The link to the device was cut: unplugged, or its process ended."""


class ProtocolError(DeviceError):
    """The device answered something that the protocol does not allow."""


class VerificationError(EdgeKitError):
    """The device's outputs differ from the reference."""

    exit_code = 8


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint that offers the names nearest to ``name``, then all of them."""
    everything = sorted(known)
    near = difflib.get_close_matches(name, everything, n=3, cutoff=0.5)
    listed = "Known: " + ", ".join(everything) + "." if everything else ""
    if near:
        return "Did you mean " + " or ".join(repr(item) for item in near) + "? " + listed
    return listed
