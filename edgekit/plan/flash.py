"""How much flash a TFLM build takes: the model, the interpreter with its kernels, the rest.

The code of an interpreter with just a model's operators is estimated as a base plus a
figure for each operator, and two parts that operators share. The figures are a
non-negative least-squares fit to 64 measured builds (each set of operators once) of
tensorflow/tflite-micro 90b983c for a Cortex-M4F, arm-none-eabi-gcc 12.2, core at -Os and
kernels at -O2, error texts stripped, newlib included. The figures, rounded, are within 800
bytes of each of them; with the build in question left out, the median error is 1.3 % and the
largest 17 %. Operators that only ever occur together in those builds share their sum.
"""

from __future__ import annotations

from collections.abc import Mapping

from edgekit.graph import Graph
from edgekit.plan.tflm_kernels import TflmBuild
from edgekit.results import Basis, Item
from edgekit.targets import Target
from edgekit.units import format_bytes

_BASE_BYTES = 13_500
"""Interpreter, allocator, planner, start-up code and newlib."""

_REQUANTISATION_BYTES = 1_900
"""Fixed-point multipliers from scales, with the compiler's double arithmetic; once."""

_CMSIS_MATRIX_BYTES = 3_200
"""CMSIS-NN's matrix kernels that convolutions and FULLY_CONNECTED share; once."""

_UNMEASURED_BYTES = 4_000
"""An operator that no measured build has, ± as much (the median of the others)."""

_OPERATOR_BYTES: Mapping[str, tuple[int, int]] = {
    "ABS": (1_200, 0),
    "ADD": (8_500, 2_000),
    "AVERAGE_POOL_2D": (2_700, 700),
    "BATCH_MATMUL": (6_400, 3_700),
    "CONCATENATION": (2_900, 0),
    "CONV_2D": (6_300, 17_700),
    "DEPTHWISE_CONV_2D": (4_600, 11_400),
    "DEQUANTIZE": (1_200, 0),
    "ELU": (1_300, 0),
    "FULLY_CONNECTED": (4_200, 8_500),
    "GATHER": (0, 0),
    "HARD_SWISH": (400, 0),
    "L2_NORMALIZATION": (100, 0),
    "LEAKY_RELU": (300, 0),
    "LOGISTIC": (3_700, 0),
    "MAXIMUM": (6_000, 300),
    "MAX_POOL_2D": (2_400, 700),
    "MEAN": (4_300, 400),
    "MUL": (6_400, 1_400),
    "NEG": (2_400, 400),
    "QUANTIZE": (1_200, 0),
    "REDUCE_MAX": (6_000, 300),
    "RELU": (300, 0),
    "RESHAPE": (1_100, 300),
    "REVERSE_V2": (2_700, 0),
    "RSQRT": (1_200, 0),
    "SLICE": (600, 0),
    "SOFTMAX": (6_700, 1_000),
    "SPACE_TO_BATCH_ND": (0, 0),
    "STRIDED_SLICE": (3_200, 600),
    "SUB": (6_000, 300),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (17_000, 3_500),
}
"""Code of an operator's kernel: with reference kernels, and what CMSIS-NN's adds."""

_REQUANTISING = frozenset(
    """
    ABS ADD BATCH_MATMUL CONV_2D DEPTHWISE_CONV_2D ELU FULLY_CONNECTED HARD_SWISH
    LEAKY_RELU LOGISTIC MEAN MUL QUANTIZE REDUCE_MAX RELU RSQRT SOFTMAX SUB TRANSPOSE_CONV
    UNIDIRECTIONAL_SEQUENCE_LSTM
    """.split()  # noqa: SIM905 (one name a line would be a page)
)
_MATRIX = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"})

_ERROR_TEXT_BYTES = 13_000
_ERROR_TEXT_MARGIN_BYTES = 4_000
"""Messages that a library keeps: 9 to 17 KB, measured with the same builds unstripped."""

_OTHER_BUILD_MARGIN = 0.25
"""Share of the code by which another compiler, version and -O level may differ: a
judgement, for no build of a published library was measured on its own board."""

_PROTOCOL_BYTES = 5_300
_PROTOCOL_MARGIN_BYTES = 1_500
"""EdgeKit's protocol and sketch: 4711 bytes at -Os, 5269 at -O2 (arm-none-eabi-gcc 12.2,
Cortex-M4F, edgekit_protocol.c), and a little for the sketch."""


def runtime_code(graph: Graph, build: TflmBuild) -> tuple[int, int]:
    """Return the estimated bytes of interpreter and kernels, and the ± for unmeasured ones."""
    operators = {operator.name for subgraph in graph.subgraphs for operator in subgraph.operators}
    size_bytes = _BASE_BYTES
    margin_bytes = 0
    if operators & _REQUANTISING:
        size_bytes += _REQUANTISATION_BYTES
    if build.kernels != "reference" and operators & _MATRIX:
        size_bytes += _CMSIS_MATRIX_BYTES
    for name in operators:
        if name not in _OPERATOR_BYTES:
            size_bytes += _UNMEASURED_BYTES
            margin_bytes += _UNMEASURED_BYTES
            continue
        (reference, added) = _OPERATOR_BYTES[name]
        size_bytes += reference + (added if build.kernels != "reference" else 0)
    return size_bytes, margin_bytes


def tflm_flash(graph: Graph, target: Target, build: TflmBuild) -> tuple[Item, ...]:
    """Return what a TFLM build puts into flash, part by part."""
    (code_bytes, code_margin_bytes) = runtime_code(graph, build)
    return (
        Item(name="model", size_bytes=graph.size_bytes, basis=Basis.EXACT),
        Item(
            name="interpreter and kernels",
            size_bytes=code_bytes,
            basis=Basis.ESTIMATED,
            margin_bytes=code_margin_bytes + round(code_bytes * _OTHER_BUILD_MARGIN),
            note=f"{build.kernels} kernels, only the model's operators",
        ),
        Item(
            name="error texts",
            size_bytes=_ERROR_TEXT_BYTES,
            basis=Basis.ESTIMATED,
            margin_bytes=_ERROR_TEXT_MARGIN_BYTES,
            note="messages that the library keeps",
        ),
        Item(
            name="sketch and protocol",
            size_bytes=_PROTOCOL_BYTES,
            basis=Basis.ESTIMATED,
            margin_bytes=_PROTOCOL_MARGIN_BYTES,
        ),
        *framework_flash(target),
    )


def framework_flash(target: Target) -> tuple[Item, ...]:
    """Return what a target's framework puts into flash; nothing where there is none."""
    if not target.flash.framework_bytes:
        return ()
    return (
        Item(
            name=f"{target.platform.framework} framework",
            size_bytes=target.flash.framework_bytes,
            basis=Basis.ESTIMATED,
            margin_bytes=target.flash.framework_margin_bytes,
            note=f"an application has {format_bytes(target.flash.usable_bytes)}",
        ),
    )
