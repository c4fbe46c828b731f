"""Build script of the platform "qemu-cortex-m": firmware.elf for an MPS2 board.

A project can change, per environment, `board_upload.maximum_size`,
`board_upload.maximum_ram_size` and `board_build.stack_size` (bytes). The linker
script gets all three, so that what is too big is a failed link.
"""

import os

from SCons.Script import AlwaysBuild, Default, DefaultEnvironment

env = DefaultEnvironment()
board = env.BoardConfig()
startup_dir = os.path.join(env.PioPlatform().get_dir(), "startup")

CORE_FLAGS = {
    "cortex-m3": ["-mcpu=cortex-m3", "-mfloat-abi=soft"],
    "cortex-m4": ["-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"],
    # QEMU's Cortex-M7 has double precision: MVFR0 = 0x10110221, target/arm.
    "cortex-m7": ["-mcpu=cortex-m7", "-mfloat-abi=hard", "-mfpu=fpv5-d16"],
}
core_flags = ["-mthumb", *CORE_FLAGS[board.get("build.cpu")]]

LINK_SYMBOLS = {
    "__flash_size": "upload.maximum_size",
    "__ram_size": "upload.maximum_ram_size",
    "__stack_size": "build.stack_size",
}

env.Replace(
    AR="arm-none-eabi-gcc-ar",
    AS="arm-none-eabi-gcc",
    CC="arm-none-eabi-gcc",
    CXX="arm-none-eabi-g++",
    OBJCOPY="arm-none-eabi-objcopy",
    RANLIB="arm-none-eabi-gcc-ranlib",
    SIZETOOL="arm-none-eabi-size",
    SIZECHECKCMD="$SIZETOOL -A -d $SOURCES",
    SIZEPROGREGEXP=r"^(?:\.text|\.ARM\.\S+|\.init_arrays|\.data)\s+(\d+).*",
    SIZEDATAREGEXP=r"^(?:\.stack|\.data|\.bss)\s+(\d+).*",
    PROGNAME="firmware",
    PROGSUFFIX=".elf",
)

env.Append(
    ASFLAGS=core_flags,
    ASPPFLAGS=["-x", "assembler-with-cpp"],
    CCFLAGS=[*core_flags, "-O2", "-ffunction-sections", "-fdata-sections"],
    CXXFLAGS=["-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics", "-fno-use-cxa-atexit"],
    LINKFLAGS=[
        *core_flags,
        "-O2",
        "-nostartfiles",
        "--specs=nano.specs",
        "-Wl,--gc-sections",
        *(f"-Wl,--defsym={name}={int(board.get(key))}" for name, key in LINK_SYMBOLS.items()),
        "-Wl,-Map," + env.subst("$BUILD_DIR/${PROGNAME}.map"),
    ],
    LIBS=["m"],
)
env.Replace(LDSCRIPT_PATH=os.path.join(startup_dir, "mps2.ld"))

# As sources, not as a library: nothing refers to the vector table, and a library's
# member that nobody refers to is not linked.
env.BuildSources(os.path.join("$BUILD_DIR", "startup"), startup_dir)


program = env.BuildProgram()

AlwaysBuild(env.Alias("size", program, []))
env.AddPlatformTarget(
    "size",
    program,
    env.VerboseAction("$SIZETOOL -A -d $SOURCES", "Sizes of $SOURCES"),
    "Program Size",
    "The sizes of the program's sections",
)
Default([program])
