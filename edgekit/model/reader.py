"""Read a .tflite file into a :class:`~edgekit.graph.Graph`, with no library behind it.

Nothing in the file is trusted: each offset, index, code and size is checked, and what
breaks a rule is an :class:`~edgekit.errors.InvalidModelError` that says where.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import stat
import types
from collections.abc import Mapping
from pathlib import Path

from edgekit.errors import InvalidModelError
from edgekit.graph import (
    DType,
    Graph,
    Operator,
    OptionValue,
    Quantization,
    Subgraph,
    Tensor,
)
from edgekit.model import foreign, schema, soundness
from edgekit.model.flatbuffer import WHOLE, Buffer, Table, corrupt
from edgekit.model.schema_options import BUILTIN_OPTIONS
from edgekit.model.schema_options2 import BUILTIN_OPTIONS_2

NEWER_HINT = "The file is newer than this EdgeKit, or damaged: update EdgeKit, or convert again."

MAX_DIMENSIONS = 32
"""Dimensions of one tensor: four times what any TFLite kernel takes, and quick to multiply."""

MAX_ELEMENTS = 2**31 - 1
"""Elements of one tensor; TFLM and TFLite count them in an int (kernel_util.h, NumElements)."""

_NO_OPTIONS: Mapping[str, OptionValue] = types.MappingProxyType({})

_UNSIZED = frozenset({DType.STRING, DType.RESOURCE, DType.VARIANT})
"""Types whose constants don't take a fixed number of bytes an element."""


def read_model(path: Path) -> tuple[Graph, bytes]:
    """Return the graph of a .tflite file, and the file's bytes.

    Raises:
        InvalidModelError: The file can't be read, or it is not a sound .tflite.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise InvalidModelError(
                f"{path} is a folder, not a .tflite file.",
                hint="Name the .tflite in it; convert a SavedModel with 'edgekit convert' first.",
            )
        if not stat.S_ISREG(mode):
            raise InvalidModelError(
                f"{path} is not a regular file.", hint="Name a .tflite file on disk."
            )
        data = path.read_bytes()
    except OSError as error:
        raise InvalidModelError(
            f"Can't read the model {path}: {error.strerror}.",
            hint="Check the path and its permissions.",
        ) from error
    return read_graph(data), data


def read_graph(data: bytes) -> Graph:
    """Return the graph that a .tflite file's bytes describe.

    Raises:
        InvalidModelError: The bytes are of another format, truncated or corrupt, or
            the graph is unsound (an index out of range, a tensor read before it is
            computed, a constant of the wrong size …).
    """
    foreign.refuse_other_formats(data)
    model = Buffer(data).root()
    version = model.scalar(0, "uint32")
    if version != schema.SCHEMA_VERSION:
        raise corrupt(
            WHOLE,
            f"schema version {version}, not {schema.SCHEMA_VERSION}",
            hint=NEWER_HINT,
        )
    codes = [_operator_code(table) for table in model.tables(1, "operator code")]
    buffers = _buffers(model, data)
    subgraphs = tuple(
        _subgraph(table, index, codes, buffers)
        for index, table in enumerate(model.tables(2, "subgraph"))
    )
    graph = Graph(
        subgraphs=subgraphs,
        description=model.string(3),
        metadata=_metadata(model, buffers),
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
    )
    soundness.check(graph)
    return graph


def _operator_code(table: Table) -> tuple[str, int, str]:
    """Return an operator code's name, version and custom name.

    The code was one byte at first; files since 2020 have it in a wider field too, and
    the larger of both holds (schema_utils.cc, GetBuiltinCode).
    """
    code = max(table.scalar(0, "int8"), table.scalar(3, "int32"))
    if not 0 <= code < len(schema.OPERATORS):
        raise corrupt(table.where, f"no operator has the code {code}", hint=NEWER_HINT)
    name = schema.OPERATORS[code]
    if name == schema.PLACEHOLDER_OPERATOR:
        raise corrupt(table.where, f"the code {code} stands for no operator", hint=NEWER_HINT)
    version = table.scalar(2, "int32", 1)
    if version < 1:
        raise corrupt(table.where, f"{name} has version {version}; versions start at 1")
    custom_name = table.string(1)
    if name == "CUSTOM" and not custom_name:
        raise corrupt(table.where, "a custom operator has no name")
    return name, version, custom_name if name == "CUSTOM" else ""


_Held = tuple[int, bytes]
"""What an entry of the buffers table holds, after the byte of the file where it begins."""


def _buffers(model: Table, data: bytes) -> list[_Held]:
    """Return what each entry of the buffers table holds; empty for computed tensors.

    Models over 2 GB keep buffers behind the FlatBuffer: then the entry has their
    place and size in the file (schema.fbs, version 3c).
    """
    held: dict[tuple[int, int], bytes] = {}
    held_bytes = 0
    found = []
    for table in model.tables(4, "buffer"):
        offset, size = table.scalar(1, "uint64"), table.scalar(2, "uint64")
        place = (offset, size) if offset > 1 else table.blob(0) or (0, 0)
        start, size_bytes = place
        if start + size_bytes > len(data):
            raise corrupt(table.where, f"its {size_bytes} bytes at byte {start} leave the file")
        if place not in held:
            held_bytes += size_bytes
            if held_bytes > len(data):
                raise corrupt(table.where, "buffers overlap: they hold more than the whole file")
            held[place] = data[start : start + size_bytes]
        found.append((start, held[place]))
    return found


def _buffer(table: Table, index: int, buffers: list[_Held]) -> _Held:
    if index >= len(buffers):
        raise corrupt(table.where, f"buffer {index} does not exist; there are {len(buffers)}")
    return buffers[index]


def _metadata(model: Table, buffers: list[_Held]) -> Mapping[str, bytes]:
    entries = {}
    for table in model.tables(6, "metadata entry"):
        (_, entries[table.string(0)]) = _buffer(table, table.scalar(1, "uint32"), buffers)
    return types.MappingProxyType(entries)


def _subgraph(
    table: Table, index: int, codes: list[tuple[str, int, str]], buffers: list[_Held]
) -> Subgraph:
    if index == 0:  # it goes without saying in messages
        table.where = WHOLE
    tensors = tuple(
        _tensor(item, number, buffers) for number, item in enumerate(table.tables(0, "tensor"))
    )
    operators = tuple(
        _operator(item, number, codes) for number, item in enumerate(table.tables(3, "operator"))
    )
    inputs = table.integers(1)
    return Subgraph(
        name=table.string(4),
        tensors=_with_empty_constants(tensors, operators, inputs),
        inputs=inputs,
        outputs=table.integers(2),
        operators=operators,
    )


def _with_empty_constants(
    tensors: tuple[Tensor, ...], operators: tuple[Operator, ...], inputs: tuple[int, ...]
) -> tuple[Tensor, ...]:
    """Return the tensors, with ``data=b""`` for constants that have no elements.

    A constant without elements (e.g. the shape of a scalar) looks in the file as a
    tensor that is computed does: its buffer is empty. But no operator computes it.
    """
    if all(tensor.element_count for tensor in tensors):
        return tensors
    computed = {index for operator in operators for index in operator.outputs}.union(inputs)
    return tuple(
        tensor
        if tensor.element_count or tensor.index in computed
        else dataclasses.replace(tensor, data=b"")
        for tensor in tensors
    )


def _tensor(table: Table, index: int, buffers: list[_Held]) -> Tensor:
    name = table.string(3)
    if name:
        table.where = f"{table.where} ({name[:60]!r})"
    code = table.scalar(1, "int8")
    if not 0 <= code < len(schema.TENSOR_TYPES):
        raise corrupt(table.where, f"no element type has the code {code}", hint=NEWER_HINT)
    dtype = schema.TENSOR_TYPES[code]
    shape = table.integers(0)
    if len(shape) > MAX_DIMENSIONS or min(shape, default=0) < 0 or math.prod(shape) > MAX_ELEMENTS:
        raise corrupt(table.where, f"its shape {_shown(shape)} is not possible")
    signature = table.integers(7)
    if signature and (len(signature) != len(shape) or min(signature) < -1):
        raise corrupt(
            table.where, f"its shape signature {_shown(signature)} is not one of {_shown(shape)}"
        )
    if table.scalar(10, "uint32"):
        raise InvalidModelError(
            f"{table.where}: its elements are in another file.",
            hint="Save the model as one .tflite file that holds its own weights.",
        )
    (start, data) = _buffer(table, table.scalar(2, "uint32"), buffers)
    tensor = Tensor(
        index=index,
        name=name,
        shape=shape,
        dtype=dtype,
        quantization=_quantization(table, shape, dtype),
        data=data or None,
        is_variable=table.boolean(5),
        shape_signature=signature,
        is_sparse=table.has(6),
        file_offset=start if data else None,
    )
    stored_bytes = len(tensor.data or b"")
    is_sized = tensor.is_constant and not tensor.is_sparse and dtype not in _UNSIZED
    if is_sized and stored_bytes != tensor.size_bytes:
        raise corrupt(
            table.where,
            f"it holds {stored_bytes} bytes, but {dtype.value} {_shown(shape)}"
            f" takes {tensor.size_bytes}",
        )
    return tensor


def _shown(shape: tuple[int, ...]) -> str:
    if len(shape) > 8:
        return f"[{', '.join(map(str, shape[:8]))}, …] ({len(shape)} dimensions)"
    return f"[{', '.join(map(str, shape))}]"


_LAST_DETAILS = 3
_OTHER_QUANTIZATIONS = frozenset({2, 3})
"""Union QuantizationDetails: BlockwiseQuantization and MultiAxisQuantization replace the
scales, and are not affine per tensor or per channel."""


def _quantization(owner: Table, shape: tuple[int, ...], dtype: DType) -> Quantization | None:
    table = owner.table(4, owner.where)
    if table is None:
        return None
    details = table.scalar(4, "uint8")
    if details > _LAST_DETAILS:
        raise corrupt(owner.where, f"no quantisation has the code {details}", hint=NEWER_HINT)
    if details in _OTHER_QUANTIZATIONS:
        return None
    scales = table.reals(2)
    stored = table.integers(3, "int64")
    if not scales:
        return None
    where = owner.where
    if not all(map(math.isfinite, scales)):
        raise corrupt(where, "a quantisation scale is not a finite number")
    zero_points = stored * len(scales) if len(stored) == 1 else stored or (0,) * len(scales)
    if len(zero_points) != len(scales):
        raise corrupt(where, f"{len(scales)} scales but {len(stored)} zero points")
    lowest, highest = _ZERO_POINT_RANGES.get(dtype, _INT64_RANGE)
    if min(zero_points) < lowest or max(zero_points) > highest:
        raise corrupt(where, f"a zero point lies outside of {dtype.value}")
    # A list has but one axis; old converters write its weights' axis there.
    axis = table.scalar(6, "int32") if len(shape) > 1 else 0
    if len(scales) > 1:
        if not 0 <= axis < len(shape):
            raise corrupt(where, f"quantised along axis {axis} of the shape {_shown(shape)}")
        if shape[axis] != len(scales):
            raise corrupt(
                where, f"{len(scales)} scales along axis {axis} of the shape {_shown(shape)}"
            )
    return Quantization(
        scales=scales, zero_points=zero_points, axis=axis, has_zero_points=bool(stored)
    )


_INT64_RANGE = (-(2**63), 2**63 - 1)
_ZERO_POINT_RANGES: Mapping[DType, tuple[int, int]] = {
    DType.INT4: (-8, 7),
    DType.INT8: (-128, 127),
    DType.UINT8: (0, 255),
    DType.INT16: (-(2**15), 2**15 - 1),
    DType.UINT16: (0, 2**16 - 1),
    DType.INT32: (-(2**31), 2**31 - 1),
    DType.UINT32: (0, 2**32 - 1),
}


def _operator(table: Table, index: int, codes: list[tuple[str, int, str]]) -> Operator:
    code = table.scalar(0, "uint32")
    if code >= len(codes):
        raise corrupt(table.where, f"operator code {code} does not exist; there are {len(codes)}")
    name, version, custom_name = codes[code]
    table.where = (
        f"{table.where} ({custom_name[:60]!r})" if custom_name else f"{table.where} ({name})"
    )
    return Operator(
        index=index,
        name=name,
        version=version,
        inputs=table.integers(1),
        outputs=table.integers(2),
        intermediates=table.integers(8),
        options=_options(table, name),
        custom_name=custom_name,
    )


def _options(owner: Table, name: str) -> Mapping[str, OptionValue]:
    """Return the operator's options, defaults filled in.

    An operator has its options in one of two unions: the type's code, then the table.
    """
    expected = schema.OPTIONS_OF.get(name)
    given, table = _given_options(owner)
    if expected is None and given is None:
        return _NO_OPTIONS
    if expected is not None and given not in (None, expected):
        if schema.options_fields(expected):
            raise corrupt(owner.where, f"it has {given}, not {expected}")
        return _NO_OPTIONS
    fields = schema.options_fields(expected or given or "")
    return types.MappingProxyType({field.name: _option(table, field) for field in fields})


def _given_options(owner: Table) -> tuple[str | None, Table | None]:
    for slot, rows in ((3, BUILTIN_OPTIONS), (11, BUILTIN_OPTIONS_2)):
        code = owner.scalar(slot, "uint8")
        if code == 0:
            continue
        if code > len(rows):
            raise corrupt(owner.where, f"no options have the code {code}", hint=NEWER_HINT)
        table = owner.table(slot + 1, owner.where)
        if table is None:
            raise corrupt(owner.where, "its options are missing")
        return rows[code - 1].table, table
    return None, None


def _option(table: Table | None, field: schema.Field) -> OptionValue:
    if table is None or not table.has(field.slot):
        return field.default_value
    if not field.scalar:
        return table.string(field.slot)
    if field.scalar == "float32":
        reals = table.reals(field.slot) if field.is_vector else (table.real(field.slot),)
        if not all(map(math.isfinite, reals)):
            raise corrupt(table.where, f"{field.name} is not a finite number")
        return reals if field.is_vector else reals[0]
    if field.is_vector:
        return table.integers(field.slot, field.scalar)
    value = table.scalar(field.slot, field.scalar)
    if field.scalar == "bool":
        return bool(value)
    if not field.enumeration:
        return value
    members = schema.ENUMERATIONS[field.enumeration].members
    if not 0 <= value < len(members):
        raise corrupt(table.where, f"{field.name} has the unknown value {value}", hint=NEWER_HINT)
    return members[value]
