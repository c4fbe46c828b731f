"""Whether a model's operators fit their tensors: asked once, for both engines.

The reader accepts what can be read; this refuses what no kernel can compute, so that
planning and code generation only see operators whose parts go together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from edgekit.graph import ABSENT, DType, Graph, Operator, Subgraph, Tensor, layer_of
from edgekit.plan import rules_matrix, rules_shape
from edgekit.plan.site import MissingError, Rule, Site
from edgekit.results import Problem

_HINT = "The file is damaged, or made by a faulty tool: convert the original model again."
_SHOWN = 5
"""Operators that are named; of more, the number."""

_ANY = 2**31
"""As many inputs as an operator likes to have."""

_QUANTIZED = frozenset({DType.INT8, DType.UINT8, DType.INT16})
"""Types that stand for real numbers, by a scale."""

_RULES: tuple[tuple[str, Rule, int, int], ...] = (
    ("CONV_2D", rules_matrix.conv_2d, 2, 3),
    ("DEPTHWISE_CONV_2D", rules_matrix.depthwise_conv_2d, 2, 3),
    ("TRANSPOSE_CONV", rules_matrix.transpose_conv, 3, 4),
    ("AVERAGE_POOL_2D MAX_POOL_2D L2_POOL_2D", rules_matrix.pool, 1, 1),
    ("FULLY_CONNECTED", rules_matrix.fully_connected, 2, 3),
    ("BATCH_MATMUL", rules_matrix.batch_matmul, 2, 2),
    ("SVDF", rules_matrix.svdf, 5, 5),
    ("UNIDIRECTIONAL_SEQUENCE_LSTM", rules_matrix.lstm, 20, 24),
    (
        "ABS CEIL COS ELU EXP FLOOR HARD_SWISH LEAKY_RELU LOG LOGICAL_NOT LOGISTIC NEG RELU "
        "RELU6 ROUND RSQRT SIN SQRT SQUARE TANH ZEROS_LIKE",
        rules_shape.view,
        1,
        1,
    ),
    ("CAST DEQUANTIZE QUANTIZE", rules_shape.same_count, 1, 1),
    ("RESHAPE", rules_shape.view, 1, 2),
    ("SQUEEZE", rules_shape.squeeze, 1, 1),
    ("EXPAND_DIMS", rules_shape.expand_dims, 2, 2),
    ("REVERSE_V2 CUMSUM", rules_shape.view, 2, 2),
    ("SOFTMAX LOG_SOFTMAX L2_NORMALIZATION", rules_shape.same_shape, 1, 1),
    ("PRELU", rules_shape.broadcast, 2, 2),
    (
        "ADD SUB MUL DIV MAXIMUM MINIMUM SQUARED_DIFFERENCE FLOOR_DIV FLOOR_MOD EQUAL NOT_EQUAL "
        "GREATER GREATER_EQUAL LESS LESS_EQUAL LOGICAL_AND LOGICAL_OR",
        rules_shape.broadcast,
        2,
        2,
    ),
    ("SELECT_V2", rules_shape.broadcast, 3, 3),
    ("ADD_N", rules_shape.add_n, 1, _ANY),
    ("MEAN SUM REDUCE_MAX REDUCE_MIN REDUCE_ALL", rules_shape.reduce, 2, 2),
    ("ARG_MAX ARG_MIN", rules_shape.arg, 2, 2),
    ("PAD MIRROR_PAD", rules_shape.pad, 2, 2),
    ("PADV2", rules_shape.pad, 3, 3),
    ("CONCATENATION", rules_shape.concatenation, 1, _ANY),
    ("PACK", rules_shape.pack, 1, _ANY),
    ("UNPACK", rules_shape.unpack, 1, 1),
    ("SPLIT", rules_shape.split, 2, 2),
    ("SPLIT_V", rules_shape.split, 3, 3),
    ("TRANSPOSE", rules_shape.transpose, 2, 2),
    ("SLICE", rules_shape.cut, 3, 3),
    ("STRIDED_SLICE", rules_shape.strided_slice, 4, 4),
    ("GATHER", rules_shape.gather, 2, 2),
    ("SPACE_TO_DEPTH DEPTH_TO_SPACE", rules_shape.blocks, 1, 1),
    ("RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR", rules_shape.resize, 2, 2),
)
_BY_NAME: Mapping[str, tuple[Rule, int, int]] = {
    name: (rule, least, most) for names, rule, least, most in _RULES for name in names.split()
}
"""Operator → its rule, and how many inputs it has, absent ones counted."""

_SCALED_NAMES = """
    ABS ADD AVERAGE_POOL_2D BATCH_MATMUL CONV_2D DEPTHWISE_CONV_2D DEQUANTIZE ELU
    FULLY_CONNECTED HARD_SWISH L2_NORMALIZATION LEAKY_RELU LOGISTIC LOG_SOFTMAX MEAN MUL
    PRELU QUANTIZE RELU RELU6 RSQRT SOFTMAX SQUARED_DIFFERENCE SUB SUM TANH TRANSPOSE_CONV
"""
_SCALED = frozenset(_SCALED_NAMES.split())
"""Operators whose kernels divide by the scales of their integers."""


def consistency_problems(graph: Graph) -> tuple[Problem, ...]:
    """Return what does not go together in a model; nothing where all operators do."""
    found = [*_end_problems(graph)]
    messages = [
        f"Operator {operator.index} {operator.name} ({_layer(subgraph, operator)}): {wrong}."
        for subgraph in graph.subgraphs
        for operator in subgraph.operators
        if (wrong := _wrong(subgraph, operator)) is not None
    ]
    found += [Problem(message=message, hint=_HINT) for message in messages[:_SHOWN]]
    if len(messages) > _SHOWN:
        more = f"{len(messages) - _SHOWN} more operators do not fit their tensors."
        found.append(Problem(message=more, hint=_HINT))
    return tuple(found)


def _layer(subgraph: Subgraph, operator: Operator) -> str:
    if not operator.outputs:
        return "no output"
    return layer_of(subgraph.tensors[operator.outputs[0]].name)


def _end_problems(graph: Graph) -> Iterator[Problem]:
    """Yield what is wrong with the model's own inputs and outputs."""
    main = graph.main
    if not main.inputs:
        yield Problem(message="The model has no input.", hint=_HINT)
    for kind, tensors in (("Input", main.input_tensors), ("Output", main.output_tensors)):
        for number, tensor in enumerate(tensors):
            where = f"{kind} {number} ({tensor.name!r})"
            # The first dimension is the batch, which counts as 1.
            if -1 in tensor.shape_signature[1:]:
                sizes = ["?" if size == -1 else str(size) for size in tensor.shape_signature]
                yield Problem(
                    message=f"{where} has no fixed size: [{', '.join(sizes)}].",
                    hint="Give the model fixed input sizes, and convert it again.",
                )
            elif 0 in tensor.shape:
                yield Problem(message=f"{where} is empty: {list(tensor.shape)}.", hint=_HINT)
            if kind == "Input" and tensor.is_constant:
                yield Problem(message=f"{where} is a constant.", hint=_HINT)


def _wrong(subgraph: Subgraph, operator: Operator) -> str | None:
    if operator.name not in _BY_NAME:
        return None
    rule, least, most = _BY_NAME[operator.name]
    if not least <= len(operator.inputs) <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        return f"it has {len(operator.inputs)} inputs instead of {wanted}"
    site = Site(operator, subgraph)
    for tensor in (*site.inputs, *site.outputs):
        if 0 in tensor.shape and not tensor.is_constant:
            return f"{tensor.name!r} is empty: {list(tensor.shape)}"
        if tensor.is_sparse:
            return f"{tensor.name!r} is stored sparsely, which firmware does not read"
    if operator.name in _SCALED and (wrong := _scale_wrong(site)) is not None:
        return wrong
    try:
        return rule(site)
    except MissingError as missing:
        return str(missing)


def _scale_wrong(site: Site) -> str | None:
    """Check that every integer that stands for a real number has a scale to be so."""
    tensors: list[Tensor] = [*site.outputs]
    count = 2 if len(site.operator.inputs) > 1 else 1
    tensors += [tensor for tensor in site.inputs if tensor.dtype in _QUANTIZED][:count]
    for tensor in tensors:
        if tensor.dtype not in _QUANTIZED:
            continue
        quantization = tensor.quantization
        if quantization is None:
            return f"{tensor.name!r} is {tensor.dtype.value} without a scale"
        worst = min(quantization.scales)
        if not 0.0 <= worst < math.inf or (worst == 0.0 and not tensor.is_constant):
            return f"{tensor.name!r} has the scale {worst}"
        if not tensor.is_constant and quantization.is_per_channel:
            return f"{tensor.name!r} is computed, and has {len(quantization.scales)} scales"
    if ABSENT in site.operator.inputs and site.operator.name == "DEPTHWISE_CONV_2D":
        return "its bias is listed, but absent; TFLM takes it for given"
    return None
