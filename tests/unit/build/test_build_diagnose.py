"""Failed builds' outputs, recorded from PlatformIO 6.2.0, and what they are said to mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.build.diagnose import diagnose, oversize
from edgekit.errors import BuildError, EdgeKitError, MissingToolError

LOG = Path("project") / "build" / "build.log"
INSTALL = "Install it: sudo apt install gcc-arm-none-eabi."
LD = "/usr/lib/gcc/arm-none-eabi/12.2.1/../../../arm-none-eabi/bin/ld"
BEGUN = """\
Processing qemu-cortex-m4 (platform: qemu-cortex-m; board: mps2-an386)
--------------------------------------------------------------------------------
Verbose mode can be enabled via `-v, --verbose` option
Scanning dependencies...
No dependencies
Building in release mode
Compiling .pio/build/qemu-cortex-m4/src/main.o
"""
FAILED = "========================== [FAILED] Took 0.71 seconds ==========================\n"


def explain(output: str, install_hint: str = "") -> EdgeKitError:
    return diagnose(output, target="someboard", log=LOG, install_hint=install_hint)


def test_a_compiler_error_is_shown_as_the_compiler_said_it():
    error = explain(
        BEGUN
        + "src/main.c: In function 'main':\n"
        + "src/main.c:7:10: error: 'speed' undeclared (first use in this function)\n"
        + "    7 |   return speed;\n"
        + "*** [.pio/build/qemu-cortex-m4/src/main.o] Error 1\n"
        + FAILED
    )
    assert type(error) is BuildError
    assert error.message == (
        "Compiling for someboard failed:\n"
        "src/main.c:7:10: error: 'speed' undeclared (first use in this function)"
    )
    assert error.hint == f"The whole output is in {LOG}."
    assert error.exit_code == 6


def test_of_many_compiler_errors_the_first_three_are_shown_once_each():
    lines = [f"a b/x.c:{line}:1: error: bad {line}" for line in (1, 1, 2, 3, 4, 5)]
    error = explain("\n".join(lines))
    assert error.message.splitlines()[1:] == [
        "a b/x.c:1:1: error: bad 1",
        "a b/x.c:2:1: error: bad 2",
        "a b/x.c:3:1: error: bad 3",
        "... and 2 more",
    ]


def test_a_missing_header_is_a_compiler_error_on_boards_whose_compiler_platformio_brings():
    output = BEGUN + "src/main.c:1:10: fatal error: stdint.h: No such file or directory\n"
    assert "fatal error: stdint.h" in explain(output).message


@pytest.mark.parametrize(
    "line",
    [
        "src/main.c:1:10: fatal error: stdint.h: No such file or directory",
        "arm-none-eabi-gcc: fatal error: cannot read spec file 'nano.specs': "
        "No such file or directory",
    ],
)
def test_a_compiler_without_its_c_library_is_a_missing_tool(line):
    error = explain(BEGUN + line + "\ncompilation terminated.\n" + FAILED, INSTALL)
    assert type(error) is MissingToolError
    assert error.message == "The compiler is installed, but not its C library."
    assert error.hint == INSTALL
    assert error.exit_code == 4


def test_undefined_references_are_shown_without_the_linkers_path():
    error = explain(
        BEGUN
        + f"{LD}: .pio/build/x/src/main.o: in function `main':\n"
        + "main.c:(.text.startup.main+0x4): undefined reference to `f'\n"
        + f"{LD}: main.c:(.text.startup.main+0xc): undefined reference to `g'\n"
        + "collect2: error: ld returned 1 exit status\n"
        + "*** [.pio/build/x/firmware.elf] Error 1\n"
        + FAILED
    )
    assert error.message == (
        "Linking for someboard failed:\n"
        "main.c:(.text.startup.main+0x4): undefined reference to `f'\n"
        "main.c:(.text.startup.main+0xc): undefined reference to `g'"
    )


def test_a_complaint_of_the_compilers_driver_is_shown():
    error = explain(
        BEGUN
        + "arm-none-eabi-gcc: fatal error: cannot read spec file 'other.specs': No such file\n"
        + "compilation terminated.\n"
        + FAILED
    )
    assert error.message.splitlines()[1].endswith(
        "cannot read spec file 'other.specs': No such file"
    )


def test_a_link_that_overflows_names_each_bank_and_its_excess():
    error = explain(
        BEGUN
        + f"{LD}: firmware.elf section `.text' will not fit in region `FLASH'\n"
        + f"{LD}: region `FLASH' overflowed by 12352 bytes\n"
        + f"{LD}: region `RAM' overflowed by 5392 bytes\n"
        + "collect2: error: ld returned 1 exit status\n"
        + FAILED
    )
    assert type(error) is BuildError
    assert error.message == (
        "The firmware does not fit someboard: "
        "it exceeds SRAM (RAM) by 5392 bytes and flash by 12352 bytes."
    )
    assert "a smaller model or a bigger board" in error.hint
    assert str(LOG) in error.hint


@pytest.mark.parametrize(
    ("region", "bank"),
    [
        ("dram0_0_seg", "SRAM (dram0_0_seg)"),
        ("iram0_0_seg", "SRAM (iram0_0_seg)"),
        ("drom0_0_seg", "flash (drom0_0_seg)"),
        ("text", "flash (text)"),
        ("data", "SRAM (data)"),
        ("SOMEWHERE", "SOMEWHERE"),
    ],
)
def test_banks_are_known_by_the_names_that_linker_scripts_give_them(region, bank):
    error = explain(f"ld: region ‘{region}’ overflowed by 10 bytes\n")
    assert f"it exceeds {bank} by 10 bytes." in error.message


def test_platformios_own_check_of_the_size_is_read_too():
    output = (
        "Warning! The data size (2500 bytes) is greater than maximum allowed (2048 bytes)\n"
        "Error: The program size (40000 bytes) is greater than maximum allowed (32256 bytes)\n"
    )
    error = oversize(output, target="uno", log=LOG)
    assert error is not None
    assert error.message.endswith("it exceeds SRAM by 452 bytes and flash by 7744 bytes.")


def test_a_build_that_fits_is_not_oversize():
    assert oversize(BEGUN + "RAM: [= ] 10% (used 10 bytes)\n", target="uno", log=LOG) is None


@pytest.mark.parametrize(
    ("manager", "package", "kind", "command"),
    [
        ("Platform", "atmelavr", "board support", "--global --platform"),
        ("Tool", "platformio/toolchain-atmelavr @ ~1.70300.0", "tool", "--global --tool"),
        ("Library", "spaziochirale/Chirale_TensorFLowLite @ 2.0.0", "library", "--library"),
    ],
)
@pytest.mark.parametrize(
    "complaint",
    ["HTTPClientError: ", "InternetConnectionError: You are not connected to the Internet."],
)
def test_an_unreachable_registry_names_what_could_not_be_had(
    manager, package, kind, command, complaint
):
    error = explain(
        BEGUN.partition("Verbose")[0]
        + "Platform Manager: Installing something-before\n"
        + f"{manager} Manager: Installing {package}\n"
        + complaint
        + "\n"
    )
    assert type(error) is MissingToolError
    assert error.message == (
        f"The {kind} {package!r} is not installed, and PlatformIO can't download it: "
        "its registry or the package's site can't be reached."
    )
    assert error.hint.startswith("Check the network and the proxy settings, then build again")
    assert error.hint.endswith(f'pio pkg install {command} "{package}"')


def test_an_unreachable_git_server_is_no_fault_of_the_package():
    error = explain(
        "Library Manager: Installing git+https://192.0.2.1/x/y.git\n"
        "fatal: unable to access 'https://192.0.2.1/x/y.git/': Failed to connect\n"
        "VCSBaseException: VCS: Could not process command ['git', 'clone']\n"
    )
    assert "can't be reached" in error.message


def test_a_package_that_the_registry_does_not_have_is_named():
    error = explain(
        "Platform Manager: Installing nosuch\n"
        "UnknownPackageError: Could not find the package with 'nosuch' requirements for your "
        "system 'linux_x86_64'\n"
    )
    assert type(error) is MissingToolError
    assert error.message == (
        "The board support 'nosuch' is not installed, and PlatformIO could not install it."
    )
    assert 'pio pkg install --global --platform "nosuch"' in error.hint


def test_an_unreachable_registry_is_told_also_where_nothing_was_being_installed():
    error = explain("HTTPClientError: \n")
    assert error.message == "PlatformIO's registry can't be reached."


def test_platformios_own_complaint_is_shown_without_its_frame():
    error = explain(
        "Processing x (platform: qemu-cortex-m; board: mps2-an999)\n"
        + "Error: Unknown board ID 'mps2-an999'\n"
        + FAILED
    )
    assert error.message == (
        "PlatformIO can't build for someboard:\nError: Unknown board ID 'mps2-an999'"
    )


def test_what_nobody_knows_is_shown_by_its_last_lines():
    error = explain("\n".join(f"line {number}" for number in range(100)))
    assert error.message.splitlines() == [
        "Building for someboard failed:",
        *(f"line {number}" for number in range(88, 100)),
    ]


def test_silence_is_said_to_be_silence():
    assert explain("").message == "Building for someboard failed:\n(no output)"
