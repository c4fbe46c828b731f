"""TFLM's arena for graphs of random operators, against what TFLM took under QEMU."""

from __future__ import annotations

import pytest
from ground_truth import BUILDS
from random_graphs import random_model

from edgekit.model.reader import read_graph
from edgekit.plan.tflm_overhead import tflm_arena

MEASURED = (
    (2000, "m3_cmsis_rel", 1104, 432, 1536),
    (2000, "m4_cmsis_rel", 1104, 432, 1536),
    (2000, "m4_ref_rel", 1104, 432, 1536),
    (2001, "m3_cmsis_rel", 3264, 404, 3680),
    (2001, "m4_cmsis_rel", 3264, 404, 3680),
    (2001, "m4_ref_rel", 3264, 404, 3680),
    (2002, "m3_cmsis_rel", 32400, 804, 33216),
    (2002, "m4_cmsis_rel", 32400, 804, 33216),
    (2002, "m4_ref_rel", 32400, 804, 33216),
    (2003, "m3_cmsis_rel", 96, 860, 1696),
    (2003, "m4_cmsis_rel", 96, 860, 1696),
    (2003, "m4_ref_rel", 96, 860, 1696),
    (2004, "m3_cmsis_rel", 2048, 884, 2944),
    (2004, "m4_cmsis_rel", 2048, 884, 2944),
    (2004, "m4_ref_rel", 2048, 884, 2944),
    (2005, "m3_cmsis_rel", 576, 740, 1424),
    (2005, "m4_cmsis_rel", 576, 740, 1424),
    (2005, "m4_ref_rel", 576, 724, 1344),
    (2006, "m3_cmsis_rel", 80, 584, 912),
    (2006, "m4_cmsis_rel", 80, 584, 912),
    (2006, "m4_ref_rel", 80, 584, 912),
    (2007, "m3_cmsis_rel", 11360, 548, 11920),
    (2007, "m4_cmsis_rel", 11360, 548, 11920),
    (2007, "m4_ref_rel", 11360, 548, 11920),
    (2008, "m3_cmsis_rel", 720, 320, 1040),
    (2008, "m4_cmsis_rel", 720, 320, 1040),
    (2008, "m4_ref_rel", 720, 320, 1040),
    (2009, "m3_cmsis_rel", 1456, 596, 2064),
    (2009, "m4_cmsis_rel", 1456, 596, 2064),
    (2009, "m4_ref_rel", 1456, 596, 2064),
    (2010, "m3_cmsis_rel", 96, 368, 656),
    (2010, "m4_cmsis_rel", 96, 368, 656),
    (2010, "m4_ref_rel", 96, 368, 656),
    (2011, "m3_cmsis_rel", 3328, 1272, 4608),
    (2011, "m4_cmsis_rel", 3328, 1272, 4608),
    (2011, "m4_ref_rel", 3328, 1256, 4592),
    (2012, "m4_ref_rel", 64, 2532, 2752),
    (2013, "m3_cmsis_rel", 6512, 564, 7088),
    (2013, "m4_cmsis_rel", 6512, 564, 7088),
    (2013, "m4_ref_rel", 6512, 564, 7088),
    (2014, "m3_cmsis_rel", 976, 432, 1408),
    (2014, "m4_cmsis_rel", 976, 432, 1408),
    (2014, "m4_ref_rel", 976, 432, 1408),
    (2015, "m3_cmsis_rel", 1440, 868, 2320),
    (2015, "m4_cmsis_rel", 1440, 868, 2320),
    (2015, "m4_ref_rel", 1440, 868, 2320),
    (2016, "m3_cmsis_rel", 46992, 820, 47824),
    (2016, "m4_cmsis_rel", 46992, 820, 47824),
    (2016, "m4_ref_rel", 46992, 820, 47824),
    (2017, "m3_cmsis_rel", 112, 616, 912),
    (2017, "m4_cmsis_rel", 112, 616, 912),
    (2017, "m4_ref_rel", 112, 584, 880),
    (2018, "m3_cmsis_rel", 144, 420, 624),
    (2018, "m4_cmsis_rel", 144, 420, 624),
    (2018, "m4_ref_rel", 144, 420, 624),
    (2019, "m3_cmsis_rel", 9760, 712, 10480),
    (2019, "m4_cmsis_rel", 9760, 712, 10480),
    (2019, "m4_ref_rel", 9760, 712, 10480),
    (2020, "m3_cmsis_rel", 528, 596, 1136),
    (2020, "m4_cmsis_rel", 528, 596, 1136),
    (2020, "m4_ref_rel", 528, 596, 1136),
    (2021, "m3_cmsis_rel", 3856, 804, 4672),
    (2021, "m4_cmsis_rel", 3856, 804, 4672),
    (2021, "m4_ref_rel", 3856, 772, 4640),
    (2022, "m3_cmsis_rel", 10768, 1104, 11872),
    (2022, "m4_cmsis_rel", 10768, 1104, 11872),
    (2022, "m4_ref_rel", 10768, 1104, 11872),
    (2023, "m3_cmsis_rel", 336, 704, 1232),
    (2023, "m4_cmsis_rel", 336, 704, 1232),
    (2023, "m4_ref_rel", 336, 704, 1232),
    (2024, "m3_cmsis_rel", 288, 456, 752),
    (2024, "m4_cmsis_rel", 288, 456, 752),
)
"""Seed of the graph, core and kernels, head, tail, and the smallest arena that worked.

tflite-micro 90b983c with CMSIS-NN 4ab83cc, compiled by arm-none-eabi-gcc 12.2 and run
under QEMU 7.2 on an emulated Cortex-M4F or M3; the arena searched in steps of 16. The
graphs have offline plans, 4-bit weights, subgraphs and variables among them.
"""


@pytest.mark.parametrize(("seed", "variant", "head", "tail", "smallest"), MEASURED)
def test_head_tail_and_minimum_are_what_tflm_took(
    seed: int, variant: str, head: int, tail: int, smallest: int
) -> None:
    arena = tflm_arena(read_graph(random_model(seed)), BUILDS[variant])
    assert (arena.head_bytes, arena.tail_bytes, arena.minimum_bytes) == (head, tail, smallest)
