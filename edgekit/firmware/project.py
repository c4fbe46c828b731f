"""A project: the whole tree as text, deterministic down to the byte."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekit.errors import RefusedModelError, TargetError, UnsupportedModelError, did_you_mean
from edgekit.firmware.marker import MARKER, marker_text
from edgekit.firmware.render import render_folder
from edgekit.firmware.sketch import Sketch, TestVector, make_sketch
from edgekit.firmware.write import write_project
from edgekit.graph import Graph
from edgekit.results import Plan
from edgekit.targets import EngineSupport, Target

if TYPE_CHECKING:
    from edgekit.aot.compiler import Compiled

__all__ = ["Project", "TestVector", "generate", "write_project"]

SHARED_TEMPLATE = "shared"
"""The template folder that goes into every project's ``src/``."""

_PORTS: Mapping[str, str] = {"host": "port_host.c", "qemu": "port_mps2.c"}
"""The file of the template ``aot_bare`` for a target's kind of emulator; the others stay out."""

_TEST_VECTOR_FILES = ("edgekit_test_vector.h", "edgekit_test_vector.c")


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """A PlatformIO project: text by relative POSIX path."""

    name: str
    target: str
    engine: str
    files: Mapping[str, str]


def generate(
    graph: Graph,
    model: bytes,
    target: Target,
    engine: str,
    plan: Plan,
    *,
    name: str,
    compiled: Compiled | None = None,
    test_vector: TestVector | None = None,
) -> Project:
    """Return the project that runs ``model`` on ``target`` with ``engine``.

    Args:
        graph: The parsed model.
        model: The bytes that it was parsed from.
        target: The board.
        engine: ``"tflm"`` or ``"aot"``, one that the target has.
        plan: The verdict for exactly these; its arena is what the firmware reserves.
        name: The model's name, as the firmware reports it (cleaned of odd characters).
        compiled: What the aot compiler made of ``graph``; made here where not given.
        test_vector: A sample to build in, for the protocol's ``selftest``.

    Raises:
        TargetError: The target does not have the engine, there is no template for the
            pair yet, or nothing is known of its library.
        RefusedModelError: The plan says that the engine can't run the model.
        UnsupportedModelError: The model itself can't run anywhere, or firmware can't carry the
            model's types or operators.
    """
    support = _support(target, engine)
    for problem in plan.problems:
        error = UnsupportedModelError if problem.is_models else RefusedModelError
        raise error(problem.message, hint=problem.hint)
    sketch = make_sketch(graph, model, target, engine, plan, name=name, test_vector=test_vector)
    unused = _unused_files(target, sketch)
    files = render_folder(support.template, sketch, leave_out=unused)
    files |= render_folder(SHARED_TEMPLATE, sketch, into="src", leave_out=unused)
    if engine == "aot":
        files |= {f"src/{path}": text for path, text in _compile(graph, compiled).items()}
    files[MARKER] = marker_text(plan, name=sketch.model_name, files=tuple(files))
    return Project(
        name=sketch.model_name,
        target=target.name,
        engine=engine,
        files=dict(sorted(files.items())),
    )


def _support(target: Target, engine: str) -> EngineSupport:
    support = target.engines.get(engine)
    if support is None:
        raise TargetError(
            f"Target {target.name!r} has no engine {engine!r}.",
            hint=did_you_mean(engine, target.engines),
        )
    if not support.template:
        others = [name for name, other in target.engines.items() if other.template]
        raise TargetError(
            f"There is no project template for engine {engine!r} on target {target.name!r} yet.",
            hint=f"Use engine {others[0]!r} on it."
            if others
            else "Generate for the target 'host' with engine 'aot', and take its "
            "src/edgekit_aot_*.[ch] and src/edgekit_model.h into a project of your own.",
        )
    return support


def _unused_files(target: Target, sketch: Sketch) -> frozenset[str]:
    """Return the names of the template files that this project has no use for."""
    kind = target.emulator.kind if target.emulator else ""
    unused = {file for key, file in _PORTS.items() if key != kind}
    if not sketch.has_test_vector:
        unused.update(_TEST_VECTOR_FILES)
    return frozenset(unused)


def _compile(graph: Graph, compiled: Compiled | None) -> Mapping[str, str]:
    if compiled is None:
        from edgekit.aot.compiler import compile_graph

        compiled = compile_graph(graph)
    return compiled.files
