"""Which converter flags a target's engine needs: chosen from its library's record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgekit.errors import RefusedModelError, UnsupportedModelError
from edgekit.libraries import Library, load_library
from edgekit.model.variants import VARIANTS, Variant
from edgekit.targets import Target


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What the converter is told, and why, a sentence each."""

    io_type: str
    per_channel_dense: bool
    reasons: tuple[str, ...]


def choose_flags(
    targets: Sequence[Target],
    variants: Sequence[Variant],
    *,
    io_type: str,
    per_channel_dense: bool,
) -> Choice:
    """Return the flags with which a model runs on each target with its preferred engine.

    Dense layers get one scale for all their weights, which every library computes right
    at no cost in accuracy, unless per-channel scales are asked for.

    Args:
        targets: The boards.
        variants: What is to be converted to.
        io_type: What is asked for as the type of inputs and outputs.
        per_channel_dense: Whether per-channel Dense layers are asked for.

    Raises:
        RefusedModelError: A target's library would compute per-channel Dense layers wrong
            or not at all, or can't convert inputs of that type.
        UnsupportedModelError: A variant runs on no microcontroller.
    """
    for variant in variants:
        if targets and not VARIANTS[variant].computes_in_integers:
            raise UnsupportedModelError(
                f"Firmware for {targets[0].name} takes int8 models, not {variant.value}.",
                hint="Convert with --variant int8, or without --target for use elsewhere.",
            )
    reasons = []
    for target in targets:
        library = _library(target)
        if library is None:
            continue
        if io_type == "uint8" and "QUANTIZE" not in library.operators:
            raise RefusedModelError(
                f"{library.title}, the library of {target.name}, has no QUANTIZE, which uint8 "
                "inputs need.",
                hint="Convert with --io int8.",
            )
        dense = library.per_channel_fully_connected
        if per_channel_dense and dense.int8 != "right":
            raise RefusedModelError(
                f"Per-channel Dense layers don't run on {target.name}: {dense.reason}.",
                hint="Leave out --per-channel-dense: one scale for each layer's weights is exact "
                "with every library.",
            )
        if dense.int8 != "right":
            reasons.append(
                f"Dense layers get one scale for all weights, as {target.name} needs it: "
                f"{dense.reason}."
            )
    return Choice(
        io_type=io_type,
        per_channel_dense=per_channel_dense,
        reasons=tuple(dict.fromkeys(reasons)),
    )


def _library(target: Target) -> Library | None:
    """Return the library of a target's preferred engine; ``None`` where it needs none."""
    name = target.engines[target.default_engine].library
    return load_library(name) if name else None
