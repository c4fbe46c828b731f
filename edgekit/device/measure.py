"""Latency from a device's own clock: warm-up, windows of many inferences, spread.

The device times N inferences as one lap, so that the clock's resolution and the link
play no part. N is chosen so that a lap is at least ``window_seconds`` long, and long
enough that one tick of the clock (1 µs; 1000 instructions on a board that counts them)
is less than 0.01 % of it.
"""

from __future__ import annotations

import logging
import math
import statistics
from collections.abc import Callable, Sequence

from edgekit.device.session import Session
from edgekit.errors import DeviceError, InputError
from edgekit.results import Basis, LatencySummary
from edgekit.units import MICROSECONDS_PER_SECOND

_log = logging.getLogger(__name__)

INSTRUCTIONS_PER_US = 1000
"""docs/protocol.md, clock=instructions: the unit of the protocol's "µs" there."""

RESOLUTION_SHARE = 0.0001
"""The most of a window that one tick of the clock may be."""

P99_SAMPLES = 662
"""Samples that a 99th percentile needs.

Source:
    MLPerf Inference rules, early stopping: 662 queries for the 99th percentile.
"""

MLPERF_WINDOW_SECONDS = 10.0
"""MLPerf Tiny's rules: every window at least 10 s, and 10 inferences."""
MLPERF_MINIMUM_INFERENCES = 10

_MARGIN = 1.1
"""Windows are planned longer by this, since the next may run faster than the first."""
_LAP_TICKS = math.ceil(_MARGIN / RESOLUTION_SHARE)
_MOST_INFERENCES = 10_000_000
_MOST_WINDOW_US = 1 << 31
"""Half of the 32-bit clock's range: a longer lap could wrap unseen."""


def measure(
    session: Session,
    *,
    counts_instructions: bool | None = None,
    warmup: int = 1,
    inferences: int | None = None,
    minimum_inferences: int = 1,
    windows: int = 5,
    window_seconds: float = 1.0,
    inputs: Sequence[bytes] = (),
    on_progress: Callable[[int, int], None] | None = None,
) -> LatencySummary:
    """Measure the latency of one inference.

    On a board that counts instructions, ``window_seconds`` has no meaning and is not
    used: counts repeat exactly, and a window need only outweigh the clock's tick.
    Elsewhere, firmware that can time inferences singly does so ``P99_SAMPLES`` times
    more, if that takes no longer than the windows did together.

    Args:
        session: The device, ready.
        counts_instructions: Whether its clock counts instructions; as the firmware
            says if not given (MLPerf-only firmware says nothing: then it is time).
        warmup: Inferences before each window, not timed.
        inferences: Inferences in a window; calibrated if not given.
        minimum_inferences: The fewest that calibration may choose.
        windows: How many windows.
        window_seconds: How long a window should be at least.
        inputs: Loaded before the windows in turn; none: what is loaded stays.
        on_progress: Called with steps done and steps in all.

    Returns:
        Median, median absolute deviation, minimum and maximum over the windows' means;
        where inferences were timed singly, minimum, maximum and p99 over these, and
        ``samples`` is their number, else 0.

    Raises:
        DeviceError: The device failed, its clock stands still, or the firmware's clock
            is of the other kind.
        InputError: ``inferences`` are too few for the clock to tick once.
    """
    if windows < 1:
        raise ValueError("at least one window")
    counts_instructions = _check_clock(session, counts_instructions)
    steps = windows + 2

    def report(done: int) -> None:
        if on_progress is not None:
            on_progress(done, steps)

    report(0)
    if inputs:
        session.load(inputs[0])
    if inferences is None:
        goal_us = 0 if counts_instructions else round(window_seconds * MICROSECONDS_PER_SECOND)
        inferences = max(minimum_inferences, _calibrate(session, max(goal_us, _LAP_TICKS)))
    report(1)
    means: list[float] = []
    for window in range(windows):
        if inputs and window:
            session.load(inputs[window % len(inputs)])
        duration_us = session.infer(inferences, warmup).duration_us
        _check_resolution(duration_us, inferences)
        means.append(duration_us / inferences)
        report(2 + window)
    samples: tuple[int, ...] = ()
    if not counts_instructions and statistics.median(means) * P99_SAMPLES <= (
        sum(means) * inferences
    ):
        samples = _time_singly(session, warmup)
    report(steps)
    return summarise(
        means,
        samples,
        counts_instructions=counts_instructions,
        inferences=inferences,
        warmup=warmup,
    )


def summarise(
    means_us: Sequence[float],
    samples_us: Sequence[int],
    *,
    counts_instructions: bool,
    inferences: int,
    warmup: int,
) -> LatencySummary:
    """Return the figures of the windows' means and of singly timed inferences."""
    factor = INSTRUCTIONS_PER_US if counts_instructions else 1
    windows = tuple(mean * factor for mean in means_us)
    samples = sorted(float(sample * factor) for sample in samples_us)
    median = statistics.median(windows)
    spread = samples or sorted(windows)
    return LatencySummary(
        unit="instructions" if counts_instructions else "us",
        basis=Basis.EMULATED if counts_instructions else Basis.MEASURED,
        median=median,
        mad=statistics.median(abs(window - median) for window in windows),
        minimum=spread[0],
        maximum=spread[-1],
        p99=percentile_99(samples),
        windows=windows,
        inferences_per_window=inferences,
        warmup=warmup,
        samples=len(samples),
    )


def percentile_99(ordered: Sequence[float]) -> float | None:
    """Return the 99th percentile by nearest rank; ``None`` for too few samples."""
    if len(ordered) < P99_SAMPLES:
        return None
    return ordered[math.ceil(0.99 * len(ordered)) - 1]


def _check_clock(session: Session, expected: bool | None) -> bool:
    """Return whether the clock counts instructions; refuse what is not expected."""
    info = session.optional_info()
    if info is None:
        return bool(expected)
    if expected is not None and info.counts_instructions != expected:
        raise DeviceError(
            f"{session.device_subject}'s clock gives {'µs' if expected else 'instructions'}, "
            f"not {'instructions' if expected else 'µs'} as its target says.",
            hint="Build the firmware for this target again, and flash or boot that.",
        )
    return info.counts_instructions


def _calibrate(session: Session, goal_us: int) -> int:
    """Return how many inferences fill a window of ``goal_us``, by trying.

    Each try is at most ten times longer than the one before, so that even a first
    guess on a coarse clock can't lead to an endless lap.
    """
    count = 1
    while True:
        # The first inference fills caches; it must not stand for the others.
        duration_us = session.infer(count, 1 if count == 1 else 0).duration_us
        if duration_us >= _LAP_TICKS:
            break
        if count >= _MOST_INFERENCES:
            raise DeviceError(
                f"{session.device_subject}'s clock stands still: {count} inferences took "
                f"{duration_us} µs on it.",
                hint="Check edgekit_port_time_us() of this board's port.",
            )
        growth = _MARGIN * _LAP_TICKS / max(duration_us, 1)
        count = min(_MOST_INFERENCES, max(count + 1, math.ceil(count * min(10.0, growth))))
    share = min(_MARGIN * goal_us, float(_MOST_WINDOW_US)) / duration_us
    return max(1, min(_MOST_INFERENCES, math.ceil(count * share)))


def _check_resolution(duration_us: int, inferences: int) -> None:
    """Warn of a window that is short for the clock; refuse one that it can't see."""
    if duration_us == 0:
        raise InputError(
            f"The clock does not tick once in {inferences} inferences: that is no measurement.",
            hint="Ask for more inferences a window, or leave their number to the calibration.",
        )
    if duration_us * RESOLUTION_SHARE < 1:
        _log.warning(
            "a window of %d ticks is short: the clock's resolution is %.3g %% of it",
            duration_us,
            100 / duration_us,
        )


def _time_singly(session: Session, warmup: int) -> tuple[int, ...]:
    """Return the µs of ``P99_SAMPLES`` inferences; empty where the firmware can't."""
    if session.optional_info() is None:
        return ()
    return session.laps(P99_SAMPLES, warmup)
