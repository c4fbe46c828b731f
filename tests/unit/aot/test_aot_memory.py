"""Schedule and memory: what runs, and where each buffer lies."""

from __future__ import annotations

from itertools import combinations, pairwise

from builders import make_graph, make_operator, make_tensor
from hypothesis import given
from hypothesis import strategies as st

from edgekit.aot.compiler import Layout, lay_out
from edgekit.graph import ABSENT, Graph


def layout_of(graph: Graph) -> Layout:
    layout = lay_out(graph)
    assert isinstance(layout, Layout), layout
    return layout


def test_calls_that_no_output_depends_on_are_left_out() -> None:
    graph = make_graph(
        [make_tensor(scale=scale) for scale in (1.0, 0.5, 0.25, 0.125)],
        [
            make_operator("RELU", (0,), (1,)),
            make_operator("RELU", (0,), (2,)),
            make_operator("RELU", (2,), (3,)),
        ],
        outputs=[1],
    )
    layout = layout_of(graph)
    assert [call.operator for call in layout.schedule.calls] == [0]
    assert {buffer.tensor for buffer in layout.memory.arena.buffers} == {0, 1}


def test_inputs_are_apart_even_if_one_is_read_late_or_never() -> None:
    graph = make_graph(
        [
            make_tensor((1, 32), name=name, scale=scale)
            for name, scale in zip("abcde", (1, 2, 3, 4, 5), strict=True)
        ],
        [make_operator("RELU", (0,), (3,)), make_operator("ADD", (3, 1), (4,))],
        inputs=[0, 1, 2],
        outputs=[4],
    )
    layout = layout_of(graph)
    offsets = sorted(layout.memory.offsets[port.buffer] for port in layout.program.inputs)
    assert all(after - before >= 32 for before, after in pairwise(offsets))
    assert all(buffer.first_step == 0 for buffer in layout.memory.arena.buffers[:3])


def test_scratch_memory_lives_during_its_call() -> None:
    weights = make_tensor((2, 3, 3, 2), scale=0.1, data=bytes(36))
    graph = make_graph(
        [make_tensor((1, 4, 4, 2)), weights, make_tensor((1, 4, 4, 2), name="y")],
        [make_operator("CONV_2D", (0, 1), (2,), stride_h=1, stride_w=1)],
    )
    buffers = {buffer.name: buffer for buffer in layout_of(graph).memory.arena.buffers}
    scratch = buffers["y (window)"]
    assert scratch.tensor == ABSENT
    assert scratch.size_bytes == 18
    assert (scratch.first_step, scratch.last_step) == (1, 1)


def test_a_view_keeps_its_storage_alive() -> None:
    graph = make_graph(
        [
            make_tensor((1, 16)),
            make_tensor((16,)),
            make_tensor((1, 16), scale=0.25),
            make_tensor((1, 16), scale=0.125),
            make_tensor((1, 16), scale=1.0),
        ],
        [
            make_operator("RESHAPE", (0,), (1,)),
            make_operator("RELU", (0,), (2,)),
            make_operator("RELU", (2,), (3,)),
            make_operator("ADD", (1, 3), (4,)),
        ],
    )
    layout = layout_of(graph)
    first = next(item for item in layout.memory.arena.buffers if item.tensor == 0)
    assert (first.first_step, first.last_step) == (0, 3)


@st.composite
def random_graphs(draw: st.DrawFn) -> Graph:
    """Additions of any two earlier tensors; any of them may be outputs."""
    count = draw(st.integers(1, 8))
    inputs = draw(st.integers(1, 3))
    tensors = [make_tensor((1, 16), index=index) for index in range(inputs + count)]
    operators = [
        make_operator(
            "ADD",
            (draw(st.integers(0, inputs + step - 1)), draw(st.integers(0, inputs + step - 1))),
            (inputs + step,),
        )
        for step in range(count)
    ]
    outputs = draw(st.lists(st.integers(0, inputs + count - 1), min_size=1, max_size=4))
    return make_graph(tensors, operators, inputs=list(range(inputs)), outputs=outputs)


@given(random_graphs())
def test_buffers_that_live_together_never_overlap(graph: Graph) -> None:
    layout = layout_of(graph)
    arena = layout.memory.arena
    for one, other in combinations(arena.buffers, 2):
        together = one.first_step <= other.last_step and other.first_step <= one.last_step
        apart = (
            one.offset_bytes + one.size_bytes <= other.offset_bytes
            or other.offset_bytes + other.size_bytes <= one.offset_bytes
        )
        assert apart or not together
    for buffer in arena.buffers:
        assert buffer.offset_bytes % 16 == 0
        assert buffer.offset_bytes + buffer.size_bytes <= arena.size_bytes


@given(random_graphs())
def test_what_is_read_was_written_and_is_still_there(graph: Graph) -> None:
    """Run the schedule on labels: each byte remembers which tensor was written last."""
    layout = layout_of(graph)
    program, memory = layout.program, layout.memory
    holder: dict[int, int] = {}

    def write(buffer: int) -> None:
        for byte in range(program.buffers[buffer].size_bytes):
            holder[memory.offsets[buffer] + byte] = buffer

    def check(buffer: int) -> None:
        for byte in range(program.buffers[buffer].size_bytes):
            assert holder[memory.offsets[buffer] + byte] == buffer

    for port in program.inputs:
        write(port.buffer)
    for port in program.inputs:
        check(port.buffer)
    for call in layout.schedule.calls:
        for buffer in call.reads:
            check(buffer)
        for buffer in call.writes:
            write(buffer)
        for buffer in call.reads:
            check(buffer)
    for port in program.outputs:
        check(port.buffer)
