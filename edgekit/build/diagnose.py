"""What a failed build's output says went wrong. Text in, an error out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from edgekit.errors import BuildError, EdgeKitError, MissingToolError

_SHOWN_ERRORS = 3
_SHOWN_LINES = 12

_COMPILER_ERROR = re.compile(r"^\S.*?:\d+:(?:\d+:)? (?:fatal )?error: .*$", re.MULTILINE)
_LINKER_ERROR = re.compile(
    r"^.*(?:undefined reference to|multiple definition of|cannot find -l|cannot find \S+:|"
    r"Undefined symbols for|duplicate symbol).*$",
    re.MULTILINE,
)
_DRIVER_ERROR = re.compile(
    r"^\S*(?:cc|\+\+|clang|ld|ar|as|cc1)(?:\.exe)?: .*error: .*$", re.MULTILINE
)
_LINKER_NAME = re.compile(r"^\S.*?\bld(?:\.\w+)?: ")
_OVERFLOW = re.compile(r"region [`'‘](?P<region>[^'’]+)['’] overflowed by (?P<bytes>\d+) bytes")
_OVERSIZE = re.compile(
    r"The (?P<what>program|data) size \((?P<size>\d+) bytes\) is greater "
    r"than maximum allowed \((?P<maximum>\d+) bytes\)"
)
_INSTALLING = re.compile(
    r"^(?P<manager>Platform|Tool|Library) Manager: Installing (?P<package>.+?)\s*$", re.MULTILINE
)
_UNREACHABLE = re.compile(
    r"HTTPClientError|InternetConnectionError|You are not connected to the Internet|"
    r"requests\.exceptions\.(?:ConnectionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError)|"
    r"Could not resolve host|unable to access 'https?:"
)
_UNKNOWN_PACKAGE = re.compile(
    r"UnknownPackageError|IncompatiblePackageError|Could not find the package with|"
    r"Could not find a version of the package|Could not install package|VCS: "
)
_NO_NEWLIB = re.compile(r"cannot read spec file '?nano\.specs|cannot find -lc_nano")
_NO_C_LIBRARY_HEADER = re.compile(
    r"fatal error: (?:stdint|stddef|string|errno|stdlib|stdio|math|limits|cstdint|cstddef)"
    r"(?:\.h)?: No such file"
)
_PLATFORMIO_ERROR = re.compile(
    r"^(?:[A-Z]\w*(?:Error|Exception|Platform|Board|Framework|NotFound)|Error): \S.*$",
    re.MULTILINE,
)

_BANKS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"flash|rom|text|irom|drom|code", re.IGNORECASE), "flash"),
    (re.compile(r"ram|data|bss|dtcm|itcm", re.IGNORECASE), "SRAM"),
)
"""What linker scripts call the banks: FLASH and RAM (Arm), text and data (AVR),
irom0, drom0, iram0 and dram0 (Espressif). The first that matches."""

_OVERSIZE_BANKS: Mapping[str, str] = {"program": "flash", "data": "SRAM"}

_PACKAGES: Mapping[str, tuple[str, str]] = {
    "Platform": ("board support", "--global --platform"),
    "Tool": ("tool", "--global --tool"),
    "Library": ("library", "--library"),
}
"""PlatformIO's package managers: what they install, and the option of ``pio pkg install``."""


def diagnose(output: str, *, target: str, log: Path, install_hint: str = "") -> EdgeKitError:
    """Return the error that explains a failed build.

    Args:
        output: All that PlatformIO and the tools printed.
        target: The target's name, for the message.
        log: Where the output is kept, for the hint.
        install_hint: How to get the target's compiler and its C library.
    """
    whole = f"The whole output is in {log}."
    finders: Sequence[Callable[[], EdgeKitError | None]] = (
        lambda: _missing_package(output, whole),
        lambda: _missing_c_library(output, install_hint),
        lambda: oversize(output, target=target, log=log),
        lambda: _tool_errors(output, _COMPILER_ERROR, f"Compiling for {target} failed", whole),
        lambda: _tool_errors(output, _LINKER_ERROR, f"Linking for {target} failed", whole),
        lambda: _tool_errors(output, _DRIVER_ERROR, f"Building for {target} failed", whole),
        lambda: _platformio_error(output, target, whole),
    )
    for find in finders:
        error = find()
        if error is not None:
            return error
    return BuildError(f"Building for {target} failed:\n{_tail(output)}", hint=whole)


def oversize(output: str, *, target: str, log: Path) -> BuildError | None:
    """Return the error for firmware that is bigger than the board, or ``None``.

    PlatformIO only warns of too much static data; a linker may not know the RAM's end.
    """
    excess: dict[str, int] = {}
    for found in _OVERFLOW.finditer(output):
        bank = _bank(found["region"])
        excess[bank] = max(excess.get(bank, 0), int(found["bytes"]))
    for found in _OVERSIZE.finditer(output):
        bank = _OVERSIZE_BANKS[found["what"]]
        over = int(found["size"]) - int(found["maximum"])
        excess[bank] = max(excess.get(bank, 0), over)
    if not excess:
        return None
    parts = " and ".join(f"{bank} by {over} bytes" for bank, over in sorted(excess.items()))
    return BuildError(
        f"The firmware does not fit {target}: it exceeds {parts}.",
        hint=f"Choose a smaller model or a bigger board ('edgekit check'). Output: {log}.",
    )


def _bank(region: str) -> str:
    for pattern, bank in _BANKS:
        if pattern.search(region):
            return bank if region.lower() == bank.lower() else f"{bank} ({region})"
    return region


def _missing_package(output: str, whole: str) -> MissingToolError | None:
    unreachable = _UNREACHABLE.search(output)
    if not unreachable and not _UNKNOWN_PACKAGE.search(output):
        return None
    installing = list(_INSTALLING.finditer(output))
    if not installing:
        if not unreachable:
            return None
        return MissingToolError(
            "PlatformIO's registry can't be reached.",
            hint=f"Check the network and the proxy settings. {whole}",
        )
    last = installing[-1]
    package = last["package"]
    kind, option = _PACKAGES[last["manager"]]
    command = f'pio pkg install {option} "{package}"'
    if unreachable:
        return MissingToolError(
            f"The {kind} {package!r} is not installed, and PlatformIO can't download it: "
            "its registry or the package's site can't be reached.",
            hint="Check the network and the proxy settings, then build again, or get it "
            f"where there is a network: {command}",
        )
    return MissingToolError(
        f"The {kind} {package!r} is not installed, and PlatformIO could not install it.",
        hint=f"See what is wrong with it: {command}. {whole}",
    )


def _missing_c_library(output: str, hint: str) -> MissingToolError | None:
    """Return the error for a compiler that was installed without its C library.

    ``hint`` is empty where PlatformIO brings the compiler, which then is not at fault.
    """
    if not hint:
        return None
    if _NO_NEWLIB.search(output) or _NO_C_LIBRARY_HEADER.search(output):
        return MissingToolError("The compiler is installed, but not its C library.", hint=hint)
    return None


def _tool_errors(output: str, pattern: re.Pattern[str], what: str, hint: str) -> BuildError | None:
    found = (_LINKER_NAME.sub("", match.group()).strip() for match in pattern.finditer(output))
    lines = list(dict.fromkeys(found))
    if not lines:
        return None
    more = len(lines) - _SHOWN_ERRORS
    shown = lines[:_SHOWN_ERRORS] + ([f"... and {more} more"] if more > 0 else [])
    return BuildError(what + ":\n" + "\n".join(shown), hint=hint)


def _platformio_error(output: str, target: str, hint: str) -> BuildError | None:
    """Return PlatformIO's own complaint, with what it says in the lines below it."""
    complaints = list(_PLATFORMIO_ERROR.finditer(output))
    if not complaints:
        return None
    below = output[complaints[-1].end() :].splitlines()
    lines = [complaints[-1].group()]
    for line in below[1:_SHOWN_LINES]:
        if not line.strip() or line.startswith(("==", "**", "--")):
            break
        lines.append(line)
    return BuildError(f"PlatformIO can't build for {target}:\n" + "\n".join(lines), hint=hint)


def _tail(output: str) -> str:
    kept = [line for line in output.splitlines() if line.strip()]
    return "\n".join(kept[-_SHOWN_LINES:]) or "(no output)"
