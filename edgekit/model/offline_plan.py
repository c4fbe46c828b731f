"""Plans of the arena that a model brings along: TFLM's ``OfflineMemoryAllocation``.

The entry of this name in the model's metadata holds little-endian int32::

    0      version of the format; TFLM ignores it
    1      number of subgraphs; TFLM ignores it
    2      n, the number of tensors of all subgraphs together
    3 …    for each tensor, in order of subgraph and index, its offset in the arena's
           head in bytes, or −1: TFLM's own planner then places it around the others

What is not a computed tensor has −1. Scratch buffers have no entry: TFLM places them.

Source:
    tflite-micro 90b983c: docs/memory_management.md; micro_allocation_info.cc,
    GetOfflinePlannedOffsets.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from edgekit.errors import InvalidModelError
from edgekit.graph import Graph

METADATA_NAME = "OfflineMemoryAllocation"

ONLINE = -1
"""The offset of a tensor that TFLM places itself; micro_memory_planner.h, kOnlinePlannedBuffer."""

FORMAT_VERSION = 1

_HEADER_INTEGERS = 3


def read_offline_plan(graph: Graph) -> tuple[int, ...] | None:
    """Return each tensor's offset, of all subgraphs one after another; ``None`` without a plan.

    Raises:
        InvalidModelError: The plan is cut short, or not one for this model's tensors.
    """
    data = graph.metadata.get(METADATA_NAME)
    if data is None:
        return None
    tensors = sum(len(subgraph.tensors) for subgraph in graph.subgraphs)
    wanted = 4 * (_HEADER_INTEGERS + tensors)
    if len(data) < wanted or struct.unpack_from("<I", data, 8)[0] != tensors:
        raise InvalidModelError(
            f"The model's {METADATA_NAME} metadata is no plan for its {tensors} tensors.",
            hint="TFLM refuses such a model: convert it again without the plan.",
        )
    offsets: tuple[int, ...] = struct.unpack_from(f"<{tensors}i", data, 4 * _HEADER_INTEGERS)
    if min(offsets, default=0) < ONLINE:
        raise InvalidModelError(
            f"The model's {METADATA_NAME} metadata has a negative offset.",
            hint="Convert the model again without the plan.",
        )
    return offsets


def encode_offline_plan(offsets: Sequence[int], *, subgraphs: int) -> bytes:
    """Return the metadata's bytes for offsets as :func:`read_offline_plan` returns them."""
    header = (FORMAT_VERSION, subgraphs, len(offsets))
    return struct.pack(f"<{_HEADER_INTEGERS + len(offsets)}i", *header, *offsets)
