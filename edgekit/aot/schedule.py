"""Second pass: which calls run, and in what order.

The model's own order is kept (reordering gains nothing on the models that we know);
calls whose results nobody reads are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.aot.ir import Call, Program


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """The calls in order of execution: call *i* is step *i* + 1, the inputs are step 0."""

    calls: tuple[Call, ...]

    @property
    def end(self) -> int:
        """The step after the last call, when the outputs are read."""
        return len(self.calls) + 1


def schedule(program: Program) -> Schedule:
    """Order the calls, without those that no output depends on."""
    needed = {port.buffer for port in program.outputs}
    kept = []
    for call in reversed(program.calls):
        if needed.intersection(call.writes):
            needed.update(call.reads)
            kept.append(call)
    return Schedule(calls=tuple(reversed(kept)))
