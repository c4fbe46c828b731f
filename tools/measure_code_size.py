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
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from edgekit.aot.budget import aot_plan
from edgekit.aot.code_size import TABLE
from edgekit.aot.compiler import compile_graph
from edgekit.aot.emit import kernel_files
from edgekit.aot.kernels import KERNELS
from edgekit.aot.usage import constant_bytes
from edgekit.firmware.platformio_ini import AOT_BUILD_FLAGS
from edgekit.graph import DType, Graph, Operator, Quantization, Subgraph, Tensor
from edgekit.resources import templates_folder

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


def chain(length: int) -> Graph:
    """Return a model of ``length`` RELUs, each with a table of its own; 0: a view."""
    tensors = [
        Tensor(
            index=index,
            name=f"t{index}",
            shape=(1, 16),
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


def compile_text(files: dict[str, str], source: str, flags: tuple[str, ...]) -> dict[str, int]:
    """Compile one of the files; return its sections' sizes."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            (Path(folder) / name).write_text(text)
        shared = templates_folder() / "shared"
        command = [GCC, *flags, *AOT_BUILD_FLAGS, *SECTIONS, f"-I{shared}", "-c", source, "-o", "o"]
        subprocess.run(command, cwd=folder, check=True)
        return sections(Path(folder) / "o")


def measure_kernels(flags: tuple[str, ...]) -> dict[str, int]:
    """Return each kernel's bytes of code, and those of what kernels share."""
    sizes: dict[str, int] = {}
    for name in KERNELS:
        found = compile_text(kernel_files([name]), "edgekit_aot_kernels.c", flags)
        shared = found.pop(".text.edgekit_multiply_rows", None)
        if shared is not None:
            sizes["matrix"] = shared
        sizes[name] = sum(found.values())
    return sizes


def measure_model(flags: tuple[str, ...]) -> tuple[int, int]:
    """Return the bytes of a model's functions without calls, and of one call."""
    totals = {}
    for length in (1, 8, 32):
        files = dict(compile_graph(chain(length)).files)
        found = compile_text(files, "edgekit_aot_model.c", flags)
        totals[length] = sum(size for name, size in found.items() if name.startswith(".text"))
    call = (totals[32] - totals[8]) / 24
    return round(totals[8] - 8 * call), round(call)


def measure_firmware(target_name: str, sizes: dict[str, Any]) -> tuple[int, int]:
    """Build a model without kernels; return the flash and the data that are not its own."""
    from edgekit.aot.compiler import lay_out
    from edgekit.build.platformio import build
    from edgekit.firmware.project import generate
    from edgekit.firmware.write import write_project
    from edgekit.targets import load_target

    graph, target = chain(0), load_target(target_name)
    plan = aot_plan(graph, target, model=MODEL_NAME)
    project = generate(graph, b"", target, "aot", plan, name=MODEL_NAME)
    with tempfile.TemporaryDirectory() as folder:
        write_project(project, Path(folder) / "project")
        linked = build(Path(folder) / "project", target).sizes
    layout = lay_out(graph)
    if linked is None or isinstance(layout, tuple):
        raise SystemExit(f"{target_name}: the build's sizes are unknown")
    own = constant_bytes(layout.program, layout.schedule, 4) + sizes["model_bytes"]
    data = sum(item.size_bytes for item in plan.sram.items if item.name != "firmware")
    return linked.flash_bytes - own - len(MODEL_NAME), linked.sram_bytes - data


def version() -> str:
    """Return the compiler's name and version."""
    done = subprocess.run([GCC, "-dumpversion"], capture_output=True, text=True, check=True)
    return f"{GCC} {done.stdout.strip()}"


def table(cores: dict[str, dict[str, Any]]) -> str:
    """Return the table's text."""
    lines = [
        "# Bytes of compiled code. Written by tools/measure_code_size.py: do not edit.",
        f"# Flags: {' '.join(AOT_BUILD_FLAGS)}, and each processor's own.",
    ]
    for core, values in cores.items():
        lines += ["", f"[cores.{core}]"]
        lines += [
            f"{key} = {value!r}".replace("'", '"')
            for key, value in values.items()
            if key != "kernels"
        ]
        lines += ["", f"[cores.{core}.kernels]"]
        lines += [f"{name} = {size}" for name, size in sorted(values["kernels"].items())]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure everything and write the table."""
    compiler = version()
    cores: dict[str, dict[str, Any]] = {}
    for core, flags in CORES.items():
        model_bytes, call_bytes = measure_model(flags)
        cores[core] = {
            "compiler": compiler,
            "flags": " ".join(flags),
            "margin_share": 0.02 if core in FIRMWARE_TARGETS else 0.15,
            "model_bytes": model_bytes,
            "call_bytes": call_bytes,
            "firmware_bytes": 0,
            "firmware_data_bytes": 0,
            "kernels": measure_kernels(flags),
        }
    TABLE.write_text(table(cores))
    for core, target in FIRMWARE_TARGETS.items():
        flash_bytes, data_bytes = measure_firmware(target, cores[core])
        cores[core] |= {"firmware_bytes": flash_bytes, "firmware_data_bytes": data_bytes}
    for core, values in cores.items():
        if core not in FIRMWARE_TARGETS:  # no board to build for: the M3's, with a margin
            for key in ("firmware_bytes", "firmware_data_bytes"):
                values[key] = cores["cortex-m3"][key]
    TABLE.write_text(table(cores))
    print(TABLE.read_text())


if __name__ == "__main__":
    main()
