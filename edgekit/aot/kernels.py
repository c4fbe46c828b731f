"""The kernels by name: their parameter structures, and what else they need.

The structures are declared in C in ``firmware_templates/aot_kernels/<kernel>.h``; the
table here has the same fields in the same order, so that the bytes of a model's
parameters are known without a compiler (a test compares the two).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edgekit.units import align_up

CONSTANT_ALIGNMENT_BYTES = 4
"""Alignment of every constant, and what its size is rounded up to: no gaps at the link."""


@dataclass(frozen=True, slots=True)
class Field:
    """A member: a C type (``"*"``: a pointer, or a structure's name), and how many of it."""

    name: str
    ctype: str
    count: int = 1
    pointee: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kernel:
    """A kernel: the fields of its parameters, and the C fragments that it needs, in order."""

    fields: tuple[Field, ...]
    needs: tuple[str, ...] = ()

    def function(self, name: str) -> str:
        """Return the C function's name."""
        return f"edgekit_{name}"


def _fields(text: str) -> tuple[Field, ...]:
    """Parse declarations: ``const int8_t *input; edgekit_window window; int32_t keep[3]``."""
    fields = []
    for declaration in text.split(";"):
        ctype, _, name = declaration.strip().rpartition(" ")
        if not name:
            continue
        count = 1
        if name.endswith("]"):
            name, _, size = name[:-1].partition("[")
            count = int(size)
        if name.startswith("*"):
            fields.append(Field(name[1:], "*", count, ctype))
        else:
            fields.append(Field(name, ctype, count))
    return tuple(fields)


STRUCTURES: Mapping[str, tuple[Field, ...]] = {
    "edgekit_window": _fields(
        "int32_t batches; int32_t input_height; int32_t input_width; int32_t channels;"
        "int32_t output_height; int32_t output_width; int32_t height; int32_t width;"
        "int32_t stride_y; int32_t stride_x; int32_t dilation_y; int32_t dilation_x;"
        "int32_t padding_top; int32_t padding_left"
    ),
    "edgekit_matrix": _fields(
        "const int8_t *weights; const int32_t *bias; const int32_t *multiplier;"
        "const int8_t *shift; int32_t rows; int32_t columns; int32_t channel_step;"
        "int32_t output_zero_point; int32_t output_min; int32_t output_max"
    ),
    "edgekit_addend": _fields(
        "const int8_t *data; int32_t zero_point; int32_t multiplier; int32_t shift;int32_t steps[5]"
    ),
}
"""Structures that parameters contain, by their C name."""

_POOL = _fields(
    "const int8_t *input; int8_t *output; edgekit_window window;"
    "int32_t output_min; int32_t output_max"
)

KERNELS: Mapping[str, Kernel] = {
    "conv_2d": Kernel(
        fields=_fields(
            "const int8_t *input; int8_t *output; int8_t *patch; edgekit_matrix filters;"
            "edgekit_window window; int32_t groups; int32_t input_zero_point"
        ),
        needs=("arithmetic", "window", "matrix"),
    ),
    "depthwise_conv_2d": Kernel(
        fields=_fields(
            "const int8_t *input; int8_t *output; const int8_t *weights; const int32_t *bias;"
            "const int32_t *multiplier; const int8_t *shift; edgekit_window window;"
            "int32_t channel_step; int32_t input_zero_point; int32_t output_zero_point;"
            "int32_t output_min; int32_t output_max"
        ),
        needs=("arithmetic", "window"),
    ),
    "fully_connected": Kernel(
        fields=_fields(
            "const int8_t *input; int8_t *output; edgekit_matrix weights; int32_t batches"
        ),
        needs=("arithmetic", "matrix"),
    ),
    "max_pool_2d": Kernel(fields=_POOL, needs=("arithmetic", "window")),
    "average_pool_2d": Kernel(fields=_POOL, needs=("arithmetic", "window")),
    "add": Kernel(
        fields=_fields(
            "edgekit_addend left; edgekit_addend right; int8_t *output; int32_t shape[5];"
            "int32_t multiplier; int32_t shift; int32_t output_zero_point;"
            "int32_t output_min; int32_t output_max"
        ),
        needs=("arithmetic",),
    ),
    "mean": Kernel(
        fields=_fields(
            "const int8_t *input; int8_t *output; int32_t keep[3]; int32_t keep_steps[3];"
            "int32_t reduce[3]; int32_t reduce_steps[3]; int32_t offset; int32_t multiplier;"
            "int32_t shift; int32_t output_zero_point"
        ),
        needs=("arithmetic",),
    ),
    "softmax": Kernel(
        fields=_fields(
            "const int8_t *input; uint8_t *output; const int32_t *exponentials;"
            "int32_t exponential_count; int32_t rows; int32_t columns; int32_t output_bits"
        ),
        needs=("arithmetic",),
    ),
    "pad": Kernel(
        fields=_fields(
            "const int8_t *input; int8_t *output; int32_t input_shape[5];"
            "int32_t output_steps[4]; int32_t start; int32_t output_size; int32_t value"
        ),
    ),
    "lookup": Kernel(
        fields=_fields(
            "const uint8_t *input; uint8_t *output; const uint8_t *table; int32_t count"
        ),
    ),
    "lookup_16": Kernel(
        fields=_fields(
            "const uint8_t *input; uint8_t *output; const uint16_t *table; int32_t count"
        ),
    ),
    "lookup_32": Kernel(
        fields=_fields(
            "const uint8_t *input; uint8_t *output; const uint32_t *table; int32_t count"
        ),
    ),
    "quantize_float": Kernel(
        fields=_fields(
            "const uint8_t *input; int8_t *output; const uint32_t *thresholds; int32_t count"
        ),
    ),
    "copy": Kernel(fields=_fields("const uint8_t *input; uint8_t *output; int32_t count")),
}
"""Every kernel by name. A fragment ``x`` is ``x.h`` and ``x.c``, whichever exist."""


def fragments(kernels: Iterable[str]) -> tuple[str, ...]:
    """Return the C fragments that kernels need, then the kernels, each once, in order."""
    wanted = sorted(set(kernels))
    shared = {fragment for name in wanted for fragment in KERNELS[name].needs}
    return (*(name for name in ("arithmetic", "window", "matrix") if name in shared), *wanted)


def parameter_bytes(kernel: str, pointer_bytes: int) -> int:
    """Return the bytes of a kernel's parameter structure in flash, its alignment included."""
    size, alignment = _layout(KERNELS[kernel].fields, pointer_bytes)
    return align_up(size, max(alignment, CONSTANT_ALIGNMENT_BYTES))


def structure_bytes(fields: Iterable[Field], pointer_bytes: int) -> int:
    """Return ``sizeof`` a structure where members are aligned to their size, at most 8.

    AVR (2-byte pointers) aligns nothing.
    """
    return _layout(tuple(fields), pointer_bytes)[0]


def _layout(fields: tuple[Field, ...], pointer_bytes: int) -> tuple[int, int]:
    offset, widest = 0, 1
    for field in fields:
        if field.ctype in STRUCTURES:
            size, alignment = _layout(STRUCTURES[field.ctype], pointer_bytes)
        else:
            size = pointer_bytes if field.ctype == "*" else ELEMENT_BYTES[field.ctype]
            alignment = size
        if pointer_bytes == 2:
            alignment = 1
        offset = align_up(offset, alignment) + size * field.count
        widest = max(widest, alignment)
    return align_up(offset, widest), widest


ELEMENT_BYTES: Mapping[str, int] = {
    "int8_t": 1,
    "uint8_t": 1,
    "int16_t": 2,
    "uint16_t": 2,
    "int32_t": 4,
    "uint32_t": 4,
    "float": 4,
}
"""Bytes of the element types of constants and members."""


_PORT = _fields("void *data; uint32_t size_bytes; int32_t type; float scale; int32_t zero_point")
"""``edgekit_tensor`` of ``edgekit_model.h``, whose enumeration is an int."""


def port_bytes(pointer_bytes: int) -> int:
    """Return ``sizeof(edgekit_tensor)``."""
    return structure_bytes(_PORT, pointer_bytes)
