"""Options that several verbs share, and what they are turned into."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from edgekit.errors import CalibrationError

if TYPE_CHECKING:
    from edgekit.model.samples import Samples

Command = TypeVar("Command", bound=Callable[..., Any])


def target_option(command: Command) -> Command:
    """Add ``--target``, required."""
    return click.option(
        "--target", "-t", "target_name", required=True, help="See 'edgekit targets list'."
    )(command)


def engine_option(command: Command) -> Command:
    """Add ``--engine``; ``None`` means the target's first."""
    return click.option(
        "--engine", "-e", help="tflm (interpreter) or aot (plain C). Default: the target's first."
    )(command)


def port_option(command: Command) -> Command:
    """Add ``--port``."""
    return click.option(
        "--port", "-p", help="Serial port or pyserial URL. Default: found by the board's USB ids."
    )(command)


def data_option(command: Command) -> Command:
    """Add ``--data`` and ``--samples``."""
    command = click.option(
        "--samples", "-n", default=100, show_default=True, help="How many inputs to compare."
    )(command)
    return click.option(
        "--data",
        type=click.Path(path_type=Path),
        help=".npz or .npy with inputs (and labels 'y'). Default: pseudo-random inputs.",
    )(command)


def conversion_options(command: Command) -> Command:
    """Add what ``convert`` and ``deploy`` need to convert."""
    for option in (
        click.option(
            "--timeout", "timeout_seconds", default=600.0, show_default=True, help="In seconds."
        ),
        click.option(
            "--per-channel-dense",
            is_flag=True,
            help="Quantise Dense layers per channel; older TFLM libraries then compute them wrong.",
        ),
        click.option(
            "--io",
            "io_type",
            type=click.Choice(["int8", "uint8"]),
            default="int8",
            show_default=True,
            help="Type of the int8 variant's inputs and outputs.",
        ),
        click.option(
            "--calibration",
            "-c",
            help="Calibration samples: .npz, .npy, or module:function. int8 needs them.",
        ),
    ):
        command = option(command)
    return command


def load_data(path: Path | None) -> Samples | None:
    """Return the samples in a file; ``None`` without one."""
    if path is None:
        return None
    from edgekit.model.samples import load_samples

    return load_samples(path)


def load_calibration(text: str | None) -> Samples | Callable[[], Any] | None:
    """Return the samples that ``--calibration`` names: a file, or ``module:function``.

    Raises:
        CalibrationError: There is no such file, module or function.
    """
    if text is None:
        return None
    module_name, colon, function_name = text.rpartition(":")
    if not colon or Path(text).exists() or not module_name.replace(".", "").isidentifier():
        return load_data(Path(text))
    if "" not in sys.path:
        sys.path.insert(0, "")  # the user's module lies where the command is run
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name != module_name.split(".")[0] and error.name != module_name:
            raise
        raise CalibrationError(
            f"There is no Python module {module_name!r}.",
            hint="Run from the folder that has it, or put that folder on PYTHONPATH.",
        ) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise CalibrationError(
            f"The module {module_name!r} has no function {function_name!r}.",
            hint="It must be a function without arguments that returns or yields samples.",
        )
    given: Callable[[], Any] = function
    return given
