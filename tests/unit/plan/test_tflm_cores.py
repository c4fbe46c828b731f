"""Cores by name, for an arena without a board."""

from __future__ import annotations

import pytest

from edgekit.errors import InputError
from edgekit.libraries import load_library
from edgekit.plan.tflm_cores import CPUS, build_for

TFLM = load_library("tflite-micro")


def test_dsp_instructions_go_by_the_core() -> None:
    assert build_for(TFLM, kernels="cmsis-nn", cpu="cortex-m4").has_dsp
    assert not build_for(TFLM, kernels="cmsis-nn", cpu="cortex-m3").has_dsp
    assert not build_for(TFLM, kernels="cmsis-nn", cpu="cortex-m0plus").has_dsp
    assert build_for(TFLM, kernels="reference", cpu="cortex-m7").static_memory
    assert not build_for(TFLM, kernels="reference", cpu="xtensa").short_enums


def test_an_older_library_brings_its_own_structures() -> None:
    build = build_for(load_library("chirale"), kernels="cmsis-nn", cpu="cortex-m4")
    assert build.is_2023
    assert not build.static_memory


@pytest.mark.parametrize("cpu", CPUS)
def test_every_core_runs_the_reference_kernels(cpu: str) -> None:
    assert build_for(TFLM, kernels="reference", cpu=cpu).kernels == "reference"


def test_an_unknown_core_and_one_that_is_not_arms_are_refused() -> None:
    with pytest.raises(InputError, match="Unknown core 'cortex-m44'") as caught:
        build_for(TFLM, kernels="reference", cpu="cortex-m44")
    assert "cortex-m4" in caught.value.hint
    assert caught.value.exit_code == 2
    with pytest.raises(InputError, match="do not run on xtensa"):
        build_for(TFLM, kernels="cmsis-nn", cpu="xtensa")
