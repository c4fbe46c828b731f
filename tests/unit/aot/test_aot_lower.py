"""Lowering: what operators become, what costs nothing, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from builders import make_graph, make_operator, make_tensor

from edgekit.aot.ir import Call, ConstantRef, Program
from edgekit.aot.lower import lower
from edgekit.graph import DType, Graph, Operator, Tensor
from edgekit.plan.op_support import number_problems


def program_of(graph: Graph) -> Program:
    lowered = lower(graph)
    assert lowered.program is not None, lowered.problems
    return lowered.program


def messages(graph: Graph) -> list[str]:
    lowered = lower(graph)
    assert lowered.program is None
    assert all(problem.hint for problem in lowered.problems)
    return [problem.message for problem in lowered.problems]


def convolution(
    *,
    source: Sequence[int] = (1, 4, 4, 2),
    filters: Sequence[int] = (3, 1, 1, 2),
    target: Sequence[int] = (1, 4, 4, 3),
    name: str = "CONV_2D",
    weights: Mapping[str, object] | None = None,
    bias: Tensor | None = None,
    zero_point: int = 5,
    **options: object,
) -> Graph:
    count = 1
    for size in filters:
        count *= size
    kernel = {
        "scale": 0.25,
        "data": [(index % 7) - 3 for index in range(count)],
        **(weights or {}),
    }
    tensors = [
        make_tensor(source, scale=0.5, zero_point=zero_point, name="x"),
        make_tensor(filters, name="w", **kernel),  # type: ignore[arg-type]
        make_tensor(target, scale=0.5, zero_point=-1, name="layer/conv"),
    ]
    inputs = [0, 1]
    if bias is not None:
        tensors.append(bias)
        inputs.append(3)
    step = {"stride_h": 1, "stride_w": 1, "padding": "SAME", **options}
    return make_graph(tensors, [make_operator(name, inputs, (2,), **step)])  # type: ignore[arg-type]


def only_call(graph: Graph) -> tuple[Program, Call]:
    program = program_of(graph)
    (call,) = program.calls
    return program, call


def values_of(program: Program, place: object, letter: str) -> list[int]:
    assert isinstance(place, ConstantRef)
    return list(memoryview(program.constants[place.index].data).cast(letter))  # type: ignore[call-overload]


def test_the_input_zero_point_goes_into_the_bias() -> None:
    bias = make_tensor((3,), DType.INT32, scale=0.125, data=[100, 200, 300])
    program, call = only_call(convolution(bias=bias))
    filters = call.arguments["filters"]
    assert isinstance(filters, Mapping)
    # Rows of weights: (-3, -2), (-1, 0), (1, 2); the zero point is 5.
    assert values_of(program, filters["bias"], "i") == [125, 205, 285]


def test_a_1x1_convolution_reads_the_input_where_it_lies() -> None:
    _, call = only_call(convolution())
    assert call.arguments["patch"] is None
    assert call.scratch == ()


def test_a_3x3_convolution_gathers_each_window() -> None:
    program, call = only_call(convolution(filters=(3, 3, 3, 2)))
    (scratch,) = call.scratch
    assert program.buffers[scratch].size_bytes == 18
    assert call.macs == 4 * 4 * 3 * 18


def test_a_filter_as_wide_as_the_image_needs_no_gathering() -> None:
    graph = convolution(filters=(3, 2, 4, 2), target=(1, 3, 1, 3), padding="VALID")
    _, call = only_call(graph)
    assert call.scratch == ()


def test_one_scale_is_one_multiplier() -> None:
    program, call = only_call(convolution())
    filters = call.arguments["filters"]
    assert isinstance(filters, Mapping)
    assert filters["channel_step"] == 0
    assert values_of(program, filters["multiplier"], "i") == [2**30]
    assert values_of(program, filters["shift"], "b") == [-1]


def test_a_scale_a_channel_is_a_multiplier_a_channel() -> None:
    program, call = only_call(convolution(weights={"scale": (0.25, 0.5, 1.0)}))
    filters = call.arguments["filters"]
    assert isinstance(filters, Mapping)
    assert filters["channel_step"] == 1
    assert values_of(program, filters["shift"], "b") == [-1, 0, 1]


def test_a_depth_multiplier_makes_a_grouped_convolution() -> None:
    graph = convolution(
        name="DEPTHWISE_CONV_2D",
        filters=(1, 1, 3, 4),
        target=(1, 4, 4, 4),
        depth_multiplier=2,
        weights={"data": list(range(12))},
    )
    program, call = only_call(graph)
    assert call.kernel == "conv_2d"
    assert call.arguments["groups"] == 2
    filters = call.arguments["filters"]
    assert isinstance(filters, Mapping)
    expected = [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]
    assert values_of(program, filters["weights"], "b") == expected


def chain(*operators: Operator, tensors: Sequence[Tensor], outputs: Sequence[int]) -> Graph:
    return make_graph(tensors, operators, inputs=[0], outputs=outputs)


def test_views_cost_nothing() -> None:
    graph = chain(
        make_operator("RESHAPE", (0,), (1,)),
        make_operator("RELU", (1,), (2,)),
        tensors=[make_tensor((1, 6)), make_tensor((2, 3)), make_tensor((2, 3), scale=0.25)],
        outputs=[1, 2],
    )
    program, call = only_call(graph)
    assert call.kernel == "lookup"
    assert program.outputs[0].buffer == program.inputs[0].buffer
    assert len(program.buffers) == 2


def test_a_table_that_changes_nothing_costs_nothing() -> None:
    graph = chain(
        make_operator("QUANTIZE", (0,), (1,)),
        tensors=[make_tensor(zero_point=3), make_tensor(zero_point=3)],
        outputs=[1],
    )
    assert program_of(graph).calls == ()


def test_a_table_of_a_constant_is_a_constant() -> None:
    graph = make_graph(
        [
            make_tensor((1, 4), name="x"),
            make_tensor((1, 4), data=[-3, 0, 5, 127]),
            make_tensor((1, 4)),
            make_tensor((1, 4)),
        ],
        [make_operator("RELU", (1,), (2,)), make_operator("ADD", (0, 2), (3,))],
    )
    program, call = only_call(graph)
    assert call.kernel == "add"
    right = call.arguments["right"]
    assert isinstance(right, Mapping)
    assert values_of(program, right["data"], "B") == [0, 0, 5, 127]


def test_an_output_that_is_a_constant_is_copied_into_the_arena() -> None:
    graph = make_graph(
        [make_tensor((1, 4)), make_tensor((1, 4), data=[1, 2, 3, 4])],
        [],
        inputs=[0],
        outputs=[1, 1],
    )
    program, call = only_call(graph)
    assert call.kernel == "copy"
    assert program.outputs[0].buffer == program.outputs[1].buffer
    assert program.outputs[0].buffer != program.inputs[0].buffer


def test_equal_constants_are_one() -> None:
    tables = [make_tensor(scale=scale) for scale in (1.0, 0.5, 1.0, 0.5)]
    graph = make_graph(
        tables,
        [
            make_operator("RELU", (0,), (1,)),
            make_operator("RELU", (1,), (2,)),
            make_operator("RELU", (2,), (3,)),
        ],
    )
    program = program_of(graph)
    assert len(program.calls) == 3
    assert len(program.constants) == 2


def test_addition_merges_dimensions_that_step_alike() -> None:
    graph = make_graph(
        [make_tensor((2, 3, 4, 5)), make_tensor((4, 1)), make_tensor((2, 3, 4, 5))],
        [make_operator("ADD", (0, 1), (2,))],
    )
    _, call = only_call(graph)
    assert call.arguments["shape"] == (1, 1, 6, 4, 5)
    left, right = call.arguments["left"], call.arguments["right"]
    assert isinstance(left, Mapping)
    assert isinstance(right, Mapping)
    assert left["steps"] == (0, 0, 20, 5, 1)
    assert right["steps"] == (0, 0, 0, 1, 0)


def test_softmax_keeps_just_the_exponentials_that_count() -> None:
    softmax = {"scale": 1 / 256, "zero_point": -128}
    graph = make_graph(
        [make_tensor((1, 4), scale=1.0), make_tensor((1, 4), **softmax)],  # type: ignore[arg-type]
        [make_operator("SOFTMAX", (0,), (1,), beta=1.0)],
    )
    program, call = only_call(graph)
    exponentials = values_of(program, call.arguments["exponentials"], "i")
    assert exponentials[0] == 2**31 - 1
    assert len(exponentials) == call.arguments["exponential_count"] == 14  # e^-13.86 = 2^-20


def refused(graph: Graph, reason: str) -> None:
    (message,) = messages(graph)
    assert message == f"Operator 0 {graph.main.operators[0].name} ({_layer(graph)}): {reason}."


def _layer(graph: Graph) -> str:
    return graph.main.tensors[graph.main.operators[0].outputs[0]].name


def test_an_operator_that_is_not_there_is_named_with_its_layer() -> None:
    graph = make_graph(
        [make_tensor(), make_tensor(name="model/gelu")], [make_operator("GELU", (0,), (1,))]
    )
    refused(graph, "the aot engine does not have this operator")


def test_a_custom_operator_is_named() -> None:
    operator = make_operator("CUSTOM", (0,), (1,), custom_name="Fancy")
    graph = make_graph([make_tensor(), make_tensor(name="y")], [operator])
    assert messages(graph) == [
        "Operator 0 CUSTOM Fancy (y): the aot engine does not have this operator."
    ]


def test_all_that_is_lacking_is_listed_at_once() -> None:
    graph = make_graph(
        [make_tensor(), make_tensor(name="a"), make_tensor(name="b"), make_tensor(name="c")],
        [
            make_operator("GELU", (0,), (1,)),
            make_operator("RELU", (1,), (2,)),
            make_operator("TANH", (2,), (3,)),
        ],
    )
    assert [message.split(":")[0] for message in messages(graph)] == [
        "Operator 0 GELU (a)",
        "Operator 2 TANH (c)",
    ]


def test_a_float_model_is_one_problem_the_same_as_for_the_other_engine() -> None:
    tensors = [make_tensor(dtype=DType.FLOAT32, name=name) for name in "xyz"]
    graph = make_graph(
        tensors, [make_operator("RELU", (0,), (1,)), make_operator("TANH", (1,), (2,))]
    )
    assert lower(graph).problems == number_problems(graph)
    (problem,) = lower(graph).problems
    assert "float32" in problem.message
    assert "int8" in problem.hint


@pytest.mark.parametrize(
    ("graph", "reason"),
    [
        (
            convolution(weights={"dtype": DType.INT4, "data": b"\0\0\0"}),
            "its weights are INT4 instead of INT8",
        ),
        (convolution(weights={"zero_point": 1}), "its weights have a zero point that is not 0"),
        (convolution(weights={"scale": (0.5, 0.25)}), "its weights have 2 scales for 3 channels"),
        (
            convolution(weights={"data": None}),
            "its weights are computed by the model instead of constant",
        ),
        (convolution(fused_activation_function="TANH"), "its fused activation is TANH"),
        (convolution(stride_h=0), "its option stride_h is 0"),
        (
            convolution(target=(1, 3, 4, 3)),
            "its output is [1, 3, 4, 3] where SAME padding makes it [1, 4, 4, …]",
        ),
        (
            convolution(bias=make_tensor((2,), DType.INT32, data=[1, 2])),
            "it has 2 biases for 3 channels",
        ),
        (
            make_graph(
                [make_tensor(dtype=DType.INT16), make_tensor(dtype=DType.INT16)],
                [make_operator("RELU")],
            ),
            "its input is INT16 instead of INT8",
        ),
        (
            make_graph([make_tensor(scale=None), make_tensor()], [make_operator("RELU")]),
            "its input has no scale",
        ),
        (
            make_graph([make_tensor(), make_tensor()], [make_operator("SOFTMAX", beta=1.0)]),
            "its output has the scale 0.5 and the zero point 0, which TFLM refuses",
        ),
        (
            make_graph([make_tensor((1, 4)), make_tensor((1, 5))], [make_operator("RESHAPE")]),
            "it turns INT8 [1, 4] into INT8 [1, 5]",
        ),
        (
            make_graph([make_tensor((1, 0)), make_tensor((1, 0))], [make_operator("RELU")]),
            "'tensor_0' is empty: [1, 0]",
        ),
    ],
)
def test_what_is_refused_says_why(graph: Graph, reason: str) -> None:
    assert reason in "\n".join(messages(graph))


def test_a_variable_is_refused() -> None:
    graph = make_graph(
        [make_tensor(), make_tensor(is_variable=True, name="state"), make_tensor()],
        [make_operator("ADD", (0, 1), (2,))],
    )
    assert "it keeps 'state' from one inference to the next" in messages(graph)[0]
