"""Last pass: the C text of a program that is scheduled and placed.

Equal models give equal text: nothing of the machine, the time or the user goes in.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence

from edgekit import resources
from edgekit.aot.ir import Argument, BufferRef, Constant, ConstantRef, Port, Program
from edgekit.aot.kernels import ELEMENT_BYTES, KERNELS, STRUCTURES, Field, fragments
from edgekit.aot.memory import Memory
from edgekit.aot.schedule import Schedule
from edgekit.aot.usage import constant_bytes, used_constants
from edgekit.errors import EdgeKitError
from edgekit.graph import DType

MODEL_FILE = "edgekit_aot_model.c"
KERNELS_FILE = "edgekit_aot_kernels.c"
KERNELS_HEADER = "edgekit_aot_kernels.h"

_LINE_COLUMNS = 96
_LETTERS = {
    "int8_t": "b",
    "uint8_t": "B",
    "int16_t": "h",
    "uint16_t": "H",
    "int32_t": "i",
    "uint32_t": "I",
}
_PORT_TYPE: Mapping[DType, str] = {
    DType.INT8: "EDGEKIT_INT8",
    DType.UINT8: "EDGEKIT_UINT8",
    DType.INT16: "EDGEKIT_INT16",
    DType.INT32: "EDGEKIT_INT32",
    DType.FLOAT32: "EDGEKIT_FLOAT32",
}


def emit(
    program: Program, schedule: Schedule, memory: Memory, *, sha256: str, macs: int
) -> dict[str, str]:
    """Return the C files by name."""
    return {
        **kernel_files(call.kernel for call in schedule.calls),
        MODEL_FILE: "\n".join(_model(program, schedule, memory, sha256, macs)),
    }


def kernel_files(kernels: Iterable[str]) -> dict[str, str]:
    """Return the C files of just these kernels."""
    wanted = sorted(set(kernels))
    return {KERNELS_FILE: _kernels_source(wanted), KERNELS_HEADER: _kernels_header(wanted)}


def _fragment(name: str) -> str:
    path = resources.templates_folder() / "aot_kernels" / name
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise EdgeKitError(
            f"EdgeKit's kernel {name!r} is missing: {error.strerror}.",
            hint="The installation is damaged: install EdgeKit again.",
        ) from error


def _kernels_header(kernels: Sequence[str]) -> str:
    parts = [name for name in fragments(kernels) if name != "arithmetic"]
    bodies = [_fragment("header.h"), *(_fragment(f"{name}.h") for name in parts)]
    return (
        "/* The kernels that this model needs, and their parameters. Written by EdgeKit. */\n"
        "#ifndef EDGEKIT_AOT_KERNELS_H\n#define EDGEKIT_AOT_KERNELS_H\n\n"
        + "\n".join(bodies)
        + "\n#endif /* EDGEKIT_AOT_KERNELS_H */\n"
    )


def _kernels_source(kernels: Sequence[str]) -> str:
    return (
        "/* The kernels that this model needs: int8 arithmetic, exactly TensorFlow Lite\n"
        " * Micro's. Written by EdgeKit. */\n"
        f'#include "{KERNELS_HEADER}"\n\n'
        + "\n".join(_fragment(f"{name}.c") for name in fragments(kernels))
    )


def _model(
    program: Program, schedule: Schedule, memory: Memory, sha256: str, macs: int
) -> Iterator[str]:
    arena_bytes = memory.arena.size_bytes
    yield "/* A model compiled by EdgeKit."
    yield " *"
    yield f" * Model:     sha256 {sha256}"
    yield f" * RAM:       {arena_bytes} bytes, all of it edgekit_arena"
    yield f" * Constants: {constant_bytes(program, schedule, 4)} bytes where pointers have 4"
    yield f" * Work:      {macs} multiply-accumulates an inference"
    yield " *"
    yield " * The size of the code is the linker's to say. */"
    yield '#include "edgekit_model.h"'
    yield f'#include "{KERNELS_HEADER}"'
    yield ""
    yield "#if defined(__GNUC__)"
    yield "#define EDGEKIT_ALIGNED(bytes) __attribute__((aligned(bytes)))"
    yield "#else"
    yield "#define EDGEKIT_ALIGNED(bytes)"
    yield "#endif"
    yield ""
    yield "/* Inputs, outputs and all between, each at its planned offset. */"
    yield f"static uint8_t edgekit_arena[{arena_bytes}] EDGEKIT_ALIGNED(16);"
    yield ""
    for index in used_constants(schedule):
        yield from _array(program.constants[index])
        yield ""
    for number, call in enumerate(schedule.calls):
        yield f"/* {_comment(f'{_origin(call.operator)}{call.operator_name}: {call.layer}')} */"
        yield f"static const edgekit_{call.kernel}_params step_{number} = {{"
        fields = KERNELS[call.kernel].fields
        yield from _members(fields, call.arguments, program, memory, "    ")
        yield "};"
        yield ""
    yield from _ports("inputs", program.inputs, memory)
    yield from _ports("outputs", program.outputs, memory)
    yield "int edgekit_model_init(void) {"
    yield "  return 0;"
    yield "}"
    yield ""
    yield "edgekit_tensor edgekit_model_input(int index) {"
    yield "  return inputs[index];"
    yield "}"
    yield ""
    yield "int edgekit_model_invoke(void) {"
    for number, call in enumerate(schedule.calls):
        yield f"  edgekit_{call.kernel}(&step_{number});"
    yield "  return 0;"
    yield "}"
    yield ""
    yield "edgekit_tensor edgekit_model_output(int index) {"
    yield "  return outputs[index];"
    yield "}"
    yield ""
    yield "uint32_t edgekit_model_arena_used_bytes(void) {"
    yield "  return sizeof edgekit_arena;"
    yield "}"
    yield ""


def _origin(operator: int) -> str:
    return f"{operator} " if operator >= 0 else ""


def _comment(text: str) -> str:
    """Return text that can't end a C comment or leave its line, whatever the model says."""
    safe = "".join(c if " " <= c <= "~" else "?" for c in text)
    return safe.replace("*/", "*?").replace("/*", "/?").replace("\\", "/").replace("??", "? ?")


def _array(constant: Constant) -> Iterator[str]:
    count = len(constant.data) // ELEMENT_BYTES[constant.ctype]
    yield f"static const {constant.ctype} {constant.name}[{count}] EDGEKIT_ALIGNED(4) = {{"
    yield from _wrapped(_literals(constant.ctype, constant.data))
    yield "};"


def _literals(ctype: str, data: bytes) -> Iterable[str]:
    count = len(data) // ELEMENT_BYTES[ctype]
    values = struct.unpack(f"<{count}{_LETTERS[ctype]}", data)
    if ctype == "uint32_t":
        return (f"{value}u" for value in values)
    if ctype == "int32_t":  # the lowest has no literal of its own
        return (str(value) if value > -(1 << 31) else "-2147483647 - 1" for value in values)
    return map(str, values)


def _wrapped(items: Iterable[str]) -> Iterator[str]:
    line = "   "
    for item in items:
        if len(line) + len(item) + 2 > _LINE_COLUMNS:
            yield line
            line = "   "
        line += f" {item},"
    yield line


def _members(
    fields: Sequence[Field],
    values: Mapping[str, Argument],
    program: Program,
    memory: Memory,
    indent: str,
) -> Iterator[str]:
    for field in fields:
        value = values[field.name]
        if isinstance(value, Mapping):
            yield f"{indent}.{field.name} = {{"
            members = STRUCTURES[field.ctype]
            yield from _members(members, value, program, memory, indent + "    ")
            yield f"{indent}}},"
        else:
            yield f"{indent}.{field.name} = {_value(field, value, program, memory)},"


def _value(
    field: Field,
    value: int | tuple[int, ...] | BufferRef | ConstantRef | None,
    program: Program,
    memory: Memory,
) -> str:
    if value is None:
        return "0"
    if isinstance(value, ConstantRef):
        constant = program.constants[value.index]
        if field.pointee == f"const {constant.ctype}":
            return constant.name
        return f"({field.pointee} *){constant.name}"
    if isinstance(value, BufferRef):
        place = f"edgekit_arena + {memory.offsets[value.index]}"
        if field.pointee.removeprefix("const ") == "uint8_t":
            return place
        return f"({field.pointee} *)({place})"
    if isinstance(value, tuple):
        return "{" + ", ".join(map(str, value)) + "}"
    return str(value)


def _ports(name: str, ports: Sequence[Port], memory: Memory) -> Iterator[str]:
    yield f"static const edgekit_tensor {name}[{len(ports)}] = {{"
    for port in ports:
        yield (
            f"    {{edgekit_arena + {memory.offsets[port.buffer]}, {port.size_bytes}u, "
            f"{_PORT_TYPE[port.dtype]}, {_float(port.scale)}, {port.zero_point}}},"
            f" /* {_comment(port.name)} */"
        )
    yield "};"
    yield ""


def _float(value: float) -> str:
    """Return a C literal that is exactly this float32."""
    text = f"{value:.9g}"
    return f"{text}f" if any(mark in text for mark in ".en") else f"{text}.0f"
