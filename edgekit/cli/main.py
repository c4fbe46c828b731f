"""The ``edgekit`` program: finds the verb, runs it, turns expected errors into exit codes."""

from __future__ import annotations

import importlib
import json
import signal
import sys
from collections.abc import Mapping
from types import FrameType
from typing import Any

import click

import edgekit
from edgekit.errors import EdgeKitError, did_you_mean

EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143
EXIT_BROKEN_PIPE = 141

_VERBS: Mapping[str, str] = {
    "convert": "Convert a Keras model or SavedModel to TensorFlow Lite.",
    "inspect": "Show what is in a .tflite file.",
    "check": "Say whether a model fits a target, before flashing.",
    "optimize": "Plan the arena of a model anew, in a copy that needs less memory.",
    "arena": "Itemise the memory that a model takes in TFLM, to the byte.",
    "generate": "Write the firmware project for a model and a target.",
    "build": "Build a generated project; compare the linked sizes with the plan.",
    "flash": "Flash a built project onto a board.",
    "measure": "Measure the latency of an inference on a device.",
    "verify": "Compare a device's outputs with the reference, bit for bit.",
    "deploy": "Do all of it: convert, check, generate, build, verify, measure, report.",
    "targets": "List the targets, or show one.",
    "doctor": "Show what is installed, what is missing, and how to get it.",
    "demo": "Train a small model and deploy it to an emulated board.",
}
"""Each verb is the function ``command`` in the module ``edgekit.cli.<verb>``; these are
shown by ``edgekit --help`` without importing any of them."""


class Terminated(BaseException):
    """Another program asked this one to end (SIGTERM)."""


class _Verbs(click.Group):
    """A group that imports a verb's module only when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _VERBS:
            return None
        module = importlib.import_module(f"edgekit.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _VERBS:
            raise click.UsageError(f"No such command {args[0]!r}. {did_you_mean(args[0], _VERBS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_VERBS.items()))


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(edgekit.__version__, prog_name="edgekit")
def edgekit_command() -> None:
    """From a trained Keras model to a measured latency on a small device.

    Exit codes: 0 done, 2 bad input, 3 does not fit, 4 something is not installed,
    5 conversion failed, 6 build failed, 7 device failed, 8 outputs differ.
    """


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    raise Terminated


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        arguments: Without the program's name; those of this process if not given.
    """
    given = sys.argv[1:] if arguments is None else arguments
    signal.signal(signal.SIGTERM, _terminate)
    try:
        outcome = edgekit_command.main(args=given, prog_name="edgekit", standalone_mode=False)
        sys.stdout.flush()
    except EdgeKitError as error:
        _report(error.message, error.hint, error.exit_code, as_json="--json" in given)
        return error.exit_code
    except click.ClickException as error:
        hint = "Run 'edgekit --help', or 'edgekit COMMAND --help'."
        if isinstance(error, click.UsageError) and error.ctx is not None:
            hint = f"Run '{error.ctx.command_path} --help'."
        _report(error.format_message(), hint, error.exit_code, as_json="--json" in given)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        _report("Interrupted.", "", EXIT_INTERRUPTED, as_json=False)
        return EXIT_INTERRUPTED
    except Terminated:
        _report("Terminated.", "", EXIT_TERMINATED, as_json=False)
        return EXIT_TERMINATED
    except BrokenPipeError:
        sys.stdout = None  # so that the exit does not flush it again
        return EXIT_BROKEN_PIPE
    return outcome if isinstance(outcome, int) else 0


def _report(message: str, hint: str, exit_code: int, *, as_json: bool) -> None:
    if as_json:
        document: dict[str, Any] = {
            "schema_version": 1,
            "kind": "error",
            "message": message,
            "hint": hint,
            "exit_code": exit_code,
        }
        click.echo(json.dumps(document, indent=2))
        return
    click.secho("Error: ", fg="red", bold=True, err=True, nl=False)
    click.echo(message, err=True)
    if hint:
        click.secho("Hint: ", fg="cyan", bold=True, err=True, nl=False)
        click.echo(hint, err=True)
