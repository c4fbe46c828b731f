"""Whatever the reader accepts: a plan, a project, or an error that says why not; and soon."""

from __future__ import annotations

import random
import struct
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from senseless_models import senseless_model
from tflite_writer import ModelWriter
from written_models import WRITTEN

from edgekit.aot.compiler import Layout, compile_graph, lay_out
from edgekit.engines import plan_model
from edgekit.errors import EdgeKitError, InvalidModelError
from edgekit.graph import DType, Graph
from edgekit.model.reader import read_graph
from edgekit.stages import Model, make_project, plan_everywhere
from edgekit.targets import load_target, target_names

TARGETS = [load_target(name) for name in target_names()]
PAIRS = [(target, engine) for target in TARGETS for engine in target.engines]
PROJECTS = [(target, engine) for target, engine in PAIRS if target.engines[engine].template]
WORDS = (0, 1, 2, 3, 4, 7, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1, 0x3F800000, 0x7F7FFFFF)
BOUND_SECONDS = 20.0


def exercise(data: bytes, graph: Graph, dice: random.Random) -> bool:
    """Plan, compile and generate: nothing but EdgeKitError may come out. Whether aot could."""
    started = time.perf_counter()
    compiled = False
    try:
        for target, engine in dice.sample(PAIRS, 3):
            plan_model(graph, target, engine, model="m")
        compiled = isinstance(lay_out(graph), Layout)
        if compiled:
            compile_graph(graph)
        target, engine = dice.choice(PROJECTS)
        make_project(Model(name="m", data=data, graph=graph), target, engine)
    except EdgeKitError as error:
        assert error.message
        assert error.hint
    assert time.perf_counter() - started < BOUND_SECONDS
    return compiled


def test_senseless_models_are_planned_or_refused() -> None:
    accepted = compiled = 0
    for seed in range(400):
        data = senseless_model(random.Random(seed))
        try:
            graph = read_graph(data)
        except InvalidModelError:
            continue
        accepted += 1
        compiled += exercise(data, graph, random.Random(seed))
    assert accepted > 300
    assert 20 < compiled < 300


def mutants(files: list[bytes], count: int) -> list[tuple[bytes, Graph]]:
    """Return changed files that the reader still accepts."""
    dice = random.Random(7)
    found: list[tuple[bytes, Graph]] = []
    while len(found) < count:
        mutant = bytearray(dice.choice(files))
        for _ in range(dice.choice((1, 1, 2, 4))):
            place = dice.randrange(len(mutant) // 4) * 4
            if dice.random() < 0.5:
                mutant[place + dice.randrange(4)] = dice.randrange(256)
            else:
                struct.pack_into("<I", mutant, place, dice.choice(WORDS))
        try:
            found.append((bytes(mutant), read_graph(bytes(mutant))))
        except InvalidModelError:
            continue
    return found


def test_mutants_of_written_models_are_planned_or_refused() -> None:
    for data, graph in mutants([make().bytes() for make in WRITTEN], 300):
        exercise(data, graph, random.Random(1))


def test_mutants_of_real_models_are_planned_or_refused(shared_models: Path) -> None:
    paths = sorted(shared_models.rglob("*.tflite"))
    files = [data for path in paths if len(data := path.read_bytes()) < 10_000]
    assert len(files) > 40
    for data, graph in mutants(files, 400):
        exercise(data, graph, random.Random(2))


def one(name: str, shape: tuple[int, ...], kind: DType, before: float, after: float) -> bytes:
    model = ModelWriter()
    x = model.input(shape, kind, scale=None if kind.is_float else before)
    model.output(model.op(name, x, model.tensor(shape, scale=after)))
    return model.bytes()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (one("RELU6", (1, 4), DType.INT8, 1e-40, 0.5), "too small"),
        (one("QUANTIZE", (1, 4), DType.FLOAT32, 0.0, 1e-45), "beyond int32"),
    ],
)
def test_a_scale_that_overflows_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(EdgeKitError, match=message):
        compile_graph(read_graph(data))


@pytest.mark.parametrize("activation", ["RELU6", "RELU_N1_TO_1"])
def test_an_activation_beyond_the_scale_is_refused(activation: str) -> None:
    model = ModelWriter()
    x = model.input((1, 4), scale=1e-40)
    y = model.op(
        "ADD", [x, x], model.tensor((1, 4), scale=1e-40), fused_activation_function=activation
    )
    model.output(y)
    with pytest.raises(EdgeKitError, match=f"too small for {activation}"):
        compile_graph(read_graph(model.bytes()))


def test_any_scale_quantises_from_float() -> None:
    for scale in (2.0**-31, 1e-9, 1.0, 1e30, 3.4e38):
        files = compile_graph(read_graph(one("QUANTIZE", (4,), DType.FLOAT32, 0, scale))).files
        assert "nan" not in files["edgekit_aot_model.c"]


def test_a_softmax_whose_sum_wraps_around_is_refused() -> None:
    """8192 equal values: the sum would be 0, and the kernel would shift it without end."""
    model = ModelWriter()
    x = model.input((1, 8192), scale=0.5)
    y = model.tensor((1, 8192), scale=1 / 256, zero_point=-128)
    model.output(model.op("SOFTMAX", x, y, beta=1.0))
    with pytest.raises(EdgeKitError, match="8192 values in a row"):
        compile_graph(read_graph(model.bytes()))


def nested(depth: int) -> Graph:
    """Subgraphs that each call the next."""
    model = ModelWriter()
    for level in range(depth):
        if level:
            model.subgraph(f"level {level}")
        condition, x = model.input((1,), DType.BOOL), model.input((1, 4), scale=0.5)
        y = model.tensor((1, 4), scale=0.5)
        if level < depth - 1:
            called = {"then_subgraph_index": level + 1, "else_subgraph_index": level + 1}
            model.op("IF", [condition, x], y, **called)
        else:
            model.op("RELU", x, y)
        model.output(y)
    return read_graph(model.bytes())


def test_subgraphs_that_call_too_deep_are_refused() -> None:
    assert plan_everywhere(nested(4), model="m")
    with pytest.raises(InvalidModelError, match="more than 64 deep"):
        plan_everywhere(nested(1500), model="m")


def chain(model: ModelWriter, count: int) -> None:
    x = model.input((1, 16), scale=0.5)
    for _ in range(count):
        x = model.op("RELU", x, model.tensor((1, 16), scale=0.4))
    model.output(x)


def fan(model: ModelWriter, count: int) -> None:
    x = model.input((1, 16), scale=0.5)
    for _ in range(count):
        model.output(model.op("RELU", x, model.tensor((1, 16), scale=0.4)))


def terabytes(model: ModelWriter, count: int) -> None:
    first = x = model.input((1, 2**31 - 1), scale=0.5)
    for _ in range(count):
        x = model.op("ADD", [x, first], model.tensor((1, 2**31 - 1), scale=0.4))
        model.output(x)


@pytest.mark.parametrize("make", [chain, fan, terabytes])
def test_thousands_of_operators_are_planned_in_seconds(
    make: Callable[[ModelWriter, int], None],
) -> None:
    model = ModelWriter()
    make(model, 2000)
    graph = read_graph(model.bytes())
    started = time.perf_counter()
    plans = plan_everywhere(graph, model="m")
    assert time.perf_counter() - started < BOUND_SECONDS
    assert all(plan.runs for plan in plans if plan.engine == "aot")
    if make is terabytes:
        assert not any(plan.fits for plan in plans)
        assert max(plan.arena_bytes for plan in plans) > 4 * 10**12


def test_a_model_without_operators_hands_its_input_on() -> None:
    model = ModelWriter()
    model.output(model.input((1, 4), scale=0.5))
    data = model.bytes()
    graph = read_graph(data)
    for target, engine in (PROJECTS[0], PROJECTS[-1]):
        project, plan = make_project(Model(name="m", data=data, graph=graph), target, engine)
        assert plan.fits
        assert project.files


def test_constants_are_folded_however_they_are_quantised() -> None:
    model = ModelWriter()
    model.input((1, 4), scale=0.5)
    x = model.constant(np.array([[1, 2, 3, 4]], np.int8), scale=0.5)
    y = model.op("RELU", x, model.tensor((1, 4), scale=0.25))
    model.output(y, y, x)
    assert len(compile_graph(read_graph(model.bytes())).outputs) == 3
