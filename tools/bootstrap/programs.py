"""The programs that the demo and the tests need: what is missing, and how to get it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from steps import SetupError, run_checked_step, run_step, say


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """Something that the demo and the tests need beside Python packages.

    ``apt`` names Debian's and Ubuntu's packages that it comes from.
    """

    name: str
    is_there: Callable[[], bool]
    apt: tuple[str, ...]


def _on_path(name: str) -> Callable[[], bool]:
    return lambda: shutil.which(name) is not None


def _compiler_has(compiler: str, library: str) -> Callable[[], bool]:
    """Return a check whether a compiler finds a library of its target.

    The compiler answers with a whole path if it does, and with the bare name if not.
    """

    def check() -> bool:
        if shutil.which(compiler) is None:
            return False
        answer = subprocess.run(
            [compiler, f"-print-file-name={library}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        return Path(answer.stdout.decode("utf-8", "replace").strip()).is_absolute()

    return check


def _needs() -> list[Program]:
    needs = [
        Program(
            name="arm-none-eabi-gcc",
            is_there=_on_path("arm-none-eabi-gcc"),
            apt=("gcc-arm-none-eabi",),
        ),
        Program(
            name="newlib for arm-none-eabi",
            is_there=_compiler_has("arm-none-eabi-gcc", "libc.a"),
            apt=("libnewlib-arm-none-eabi",),
        ),
        Program(
            name="libstdc++ for arm-none-eabi",
            is_there=_compiler_has("arm-none-eabi-gcc", "libstdc++.a"),
            apt=("libstdc++-arm-none-eabi-newlib",),
        ),
        Program(name="gcc", is_there=_on_path("gcc"), apt=("gcc", "libc6-dev")),
        Program(name="g++", is_there=_on_path("g++"), apt=("g++",)),
    ]
    if sys.platform == "linux":
        start_code = _compiler_has("gcc", "crt1.o")
        needs.append(Program(name="gcc's C library", is_there=start_code, apt=("libc6-dev",)))
    if os.name != "nt":  # the emulated boards need POSIX
        emulator = "qemu-system-arm"
        needs.append(Program(name=emulator, is_there=_on_path(emulator), apt=(emulator,)))
    return needs


def missing() -> list[Program]:
    """Return the programs that are not installed, or not whole."""
    return [program for program in _needs() if not program.is_there()]


def missing_venv_module() -> list[Program]:
    """Return Debian's package for ``python -m venv``, if this Python needs it.

    Raises:
        SetupError: This Python can't make environments, and apt can't help it.
    """
    if importlib.util.find_spec("ensurepip") is not None:
        return []
    if sys.base_prefix != "/usr" or shutil.which("apt-get") is None:
        raise SetupError(
            f"{sys.executable} can't make virtual environments: it lacks 'ensurepip'.",
            "Install the rest of it, or name another Python: make PYTHON=python3.12 ...",
        )
    package = f"python3.{sys.version_info.minor}-venv"
    return [Program(name="python3-venv", is_there=lambda: False, apt=(package,))]


_WITHOUT_APT: tuple[tuple[str, str], ...] = (
    (
        "brew",
        "brew install --cask gcc-arm-embedded; brew install qemu; xcode-select --install",
    ),
    (
        "dnf",
        "sudo dnf install arm-none-eabi-gcc-cs arm-none-eabi-gcc-cs-c++ arm-none-eabi-newlib "
        "gcc gcc-c++ qemu-system-arm",
    ),
    (
        "pacman",
        "sudo pacman -S --needed arm-none-eabi-gcc arm-none-eabi-newlib gcc qemu-system-arm",
    ),
    (
        "winget",
        "winget install Arm.GnuArmEmbeddedToolchain BrechtSanders.WinLibs.POSIX.UCRT; the "
        "emulated boards, and so the demo, need Linux or macOS: use WSL",
    ),
    (
        "choco",
        "choco install gcc-arm-embedded mingw; the emulated boards, and so the demo, need "
        "Linux or macOS: use WSL",
    ),
)
"""Package managers that a person has to call, and how."""

_ANYWHERE = (
    "the GNU compiler for arm-none-eabi with newlib and libstdc++, gcc and g++, and QEMU's "
    "qemu-system-arm; put them on PATH"
)


def install(wanted: list[Program], lock: int | None) -> None:
    """Install programs through apt.

    Raises:
        SetupError: This is no Debian or Ubuntu, we may not, or apt failed.
    """
    names = ", ".join(program.name for program in wanted)
    if sys.platform != "linux" or shutil.which("apt-get") is None:
        how = next((how for manager, how in _WITHOUT_APT if shutil.which(manager)), _ANYWHERE)
        raise SetupError(
            f"Not installed: {names}.", f"Install: {how}. Then run the same command again."
        )
    packages = sorted({package for program in wanted for package in program.apt})
    by_hand = f"apt-get install -y --no-install-recommends {' '.join(packages)}"
    as_root = _as_root(by_hand)
    say(f"Installing programs through apt: {' '.join(packages)}")
    # Neither has to succeed: one broken source among many need not be the one that is
    # wanted, and nothing is left to configure unless an earlier apt was cut short.
    run_step("apt-get update", [*as_root, "apt-get", _WAIT_FOR_DPKG, "update"], lock)
    run_step("dpkg --configure -a", [*as_root, "dpkg", "--configure", "-a"], lock)
    run_checked_step(
        "apt-get install",
        [*as_root, "apt-get", _WAIT_FOR_DPKG, *by_hand.split()[1:]],
        lock,
        hint="Check the network and apt's sources (on Ubuntu 'universe' is needed), try "
        f"'sudo {by_hand}', then run the same command again.",
    )
    importlib.invalidate_caches()  # of python3-venv there was nothing a moment ago
    still = ", ".join(program.name for program in missing())
    if still:
        raise SetupError(
            f"apt has installed its packages, but still missing: {still}.",
            "Is there another compiler of that name before Debian's on PATH?",
        )


_WAIT_FOR_DPKG = "-oDPkg::Lock::Timeout=300"
"""Seconds that apt waits for another apt, such as the unattended upgrades of a new machine."""


def _as_root(by_hand: str) -> list[str]:
    """Return what goes before a command so that root runs it, without any question.

    Raises:
        SetupError: We are not root, and there is no sudo or it refuses.
    """
    settings = ["DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8"]
    if os.geteuid() == 0:
        return ["env", *settings]
    hint = f"As root, run: {by_hand}. Then run the same command again."
    if shutil.which("sudo") is None:
        raise SetupError("Programs are missing, and there is no sudo to install them.", hint)
    if sys.stdin.isatty():
        say("Installing programs needs root: sudo may ask for your password.")
        refused = subprocess.call(["sudo", "-v"])
    else:
        refused = subprocess.call(["sudo", "-n", "true"], stderr=subprocess.DEVNULL)
    if refused:
        raise SetupError("Programs are missing, and sudo refused to install them.", hint)
    proxies = [
        f"{name}={os.environ[name]}"
        for name in ("http_proxy", "https_proxy", "no_proxy")  # sudo would drop them
        if name in os.environ
    ]
    return ["sudo", "-n", "env", *settings, *proxies]
