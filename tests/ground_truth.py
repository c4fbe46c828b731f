"""TFLM's measured arenas and sizes, where the reference data is present."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from edgekit.plan.tflm_kernels import TflmBuild

BUILDS = {
    f"{core}_{name}_rel": TflmBuild(kernels=kernels, has_dsp=core == "m4", short_enums=True)
    for core in ("m3", "m4")
    for name, kernels in (("ref", "reference"), ("cmsis", "cmsis-nn"))
}


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One model and kernel variant, measured under QEMU."""

    model: str
    variant: str
    build: TflmBuild
    macs: int
    head_bytes: int
    tail_bytes: int
    scratch_buffers: int
    arena_min_bytes: int
    flash_minus_model: int | None
    static_bytes: int | None


def measurements(shared_models: Path) -> list[Measurement]:
    """Return the rows that succeeded and whose model is in the corpus."""
    rows = []
    with (shared_models.parent / "tflm_ground_truth.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            model = shared_models / "corpus" / f"{row['model']}.tflite"
            if row["status"] != "ok" or not model.exists():
                continue
            flash = row["flash_minus_model"]
            rows.append(
                Measurement(
                    model=row["model"],
                    variant=row["variant"],
                    build=BUILDS[row["variant"]],
                    macs=int(row["macs"]),
                    head_bytes=int(row["head_bytes"]),
                    tail_bytes=int(row["tail_bytes"]),
                    scratch_buffers=int(row["scratch_buffers"]),
                    arena_min_bytes=int(row["arena_min_bytes"]),
                    flash_minus_model=int(flash) if flash else None,
                    static_bytes=int(row["bss"]) + int(row["data"]) if row["bss"] else None,
                )
            )
    return rows
