"""What is installed on this computer, what is missing, and how to get it."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from edgekit.process import IS_WINDOWS


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that EdgeKit can use. ``found`` is its version or path; empty if missing."""

    name: str
    needed_for: str
    found: str
    remedy: str

    @property
    def is_missing(self) -> bool:
        """Whether it is not there."""
        return not self.found


_PACKAGES: tuple[tuple[str, str, str], ...] = (
    ("numpy", "everything", "pip install edgekit"),
    ("platformio", "build, flash", "pip install edgekit"),
    ("scons", "build on emulated boards", "pip install edgekit"),
    ("pyserial", "flash, measure and verify on a board", "pip install edgekit"),
    ("tensorflow", "convert", "pip install 'edgekit[convert]'"),
    ("keras", "convert", "pip install 'edgekit[convert]'"),
    ("ai-edge-litert", "accuracy of converted models", "pip install 'edgekit[run]'"),
    ("tflite-micro", "verify against TFLM itself", "pip install 'edgekit[micro]'"),
    ("scikit-learn", "demo", "pip install 'edgekit[demo]'"),
)

_PROGRAMS: tuple[tuple[tuple[str, ...], str, Mapping[str, str]], ...] = (
    (
        ("arm-none-eabi-gcc",),
        "build for the emulated boards",
        {
            "Linux": "apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi",
            "Darwin": "brew install --cask gcc-arm-embedded",
            "Windows": "winget install Arm.GnuArmEmbeddedToolchain",
        },
    ),
    (
        ("qemu-system-arm",),
        "measure and verify on the emulated boards",
        {
            "Linux": "apt-get install qemu-system-arm",
            "Darwin": "brew install qemu",
            "Windows": "the emulated boards need Linux or macOS; in WSL they work",
        },
    ),
    (
        ("gcc", "cc", "clang"),
        "build for the target 'host'",
        {
            "Linux": "apt-get install gcc",
            "Darwin": "xcode-select --install",
            "Windows": "install MinGW-w64's gcc and put it on PATH",
        },
    ),
)


def examine() -> tuple[Finding, ...]:
    """Return every package and program that EdgeKit can use, found or missing.

    Nothing is imported or started.
    """
    findings = [
        Finding(
            name="Python",
            needed_for="everything",
            found=f"{platform.python_version()} ({sys.executable})",
            remedy="",
        )
    ]
    for name, needed_for, remedy in _PACKAGES:
        findings.append(
            Finding(name=name, needed_for=needed_for, found=_version(name), remedy=remedy)
        )
    for names, needed_for, remedies in _PROGRAMS:
        found = next(filter(None, map(shutil.which, names)), "")
        remedy = remedies.get(platform.system(), f"install {names[0]} and put it on PATH")
        findings.append(Finding(name=names[0], needed_for=needed_for, found=found, remedy=remedy))
    if platform.system() == "Linux":
        findings.append(_serial_permission())
    return tuple(findings)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _serial_permission() -> Finding:
    return Finding(
        name="serial port access",
        needed_for="flash, measure and verify on a board",
        found="yes" if _may_open_serial_ports() else "",
        remedy="sudo usermod -aG dialout $USER, then log in again",
    )


def _may_open_serial_ports() -> bool:
    if IS_WINDOWS:
        return True
    import grp
    import os

    if os.geteuid() == 0:
        return True
    groups = set(os.getgroups()) | {os.getegid()}
    return any(
        entry.gr_gid in groups for entry in grp.getgrall() if entry.gr_name in {"dialout", "uucp"}
    )
