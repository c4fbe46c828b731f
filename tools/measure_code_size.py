"""Measure the compiled kernels and the firmware around a model; write the compiler's table.

``python tools/measure_code_size.py`` compiles each kernel for each processor with the
flags of EdgeKit's own projects, builds firmware of a model without any kernel for the
emulated boards, and writes ``edgekit/aot/code_size.toml``. Run it after every change of
the kernels, of the shared firmware or of the flags; a test says when it is due.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from edgekit.aot.budget import aot_plan
from edgekit.aot.code_size import TABLE
from edgekit.aot.compiler import compile_graph, lay_out
from edgekit.aot.emit import kernel_files
from edgekit.aot.kernels import KERNELS
from edgekit.aot.usage import constant_bytes
from edgekit.build.platformio import build
from edgekit.firmware.platformio_ini import AOT_BUILD_FLAGS
from edgekit.firmware.project import generate
from edgekit.firmware.write import write_project
from edgekit.graph import DType, Graph, Operator, Quantization, Subgraph, Tensor
from edgekit.resources import templates_folder
from edgekit.targets import load_target

GCC = "arm-none-eabi-gcc"
SECTIONS = ("-ffunction-sections", "-fdata-sections")
CORES = {
    "cortex-m0plus": ("-mthumb", "-mcpu=cortex-m0plus", "-mfloat-abi=soft"),
    "cortex-m3": ("-mthumb", "-mcpu=cortex-m3", "-mfloat-abi=soft"),
    "cortex-m4": ("-mthumb", "-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"),
    "cortex-m7": ("-mthumb", "-mcpu=cortex-m7", "-mfloat-abi=hard", "-mfpu=fpv5-d16"),
}
"""As ``targets/platforms/qemu_cortex_m/builder/main.py``; the M0+ has no board there."""
FIRMWARE_TARGETS = {
    "cortex-m3": "qemu-cortex-m3",
    "cortex-m4": "qemu-cortex-m4",
    "cortex-m7": "qemu-cortex-m7",
}
MODEL_NAME = "m"
INPUT_BYTES = (1, 2, 8, 31, 128, 512)
"""Sizes of input between which the firmware's code differs by a few bytes only: a single
byte, what is cleared inline, what calls memset, more than one line of `db` takes."""


def chain(length: int, elements: int = 16) -> Graph:
    """Return a model of ``length`` RELUs, each with a table of its own; 0: a view."""
    tensors = [
        Tensor(
            index=index,
            name=f"t{index}",
            shape=(1, elements),
            dtype=DType.INT8,
            quantization=Quantization(scales=(1.0 + index / 64,), zero_points=(0,)),
        )
        for index in range(max(length, 1) + 1)
    ]
    operators = [
        Operator(
            index=index,
            name="RELU" if length else "RESHAPE",
            version=1,
            inputs=(index,),
            outputs=(index + 1,),
            options={},
        )
        for index in range(max(length, 1))
    ]
    main = Subgraph(
        name="main",
        tensors=tuple(tensors),
        operators=tuple(operators),
        inputs=(0,),
        outputs=(len(tensors) - 1,),
    )
    return Graph(subgraphs=(main,), metadata={}, sha256="0" * 64, size_bytes=0)


def sections(object_file: Path) -> dict[str, int]:
    """Return the sections of an object that go into flash: bytes, rounded up to 4."""
    from elftools.elf.constants import SH_FLAGS
    from elftools.elf.elffile import ELFFile

    with object_file.open("rb") as file:
        return {
            section.name: -(-section["sh_size"] // 4) * 4
            for section in ELFFile(file).iter_sections()
            if section["sh_flags"] & SH_FLAGS.SHF_ALLOC
            and section["sh_size"]
            and section["sh_type"] == "SHT_PROGBITS"
        }


def undefined(object_file: Path) -> tuple[str, ...]:
    """Return the functions that an object needs of libraries, sorted."""
    from elftools.elf.elffile import ELFFile

    with object_file.open("rb") as file:
        symbols = ELFFile(file).get_section_by_name(".symtab").iter_symbols()
        return tuple(sorted(s.name for s in symbols if s.name and s["st_shndx"] == "SHN_UNDEF"))


def compile_text(
    files: Mapping[str, str], source: str, flags: tuple[str, ...]
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Compile one of the files; return its sections' sizes and what it needs of libraries."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            (Path(folder) / name).write_text(text)
        shared = templates_folder() / "shared"
        command = [GCC, *flags, *AOT_BUILD_FLAGS, *SECTIONS, f"-I{shared}", "-c", source, "-o", "o"]
        subprocess.run(command, cwd=folder, check=True)
        return sections(Path(folder) / "o"), undefined(Path(folder) / "o")


def measure_kernels(flags: tuple[str, ...]) -> tuple[dict[str, int], dict[str, tuple[str, ...]]]:
    """Return the bytes of each kernel and of what kernels share, and what each needs."""
    sizes: dict[str, int] = {}
    needs: dict[str, tuple[str, ...]] = {}
    for name in KERNELS:
        found, called = compile_text(kernel_files([name]), "edgekit_aot_kernels.c", flags)
        shared = found.pop(".text.edgekit_multiply_rows", None)
        if shared is not None:
            sizes["matrix"] = shared
        sizes[name] = sum(found.values())
        if called:
            needs[name] = called
    return sizes, needs


def measure_library(function: str, flags: tuple[str, ...]) -> int:
    """Return the bytes that a library's function brings into a program."""
    with tempfile.TemporaryDirectory() as folder:
        link = (f"-Wl,-e,{function}", f"-Wl,-u,{function}", "-Wl,--gc-sections", "-nostartfiles")
        command = [
            GCC,
            *flags,
            "--specs=nano.specs",
            "-x",
            "c",
            "/dev/null",
            *link,
            "-o",
            "program",
        ]
        subprocess.run(command, cwd=folder, check=True)
        found = sections(Path(folder) / "program")
    return sum(size for name, size in found.items() if name in (".text", ".rodata"))


def measure_model(flags: tuple[str, ...]) -> tuple[int, int]:
    """Return the bytes of a model's functions without calls, and of one call."""
    totals = {}
    for length in (8, 32):
        files = compile_graph(chain(length)).files
        found, _ = compile_text(files, "edgekit_aot_model.c", flags)
        totals[length] = sum(size for name, size in found.items() if name.startswith(".text"))
    call = (totals[32] - totals[8]) / 24
    return round(totals[8] - 8 * call), round(call)


def measure_firmware(
    target_name: str, elements: int, model_bytes: int, library: Iterable[str]
) -> dict[str, Any]:
    """Build a model without kernels; return the flash and the data that are not its own."""
    graph, target = chain(0, elements), load_target(target_name)
    plan = aot_plan(graph, target, model=MODEL_NAME)
    project = generate(graph, b"", target, "aot", plan, name=MODEL_NAME)
    with tempfile.TemporaryDirectory() as folder:
        write_project(project, Path(folder) / "project")
        firmware = build(Path(folder) / "project", target)
        present = defined(firmware.elf)
    layout = lay_out(graph)
    if firmware.sizes is None or isinstance(layout, tuple):
        raise SystemExit(f"{target_name}: the build's sizes are unknown")
    own = constant_bytes(layout.program, layout.schedule, 4) + model_bytes
    own += 2 * len(MODEL_NAME)  # it is in two of the protocol's texts
    data = sum(item.size_bytes for item in plan.sram.items if item.name != "firmware")
    return {
        "input_bytes": elements,
        "flash_bytes": firmware.sizes.flash_bytes - own,
        "data_bytes": firmware.sizes.sram_bytes - data,
        "functions": sorted(present.intersection(library)),
    }


def defined(elf: Path) -> set[str]:
    """Return the names of a program's functions."""
    from elftools.elf.elffile import ELFFile

    with elf.open("rb") as file:
        return {s.name for s in ELFFile(file).get_section_by_name(".symtab").iter_symbols()}


def version() -> str:
    """Return the compiler's name and version."""
    done = subprocess.run([GCC, "-dumpversion"], capture_output=True, text=True, check=True)
    return f"{GCC} {done.stdout.strip()}"


def toml(value: object) -> str:
    """Return a value as TOML: numbers, strings and lists of strings."""
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    return str(value)


def table(cores: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the table's text."""
    lines = [
        "# Bytes of compiled code. Written by tools/measure_code_size.py: do not edit.",
        f"# Flags: {' '.join(AOT_BUILD_FLAGS)}, and each processor's own.",
    ]
    for core, values in cores.items():
        lines += ["", f"[cores.{core}]"]
        lines += [f"{key} = {toml(value)}" for key, value in values.items() if key not in _TABLES]
        for name in ("kernels", "library", "kernel_library"):
            lines += ["", f"[cores.{core}.{name}]"]
            lines += [f"{key} = {toml(value)}" for key, value in sorted(values[name].items())]
        for entry in values["firmware"]:
            lines += ["", f"[[cores.{core}.firmware]]"]
            lines += [f"{key} = {toml(value)}" for key, value in entry.items()]
    return "\n".join(lines) + "\n"


_TABLES = ("kernels", "library", "kernel_library", "firmware")
_UNKNOWN = {"input_bytes": 1, "flash_bytes": 0, "data_bytes": 0, "functions": []}


def measure_core(core: str) -> dict[str, Any]:
    """Return what the compiler alone can say of a processor."""
    flags = CORES[core]
    model_bytes, call_bytes = measure_model(flags)
    kernels, needs = measure_kernels(flags)
    return {
        "compiler": version(),
        "flags": " ".join(flags),
        "margin_share": 0.02 if core in FIRMWARE_TARGETS else 0.15,
        "model_bytes": model_bytes,
        "call_bytes": call_bytes,
        "kernels": kernels,
        "library": {
            name: measure_library(name, flags)
            for name in sorted({item for called in needs.values() for item in called})
        },
        "kernel_library": needs,
        "firmware": [_UNKNOWN],
    }


def main() -> None:
    """Measure everything and write the table."""
    cores = {core: measure_core(core) for core in CORES}
    TABLE.write_text(table(cores))  # so that the builds below can be planned
    for core, target in FIRMWARE_TARGETS.items():
        values = cores[core]
        cores[core]["firmware"] = [
            measure_firmware(target, size, values["model_bytes"], values["library"])
            for size in INPUT_BYTES
        ]
    for core in cores.keys() - FIRMWARE_TARGETS.keys():  # no board: the M3's, with a margin
        cores[core]["firmware"] = cores["cortex-m3"]["firmware"]
    TABLE.write_text(table(cores))
    print(TABLE.read_text())


if __name__ == "__main__":
    main()
