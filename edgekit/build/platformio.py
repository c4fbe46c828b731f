"""A project folder → ``build/firmware.elf``, by PlatformIO, as a process of its own.

Local targets are built with EdgeKit's own core (:mod:`edgekit.build.private_core`),
others with the user's core and environment, into which PlatformIO downloads what the
board needs.
"""

from __future__ import annotations

import configparser
import contextlib
import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgekit import process
from edgekit.build import launcher
from edgekit.build.diagnose import diagnose, oversize
from edgekit.build.platforms import local_platform, require_programs
from edgekit.build.private_core import installed_version, prepare_core
from edgekit.build.sizes import is_elf, read_sizes
from edgekit.errors import BuildError, InputError, OutputError
from edgekit.files import make_folder
from edgekit.firmware.lock import project_lock
from edgekit.results import BuildSizes
from edgekit.targets import Target

TIMEOUT_SECONDS = 1800.0
"""Enough to download a board's tool chain and to compile a framework, on a slow line."""

FOLDER = "build"
ELF = "firmware.elf"
MAP = "firmware.map"
LOG = "build.log"

_PLACED_BY_US = ("PLATFORMIO_BUILD_DIR", "PLATFORMIO_WORKSPACE_DIR")
"""Variables that would put PlatformIO's output where we don't look for it."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Firmware:
    """A linked program, and PlatformIO's output.

    ``sizes`` is ``None`` where the program is not ELF, as a host program on macOS or
    Windows, so that they are unknown.
    """

    elf: Path
    sizes: BuildSizes | None
    seconds: float
    log: Path


def build(
    folder: Path,
    target: Target,
    *,
    timeout_seconds: float = TIMEOUT_SECONDS,
    on_line: Callable[[str], None] | None = None,
) -> Firmware:
    """Build the project in ``folder`` for ``target``.

    The program and the linker's map are put into the folder's ``build`` when all went
    well; after a failure there is none, also not of an earlier build.

    Args:
        folder: A PlatformIO project, as :mod:`edgekit.firmware.project` writes it.
        target: The board; its name is the environment's, where there are several.
        timeout_seconds: How long it may take.
        on_line: Called with each line of PlatformIO's output.

    Raises:
        InputError: There is no such project, or none for this target.
        MissingToolError: PlatformIO, the compiler, or what the board needs is missing.
        BuildError: The compiler or the linker failed, or it took too long.
        OutputError: The folder can't be written, or another EdgeKit is using it.
    """
    folder = folder.absolute()
    environment_name = _environment_name(folder, target)
    environment, install_hint = _prepare(target)
    output = make_folder(folder / FOLDER)
    linked = folder / ".pio" / "build" / environment_name / ELF
    log = output / LOG
    with project_lock(folder), _all_or_nothing(output / ELF, output / MAP, linked):
        try:
            done = process.run(
                command_line(folder, environment_name),
                log=log,
                timeout_seconds=timeout_seconds,
                cwd=folder,
                env=environment,
                on_line=on_line,
            )
        except process.ProcessTimeoutError as error:
            raise BuildError(
                f"Building for {target.name} did not end within {timeout_seconds:g} s.",
                hint=error.hint,
            ) from error
        except OSError as error:
            raise _unwritable(output, error) from error
        if done.returncode != 0:
            raise diagnose(done.output, target=target.name, log=log, install_hint=install_hint)
        too_big = oversize(done.output, target=target.name, log=log)
        if too_big is not None:
            raise too_big
        _copy(linked, output / ELF)
        if linked.with_suffix(".map").is_file():
            _copy(linked.with_suffix(".map"), output / MAP)
        sizes = read_sizes(output / ELF) if is_elf(output / ELF) else None
    if sizes is None:
        _log.warning("%s is not an ELF file on this system: sizes unknown.", output / ELF)
    return Firmware(elf=output / ELF, sizes=sizes, seconds=done.seconds, log=log)


def firmware_path(folder: Path) -> Path:
    """Return the program that the last build of the project in ``folder`` made.

    Raises:
        InputError: It has not been built, or the last build failed.
    """
    elf = folder / FOLDER / ELF
    if not elf.is_file():
        raise InputError(
            f"{folder} has no built firmware.", hint=f"Build it first: edgekit build {folder}"
        )
    return elf


def command_line(folder: Path, environment_name: str, *arguments: str) -> list[str]:
    """Return the command that runs PlatformIO on one environment of the project.

    Args:
        folder: The project.
        environment_name: What follows ``env:`` in ``platformio.ini``.
        arguments: More of PlatformIO's, e.g. ``"--target", "upload"``.
    """
    return [
        sys.executable,
        str(Path(launcher.__file__).resolve()),
        "run",
        *("--project-dir", str(folder)),
        *("--environment", environment_name),
        *arguments,
    ]


def platformio_environment(target: Target) -> dict[str, str]:
    """Return the environment variables for PlatformIO: a private core for local targets.

    Messages are in English, so that :mod:`edgekit.build.diagnose` can read them.

    Raises:
        MissingToolError: PlatformIO is not installed.
    """
    installed_version("platformio")
    base: Mapping[str, str] = os.environ
    if target.platform.is_local:
        base = prepare_core(base)
    kept = {key: value for key, value in base.items() if key not in _PLACED_BY_US}
    return {
        **kept,
        "PLATFORMIO_NO_ANSI": "true",
        "PLATFORMIO_DISABLE_PROGRESSBAR": "true",
        "LC_ALL": "C",
    }


def _prepare(target: Target) -> tuple[dict[str, str], str]:
    """Return the environment variables, and how to get the compiler if it is not PlatformIO's."""
    if not target.platform.is_local:
        return platformio_environment(target), ""
    platform = local_platform(target.platform.name)
    require_programs(platform)
    hint = " ".join(program.hint for program in platform.programs)
    return platformio_environment(target), hint


def _environment_name(folder: Path, target: Target) -> str:
    ini = folder / "platformio.ini"
    try:
        text = ini.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{folder} is not a project: it has no readable platformio.ini.",
            hint="Make one with 'edgekit generate MODEL.tflite --target TARGET'.",
        ) from error
    return choose_environment(text, target.name, source=str(ini))


def choose_environment(ini: str, target: str, *, source: str) -> str:
    """Return the environment for a target: of its name, or the only one there is.

    Args:
        ini: The text of ``platformio.ini``.
        target: The target's name.
        source: What to call the file in messages.

    Raises:
        InputError: The file is broken, has no environment, or none of that name.
    """
    parser = configparser.ConfigParser(
        interpolation=None, strict=True, inline_comment_prefixes=("#", ";")
    )
    try:
        parser.read_string(ini, source=source)
    except configparser.Error as error:
        raise InputError(
            f"{error}", hint="Mend the file, or generate the project again."
        ) from error
    names = [name[len("env:") :] for name in parser.sections() if name.startswith("env:")]
    if target in names:
        return target
    if len(names) == 1:
        return names[0]
    listed = ", ".join(names) or "none"
    raise InputError(
        f"{source} has no environment for the target {target!r}; it has: {listed}.",
        hint=f"Generate the project for {target}, or name one of the environments so.",
    )


@contextlib.contextmanager
def _all_or_nothing(*artifacts: Path) -> Iterator[None]:
    """Remove the files first, so that they are this build's, and again unless all goes well."""

    def remove() -> None:
        for artifact in artifacts:
            artifact.unlink(missing_ok=True)

    try:
        remove()
    except OSError as error:
        raise _unwritable(artifacts[0].parent, error) from error
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            remove()
        raise


def _copy(source: Path, destination: Path) -> None:
    """Copy a file with its mode, whole or not at all."""
    temporary = destination.with_name(f".{destination.name}.part")
    try:
        shutil.copyfile(source, temporary)
        shutil.copymode(source, temporary)
        temporary.replace(destination)
    except FileNotFoundError as error:
        raise BuildError(
            f"PlatformIO reported success, but there is no {source}.",
            hint="A program_name or build_dir of your own in platformio.ini? Remove it.",
        ) from error
    except OSError as error:
        raise _unwritable(destination.parent, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _unwritable(folder: Path, error: OSError) -> OutputError:
    return OutputError(
        f"Can't write in {folder}: {error.strerror}.",
        hint="Make room, or copy the project to a folder that is yours to write.",
    )
