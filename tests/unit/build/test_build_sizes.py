"""Sizes from ELF files whose sizes are known, and from damaged ones."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from elf_writer import ALLOC, EXECUTE, NOBITS, PROGBITS, WRITE, R, Section, Symbol, W, X, write_elf
from hypothesis import given
from hypothesis import strategies as st

from edgekit.build.sizes import is_elf, read_sizes
from edgekit.errors import BuildError

TEXT = Section(
    name=".text", kind=PROGBITS, flags=ALLOC | EXECUTE, address=0, size=1000, permissions=R | X
)
CONSTRUCTORS = Section(
    name=".init_arrays", kind=PROGBITS, flags=ALLOC | WRITE, address=1000, size=8, permissions=R | X
)
DATA = Section(
    name=".data",
    kind=PROGBITS,
    flags=ALLOC | WRITE,
    address=0x20001000,
    load_address=1008,
    size=120,
    permissions=R | W,
)
BSS = Section(
    name=".bss",
    kind=NOBITS,
    flags=ALLOC | WRITE,
    address=0x20001078,
    size=5000,
    permissions=R | W,
)
STACK = Section(
    name=".stack",
    kind=NOBITS,
    flags=ALLOC | WRITE,
    address=0x20000000,
    size=4096,
    permissions=R | W,
)
COMMENT = Section(name=".comment", kind=PROGBITS, flags=0, address=0, size=77, permissions=R)
SYMBOLS = (
    Symbol(name="edgekit_arena", size=4000),
    Symbol(name="edgekit_input_buffer.lto_priv.0", size=784),
    Symbol(name="edgekit_model_init", size=20, kind=2),
    Symbol(name="other_buffer", size=3),
)
SOUND = write_elf([TEXT, CONSTRUCTORS, STACK, DATA, BSS, COMMENT], SYMBOLS)


def write(folder: Path, content: bytes) -> Path:
    path = folder / "firmware.elf"
    path.write_bytes(content)
    return path


def test_initial_values_take_flash_and_sram_and_zeroed_data_only_sram(tmp_path):
    sizes = read_sizes(write(tmp_path, SOUND))
    assert sizes.flash_bytes == 1000 + 8 + 120
    assert sizes.sram_bytes == 120 + 5000


def test_room_for_the_stack_is_not_static_data(tmp_path):
    without = read_sizes(write(tmp_path, write_elf([TEXT, DATA, BSS])))
    with_stack = read_sizes(write(tmp_path, write_elf([TEXT, STACK, DATA, BSS])))
    assert with_stack == without


def test_data_that_is_loaded_where_it_stays_counts_as_ram(tmp_path):
    data = Section(
        name=".data", kind=PROGBITS, flags=ALLOC | WRITE, address=9000, size=64, permissions=R | W
    )
    sizes = read_sizes(write(tmp_path, write_elf([TEXT, data])))
    assert (sizes.flash_bytes, sizes.sram_bytes) == (1064, 64)


def test_only_our_own_objects_are_listed_by_their_plain_names(tmp_path):
    sizes = read_sizes(write(tmp_path, SOUND))
    assert sizes.symbols == {"edgekit_arena": 4000, "edgekit_input_buffer": 784}


@pytest.mark.parametrize("content", [b"", b"\x7fEL", b"\xcf\xfa\xed\xfe" + bytes(100)])
def test_what_is_not_elf_has_unknown_sizes(tmp_path, content):
    path = write(tmp_path, content)
    assert not is_elf(path)
    with pytest.raises(BuildError, match="not an ELF file: its sizes are unknown") as caught:
        read_sizes(path)
    assert "Build the project again" in caught.value.hint
    assert caught.value.exit_code == 6


def test_a_missing_file_is_a_build_error(tmp_path):
    with pytest.raises(BuildError, match=r"Can't read .*absent\.elf: No such file"):
        read_sizes(tmp_path / "absent.elf")


def test_a_truncated_file_is_a_build_error(tmp_path):
    assert is_elf(write(tmp_path, SOUND[: len(SOUND) // 2]))
    with pytest.raises(BuildError, match="not a sound ELF file"):
        read_sizes(tmp_path / "firmware.elf")


@given(
    cut=st.integers(min_value=4, max_value=len(SOUND)),
    changes=st.lists(
        st.tuples(st.integers(min_value=4, max_value=len(SOUND) - 1), st.integers(0, 255)),
        max_size=8,
    ),
)
def test_damage_gives_sizes_or_a_build_error_but_nothing_else(tmp_path_factory, cut, changes):
    damaged = bytearray(SOUND)
    for place, value in changes:
        damaged[place] = value
    path = write(tmp_path_factory.mktemp("elf"), bytes(damaged[:cut]))
    try:
        sizes = read_sizes(path)
    except BuildError:
        return
    assert sizes.flash_bytes >= 0
    assert sizes.sram_bytes >= 0


@given(
    changes=st.lists(
        st.tuples(st.integers(min_value=4, max_value=51), st.integers(0, 255)),
        min_size=1,
        max_size=3,
    )
)
def test_a_damaged_header_gives_sizes_or_a_build_error(tmp_path_factory, changes):
    damaged = bytearray(SOUND)
    for place, value in changes:
        damaged[place] = value
    path = write(tmp_path_factory.mktemp("elf"), bytes(damaged))
    with contextlib.suppress(BuildError):
        read_sizes(path)
