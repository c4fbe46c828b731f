"""The variants that a model is converted to: one table row each."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from edgekit.errors import InputError, did_you_mean


class Variant(enum.Enum):
    """A form of the converted model, by the name that commands and reports use."""

    FLOAT32 = "float32"
    INT8 = "int8"


@dataclass(frozen=True, kw_only=True, slots=True)
class VariantSpec:
    """What the converter is told for one variant, and what must come out.

    ``optimizes`` sets ``converter.optimizations``; ``op_sets`` are names of
    ``tf.lite.OpsSet``, ``weight_types`` names of ``tf.DType`` for
    ``target_spec.supported_types``; both empty where the default is right.
    ``io_types`` are the allowed types of inputs and outputs, the first the default.
    ``computes_in_integers``: the converted model may hold no operator in float.
    """

    title: str
    optimizes: bool
    needs_calibration: bool
    op_sets: tuple[str, ...]
    weight_types: tuple[str, ...]
    io_types: tuple[str, ...]
    computes_in_integers: bool


VARIANTS: Mapping[Variant, VariantSpec] = MappingProxyType(
    {
        Variant.FLOAT32: VariantSpec(
            title="float32",
            optimizes=False,
            needs_calibration=False,
            op_sets=(),
            weight_types=(),
            io_types=("float32",),
            computes_in_integers=False,
        ),
        Variant.INT8: VariantSpec(
            title="full int8",
            optimizes=True,
            needs_calibration=True,
            op_sets=("TFLITE_BUILTINS_INT8",),
            weight_types=(),
            io_types=("int8", "uint8"),
            computes_in_integers=True,
        ),
    }
)
"""The rows; a new variant is a name above and a row here."""


def parse_variant(name: str) -> Variant:
    """Return the variant called ``name``.

    Raises:
        InputError: There is none of that name; the hint lists them.
    """
    try:
        return Variant(name)
    except ValueError as error:
        raise InputError(
            f"Unknown variant {name!r}.", hint=did_you_mean(name, (item.value for item in Variant))
        ) from error


def io_type_of(variant: Variant, wanted: str) -> str:
    """Return the type of the variant's inputs and outputs when ``wanted`` is asked for.

    A float variant keeps float32, whatever is asked for the integer ones.

    Raises:
        InputError: No variant has inputs of that type.
    """
    allowed = VARIANTS[variant].io_types
    if wanted in allowed:
        return wanted
    known = sorted({name for spec in VARIANTS.values() for name in spec.io_types})
    if VARIANTS[variant].computes_in_integers or wanted not in known:
        raise InputError(
            f"Inputs and outputs of the {variant.value} variant can't be {wanted!r}.",
            hint="Choose one of: " + ", ".join(allowed) + ".",
        )
    return allowed[0]
