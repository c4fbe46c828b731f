"""Latency: calibration, windows and their figures."""

from __future__ import annotations

import itertools
import logging

import pytest
from fake_device import FakeFirmware, over_socket
from hypothesis import given
from hypothesis import strategies as st

from edgekit.device.conversation import Patience
from edgekit.device.measure import P99_SAMPLES, measure, percentile_99, summarise
from edgekit.device.session import Session
from edgekit.errors import DeviceError, InputError
from edgekit.results import Basis

PATIENT = Patience(boot_seconds=30.0, reply_seconds=30.0)


def measured(firmware, **options):
    with over_socket(firmware) as link:
        session = Session(link, patience=PATIENT)
        session.wait_ready()
        return measure(session, **options)


def inferences_asked(firmware):
    return [tuple(map(int, item.split()[1:])) for item in firmware.commands if item[:5] == "infer"]


def test_windows_are_filled_by_calibration():
    firmware = FakeFirmware(us_per_inference=2000)
    latency = measured(firmware, counts_instructions=False, window_seconds=0.5, warmup=3)
    assert latency.unit == "us"
    assert latency.basis is Basis.MEASURED
    assert latency.median == 2000
    assert latency.mad == 0
    assert latency.windows == (2000,) * 5
    assert latency.warmup == 3
    assert latency.inferences_per_window == 275, "0.5 s and a tenth more"
    assert inferences_asked(firmware)[-5:] == [(275, 3)] * 5


def test_a_slow_first_inference_and_fast_ones_are_calibrated_too():
    firmware = FakeFirmware(us_per_inference=3, cold_us=50_000)
    latency = measured(firmware, counts_instructions=False, window_seconds=0.02)
    assert latency.median == 3
    assert latency.inferences_per_window * 3 >= 20_000
    counts = [count for count, _ in inferences_asked(firmware)]
    assert counts[0] == 1
    tries = counts[: counts.index(latency.inferences_per_window)]
    assert all(after <= 10 * before for before, after in itertools.pairwise(tries))


def test_mlperfs_rule_of_ten_inferences_can_be_asked_for():
    firmware = FakeFirmware(us_per_inference=5_000_000)
    latency = measured(firmware, window_seconds=10.0, minimum_inferences=10, windows=2)
    assert latency.inferences_per_window == 10


def test_instructions_are_thousands_of_the_protocols_us_and_need_few_inferences():
    firmware = FakeFirmware(clock="instructions", us_per_inference=2980)
    latency = measured(firmware, counts_instructions=True, window_seconds=100.0)
    assert latency.unit == "instructions"
    assert latency.basis is Basis.EMULATED
    assert latency.median == 2_980_000
    assert latency.inferences_per_window == 5, "one tick is less than 0.01 % of 5 x 2980"
    assert latency.p99 is None
    assert latency.samples == 0
    assert not any(item.startswith("laps") for item in firmware.commands)


@pytest.mark.parametrize("us_per_inference", [1, 7, 250, 999, 1000, 1099, 1101])
def test_the_clocks_tick_is_below_a_ten_thousandth_of_a_window(us_per_inference):
    firmware = FakeFirmware(clock="instructions", us_per_inference=us_per_inference)
    latency = measured(firmware, windows=1)
    assert latency.inferences_per_window * us_per_inference > 10_000


def test_single_inferences_are_timed_for_the_p99_where_there_is_time():
    wobble = (0,) * 99 + (70,)
    firmware = FakeFirmware(us_per_inference=100, wobble_us=wobble)
    latency = measured(firmware, window_seconds=0.1)
    assert latency.samples == P99_SAMPLES == 662
    assert latency.minimum == 100
    assert latency.maximum == 170
    assert latency.p99 in (100, 170)
    assert latency.median == pytest.approx(100.7, abs=0.1)


def test_no_single_inferences_are_timed_where_it_would_take_long():
    firmware = FakeFirmware(us_per_inference=10_000)
    latency = measured(firmware, window_seconds=0.1)
    assert latency.p99 is None
    assert latency.samples == 0
    assert latency.minimum == latency.maximum == 10_000


def test_mlperf_only_firmware_has_windows_but_no_p99():
    firmware = FakeFirmware(is_mlperf_only=True, us_per_inference=100)
    latency = measured(firmware, window_seconds=0.1)
    assert (latency.median, latency.p99, latency.unit) == (100, None, "us")


def test_each_window_gets_its_own_input():
    inputs = [bytes([number] * 8) for number in range(3)]
    firmware = FakeFirmware()
    measured(firmware, inferences=2, windows=5, inputs=inputs)
    loads = [item for item in firmware.commands if item.startswith("db 0")]
    expected = [f"db {inputs[index].hex()}" for index in (0, 1, 2, 0, 1)]
    assert loads == expected


def test_progress_is_told_from_nothing_to_all():
    told = []
    measured(FakeFirmware(), inferences=1, windows=3, on_progress=lambda *step: told.append(step))
    assert told[0] == (0, 5)
    assert told[-1] == (5, 5)
    assert told == sorted(told)


def test_a_clock_that_stands_still_is_named():
    with pytest.raises(DeviceError) as caught:
        measured(FakeFirmware(us_per_inference=0))
    assert "clock stands still" in caught.value.message
    assert "edgekit_port_time_us" in caught.value.hint
    assert caught.value.exit_code == 7


@pytest.mark.parametrize(
    ("clock", "expected", "said"),
    [("us", True, "gives µs, not instructions"), ("instructions", False, "gives instructions")],
)
def test_a_clock_of_the_other_kind_is_refused(clock, expected, said):
    with pytest.raises(DeviceError) as caught:
        measured(FakeFirmware(clock=clock), counts_instructions=expected)
    assert said in caught.value.message
    assert "for this target" in caught.value.hint
    assert caught.value.exit_code == 7


def test_a_window_too_short_for_the_clock_is_warned_of(caplog):
    with caplog.at_level(logging.WARNING):
        measured(FakeFirmware(us_per_inference=100), inferences=5, windows=1)
    assert "a window of 500 ticks is short: the clock's resolution is 0.2 % of it" in caplog.text


def test_one_tick_is_the_whole_of_a_window(caplog):
    with caplog.at_level(logging.WARNING):
        measured(FakeFirmware(us_per_inference=1), inferences=1, windows=1)
    assert "a window of 1 ticks is short: the clock's resolution is 100 % of it" in caplog.text


def test_a_window_that_the_clock_can_not_see_is_no_measurement():
    with pytest.raises(InputError, match="not tick once in 3 inferences") as caught:
        measured(FakeFirmware(us_per_inference=0), inferences=3, windows=1)
    assert "more inferences" in caught.value.hint


def test_no_windows_are_the_callers_bug():
    with pytest.raises(ValueError, match="at least one window"):
        measured(FakeFirmware(), windows=0)


def test_the_figures_are_those_of_the_windows():
    latency = summarise(
        [10.0, 12.0, 11.0, 30.0], [], counts_instructions=False, inferences=7, warmup=1
    )
    assert (latency.median, latency.mad) == (11.5, 1.0)
    assert (latency.minimum, latency.maximum) == (10.0, 30.0)


@given(st.lists(st.integers(0, 1000), max_size=800))
def test_99_percent_of_the_samples_are_not_above_their_p99(samples):
    p99 = percentile_99(sorted(map(float, samples)))
    if len(samples) < 662:
        assert p99 is None
    else:
        assert sum(sample <= p99 for sample in samples) >= 0.99 * len(samples)
        assert sum(sample < p99 for sample in samples) < 0.99 * len(samples)


def test_the_p99_of_1000_is_the_990th():
    assert percentile_99(list(map(float, range(1, 1001)))) == 990
