"""What a scheduled program takes of flash for constants, to the byte."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edgekit.aot.ir import Argument, ConstantRef, Program
from edgekit.aot.kernels import (
    CONSTANT_ALIGNMENT_BYTES,
    parameter_bytes,
    port_bytes,
)
from edgekit.aot.schedule import Schedule
from edgekit.units import align_up


def used_constants(schedule: Schedule) -> tuple[int, ...]:
    """Return the indices of the constants that the calls read, in order of first use."""
    found: dict[int, None] = {}
    for call in schedule.calls:
        found.update(dict.fromkeys(_constants(call.arguments)))
    return tuple(found)


def array_bytes(program: Program, schedule: Schedule) -> int:
    """Return the bytes of weights, biases and tables, the gaps of alignment included."""
    return sum(
        align_up(len(program.constants[index].data), CONSTANT_ALIGNMENT_BYTES)
        for index in used_constants(schedule)
    )


def table_bytes(program: Program, schedule: Schedule, pointer_bytes: int) -> int:
    """Return the bytes of the kernels' parameters and of the tables of inputs and outputs."""
    parameters = sum(parameter_bytes(call.kernel, pointer_bytes) for call in schedule.calls)
    ports = len(program.inputs) + len(program.outputs)
    return parameters + ports * port_bytes(pointer_bytes)


def constant_bytes(program: Program, schedule: Schedule, pointer_bytes: int) -> int:
    """Return the bytes of everything that the model's C file declares ``static const``."""
    return array_bytes(program, schedule) + table_bytes(program, schedule, pointer_bytes)


def _constants(arguments: Mapping[str, Argument]) -> Iterator[int]:
    for value in arguments.values():
        if isinstance(value, Mapping):
            yield from _constants(value)
        elif isinstance(value, ConstantRef):
            yield value.index
