"""The published TFLM libraries that a project can depend on: their headers and gaps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgekit.errors import TargetError, did_you_mean


@dataclass(frozen=True, kw_only=True, slots=True)
class TflmLibrary:
    """What generated code must know of a library.

    ``header`` is the one by which the Arduino builder finds the library: it comes
    before TFLM's own. ``missing_methods`` are the resolver's methods that today's
    TFLM has and this library has not.
    """

    title: str
    header: str
    missing_methods: frozenset[str]


LIBRARIES: Mapping[str, TflmLibrary] = {
    "spaziochirale/chirale_tensorflowlite@2.0.0": TflmLibrary(
        title="Chirale_TensorFLowLite 2.0.0",
        header="Chirale_TensorFlowLite.h",
        missing_methods=frozenset(
            {
                "AddBatchMatMul",
                "AddDecode",
                "AddDelay",
                "AddDynamicUpdateSlice",
                "AddEmbeddingLookup",
                "AddEnergy",
                "AddFftAutoScale",
                "AddFilterBank",
                "AddFilterBankLog",
                "AddFilterBankSpectralSubtraction",
                "AddFilterBankSquareRoot",
                "AddFramer",
                "AddIrfft",
                "AddOverlapAdd",
                "AddPCAN",
                "AddReduceAll",
                "AddReduceMin",
                "AddReverseV2",
                "AddRfft",
                "AddStacker",
                "AddWindow",
            }
        ),
    ),
}
"""By the name that a target's profile gives PlatformIO, in lower case.

Source:
    spaziochirale/Chirale_TensorFlowLite, commit 46da2f9 (version 2.0.0):
    library.properties and src/tensorflow/lite/micro/micro_mutable_op_resolver.h,
    against tensorflow/tflite-micro, commit 90b983c.
"""


def find_library(specification: str) -> TflmLibrary:
    """Return what is known of the library that PlatformIO knows as ``specification``.

    Raises:
        TargetError: Nothing is known of it, so that no sketch can be made for it.
    """
    library = LIBRARIES.get(specification.lower())
    if library is None:
        raise TargetError(
            f"No sketch can be made for the TFLM library {specification!r}.",
            hint=did_you_mean(specification, LIBRARIES),
        )
    return library
