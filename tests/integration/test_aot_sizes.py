"""Planned sizes against what compilers and linkers make of them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from aot_host import SHARED
from test_aot_models import mixed_model

from edgekit.aot.budget import aot_plan
from edgekit.aot.emit import kernel_files
from edgekit.aot.kernels import KERNELS, port_bytes, structure_bytes
from edgekit.build.platformio import build
from edgekit.build.sizes import read_sizes
from edgekit.firmware.project import generate
from edgekit.firmware.write import write_project
from edgekit.model.reader import read_graph
from edgekit.targets import load_target

FLASH_TOLERANCE_PERCENT = 2.0
TARGETS = ("qemu-cortex-m3", "qemu-cortex-m4", "qemu-cortex-m7")
MODELS = ("kws01_int8", "ic01_int8", "ad01_int8", "hello_world_int8")


@pytest.mark.parametrize(("compiler", "pointer_bytes"), [("gcc", 8), ("arm-none-eabi-gcc", 4)])
def test_structures_have_the_planned_size(
    compiler: str, pointer_bytes: int, tmp_path: Path
) -> None:
    for name, text in kernel_files(KERNELS).items():
        (tmp_path / name).write_text(text)
    sizes = {
        f"edgekit_{name}_params": structure_bytes(kernel.fields, pointer_bytes)
        for name, kernel in KERNELS.items()
    }
    sizes["edgekit_tensor"] = port_bytes(pointer_bytes)
    lines = ['#include "edgekit_aot_kernels.h"', '#include "edgekit_model.h"']
    lines += [f'_Static_assert(sizeof({name}) == {size}, "");' for name, size in sizes.items()]
    (tmp_path / "sizes.c").write_text("\n".join(lines) + "\n")
    flags = ["-mthumb", "-mcpu=cortex-m4"] if pointer_bytes == 4 else []
    command = [compiler, *flags, f"-I{SHARED}", "-fsyntax-only", "sizes.c"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def check_sizes(name: str, data: bytes, target_name: str, folder: Path) -> None:
    graph, target = read_graph(data), load_target(target_name)
    plan = aot_plan(graph, target, model=name)
    assert plan.runs
    project = generate(graph, data, target, "aot", plan, name=name)
    write_project(project, folder / name)
    sizes = read_sizes(build(folder / name, target).elf)
    assert sizes.symbols["edgekit_arena"] == plan.arena_bytes
    assert sizes.symbols["edgekit_input_buffer"] == sum(
        tensor.size_bytes for tensor in graph.main.input_tensors
    )
    error_percent = 100.0 * (plan.flash.used_bytes / sizes.flash_bytes - 1.0)
    assert abs(error_percent) < FLASH_TOLERANCE_PERCENT, (
        f"planned {plan.flash.used_bytes}, linked {sizes.flash_bytes}: "
        "run tools/measure_code_size.py if kernels, firmware or flags have changed"
    )
    assert abs(plan.sram.used_bytes - sizes.sram_bytes) <= 16


@pytest.mark.emulator
@pytest.mark.parametrize("target", TARGETS)
def test_a_mixed_models_sizes_are_the_planned_ones(target: str, tmp_path: Path) -> None:
    check_sizes("mixed", mixed_model(with_float_edges=True), target, tmp_path)


@pytest.mark.emulator
@pytest.mark.shared_data
@pytest.mark.parametrize("model", MODELS)
def test_reference_models_sizes_are_the_planned_ones(
    model: str, shared_models: Path, tmp_path: Path
) -> None:
    data = (shared_models / f"{model}.tflite").read_bytes()
    check_sizes(model, data, "qemu-cortex-m4", tmp_path)
