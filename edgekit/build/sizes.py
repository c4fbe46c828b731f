"""Exact sizes from an ELF file: what the linker placed where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgekit.errors import BuildError
from edgekit.results import BuildSizes

_ELF_MAGIC = b"\x7fELF"

_RESERVES = (".stack", ".heap", "._user_heap_stack")
"""Sections, by the start of their names, that only keep room for stack and heap. Names
of our linker script, of Arm's GNU samples and of STM32Cube's."""

_SYMBOL_PREFIX = "edgekit_"

_DAMAGE_HINT = "Build the project again; the file is damaged or not a linked program."


def is_elf(path: Path) -> bool:
    """Return whether the file is an ELF file; programs for macOS and Windows are not."""
    with path.open("rb") as file:
        return file.read(len(_ELF_MAGIC)) == _ELF_MAGIC


def read_sizes(elf: Path) -> BuildSizes:
    """Return what a linked program takes of flash and SRAM, without stack and heap.

    Flash is every allocated section with content: code, constants, and the initial
    values of data. SRAM is data that has initial values and data that begins as zero;
    sections that only keep room for stack or heap are left out. Gaps that alignment
    leaves between sections (a few bytes) are in neither.

    Raises:
        BuildError: The file can't be read, is not ELF, or is damaged.
    """
    from elftools.common.exceptions import ELFError
    from elftools.construct.core import ConstructError
    from elftools.elf.elffile import ELFFile

    try:
        with elf.open("rb") as file:
            if file.read(len(_ELF_MAGIC)) != _ELF_MAGIC:
                raise BuildError(
                    f"{elf} is not an ELF file: its sizes are unknown.", hint=_DAMAGE_HINT
                )
            file.seek(0)
            return _sizes(ELFFile(file))
    except OSError as error:
        raise BuildError(f"Can't read {elf}: {error.strerror}.", hint=_DAMAGE_HINT) from error
    except (
        ELFError,
        ConstructError,
        # What pyelftools 0.33 lets through on damaged headers: fields that it trusts.
        ArithmeticError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        raise BuildError(f"{elf} is not a sound ELF file.", hint=_DAMAGE_HINT) from error


def _sizes(elf: Any) -> BuildSizes:
    from elftools.elf.constants import P_FLAGS, SH_FLAGS

    loads = [segment for segment in elf.iter_segments() if segment["p_type"] == "PT_LOAD"]
    # Initial values are copied to RAM by the start-up code, or the segment is RAM
    # already. Flash segments may be writable by their flags, but are executable too.
    in_ram = [
        segment
        for segment in loads
        if segment["p_vaddr"] != segment["p_paddr"]
        or segment["p_flags"] & (P_FLAGS.PF_W | P_FLAGS.PF_X) == P_FLAGS.PF_W
    ]
    flash_bytes = sram_bytes = 0
    for section in elf.iter_sections():
        flags, size_bytes = section["sh_flags"], section["sh_size"]
        if not flags & SH_FLAGS.SHF_ALLOC or not size_bytes:
            continue
        if section["sh_type"] == "SHT_NOBITS":
            is_reserve = section.name.startswith(_RESERVES)
            if not is_reserve and not flags & SH_FLAGS.SHF_TLS:
                sram_bytes += size_bytes
            continue
        flash_bytes += size_bytes
        if flags & SH_FLAGS.SHF_WRITE and any(
            _is_loaded_by(section, segment) for segment in in_ram
        ):
            sram_bytes += size_bytes
    return BuildSizes(flash_bytes=flash_bytes, sram_bytes=sram_bytes, symbols=_symbols(elf))


def _is_loaded_by(section: Any, segment: Any) -> bool:
    offset = section["sh_addr"] - segment["p_vaddr"]
    return bool(offset >= 0 and offset + section["sh_size"] <= segment["p_memsz"])


def _symbols(elf: Any) -> dict[str, int]:
    """Return the sizes of EdgeKit's static objects, by name.

    What link-time optimisation puts behind a name (``.lto_priv.0``) is cut off.
    """
    table = elf.get_section_by_name(".symtab")
    if table is None:
        return {}
    return {
        symbol.name.partition(".")[0]: symbol["st_size"]
        for symbol in table.iter_symbols()
        if symbol.name.startswith(_SYMBOL_PREFIX) and symbol["st_info"]["type"] == "STT_OBJECT"
    }
