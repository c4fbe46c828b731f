"""A picture of an arena over time, as SVG: operators across, bytes up.

Each buffer is a box from the operator that makes it to its last reader, at its offset.
At the right stands the whole arena: activations below, what the interpreter keeps above.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from edgekit.graph import Graph, layer_of
from edgekit.plan.tflm_overhead import TflmArena
from edgekit.results import PlannedBuffer
from edgekit.units import align_up

_PLOT_HEIGHT = 420
_MOST_WIDTH = 1400
_LEFT, _TOP, _BOTTOM = 76, 64, 142
_BAR_GAP, _BAR_WIDTH, _RIGHT = 56, 64, 150
_LETTER_WIDTH = 6.2

_COLOURS = {
    "input": "#4477aa",
    "output": "#228833",
    "activation": "#66ccee",
    "scratch": "#ee8866",
    "kept": "#bbbbbb",
    "reserve": "#f4e3b2",
}
"""Paul Tol's "bright" and "light" schemes: told apart by colour-blind readers too."""

_STEPS = (1, 2, 2.5, 5)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Scale:
    """From steps and bytes to the picture's coordinates."""

    column: float
    bytes_high: int

    def x(self, step: float) -> float:
        return _LEFT + step * self.column

    def y(self, offset: float) -> float:
        return _TOP + _PLOT_HEIGHT * (1 - offset / self.bytes_high)


def draw_arena(graph: Graph, arena: TflmArena, *, title: str) -> str:
    """Return an SVG file's text.

    Args:
        graph: The model.
        arena: Its arena as TFLM lays it out.
        title: The picture's heading.
    """
    steps = 1 + max((buffer.last_step for buffer in arena.plan.buffers), default=0)
    column = max(6.0, min(64.0, (_MOST_WIDTH - _LEFT - _BAR_GAP - _RIGHT) / steps))
    scale = _Scale(column=column, bytes_high=max(arena.minimum_bytes, arena.arena_used_bytes, 16))
    bar_left = scale.x(steps) + _BAR_GAP
    width = bar_left + _BAR_WIDTH + _RIGHT
    height = _TOP + _PLOT_HEIGHT + _BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" '
        f'viewBox="0 0 {width:.0f} {height}" font-family="sans-serif" font-size="11">',
        f'<rect width="{width:.0f}" height="{height}" fill="#ffffff"/>',
        _text(_LEFT, 22, title, size=15, weight="bold"),
        _text(
            _LEFT,
            42,
            f"activations {arena.head_bytes:,} B + kept {arena.tail_bytes:,} B = "
            f"arena_used_bytes {arena.arena_used_bytes:,} B; "
            f"least arena that works {arena.minimum_bytes:,} B",
        ),
        *_axes(scale, steps),
        *_operator_names(graph, arena, scale),
        *(
            _buffer_box(buffer, graph, scale)
            for buffer in sorted(arena.plan.buffers, key=lambda item: -item.size_bytes)
        ),
        *_live_line(arena.plan.buffers, scale, steps),
        *_bar(arena, scale, bar_left),
        *_legend(height),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _text(
    x: float, y: float, text: str, *, size: int = 11, anchor: str = "start", weight: str = "normal"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
        f'font-weight="{weight}" fill="#222222">{escape(_printable(text))}</text>'
    )


def _printable(text: str) -> str:
    """Return text without the control characters that XML forbids."""
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )


def _axes(scale: _Scale, steps: int) -> Iterable[str]:
    right = scale.x(steps)
    for value in _ticks(scale.bytes_high):
        y = scale.y(value)
        yield (
            f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{right:.1f}" y2="{y:.1f}" '
            'stroke="#e4e4e4" stroke-width="1"/>'
        )
        yield _text(_LEFT - 6, y + 4, f"{value:,}", anchor="end")
    yield (
        f'<path d="M{_LEFT} {_TOP} V{_TOP + _PLOT_HEIGHT} H{right:.1f}" '
        'fill="none" stroke="#444444"/>'
    )
    yield _text(_LEFT - 6, _TOP - 10, "bytes", anchor="end")


def _ticks(most: int) -> list[int]:
    """Return about six round numbers from 0 on."""
    power = 10 ** max(len(str(most // 6 or 1)) - 1, 0)
    step = next(
        int(factor * power * tenfold)
        for tenfold in (1, 10)
        for factor in _STEPS
        if factor * power * tenfold >= most / 6 and factor * power * tenfold >= 1
    )
    return list(range(0, most + 1, step))


def _operator_names(graph: Graph, arena: TflmArena, scale: _Scale) -> Iterable[str]:
    """Write the main subgraph's operators below the axis; steps of others have none."""
    operators = graph.main.operators
    labels = {0: "inputs"}
    if len(graph.subgraphs) == 1:
        labels |= {index + 1: f"{index} {item.name}" for index, item in enumerate(operators)}
    every = max(1, round(13 / scale.column))
    for step, label in labels.items():
        if step % every and step:
            continue
        x, y = scale.x(step + 0.5) + 3, _TOP + _PLOT_HEIGHT + 10
        yield (
            f'<text transform="translate({x:.1f} {y}) rotate(-55)" text-anchor="end" '
            f'font-size="9" fill="#222222">{escape(_printable(label[:24]))}</text>'
        )


def _buffer_box(buffer: PlannedBuffer, graph: Graph, scale: _Scale) -> str:
    size = align_up(buffer.size_bytes, 16)
    left, right = scale.x(max(buffer.first_step, 0)), scale.x(max(buffer.last_step, 0) + 1)
    top, bottom = scale.y(buffer.offset_bytes + size), scale.y(buffer.offset_bytes)
    box = (
        f'<rect x="{left + 0.5:.1f}" y="{top:.1f}" width="{max(right - left - 1, 1):.1f}" '
        f'height="{max(bottom - top, 0.5):.1f}" fill="{_COLOURS[_kind(buffer, graph)]}" '
        'fill-opacity="0.85" stroke="#ffffff" stroke-width="0.7"/>'
    )
    tip = (
        f"{buffer.name}: {buffer.size_bytes:,} B at {buffer.offset_bytes:,}, "
        f"steps {buffer.first_step} to {buffer.last_step}"
    )
    label = ""
    if bottom - top >= 12 and right - left >= 34:
        room = int((right - left - 6) / _LETTER_WIDTH)
        short = "/".join(layer_of(buffer.name).split("/")[-2:])
        full = f"{short} {buffer.size_bytes:,}"
        text = full if len(full) <= room else f"{buffer.size_bytes:,}"
        if len(text) <= room:
            label = _text(
                (left + right) / 2, (top + bottom) / 2 + 4, text, size=10, anchor="middle"
            )
    return f"<g><title>{escape(_printable(tip))}</title>{box}{label}</g>"


def _kind(buffer: PlannedBuffer, graph: Graph) -> str:
    if buffer.tensor < 0:
        return "scratch"
    if buffer.tensor in graph.main.outputs:
        return "output"
    return "input" if buffer.tensor in graph.main.inputs else "activation"


def _live_line(buffers: Sequence[PlannedBuffer], scale: _Scale, steps: int) -> Iterable[str]:
    """Draw the bytes alive in each step: no plan can be lower than its top."""
    points = []
    for step in range(steps):
        live = sum(
            align_up(item.size_bytes, 16)
            for item in buffers
            if item.first_step <= step <= item.last_step
        )
        points += [f"{scale.x(step):.1f},{scale.y(live):.1f}"]
        points += [f"{scale.x(step + 1):.1f},{scale.y(live):.1f}"]
    yield (
        f'<polyline points="{" ".join(points)}" fill="none" stroke="#aa3377" '
        'stroke-width="1.4" stroke-dasharray="4 2"/>'
    )


def _bar(arena: TflmArena, scale: _Scale, left: float) -> Iterable[str]:
    """Draw the whole arena: activations, what is kept, and what allocation needs beyond."""
    used = arena.arena_used_bytes
    spans = [
        ("activation", 0, arena.head_bytes, "activations"),
        ("kept", arena.head_bytes, used, "kept"),
        ("reserve", used, arena.minimum_bytes, "while allocating"),
    ]
    lowest = float("inf")
    for kind, start, end, name in spans:
        if end <= start:
            continue
        top, bottom = scale.y(end), scale.y(start)
        yield (
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{_BAR_WIDTH}" '
            f'height="{bottom - top:.1f}" fill="{_COLOURS[kind]}" stroke="#ffffff"/>'
        )
        lowest = min((top + bottom) / 2 + 4, lowest - 13)
        yield _text(left + _BAR_WIDTH + 6, lowest, f"{name} {end - start:,}")
    yield _text(left, _TOP + _PLOT_HEIGHT + 16, "the arena")


def _legend(height: int) -> Iterable[str]:
    x = float(_LEFT)
    for kind in ("input", "output", "activation", "scratch"):
        yield (
            f'<rect x="{x:.1f}" y="{height - 20}" width="11" height="11" fill="{_COLOURS[kind]}"/>'
        )
        yield _text(x + 15, height - 10, kind)
        x += 90
    yield (
        f'<line x1="{x:.1f}" y1="{height - 14}" x2="{x + 22:.1f}" y2="{height - 14}" '
        'stroke="#aa3377" stroke-width="1.4" stroke-dasharray="4 2"/>'
    )
    yield _text(x + 27, height - 10, "alive: no plan can take less than its top")
