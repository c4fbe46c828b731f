"""Which temporary tensors each TFLM kernel takes in its Prepare, and when.

They lie on top of the arena's head until the operator's Prepare has ended, so they
matter for the smallest arena that works. A kernel takes some before it allocates its
persistent arrays, and some after.

Source:
    tflite-micro 90b983c: the calls of AllocateTempInputTensor and
    AllocateTempOutputTensor in each kernel's Prepare, in their order.
"""

from __future__ import annotations

from collections.abc import Mapping

from edgekit.graph import DType, Tensor
from edgekit.plan.tflm_kernels import Node

_WINDOWED = ("o0 i0 i1", "i0 i1 i2 o0")

_TAKEN: Mapping[str, tuple[str, str]] = {
    "ARG_MAX": ("", ""),
    "ARG_MIN": ("", ""),
    "ASSIGN_VARIABLE": ("i1", ""),
    "BATCH_TO_SPACE_ND": ("i0 o0", ""),
    "CALL_ONCE": ("", ""),
    "CONCATENATION": ("i0 o0 i*", ""),
    "CONV_2D": _WINDOWED,
    "DEPTHWISE_CONV_2D": _WINDOWED,
    "EQUAL": ("i0 i1", ""),
    "FLOOR": ("", ""),
    "GREATER": ("i0 i1", ""),
    "GREATER_EQUAL": ("i0 i1", ""),
    "IF": ("i0", ""),
    "LESS": ("i0 i1", ""),
    "LESS_EQUAL": ("i0 i1", ""),
    "LOGICAL_AND": ("", ""),
    "LOGICAL_OR": ("", ""),
    "MAXIMUM": ("", ""),
    "MINIMUM": ("", ""),
    "NEG": ("", ""),
    "NOT_EQUAL": ("i0 i1", ""),
    "PACK": ("", ""),
    "RELU6": ("i0", ""),
    "RESHAPE": ("i0 o0", ""),
    "SHAPE": ("", ""),
    "SPACE_TO_BATCH_ND": ("i0 o0", ""),
    "SPLIT": ("i0", ""),
    "SPLIT_V": ("i2", ""),
    "TANH": ("i0 i0 o0", ""),
    "TFLite_Detection_PostProcess": ("i0 i1 i2", ""),
    "UNPACK": ("", ""),
    "VAR_HANDLE": ("", ""),
    "WHILE": ("", ""),
}
"""Inputs (i) and outputs (o) taken before and after the persistent arrays; ``*`` is all.

Kernels not listed take every input and output once, before.
"""

_REDUCTIONS = frozenset({"MEAN", "REDUCE_ALL", "REDUCE_MAX", "REDUCE_MIN", "SUM"})


def temporary_tensors(node: Node) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Return the tensors taken before the kernel's persistent arrays, and those after."""
    name = node.kernel
    before, after = _TAKEN.get(name, ("i* o*", ""))
    image = node.input(0)
    if name in _REDUCTIONS:
        before = "i0 o0 i1 i0 i1"
        if image is not None and image.dtype is DType.INT8:
            before += " o0"
    elif name == "AVERAGE_POOL_2D" and node.build.is_cmsis:
        before = "i0 o0 i0 o0"
    elif name == "TRANSPOSE_CONV":
        image = node.input(2)
        before = "o0 i2 i1"
        after = "" if image is not None and image.dtype.is_float else "i2 i1 i3 o0"
    return _resolved(node, before), _resolved(node, after)


def _resolved(node: Node, spec: str) -> tuple[Tensor, ...]:
    found: list[Tensor | None] = []
    for item in spec.split():
        sequence = node.inputs if item[0] == "i" else node.outputs
        if item[1] == "*":
            found += sequence
        elif int(item[1]) < len(sequence):
            found.append(sequence[int(item[1])])
    return tuple(tensor for tensor in found if tensor is not None)
