"""The table of kernels against the C that it speaks of."""

from __future__ import annotations

import re

import pytest

from edgekit import resources
from edgekit.aot import kernels
from edgekit.aot.code_size import code_sizes
from edgekit.aot.emit import kernel_files
from edgekit.aot.lower import RULES
from edgekit.targets import Core

FOLDER = resources.templates_folder() / "aot_kernels"


def declared(structure: str, header: str) -> list[str]:
    """Return a structure's members as C declares them, spaces made uniform."""
    found = re.search(r"typedef struct \{([^}]*)\} " + structure + ";", header)
    assert found is not None, structure
    return [" ".join(line.split()) for line in found[1].split(";") if line.strip()]


def listed(fields: tuple[kernels.Field, ...]) -> list[str]:
    texts = []
    for field in fields:
        name = field.name if field.count == 1 else f"{field.name}[{field.count}]"
        texts.append(f"{field.pointee} *{name}" if field.ctype == "*" else f"{field.ctype} {name}")
    return texts


@pytest.mark.parametrize("name", kernels.KERNELS)
def test_parameters_are_declared_in_c_as_in_the_table(name: str) -> None:
    header = (FOLDER / f"{name}.h").read_text()
    assert declared(f"edgekit_{name}_params", header) == listed(kernels.KERNELS[name].fields)


@pytest.mark.parametrize(
    ("structure", "file"),
    [("edgekit_window", "window"), ("edgekit_matrix", "matrix"), ("edgekit_addend", "add")],
)
def test_nested_structures_are_declared_in_c_as_in_the_table(structure: str, file: str) -> None:
    header = (FOLDER / f"{file}.h").read_text()
    assert declared(structure, header) == listed(kernels.STRUCTURES[structure])


def test_every_fragment_belongs_to_a_kernel() -> None:
    files = {path.stem for path in FOLDER.iterdir()} - {"header"}
    assert files == set(kernels.fragments(kernels.KERNELS))


def test_only_what_is_needed_is_emitted() -> None:
    files = kernel_files(["lookup"])
    text = "".join(files.values())
    assert "edgekit_lookup(" in text
    assert "edgekit_scale" not in text
    assert "edgekit_conv_2d" not in text


def test_a_shared_fragment_is_emitted_once() -> None:
    source = kernel_files(["fully_connected", "conv_2d"])["edgekit_aot_kernels.c"]
    assert source.count("void edgekit_multiply_rows(") == 1


@pytest.mark.parametrize(
    ("pointer_bytes", "expected"),
    [(2, 10), (4, 16), (8, 32)],
)
def test_structures_are_laid_out_by_the_width_of_pointers(
    pointer_bytes: int, expected: int
) -> None:
    fields = kernels.KERNELS["lookup"].fields  # three pointers and an int32
    assert kernels.structure_bytes(fields, pointer_bytes) == expected


def core(name: str, architecture: str) -> Core:
    return Core(
        name=name,
        architecture=architecture,
        clock_hz=1,
        has_fpu=False,
        has_dsp=False,
        source="test",
    )


@pytest.mark.parametrize(
    ("name", "architecture", "measured_on"),
    [
        ("Cortex-M0+", "armv6-m", "cortex-m0plus"),
        ("Cortex-M3", "armv7-m", "cortex-m3"),
        ("Cortex-M4F", "armv7e-m", "cortex-m4"),
        ("Cortex-M7", "armv7e-m", "cortex-m7"),
    ],
)
def test_measured_processors_have_sizes_for_every_kernel(
    name: str, architecture: str, measured_on: str
) -> None:
    sizes = code_sizes(core(name, architecture))
    assert sizes.measured_on == measured_on
    assert sizes.scale == 1.0
    assert set(sizes.kernels) == {*kernels.KERNELS, "matrix"}
    assert all(size > 0 for size in sizes.kernels.values())
    assert all(item.flash_bytes > 1000 for item in sizes.firmware)


@pytest.mark.parametrize("architecture", ["avr5", "xtensa-lx6", "riscv"])
def test_other_processors_are_estimated_with_a_margin(architecture: str) -> None:
    sizes = code_sizes(core("Something", architecture))
    assert sizes.scale > 1.0
    assert sizes.margin(1000) >= 300


def test_what_kernels_share_counts_once() -> None:
    sizes = code_sizes(core("Cortex-M4F", "armv7e-m"))
    firmware = sizes.firmware_for(1000)
    both = sizes.kernel_bytes(["conv_2d", "fully_connected"], firmware)
    alone = [sizes.kernel_bytes([name], firmware) for name in ("conv_2d", "fully_connected")]
    assert both == sum(alone) - sizes.kernels["matrix"]


def test_a_library_function_counts_where_the_firmware_has_it_not() -> None:
    sizes = code_sizes(core("Cortex-M4F", "armv7e-m"))
    small, large = sizes.firmware_for(1), sizes.firmware_for(1000)
    assert "memset" in large.functions
    assert "memset" not in small.functions
    assert (
        sizes.kernel_bytes(["pad"], small)
        == sizes.kernel_bytes(["pad"], large) + sizes.library["memset"]
    )


def test_the_operators_of_the_first_cut_are_there() -> None:
    assert set(RULES) >= {
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "FULLY_CONNECTED",
        "MAX_POOL_2D",
        "AVERAGE_POOL_2D",
        "ADD",
        "MEAN",
        "RESHAPE",
        "SOFTMAX",
        "PAD",
        "QUANTIZE",
        "RELU",
        "RELU6",
        "LOGISTIC",
    }
