"""The device's raw outputs against the reference's, byte for byte."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import starmap

from edgekit.device.session import Session
from edgekit.errors import ProtocolError
from edgekit.graph import DType, Graph
from edgekit.results import Verification


@dataclass(frozen=True, kw_only=True, slots=True)
class Output:
    """One of a model's outputs, as it lies among the output bytes."""

    dtype: DType
    elements: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """One sample's outputs against the expected ones.

    ``max_steps`` is in quantisation steps; for float32 in units in the last place.
    ``same_top1`` is ``None`` where no output has two elements.
    """

    mismatched_elements: int
    elements: int
    max_steps: int
    same_top1: bool | None


_STRUCT_CODES: Mapping[DType, str] = {
    DType.INT8: "b",
    DType.UINT8: "B",
    DType.INT16: "h",
    DType.UINT16: "H",
    DType.INT32: "i",
    DType.UINT32: "I",
    DType.INT64: "q",
    DType.UINT64: "Q",
    DType.BOOL: "B",
    DType.FLOAT32: "f",
}
_FLOAT_SIGN = 1 << 31


def outputs_of(graph: Graph) -> tuple[Output, ...]:
    """Return the layout of a graph's outputs: one after another, in their order."""
    return tuple(
        Output(dtype=tensor.dtype, elements=tensor.element_count)
        for tensor in graph.main.output_tensors
    )


def verify(
    session: Session,
    inputs: Sequence[bytes],
    expected: Sequence[bytes],
    *,
    graph: Graph,
    reference: str,
    on_progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Run every input on the device once and compare all output bytes.

    Args:
        session: The device, ready.
        inputs: The model's input bytes, all inputs one after another, for each sample.
        expected: The reference's output bytes, likewise.
        graph: The model, for its outputs' types.
        reference: What computed ``expected``, for the record.
        on_progress: Called with samples done and samples in all.

    Raises:
        DeviceError: The device failed, or an input did not arrive whole.
        ProtocolError: It sent another number of output bytes than the model has.
    """
    if len(inputs) != len(expected) or not inputs:
        raise ValueError(f"{len(inputs)} inputs, {len(expected)} expected outputs")
    outputs = outputs_of(graph)
    comparisons: list[Comparison] = []
    for done, (data, wanted) in enumerate(zip(inputs, expected, strict=True)):
        if on_progress is not None:
            on_progress(done, len(inputs))
        session.load(data)
        session.infer(1, 0)
        actual = session.raw()
        if len(actual) != len(wanted):
            raise ProtocolError(
                f"{session.device_subject} sent {len(actual)} output bytes, the model has "
                f"{len(wanted)}.",
                hint="The firmware was built from another model: build and flash it again.",
            )
        comparisons.append(compare(actual, wanted, outputs))
    if on_progress is not None:
        on_progress(len(inputs), len(inputs))
    return summarise(comparisons, reference=reference)


def compare(actual: bytes, wanted: bytes, outputs: Sequence[Output]) -> Comparison:
    """Compare one sample's output bytes, element by element.

    Raises:
        ValueError: The bytes are not those of ``outputs``.
    """
    mismatched = elements = max_steps = 0
    same_top1: bool | None = None
    start = 0
    for output in outputs:
        layout = struct.Struct(f"<{output.elements}{_STRUCT_CODES[output.dtype]}")
        end = start + layout.size
        got_bytes, wanted_bytes = actual[start:end], wanted[start:end]
        if len(got_bytes) != layout.size or len(wanted_bytes) != layout.size:
            raise ValueError(f"{len(actual)} and {len(wanted)} bytes do not hold the outputs")
        got, want = layout.unpack(got_bytes), layout.unpack(wanted_bytes)
        steps = _ulps if output.dtype.is_float else _steps
        size = layout.size // output.elements if output.elements else 1
        for index, distance in enumerate(starmap(steps, zip(got, want, strict=True))):
            place = slice(index * size, (index + 1) * size)
            if got_bytes[place] != wanted_bytes[place]:
                mismatched += 1
                max_steps = max(max_steps, distance)
        elements += output.elements
        if output.elements > 1:
            same = got.index(max(got)) == want.index(max(want))
            same_top1 = same if same_top1 is None else same_top1 and same
        start = end
    if start != len(actual) or start != len(wanted):
        raise ValueError(f"{len(actual)} and {len(wanted)} bytes are more than the outputs")
    return Comparison(
        mismatched_elements=mismatched,
        elements=elements,
        max_steps=max_steps,
        same_top1=same_top1,
    )


def summarise(comparisons: Sequence[Comparison], *, reference: str) -> Verification:
    """Return all samples' comparisons as one result."""
    top1 = [item.same_top1 for item in comparisons if item.same_top1 is not None]
    return Verification(
        samples=len(comparisons),
        mismatched_samples=sum(item.mismatched_elements > 0 for item in comparisons),
        mismatched_elements=sum(item.mismatched_elements for item in comparisons),
        elements=sum(item.elements for item in comparisons),
        max_steps=max(item.max_steps for item in comparisons),
        top1_agreement=sum(top1) / len(top1) if top1 else None,
        reference=reference,
    )


def _steps(got: int, want: int) -> int:
    return abs(got - want)


def _ulps(got: float, want: float) -> int:
    """Return how many float32 values apart two are; NaNs lie beyond the infinities."""
    return abs(_rank(got) - _rank(want))


def _rank(value: float) -> int:
    (bits,) = struct.unpack("<I", struct.pack("<f", value))
    rank: int = bits if bits < _FLOAT_SIGN else _FLOAT_SIGN - bits
    return rank
