"""How TFLM is compiled, and an operator with its tensors as its kernel sees it."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.graph import Operator, OptionValue, Subgraph, Tensor
from edgekit.plan.tflm_sizes import RECORDING_64, CoreSizes, core_sizes_32


@dataclass(frozen=True, kw_only=True, slots=True)
class TflmBuild:
    """How TFLM is compiled: its kernels, the core's DSP instructions, its structures.

    ``short_enums``: an enumeration takes one byte where that suffices (arm-none-eabi);
    otherwise four (Xtensa, RISC-V). ``static_memory``: TF_LITE_STATIC_MEMORY is
    defined, which leaves out what only TFLite needs of a tensor and of a node.
    ``is_2023``: it is TFLM of January 2023, whose kernels differ in some sizes.
    ``is_host``: it is TFLM's recording interpreter on a PC, with pointers of 8 bytes.
    """

    kernels: str
    has_dsp: bool
    short_enums: bool
    static_memory: bool = True
    is_2023: bool = False
    is_host: bool = False

    @property
    def sizes(self) -> CoreSizes:
        """Sizes of the structures of TFLM's core."""
        if self.is_host:
            return RECORDING_64
        return core_sizes_32(static_memory=self.static_memory, short_enums=self.short_enums)

    @property
    def is_cmsis(self) -> bool:
        """Whether the optimised kernels are CMSIS-NN's."""
        return self.kernels == "cmsis-nn"


HOST_BUILD = TflmBuild(kernels="reference", has_dsp=False, short_enums=False, is_host=True)
"""TFLM as the ``tflite-micro`` package runs it on a PC."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """What a kernel's Prepare allocates: tail arrays and scratch buffers, in bytes."""

    persistent: tuple[int, ...] = ()
    scratch: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """An operator with its tensors, as a kernel's Prepare sees it."""

    operator: Operator
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    build: TflmBuild

    @property
    def kernel(self) -> str:
        """The kernel's name: the operator's, or a custom operator's own."""
        return self.operator.custom_name or self.operator.name

    def input(self, position: int) -> Tensor | None:
        """Return an input; ``None`` if it is absent."""
        return self.inputs[position] if position < len(self.inputs) else None

    def option(self, key: str, default: int = 0) -> int:
        """Return a whole-number option."""
        value: OptionValue = self.operator.options.get(key, default)
        return value if isinstance(value, int) else default


def make_node(subgraph: Subgraph, operator: Operator, build: TflmBuild) -> Node:
    """Return an operator with its tensors looked up."""
    tensors = subgraph.tensors
    return Node(
        operator=operator,
        inputs=tuple(tensors[index] if index >= 0 else None for index in operator.inputs),
        outputs=tuple(tensors[index] for index in operator.outputs),
        build=build,
    )
