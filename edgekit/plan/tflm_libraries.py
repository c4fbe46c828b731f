"""How published TFLM libraries differ from the TFLM that the arena's rules were read from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class LibraryFacts:
    """What planning must know of a library.

    ``static_memory``: whether it is compiled with TF_LITE_STATIC_MEMORY, which halves
    its tensor structures. ``is_2023``: whether it holds TFLM of January 2023.
    ``missing_operators`` are those that today's TFLM runs and this library does not,
    ``broken_operators`` those on which it fails, with what happens.
    """

    title: str
    static_memory: bool = True
    is_2023: bool = False
    missing_operators: frozenset[str] = frozenset()
    broken_operators: Mapping[str, str] = field(default_factory=dict)


_UNKNOWN = LibraryFacts(title="TFLM")

LIBRARIES: Mapping[str, LibraryFacts] = {
    "spaziochirale/chirale_tensorflowlite@2.0.0": LibraryFacts(
        title="Chirale_TensorFLowLite 2.0.0",
        static_memory=False,
        is_2023=True,
        missing_operators=frozenset(
            {
                "BATCH_MATMUL",
                "DYNAMIC_UPDATE_SLICE",
                "EMBEDDING_LOOKUP",
                "REDUCE_ALL",
                "REDUCE_MIN",
                "REVERSE_V2",
            }
        ),
        broken_operators={
            "UNIDIRECTIONAL_SEQUENCE_LSTM": "crashes while it prepares an int8 LSTM",
        },
    ),
}
"""By the name that a target's profile gives PlatformIO, in lower case.

Source:
    spaziochirale/Chirale_TensorFlowLite, commit 46da2f9 (version 2.0.0): no source
    defines TF_LITE_STATIC_MEMORY, and an Arduino library can't ask for compiler flags;
    micro_mutable_op_resolver.h against that of tensorflow/tflite-micro 90b983c. The
    library compiled for a Cortex-M4F and run under QEMU crashed in AllocateTensors on
    the one int8 LSTM that was tried.
"""


def library_facts(specification: str) -> LibraryFacts:
    """Return what is known of a library; of an unknown one, that it is like TFLM itself."""
    return LIBRARIES.get(specification.lower(), _UNKNOWN)
