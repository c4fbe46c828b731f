"""What in a .tflite file makes trouble on a microcontroller, whatever the board.

A converter succeeds on all of this without a word. Each rule yields findings that
name the operator or the tensor, and say what to do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

from edgekit.findings import Finding, Severity
from edgekit.graph import ABSENT, SMALLEST_RANGE, DType, Graph, Operator, Subgraph, Tensor
from edgekit.libraries import Library
from edgekit.plan.number_kinds import (
    WEIGHTED,
    activation,
    inputs_of,
    is_integer_model,
    layer_name,
)

BUFFER_ALIGNMENT_BYTES = 16
"""What the schema asks of constants (``force_align: 16`` in schema.fbs, table Buffer)."""

WORD_BYTES = 4
"""What a 32-bit processor reads at once; its address must be a multiple of that."""

_CASTS = frozenset({"QUANTIZE", "DEQUANTIZE"})
_SMALL_WEIGHTS = frozenset({DType.INT8, DType.INT4, DType.UINT8, DType.INT2, DType.UINT4})
_STORED = _SMALL_WEIGHTS | {DType.FLOAT16, DType.BFLOAT16}
_SHAPE_READERS = frozenset({"STRIDED_SLICE", "PACK", "SLICE", "GATHER", "CONCATENATION", "CAST"})

_CONVERT_HINT = "Convert the original model with 'edgekit convert --variant int8'."
_BATCH_HINT = (
    "Convert with a fixed batch of 1, as 'edgekit convert' does: a Keras 3 model that is "
    "converted as it is has a dynamic one."
)


def audit(graph: Graph, libraries: Sequence[Library] = ()) -> tuple[Finding, ...]:
    """Return what is wrong with a model's file, the worst first.

    Args:
        graph: The parsed model.
        libraries: The TFLM libraries that are to run it; their ages decide which
            versions of operators are too new.
    """
    findings = [
        finding
        for number, subgraph in enumerate(graph.subgraphs)
        for rule in _RULES
        for finding in rule(graph, number, subgraph)
    ]
    findings += [finding for library in libraries for finding in _versions(graph, library)]
    order = list(Severity)
    return tuple(sorted(findings, key=lambda finding: order.index(finding.severity)))


def _float_tensors(graph: Graph, number: int, subgraph: Subgraph) -> Iterator[Finding]:
    """Float operators inside a model that computes in integers."""
    if not is_integer_model(graph):
        return
    floats = [
        operator
        for operator in subgraph.operators
        if operator.name not in _CASTS
        and any(tensor.dtype.is_float for tensor in _touched(subgraph, operator))
    ]
    if floats:
        tensors = dict.fromkeys(
            tensor.name
            for operator in floats
            for tensor in _touched(subgraph, operator)
            if tensor.dtype.is_float
        )
        names = ", ".join(dict.fromkeys(_title(operator) for operator in floats))
        yield Finding(
            code="float-tensors",
            severity=Severity.WARNING,
            message=f"{_count(floats, 'operator')} of this integer model "
            f"{_verb(floats, 'computes', 'compute')} in float32 ({names}; the first is "
            f"{layer_name(subgraph, floats[0])}): the converter left {_verb(floats, 'it', 'them')} "
            "so, and has numbers converted to float and back around "
            f"{_verb(floats, 'it', 'them')}.",
            hint="Replace the layer by one with an integer form, or compute that step outside "
            "the model.",
            subgraph=number,
            operators=_indices(floats),
            tensors=tuple(tensors),
        )


def _hybrid(graph: Graph, number: int, subgraph: Subgraph) -> Iterator[Finding]:
    """Operators on float32 with integer weights, and weights that are only stored small."""
    hybrid = []
    stored = []
    for operator in subgraph.operators:
        inputs = inputs_of(subgraph, operator)
        constants = [tensor for tensor in inputs if tensor.is_constant]
        if operator.name == "DEQUANTIZE" and constants and constants[0].dtype in _STORED:
            stored.append((operator, constants[0]))
        elif operator.name in WEIGHTED and inputs and activation(inputs).dtype.is_float:
            small = [tensor for tensor in constants if tensor.dtype in _SMALL_WEIGHTS]
            hybrid += [(operator, small[0])] if small else []
    if hybrid:
        (first, weights) = hybrid[0]
        yield Finding(
            code="hybrid-operators",
            severity=Severity.ERROR,
            message=f"{_count(hybrid, 'operator')} on float32 with integer weights "
            f"(dynamic-range quantisation; the first is {first.name}, "
            f"{layer_name(subgraph, first)}, weights {weights.name!r}): TensorFlow Lite Micro "
            "refuses them.",
            hint=_CONVERT_HINT,
            subgraph=number,
            operators=_indices(operator for operator, _ in hybrid),
            tensors=tuple(tensor.name for _, tensor in hybrid),
        )
    if stored:
        (first, weights) = stored[0]
        yield Finding(
            code="weight-only",
            severity=Severity.ERROR,
            message=f"{_count(stored, 'tensor')} of weights only stored as "
            f"{weights.dtype.value.lower()} and expanded to float32 while the model runs (the "
            f"first is {weights.name!r}, {layer_name(subgraph, first)}): TensorFlow Lite Micro "
            "refuses them, or computes them wrong where there is one scale a channel.",
            hint=_CONVERT_HINT,
            subgraph=number,
            operators=_indices(operator for operator, _ in stored),
            tensors=tuple(tensor.name for _, tensor in stored),
        )


def _dynamic_shapes(_: Graph, number: int, subgraph: Subgraph) -> Iterator[Finding]:
    dynamic = [tensor for tensor in subgraph.tensors if -1 in tensor.shape_signature]
    is_batch = all(-1 not in tensor.shape_signature[1:] for tensor in dynamic)
    reads_it = any(operator.name == "SHAPE" for operator in subgraph.operators)
    if dynamic:
        yield Finding(
            code="dynamic-shapes",
            severity=Severity.NOTE if is_batch and not reads_it else Severity.WARNING,
            message=f"{_count(dynamic, 'tensor')} with a dynamic shape (the first is "
            f"{dynamic[0].name!r}, {list(dynamic[0].shape_signature)}): firmware takes each "
            "dynamic dimension as 1.",
            hint=_BATCH_HINT,
            subgraph=number,
            tensors=_names(dynamic),
        )


def _shape_operators(_: Graph, number: int, subgraph: Subgraph) -> Iterator[Finding]:
    """SHAPE, and what computes on its result: what is left of a dynamic batch."""
    shapes: set[int] = set()
    found: list[Operator] = []
    for operator in subgraph.operators:
        if operator.name == "SHAPE" or (
            operator.name in _SHAPE_READERS and shapes.intersection(operator.inputs)
        ):
            found.append(operator)
            shapes.update(operator.outputs)
    if found:
        names = ", ".join(dict.fromkeys(operator.name for operator in found))
        yield Finding(
            code="shape-operators",
            severity=Severity.WARNING,
            message=f"{_count(found, 'operator')} {_verb(found, 'computes', 'compute')} a shape "
            f"while the model runs ({names}; the first is {layer_name(subgraph, found[0])}): "
            "TensorFlow Lite Micro refuses some such models, and computes others wrong.",
            hint=_BATCH_HINT,
            subgraph=number,
            operators=_indices(found),
            tensors=_names(subgraph.tensors[index] for item in found for index in item.outputs),
        )


def _int64(_: Graph, number: int, subgraph: Subgraph) -> Iterator[Finding]:
    """64-bit integers elsewhere than in the biases of int16 layers, where they belong."""
    found: list[tuple[Operator, Tensor]] = []
    for operator in subgraph.operators:
        inputs = inputs_of(subgraph, operator)
        is_int16 = any(tensor.dtype is DType.INT16 for tensor in inputs)
        for tensor in _touched(subgraph, operator):
            is_bias = operator.name in WEIGHTED and tensor.is_constant and is_int16
            if tensor.dtype is DType.INT64 and not is_bias:
                found.append((operator, tensor))
    if found:
        (first, tensor) = found[0]
        tensors = dict.fromkeys(tensor.name for _, tensor in found)
        yield Finding(
            code="int64",
            severity=Severity.WARNING,
            message=f"{_count(tensors, 'tensor')} of 64-bit integers (the first is "
            f"{tensor.name!r} at {first.name}, {layer_name(subgraph, first)}): most kernels of "
            "TensorFlow Lite Micro take indices of 32 bits only.",
            hint="Ask for int32 in the original model: tf.cast(indices, tf.int32), or "
            "tf.argmax(x, output_type=tf.int32).",
            subgraph=number,
            operators=_indices(dict.fromkeys(operator.index for operator, _ in found)),
            tensors=tuple(tensors),
        )


def _unaligned(_: Graph, number: int, subgraph: Subgraph) -> Iterator[Finding]:
    """Constants that a processor can't read where they lie, or that are not as the format asks.

    64-bit numbers are read as two of 32.
    """
    constants = [tensor for tensor in subgraph.tensors if tensor.file_offset]
    faulty = [tensor for tensor in constants if _offset(tensor) % _element_bytes(tensor)]
    if faulty:
        first = faulty[0]
        yield Finding(
            code="unaligned-buffers",
            severity=Severity.ERROR,
            message=f"{_count(faulty, 'constant')} where the processor can't read "
            f"{_verb(faulty, 'it', 'them')} (the first is {first.name!r}, {first.dtype.value}, at "
            f"byte {first.file_offset} of the file): a Cortex-M0+ stops there.",
            hint="The file was written or changed by a tool that does not align buffers: convert "
            "the original model again.",
            subgraph=number,
            tensors=_names(faulty),
        )
    loose = [
        tensor
        for tensor in constants
        if tensor not in faulty and _offset(tensor) % BUFFER_ALIGNMENT_BYTES
    ]
    if loose:
        first = loose[0]
        yield Finding(
            code="unaligned-buffers",
            severity=Severity.NOTE,
            message=f"{_count(loose, 'constant')} not at a multiple of {BUFFER_ALIGNMENT_BYTES} "
            f"bytes (the first is {first.name!r} at byte {first.file_offset} of the file), as "
            "the format asks: vector instructions may read them slower.",
            hint="Nothing needs doing: TensorFlow's converter writes many models so, and every "
            "element is where a processor can read it.",
            subgraph=number,
            tensors=_names(loose),
        )


def _degenerate_scales(_: Graph, number: int, subgraph: Subgraph) -> Iterator[Finding]:
    broken = []
    narrow = []
    for tensor in subgraph.tensors:
        if tensor.quantization is None or tensor.dtype.is_float:
            continue
        if any(not math.isfinite(scale) or scale <= 0 for scale in tensor.quantization.scales):
            broken.append(tensor)
        elif not tensor.is_constant and tensor.dtype.bits in (4, 8, 16):
            steps = (1 << tensor.dtype.bits) - 1
            if tensor.scale * steps < SMALLEST_RANGE:
                narrow.append(tensor)
    if broken:
        yield Finding(
            code="degenerate-scales",
            severity=Severity.ERROR,
            message=f"{_count(broken, 'tensor')} with a scale that is zero, negative or not "
            f"finite (the first is {broken[0].name!r}): every number in "
            f"{_verb(broken, 'it', 'them')} is lost.",
            hint="Calibrate on more varied samples without NaN or infinity, and look for a layer "
            "that is dead or untrained.",
            subgraph=number,
            tensors=_names(broken),
        )
    if narrow:
        yield Finding(
            code="degenerate-scales",
            severity=Severity.WARNING,
            message=f"{_count(narrow, 'tensor')} that can hold next to nothing (the first is "
            f"{narrow[0].name!r}, scale {narrow[0].scale:.3g}): "
            f"{_verb(narrow, 'it was', 'they were')} constant on the calibration data.",
            hint="Calibrate on more varied samples, and look for a layer that is dead or "
            "untrained.",
            subgraph=number,
            tensors=_names(narrow),
        )


def _sparse(_: Graph, number: int, subgraph: Subgraph) -> Iterator[Finding]:
    sparse = [tensor for tensor in subgraph.tensors if tensor.is_sparse]
    if sparse:
        yield Finding(
            code="sparse-tensors",
            severity=Severity.ERROR,
            message=f"{_count(sparse, 'tensor')} stored sparsely (the first is "
            f"{sparse[0].name!r}): TensorFlow Lite Micro reads weights as dense only.",
            hint="Convert the original model without tf.lite.Optimize.EXPERIMENTAL_SPARSITY.",
            subgraph=number,
            tensors=_names(sparse),
        )


def _versions(graph: Graph, library: Library) -> Iterator[Finding]:
    """Operators of a version that a library's age did not know."""
    for number, subgraph in enumerate(graph.subgraphs):
        found = [
            operator
            for operator in subgraph.operators
            if operator.name in library.operators
            and operator.version > library.operators[operator.name].max_version
        ]
        if found:
            first = found[0]
            known = library.operators[first.name].max_version
            yield Finding(
                code="versions",
                severity=Severity.WARNING,
                message=f"{_count(found, 'operator')} newer than {library.title} (the first is "
                f"{first.name} version {first.version}, {layer_name(subgraph, first)}; it knows "
                f"up to {known}). The library does not look at versions: it may ignore what is "
                "new.",
                hint="Verify the outputs with 'edgekit verify', or convert with an older "
                "TensorFlow.",
                subgraph=number,
                operators=_indices(found),
            )


_RULES: tuple[Callable[[Graph, int, Subgraph], Iterator[Finding]], ...] = (
    _hybrid,
    _float_tensors,
    _dynamic_shapes,
    _shape_operators,
    _int64,
    _unaligned,
    _degenerate_scales,
    _sparse,
)


def _touched(subgraph: Subgraph, operator: Operator) -> list[Tensor]:
    return [
        subgraph.tensors[index]
        for index in (*operator.inputs, *operator.outputs)
        if index != ABSENT
    ]


def _offset(tensor: Tensor) -> int:
    return tensor.file_offset or 0


def _element_bytes(tensor: Tensor) -> int:
    return min(max(1, tensor.dtype.bits // 8), WORD_BYTES)


def _title(operator: Operator) -> str:
    return operator.custom_name or operator.name


def _count(items: Sequence[object] | dict[str, None], name: str) -> str:
    return f"1 {name}" if len(items) == 1 else f"{len(items)} {name}s"


def _verb(items: Sequence[object], one: str, many: str) -> str:
    return one if len(items) == 1 else many


def _indices(operators: Iterable[Operator | int]) -> tuple[int, ...]:
    return tuple(item if isinstance(item, int) else item.index for item in operators)


def _names(tensors: Iterable[Tensor]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tensor.name for tensor in tensors))
