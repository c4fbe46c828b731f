"""Build script of the platform "host": a program for this computer, firmware.elf."""

import sys

from platformio.proc import where_is_program
from SCons.Script import AlwaysBuild, Default, DefaultEnvironment

env = DefaultEnvironment()


def first_on_path(*names):
    """Return the first of these programs that is on PATH, or the first name."""
    for name in names:
        if where_is_program(name, env.subst("${ENV['PATH']}")) != name:
            return name
    return names[0]


is_macos = sys.platform == "darwin"
is_linux = sys.platform.startswith("linux")

# Without tables for relocation and for unwinding, which boards have not either, the linked
# size can be held against the planned one.

env.Replace(
    CC=first_on_path("cc", "gcc", "clang"),
    CXX=first_on_path("c++", "g++", "clang++"),
    PROGNAME="firmware",
    PROGSUFFIX=".elf",
)

env.Append(
    CCFLAGS=[
        "-O2",
        "-ffunction-sections",
        "-fdata-sections",
        *(["-fno-pie", "-fno-asynchronous-unwind-tables"] if is_linux else []),
    ],
    CXXFLAGS=["-fno-exceptions", "-fno-rtti"],
    LINKFLAGS=[
        *(["-no-pie"] if is_linux else []),
        "-Wl,-dead_strip" if is_macos else "-Wl,--gc-sections",
        ("-Wl,-map," if is_macos else "-Wl,-Map,") + env.subst("$BUILD_DIR/${PROGNAME}.map"),
    ],
    LIBS=["m"],
)


program = env.BuildProgram()

AlwaysBuild(env.Alias("size", program, []))
Default([program])
