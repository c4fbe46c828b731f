"""Lifetimes: from the operator that makes a tensor to its last reader."""

from __future__ import annotations

import pytest
from builders import make_graph, make_operator, make_subgraph, make_tensor
from hypothesis import given
from hypothesis import strategies as st

from edgekit.errors import InvalidModelError
from edgekit.graph import DType, Graph
from edgekit.plan.lifetimes import schedule, tensor_lifetimes


def spans(graph: Graph) -> dict[int, tuple[int, int]]:
    return {item.tensor: (item.first_step, item.last_step) for item in tensor_lifetimes(graph)}


def chain(length: int) -> Graph:
    return make_graph(
        [make_tensor() for _ in range(length + 1)],
        [make_operator(inputs=[i], outputs=[i + 1]) for i in range(length)],
    )


def test_an_input_lives_from_the_start_and_an_output_to_the_end() -> None:
    assert spans(chain(3)) == {0: (0, 1), 1: (1, 2), 2: (2, 3), 3: (3, 3)}


def test_a_tensor_lives_to_its_last_reader() -> None:
    graph = make_graph(
        [make_tensor() for _ in range(4)],
        [
            make_operator(inputs=[0], outputs=[1]),
            make_operator(inputs=[1], outputs=[2]),
            make_operator("ADD", inputs=[0, 2], outputs=[3]),
        ],
    )
    assert spans(graph) == {0: (0, 3), 1: (1, 2), 2: (2, 3), 3: (3, 3)}


def test_a_graph_output_that_is_made_early_lives_to_the_end() -> None:
    graph = make_graph(
        [make_tensor() for _ in range(4)],
        [make_operator(inputs=[i], outputs=[i + 1]) for i in range(3)],
        outputs=[1, 3],
    )
    assert spans(graph)[1] == (1, 3)


def test_an_output_that_nobody_reads_lives_one_step() -> None:
    graph = make_graph(
        [make_tensor() for _ in range(4)],
        [
            make_operator("SPLIT", inputs=[0], outputs=[1, 2]),
            make_operator(inputs=[1], outputs=[3]),
        ],
        outputs=[3],
    )
    assert spans(graph)[2] == (1, 1)


def test_an_input_that_nobody_reads_still_has_a_place() -> None:
    graph = make_graph(
        [make_tensor() for _ in range(3)],
        [make_operator(inputs=[0], outputs=[2])],
        inputs=[0, 1],
        outputs=[2],
    )
    assert spans(graph)[1] == (0, 0)


def test_a_graph_without_operators_hands_its_input_on() -> None:
    graph = make_graph([make_tensor()], [], inputs=[0], outputs=[0])
    assert spans(graph) == {0: (0, 0)}


def test_constants_variables_resources_empty_and_idle_tensors_have_no_place() -> None:
    graph = make_graph(
        [
            make_tensor(),
            make_tensor(data=[1, 2, 3, 4]),
            make_tensor(is_variable=True),
            make_tensor((0, 4)),
            make_tensor((), DType.RESOURCE, scale=None),
            make_tensor(),
            make_tensor(),
        ],
        [
            make_operator("VAR_HANDLE", inputs=[], outputs=[4]),
            make_operator("CUSTOM", inputs=[0, 1, 2, 3, 4], outputs=[6], index=1),
        ],
        inputs=[0],
        outputs=[6],
    )
    assert set(spans(graph)) == {0, 6}


def test_an_absent_input_is_passed_over() -> None:
    graph = make_graph(
        [make_tensor() for _ in range(3)],
        [make_operator("FULLY_CONNECTED", inputs=[0, 1, -1], outputs=[2])],
        inputs=[0, 1],
    )
    assert set(spans(graph)) == {0, 1, 2}


def test_sizes_are_bytes_and_packed_types_take_one_an_element() -> None:
    graph = make_graph(
        [make_tensor((3, 5), DType.INT16), make_tensor((3, 5), DType.INT4)], [make_operator()]
    )
    assert [item.size_bytes for item in tensor_lifetimes(graph)] == [30, 15]


def test_called_subgraphs_take_steps_of_their_own() -> None:
    branch = make_subgraph([make_tensor(), make_tensor()], [make_operator()])
    graph = make_graph(
        [make_tensor((1,), DType.BOOL, scale=None), make_tensor(), make_tensor(), make_tensor()],
        [
            make_operator(
                "IF",
                inputs=[0, 1],
                outputs=[2],
                then_subgraph_index=1,
                else_subgraph_index=2,
            ),
            make_operator(inputs=[2], outputs=[3]),
        ],
        inputs=[0, 1],
        outputs=[3],
        subgraphs=[branch, branch],
    )
    # IF is step 1; its branches take 2 and 3, then 4 and 5; RELU is step 6.
    assert schedule(graph).steps == {(0, 0): (1, 5), (0, 1): (6, 6), (1, 0): (3, 3), (2, 0): (5, 5)}
    assert spans(graph) == {
        0: (0, 5),
        1: (0, 5),
        2: (1, 6),
        3: (6, 6),
        4: (2, 3),
        5: (3, 3),
        6: (4, 5),
        7: (5, 5),
    }


def test_a_subgraph_that_calls_itself_is_walked_once() -> None:
    loop = make_subgraph(
        [make_tensor(), make_tensor()],
        [make_operator("WHILE", cond_subgraph_index=1, body_subgraph_index=1)],
    )
    call = make_operator("WHILE", cond_subgraph_index=1, body_subgraph_index=1)
    graph = make_graph([make_tensor(), make_tensor()], [call], subgraphs=[loop])
    assert schedule(graph).steps[1, 0] == (3, 5)


def test_subgraphs_that_multiply_without_end_are_refused() -> None:
    levels = 40
    subgraphs = [
        make_subgraph(
            [make_tensor(), make_tensor()],
            [make_operator("WHILE", cond_subgraph_index=i + 1, body_subgraph_index=i + 1)],
        )
        for i in range(1, levels)
    ]
    call = make_operator("WHILE", cond_subgraph_index=1, body_subgraph_index=1)
    graph = make_graph([make_tensor(), make_tensor()], [call], subgraphs=subgraphs)
    with pytest.raises(InvalidModelError, match="call one another without end") as caught:
        tensor_lifetimes(graph)
    assert "damaged" in caught.value.hint
    assert caught.value.exit_code == 2


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Random graphs in which each operator reads any earlier tensors and makes one or two."""
    count = draw(st.integers(1, 8))
    tensors = [make_tensor((1, draw(st.integers(1, 40)))) for _ in range(draw(st.integers(1, 3)))]
    inputs = list(range(len(tensors)))
    operators = []
    for _ in range(count):
        earlier = st.integers(0, len(tensors) - 1)
        reads = draw(st.lists(earlier, min_size=1, max_size=3))
        makes = draw(st.integers(1, 2))
        made = list(range(len(tensors), len(tensors) + makes))
        tensors += [make_tensor((1, draw(st.integers(1, 40)))) for _ in made]
        operators.append(make_operator("CUSTOM", inputs=reads, outputs=made))
    outputs = draw(st.lists(st.integers(0, len(tensors) - 1), min_size=1, max_size=3, unique=True))
    return make_graph(tensors, operators, inputs=inputs, outputs=outputs)


@given(graphs())
def test_whatever_an_operator_touches_is_alive_in_its_step(graph: Graph) -> None:
    lifetimes = spans(graph)
    last = len(graph.main.operators)
    for operator in graph.main.operators:
        for index in (*operator.inputs, *operator.outputs):
            first_step, last_step = lifetimes[index]
            assert first_step <= operator.index + 1 <= last_step
    for index in graph.main.inputs:
        assert lifetimes[index][0] == 0
    for index in graph.main.outputs:
        assert lifetimes[index][1] == last
