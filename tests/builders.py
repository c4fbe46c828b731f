"""Builders of the values that stages exchange: a test gives only what it is about."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Iterable, Mapping, Sequence

from edgekit.graph import (
    ABSENT,
    DType,
    Graph,
    Operator,
    OptionValue,
    Quantization,
    Subgraph,
    Tensor,
)
from edgekit.model import schema
from edgekit.results import ArenaPlan, BankUse, Basis, Item, Plan, Problem
from edgekit.targets import (
    Core,
    Emulator,
    EngineSupport,
    Flash,
    Platform,
    Serial,
    Sram,
    Target,
)
from edgekit.units import KIB

SOURCE = "made up for a test"

_LETTERS = {
    DType.INT8: "b",
    DType.UINT8: "B",
    DType.INT16: "h",
    DType.INT32: "i",
    DType.INT64: "q",
    DType.FLOAT32: "f",
    DType.BOOL: "?",
}


def make_tensor(
    shape: Sequence[int] = (1, 4),
    dtype: DType = DType.INT8,
    *,
    index: int = 0,
    name: str = "",
    scale: float | Sequence[float] | None = 0.5,
    zero_point: int | Sequence[int] = 0,
    axis: int = 0,
    data: bytes | Sequence[float] | None = None,
    is_variable: bool = False,
    shape_signature: Sequence[int] = (),
    is_sparse: bool = False,
) -> Tensor:
    """Return a tensor. Several scales make it per-channel; ``data`` may be its elements."""
    if data is not None and not isinstance(data, bytes):
        data = struct.pack(f"<{len(data)}{_LETTERS[dtype]}", *data)
    return Tensor(
        index=index,
        name=name or f"tensor_{index}",
        shape=tuple(shape),
        dtype=dtype,
        quantization=None if dtype.is_float else _quantization(scale, zero_point, axis),
        data=data,
        is_variable=is_variable,
        shape_signature=tuple(shape_signature),
        is_sparse=is_sparse,
    )


def _quantization(
    scale: float | Sequence[float] | None, zero_point: int | Sequence[int], axis: int
) -> Quantization | None:
    if scale is None:
        return None
    scales = tuple(scale) if isinstance(scale, Sequence) else (float(scale),)
    points = tuple(zero_point) if isinstance(zero_point, Sequence) else (zero_point,) * len(scales)
    return Quantization(scales=scales, zero_points=points, axis=axis)


def make_operator(
    name: str = "RELU",
    inputs: Sequence[int] = (0,),
    outputs: Sequence[int] = (1,),
    *,
    index: int = 0,
    version: int = 1,
    intermediates: Sequence[int] = (),
    custom_name: str = "",
    **options: OptionValue,
) -> Operator:
    """Return an operator; options that are not given have the schema's defaults."""
    table = schema.OPTIONS_OF.get(name)
    fields = schema.options_fields(table) if table else ()
    filled = {field.name: field.default_value for field in fields}
    unknown = options.keys() - filled.keys()
    if unknown:
        raise TypeError(f"{name} has no option {sorted(unknown)}; it has {sorted(filled)}")
    return Operator(
        index=index,
        name=name,
        version=version,
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        intermediates=tuple(intermediates),
        options={**filled, **options},
        custom_name=custom_name,
    )


def make_subgraph(
    tensors: Iterable[Tensor] | None = None,
    operators: Iterable[Operator] | None = None,
    *,
    name: str = "main",
    inputs: Sequence[int] | None = None,
    outputs: Sequence[int] | None = None,
) -> Subgraph:
    """Return a subgraph, tensors and operators numbered in the order given.

    By default its inputs are the tensors that nothing computes and the file does not
    hold, and its outputs those that are computed and that no operator reads.
    """
    if tensors is None:
        tensors = (make_tensor(), make_tensor())
    numbered = tuple(
        dataclasses.replace(
            tensor,
            index=index,
            name=tensor.name if tensor.name != "tensor_0" else f"tensor_{index}",
        )
        for index, tensor in enumerate(tensors)
    )
    if operators is None:
        operators = (make_operator(),)
    steps = tuple(
        dataclasses.replace(operator, index=index) for index, operator in enumerate(operators)
    )
    read = {index for step in steps for index in step.inputs if index != ABSENT}
    made = {index for step in steps for index in step.outputs}
    if inputs is None:
        inputs = [
            tensor.index
            for tensor in numbered
            if not tensor.is_constant and not tensor.is_variable and tensor.index in read - made
        ]
    if outputs is None:
        outputs = sorted(made - read)
    return Subgraph(
        name=name,
        tensors=numbered,
        operators=steps,
        inputs=tuple(inputs),
        outputs=tuple(outputs),
    )


def make_graph(
    tensors: Iterable[Tensor] | None = None,
    operators: Iterable[Operator] | None = None,
    *,
    inputs: Sequence[int] | None = None,
    outputs: Sequence[int] | None = None,
    subgraphs: Sequence[Subgraph] = (),
    description: str = "",
    metadata: Mapping[str, bytes] | None = None,
    sha256: str = "0" * 64,
    size_bytes: int = 1000,
) -> Graph:
    """Return a graph of one subgraph (see :func:`make_subgraph`), then ``subgraphs``.

    With nothing given: an int8 input of 1 × 4, a RELU, an output.
    """
    main = make_subgraph(tensors, operators, inputs=inputs, outputs=outputs)
    return Graph(
        subgraphs=(main, *subgraphs),
        description=description,
        metadata=metadata or {},
        sha256=sha256,
        size_bytes=size_bytes,
    )


def make_target(
    *,
    name: str = "testboard",
    flash_bytes: int = 1024 * KIB,
    sram_bytes: int = 256 * KIB,
    largest_block_bytes: int | None = None,
    architecture: str = "armv7e-m",
    clock_hz: int = 64_000_000,
    has_fpu: bool = True,
    has_dsp: bool = True,
    pointer_bytes: int = 4,
    engines: Mapping[str, EngineSupport] | None = None,
    platform: Platform | None = None,
    emulator: Emulator | None = None,
    serial: Serial | None = None,
    notes: Sequence[str] = (),
) -> Target:
    """Return a target with ``flash_bytes`` and ``sram_bytes`` usable, nothing reserved."""
    if engines is None:
        engines = {
            "tflm": EngineSupport(
                template="tflm_arduino",
                library="tflite-micro",
                kernels="reference",
                source=SOURCE,
            ),
            "aot": EngineSupport(template="aot_bare", source=SOURCE),
        }
    return Target(
        name=name,
        title="A board for tests",
        core=Core(
            name="Cortex-M4F",
            architecture=architecture,
            clock_hz=clock_hz,
            has_fpu=has_fpu,
            has_dsp=has_dsp,
            pointer_bytes=pointer_bytes,
            source=SOURCE,
        ),
        flash=Flash(total_bytes=flash_bytes, reserved_bytes=0, source=SOURCE),
        sram=Sram(
            total_bytes=sram_bytes,
            framework_bytes=0,
            stack_bytes=0,
            largest_block_bytes=sram_bytes if largest_block_bytes is None else largest_block_bytes,
            source=SOURCE,
        ),
        platform=platform or Platform(name="platform", board=name, source=SOURCE),
        engines=engines,
        emulator=emulator,
        serial=serial,
        notes=tuple(notes),
    )


def make_plan(
    target: Target | str = "testboard",
    engine: str = "tflm",
    *,
    arena_bytes: int = 2048,
    sha256: str = "0" * 64,
    problems: Sequence[Problem] = (),
) -> Plan:
    """Return a plan of made-up figures that fits."""
    item = Item(name="all", size_bytes=1000, basis=Basis.EXACT)
    return Plan(
        model="model",
        model_sha256=sha256,
        target=target if isinstance(target, str) else target.name,
        engine=engine,
        flash=BankUse(bank="flash", items=(item,), usable_bytes=100_000),
        sram=BankUse(bank="sram", items=(item,), usable_bytes=100_000),
        arena=ArenaPlan(size_bytes=arena_bytes, buffers=()),
        arena_bytes=arena_bytes,
        largest_block_bytes=100_000,
        macs=1,
        problems=tuple(problems),
    )
