"""TFLM's arena, against what TFLM itself took under QEMU."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from builders import make_graph, make_operator, make_subgraph, make_target, make_tensor
from ground_truth import BUILDS, measurements

from edgekit.graph import DType, Graph
from edgekit.model.reader import read_graph
from edgekit.plan.arena import plan_arena
from edgekit.plan.lifetimes import tensor_lifetimes
from edgekit.plan.tflm_kernels import TflmBuild, init_bytes, make_node, options_struct, prepare
from edgekit.plan.tflm_overhead import tflm_arena, tflm_build
from edgekit.targets import EngineSupport, load_target, target_names

REFERENCE = BUILDS["m4_ref_rel"]
CMSIS = BUILDS["m4_cmsis_rel"]
CMSIS_NO_DSP = BUILDS["m3_cmsis_rel"]


def grouped_conv() -> Graph:
    """An int8 CONV_2D in two groups, 8 × 8 × 8, 3 × 3, SAME."""
    per_channel = [0.1] * 8
    return make_graph(
        [
            make_tensor((1, 8, 8, 8)),
            make_tensor((8,), DType.INT32, scale=per_channel, data=[0] * 8),
            make_tensor((8, 3, 3, 4), scale=per_channel, data=[1] * 288),
            make_tensor((1, 8, 8, 8)),
        ],
        [
            make_operator(
                "CONV_2D",
                inputs=[0, 2, 1],
                outputs=[3],
                padding="SAME",
                stride_w=1,
                stride_h=1,
            )
        ],
    )


def batch_matmul(right: tuple[int, ...], output: tuple[int, ...], *, adj_y: bool) -> Graph:
    """An int8 BATCH_MATMUL of 1 × 6 × 12; the right side is a constant without ``adj_y``."""
    data = None if adj_y else [1] * (right[1] * right[2])
    return make_graph(
        [make_tensor((1, 6, 12)), make_tensor(right, data=data), make_tensor(output)],
        [make_operator("BATCH_MATMUL", inputs=[0, 1], outputs=[2], adj_y=adj_y)],
    )


ADJOINT = batch_matmul((1, 8, 12), (1, 6, 8), adj_y=True)
CONSTANT = batch_matmul((1, 12, 12), (1, 6, 12), adj_y=False)


@pytest.mark.parametrize(
    ("graph", "build", "measured"),
    [
        (grouped_conv(), REFERENCE, (1024, 500, 1536)),
        (grouped_conv(), CMSIS, (1312, 500, 1824)),
        (ADJOINT, REFERENCE, (224, 452, 688)),
        (ADJOINT, CMSIS, (224, 468, 704)),
        (CONSTANT, REFERENCE, (160, 580, 752)),
        (CONSTANT, CMSIS, (160, 596, 768)),
    ],
    ids=["conv-ref", "conv-cmsis", "adjoint-ref", "adjoint-cmsis", "const-ref", "const-cmsis"],
)
def test_head_tail_and_minimum_are_what_tflm_took(
    graph: Graph, build: TflmBuild, measured: tuple[int, int, int]
) -> None:
    """The numbers are measured: tflite-micro 90b983c on a Cortex-M4F under QEMU."""
    arena = tflm_arena(graph, build)
    assert (arena.head_bytes, arena.tail_bytes, arena.minimum_bytes) == measured


@pytest.mark.shared_data
def test_every_measured_arena_to_the_byte(shared_models: Path) -> None:
    wrong = []
    rows = measurements(shared_models)
    for row in rows:
        graph = read_graph((shared_models / "corpus" / f"{row.model}.tflite").read_bytes())
        arena = tflm_arena(graph, row.build)
        computed = (arena.head_bytes, arena.tail_bytes, arena.minimum_bytes)
        measured = (row.head_bytes, row.tail_bytes, row.arena_min_bytes)
        if computed != measured:
            wrong.append((row.model, row.variant, computed, measured))
    assert len(rows) > 150
    assert wrong == []


@pytest.mark.shared_data
def test_the_head_is_the_plan_of_the_tensors_where_no_scratch_is_asked_for(
    shared_models: Path,
) -> None:
    checked = 0
    for row in measurements(shared_models):
        if row.scratch_buffers == 0:
            graph = read_graph((shared_models / "corpus" / f"{row.model}.tflite").read_bytes())
            assert plan_arena(tensor_lifetimes(graph)).size_bytes == row.head_bytes, row.model
            checked += 1
    assert checked > 80


CHIRALE_MINIMUM_BYTES = {
    "arduino_hello_world": 1152,
    "arduino_magic_wand": 9440,
    "arduino_micro_speech": 6928,
    "keras_cnn28": 15248,
    "keras_deep_mlp": 2160,
    "keras_dilated_mix": 8272,
    "keras_dw_stride2": 8000,
    "keras_two_in_two_out": 2480,
    "mlperf_ad_autoencoder_int8": 2976,
    "mlperf_ic_resnet8_int8": 55200,
    "mlperf_kws_dscnn_int8": 24176,
    "op_add_bcast": 1168,
    "op_conv_grouped": 1904,
    "op_rsqrt": 880,
    "seanet_strided_slice33": 37744,
    "seanet_transpose_conv2": 42480,
}
"""The smallest arena, in steps of 16, with which AllocateTensors of
Chirale_TensorFlowLite 2.0.0 (commit 46da2f9) succeeded on a Cortex-M4F under QEMU."""


def test_the_library_of_2023_has_sizes_of_its_own() -> None:
    """One of the measured arenas, from a graph that needs no file."""
    build = tflm_build(load_target("nano33ble"))
    assert (
        tflm_arena(grouped_conv(), build).minimum_bytes == CHIRALE_MINIMUM_BYTES["op_conv_grouped"]
    )


@pytest.mark.shared_data
@pytest.mark.parametrize("model", CHIRALE_MINIMUM_BYTES)
def test_arenas_of_the_library_of_2023_to_the_byte(shared_models: Path, model: str) -> None:
    graph = read_graph((shared_models / "corpus" / f"{model}.tflite").read_bytes())
    arena = tflm_arena(graph, tflm_build(load_target("nano33ble")))
    assert arena.minimum_bytes == CHIRALE_MINIMUM_BYTES[model]


def test_scratch_buffers_live_during_their_operator() -> None:
    (scratch,) = (
        item for item in tflm_arena(grouped_conv(), CMSIS).plan.buffers if item.tensor < 0
    )
    assert scratch.name == "scratch of CONV_2D 0"
    assert scratch.size_bytes == 288
    assert (scratch.first_step, scratch.last_step) == (1, 1)


def test_a_variable_goes_to_the_tail() -> None:
    def with_variable(is_variable: bool) -> Graph:
        state = make_tensor((1, 100), is_variable=is_variable)
        return make_graph(
            [make_tensor(), state, make_tensor()],
            [make_operator("ADD_N", inputs=[0, 1], outputs=[2])],
            inputs=[0] if is_variable else [0, 1],
        )

    kept = tflm_arena(with_variable(True), REFERENCE)
    planned = tflm_arena(with_variable(False), REFERENCE)
    assert planned.head_bytes - kept.head_bytes == 112
    assert kept.tail_bytes > planned.tail_bytes


def test_a_tensor_that_no_operator_touches_still_takes_its_place() -> None:
    graph = make_graph(
        [make_tensor(), make_tensor(), make_tensor((1, 1000))],
        [make_operator()],
        inputs=[0],
        outputs=[1],
    )
    assert tflm_arena(graph, REFERENCE).head_bytes == 1008


def test_a_subgraph_counts_its_tensors_and_operators() -> None:
    branch = make_subgraph([make_tensor(), make_tensor()], [make_operator()])
    alone = make_graph()
    both = make_graph(subgraphs=[branch])
    difference = tflm_arena(both, REFERENCE).tail_bytes - tflm_arena(alone, REFERENCE).tail_bytes
    # 8 a subgraph, 12 a tensor, 32 an operator, 28 up to 32 for the RELU's own data
    assert difference == 8 + 2 * 12 + 32 + 32


def test_without_static_memory_nodes_and_tensors_are_larger() -> None:
    full = dataclasses.replace(REFERENCE, static_memory=False)
    small, large = tflm_arena(grouped_conv(), REFERENCE), tflm_arena(grouped_conv(), full)
    assert large.head_bytes == small.head_bytes
    assert large.tail_bytes > small.tail_bytes + 2 * 32
    assert large.minimum_bytes > small.minimum_bytes


def test_long_enumerations_make_larger_options() -> None:
    graph = make_graph(
        [make_tensor(), make_tensor(), make_tensor()], [make_operator("ADD", [0, 1], [2])]
    )
    short = make_node(graph.main, graph.main.operators[0], REFERENCE)
    long = make_node(
        graph.main,
        graph.main.operators[0],
        TflmBuild(kernels="reference", has_dsp=False, short_enums=False),
    )
    assert options_struct(short) == (2, 1)
    assert options_struct(long) == (8, 4)


def prepared(
    name: str,
    inputs: list[tuple[tuple[int, ...], DType]],
    output: tuple[int, ...],
    build: TflmBuild,
    **options: object,
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    tensors = [make_tensor(shape, dtype) for shape, dtype in inputs]
    tensors.append(make_tensor(output, inputs[0][1]))
    operator = make_operator(name, range(len(inputs)), [len(inputs)], **options)  # type: ignore[arg-type]
    graph = make_graph(tensors, [operator], inputs=list(range(len(inputs))))
    result = prepare(make_node(graph.main, graph.main.operators[0], build))
    return result.persistent, result.scratch


I8, I16, F32 = DType.INT8, DType.INT16, DType.FLOAT32
IMAGE, KERNEL = (1, 9, 9, 4), (8, 3, 3, 4)


@pytest.mark.parametrize(
    ("name", "inputs", "output", "build", "options", "expected"),
    [
        ("CONV_2D", [(IMAGE, I8), (KERNEL, I8)], (1, 7, 7, 8), REFERENCE, {}, ((32, 32), ())),
        ("CONV_2D", [(IMAGE, I8), (KERNEL, I8)], (1, 7, 7, 8), CMSIS, {}, ((32, 32), (144,))),
        ("CONV_2D", [(IMAGE, I16), (KERNEL, I8)], (1, 7, 7, 8), CMSIS, {}, ((32, 32), (144,))),
        ("CONV_2D", [(IMAGE, F32), (KERNEL, F32)], (1, 7, 7, 8), CMSIS, {}, ((), ())),
        ("CONV_2D", [(IMAGE, I8), ((8, 1, 1, 4), I8)], (1, 9, 9, 8), CMSIS, {}, ((32, 32), ())),
        (
            "CONV_2D",
            [(IMAGE, I8), (KERNEL, DType.INT4)],
            (1, 7, 7, 8),
            REFERENCE,
            {},
            ((32, 32), (288,)),
        ),
        (
            "DEPTHWISE_CONV_2D",
            [(IMAGE, I8), ((1, 5, 5, 4), I8)],
            (1, 5, 5, 4),
            CMSIS,
            {},
            ((16, 16), (200,)),
        ),
        (
            "DEPTHWISE_CONV_2D",
            [(IMAGE, I8), ((1, 5, 5, 4), I8)],
            (1, 5, 5, 4),
            CMSIS_NO_DSP,
            {},
            ((16, 16), ()),
        ),
        (
            "DEPTHWISE_CONV_2D",
            [(IMAGE, I8), ((1, 3, 3, 4), I8)],
            (1, 9, 9, 4),
            CMSIS,
            {"padding": "SAME", "stride_h": 1, "stride_w": 1},
            ((16, 16), ()),
        ),
        (
            "FULLY_CONNECTED",
            [((1, 3, 8), I8), ((5, 8), I8)],
            (1, 3, 5),
            CMSIS,
            {},
            ((), (40,)),
        ),
        ("FULLY_CONNECTED", [((1, 8), I8), ((5, 8), I8)], (1, 5), CMSIS, {}, ((), ())),
        ("AVERAGE_POOL_2D", [(IMAGE, I8)], (1, 1, 1, 4), CMSIS, {}, ((), (16,))),
        ("AVERAGE_POOL_2D", [(IMAGE, I8)], (1, 1, 1, 4), CMSIS_NO_DSP, {}, ((), ())),
        ("SOFTMAX", [((1, 10), I16)], (1, 10), REFERENCE, {}, ((1026, 1026), ())),
        ("MEAN", [(IMAGE, I8), ((2,), DType.INT32)], (1, 4), REFERENCE, {}, ((), (16, 16, 8))),
        ("REDUCE_MAX", [(IMAGE, I8), ((2,), DType.INT32)], (1, 4), REFERENCE, {}, ((), (16, 8))),
        ("MIRROR_PAD", [(IMAGE, I8), ((4, 2), DType.INT32)], IMAGE, REFERENCE, {}, ((), (16, 16))),
        (
            "TRANSPOSE_CONV",
            [((4,), DType.INT32), ((8, 3, 3, 4), I8), (IMAGE, I8)],
            (1, 11, 11, 8),
            CMSIS,
            {"stride_h": 2, "stride_w": 2},
            # not the fast path: 4 input channels are too few
            ((32, 32), ((8 * 2 + 3) * 8 * 3 * 4, 0)),
        ),
        (
            "TRANSPOSE_CONV",
            [((4,), DType.INT32), ((8, 3, 3, 20), I8), ((1, 9, 9, 20), I8)],
            (1, 11, 11, 8),
            CMSIS,
            {"stride_h": 2, "stride_w": 2},
            ((32, 32), (4 * 180, 180 * 8)),
        ),
        (
            "TRANSPOSE_CONV",
            [((4,), DType.INT32), ((8, 3, 3, 4), I8), (IMAGE, I8)],
            (1, 11, 11, 8),
            REFERENCE,
            {},
            ((32, 32), (4 * 968,)),
        ),
        (
            "SVDF",
            [((1, 10), I8), ((8, 10), I8), ((8, 6), I16)],
            (1, 4),
            REFERENCE,
            {"rank": 2},
            ((), (32, 16)),
        ),
        ("SVDF", [((1, 10), F32), ((8, 10), F32), ((8, 6), F32)], (1, 4), CMSIS, {}, ((), (32,))),
        ("ADD_N", [((1, 4), I8), ((1, 4), I8)], (1, 4), REFERENCE, {}, ((40,), (8,))),
        ("GATHER", [((3, 4), I8), ((2,), DType.INT32)], (2, 4), REFERENCE, {}, ((12,), ())),
        ("LOG_SOFTMAX", [((1, 4), I8)], (1, 4), REFERENCE, {}, ((28,), ())),
        ("CUMSUM", [((1, 4), F32)], (1, 4), REFERENCE, {}, ((), ())),
        ("RESHAPE", [((1, 4), I8)], (4, 1), CMSIS, {}, ((), ())),
    ],
)
def test_what_a_kernel_asks_for(
    name: str,
    inputs: list[tuple[tuple[int, ...], DType]],
    output: tuple[int, ...],
    build: TflmBuild,
    options: dict[str, object],
    expected: tuple[tuple[int, ...], tuple[int, ...]],
) -> None:
    assert prepared(name, inputs, output, build, **options) == expected


def test_a_per_channel_fully_connected_keeps_two_figures_a_channel() -> None:
    weights = make_tensor((5, 8), scale=[0.1] * 5, data=[1] * 40)
    graph = make_graph(
        [make_tensor((1, 8)), weights, make_tensor((1, 5))],
        [make_operator("FULLY_CONNECTED", [0, 1], [2])],
    )
    node = make_node(graph.main, graph.main.operators[0], REFERENCE)
    assert prepare(node).persistent == (20, 20)
    assert init_bytes(node) == 48


def test_every_target_with_tflm_has_a_build() -> None:
    builds = {
        name: tflm_build(load_target(name))
        for name in target_names()
        if "tflm" in load_target(name).engines
    }
    assert builds["nano33ble"].has_dsp
    assert builds["nano33ble"].short_enums
    assert not builds["esp32s3"].has_dsp
    assert not builds["esp32s3"].short_enums
    # Chirale_TensorFLowLite is compiled without TF_LITE_STATIC_MEMORY
    assert not any(build.static_memory for build in builds.values())
    assert all(build.is_2023 for build in builds.values())


def test_a_library_that_is_not_known_is_taken_for_tflm_itself() -> None:
    engine = EngineSupport(template="", library="tflite-micro", kernels="cmsis-nn", source="a test")
    build = tflm_build(make_target(engines={"tflm": engine}))
    assert build == CMSIS
