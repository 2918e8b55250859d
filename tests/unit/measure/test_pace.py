from __future__ import annotations

import gzip
import json
from dataclasses import replace
from functools import cache
from itertools import pairwise, permutations
from pathlib import Path
from statistics import median, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiler.measure.clean import CleanPass, clean_of, measure_clean
from profiler.measure.host_time import measure_host_ms
from profiler.measure.pace import (
    PACED_DEPENDENCE,
    PROBE_EVERY_MS,
    HostPace,
    Pacer,
    at_full_speed,
    dependence,
    pacing,
    usual_range,
)
from profiler.measure.plan import Plan
from profiler.progress import SilentProgress
from profiler.report.records import Distribution
from tests.unit.measure.stand_ins import FakeClock, FakeDevice, FakePhase

RECORDED = Path(__file__).parents[2] / "data" / "truth" / "host_pace_h100.json.gz"
REPEATS, REPEAT_S = 20, 0.3
FASTEST_PROBE_US = 276.0  # less than in 19 of 20 iterations of the process whose host was the quietest


@cache
def recorded_passes() -> list[CleanPass]:
    """Six processes on a host whose neighbours come and go, each as a clean pass of 20 repeats."""
    found = []
    for rows in json.loads(gzip.decompress(RECORDED.read_bytes()))["processes"]:
        wall_ms: list[list[float]] = [[] for _ in range(REPEATS)]
        slowdown: list[list[float]] = [[] for _ in range(REPEATS)]
        for (seconds, before, took_ms), (_, after, _) in pairwise(rows):
            repeat = int(seconds / REPEAT_S)
            if repeat < REPEATS:
                wall_ms[repeat].append(took_ms)
                slowdown[repeat].append((before + after) / 2 / FASTEST_PROBE_US)
        clean = clean_of(wall_ms, None, warmup_iterations=8, steady=True)
        found.append(CleanPass(63, clean, wall_ms, None, slowdown))
    return found


def at_best(one: CleanPass) -> Distribution:
    found = one.beside_full_speed(host_ms=20.0).full_speed_ms
    assert found is not None
    return found


def test_six_recorded_runs_agree_at_full_speed_and_not_as_timed() -> None:
    passes = recorded_passes()
    as_timed = [one.clean.wall_ms.median for one in passes]
    full_speed = [at_best(one).median for one in passes]
    assert stdev(as_timed) / median(as_timed) > 0.15
    assert stdev(full_speed) / median(full_speed) < 0.03
    assert 19.0 < median(full_speed) < 22.0  # the quiet seconds of the fastest process took 20.7 ms


def held(found: list[Distribution]) -> float:
    """Of all ordered pairs, how many have the second's median in the first's interval."""
    pairs = list(permutations(found, 2))
    return sum((one.low or 0.0) <= other.median <= (one.high or 0.0) for one, other in pairs) / len(pairs)


def test_the_interval_at_full_speed_holds_the_other_recorded_runs_and_is_narrow() -> None:
    found = [at_best(one) for one in recorded_passes()]
    assert held(found) >= 0.9
    assert max(half_width(one) for one in found) <= 0.15


@cache
def recorded_sessions() -> list[list[tuple[Distribution, float]]]:
    """Two more sessions of ten processes: the times at full speed of each, and how slow the host was."""
    kept = json.loads((RECORDED.parent / "host_repeats_h100.json").read_bytes())["sessions"]
    return [[_full_speed(**process) for process in session] for session in kept]


def _full_speed(host_ms: float, repeats: list[list[float]]) -> tuple[Distribution, float]:
    wall_ms, slowdown = [[took_ms] for _, took_ms in repeats], [[slow] for slow, _ in repeats]
    one = CleanPass(63, clean_of(wall_ms, None, warmup_iterations=8, steady=True), wall_ms, None, slowdown)
    found = one.beside_full_speed(host_ms)
    assert found.full_speed_ms is not None
    assert found.host_slowdown is not None
    return found.full_speed_ms, found.host_slowdown


def half_width(found: Distribution) -> float:
    return ((found.high or 0.0) - (found.low or 0.0)) / 2 / found.median


def test_nine_of_ten_intervals_at_full_speed_hold_another_run_of_their_session() -> None:
    coverage = [held([found for found, _ in session]) for session in recorded_sessions()]
    assert sum(coverage) / len(coverage) >= 0.9


def test_an_interval_at_full_speed_is_narrow_where_the_host_was_quiet_and_wider_where_it_was_not() -> None:
    runs = [run for session in recorded_sessions() for run in session]
    quiet = [half_width(found) for found, slowdown in runs if slowdown < 1.2]
    disturbed = [half_width(found) for found, slowdown in runs if slowdown > 1.5]
    assert max(quiet) <= 0.10
    assert median(quiet) < median(disturbed) < 0.15


def test_the_interval_as_timed_knows_the_moods_of_the_host() -> None:
    passes = recorded_passes()
    assert held([one.clean.wall_ms for one in passes]) < 0.5  # each process knows its own seconds only
    # better, yet not nine of ten: six seconds do not meet all that a host has in store
    assert held([one.beside_full_speed(host_ms=20.0).wall_ms for one in passes]) > 0.7


def test_another_run_may_meet_the_host_at_its_full_speed() -> None:
    for one in recorded_passes():
        clean = one.beside_full_speed(host_ms=20.0)
        assert clean.full_speed_ms is not None
        assert clean.full_speed_ms.low is not None
        assert clean.wall_ms.low is not None
        assert clean.wall_ms.low <= clean.full_speed_ms.low


def test_the_times_by_the_clock_stay_the_times() -> None:
    one = recorded_passes()[0]
    clean = one.beside_full_speed(host_ms=20.0)
    assert clean.wall_ms.median == one.clean.wall_ms.median
    assert clean.wall_ms.samples == one.clean.wall_ms.samples
    assert (clean.wall_ms.low or 0.0) <= (one.clean.wall_ms.low or 0.0)
    assert (clean.wall_ms.high or 0.0) >= (one.clean.wall_ms.high or 0.0)
    assert clean.host_slowdown == one.host_slowdown
    assert clean.host_dependence == pytest.approx(1.0, abs=0.2)
    assert clean.sources["full_speed_ms"].missing is None


def test_a_host_that_was_not_probed_leaves_the_times_and_says_so() -> None:
    one = replace(recorded_passes()[0], slowdown=None)
    clean = one.beside_full_speed(host_ms=20.0)
    assert clean == one.clean
    assert clean.full_speed_ms is None
    assert clean.sources["full_speed_ms"].missing


def test_a_reference_of_another_host_changes_nothing() -> None:
    one = recorded_passes()[0]
    elsewhere = replace(one, slowdown=[[10 * slow for slow in repeat] for repeat in one.slowdown or []])
    assert elsewhere.host_slowdown is None
    assert elsewhere.beside_full_speed(host_ms=20.0) == one.clean


def test_a_host_that_cannot_be_timed_alone_leaves_the_times() -> None:
    one = recorded_passes()[0]
    assert one.beside_full_speed(host_ms=None) == one.clean


def test_the_usual_range_leaves_out_a_twentieth_on_either_side() -> None:
    assert usual_range([[float(number) for number in range(50)], [float(number) for number in range(50, 101)]]) == (
        5,
        95,
    )


SLOW = [[1.0 + repeat % 2] * 4 for repeat in range(20)]  # a neighbour that comes and goes
slownesses = st.lists(st.floats(1.0, 3.0), min_size=3, max_size=20)


def test_an_iteration_that_the_device_paces_stays_as_it_was() -> None:
    wall_ms = [[9.0 + 0.01 * (repeat % 3)] * 4 for repeat in range(20)]
    depends = dependence(wall_ms, SLOW, paced=0.0).value
    assert depends == pytest.approx(0.0, abs=0.01)
    assert at_full_speed(wall_ms, SLOW, depends)[9][0] == pytest.approx(9.0, rel=0.01)


def test_what_the_repeats_show_outweighs_what_was_believed() -> None:
    of_the_host = [[20.0 * slow for slow in repeat] for repeat in SLOW]
    assert dependence(of_the_host, SLOW, paced=0.0).value > 0.7
    assert dependence(of_the_host, SLOW, paced=1.0).value == pytest.approx(1.0, abs=0.05)
    of_the_device = [[20.0] * 4 for _ in SLOW]
    assert dependence(of_the_device, SLOW, paced=1.0).value < 0.3
    assert dependence(of_the_device, SLOW, paced=0.0).value == 0.0


@pytest.mark.parametrize("paced", [1.0, 0.3, 0.0])
def test_a_steady_host_leaves_what_was_believed(paced: float) -> None:
    assert dependence([[20.0], [21.0], [20.5]], [[1.2]] * 3, paced).value == paced * PACED_DEPENDENCE


def test_repeats_under_a_host_of_changing_speed_make_its_part_surer() -> None:
    of_the_host = [[20.0 * slow for slow in repeat] for repeat in SLOW]
    steady = dependence(of_the_host, [[1.5]] * len(SLOW), paced=1.0)
    assert dependence(of_the_host, SLOW, paced=1.0).deviation < 0.5 * steady.deviation


def test_of_an_iteration_that_the_device_paces_it_is_sure_that_the_host_does_not_matter() -> None:
    assert dependence([[9.0]] * 20, [[1.6]] * 20, paced=0.0).deviation == 0.0


@pytest.mark.parametrize(("host_ratio", "expected"), [(0.5, 0.0), (0.8, 0.0), (0.85, 0.5), (0.9, 1.0), (1.3, 1.0)])
def test_a_host_that_needs_most_of_an_iteration_paces_a_part_of_it(host_ratio: float, expected: float) -> None:
    assert pacing(host_ratio) == pytest.approx(expected)


def test_a_step_that_the_device_holds_back_is_not_said_to_be_much_faster_on_a_quicker_host() -> None:
    # 10 ms of device work; a host that is 1.5 times as slow, all the time, and needs 8.25 ms of each step so.
    depends = dependence([[10.01]] * 20, [[1.5]] * 20, pacing(5.5 * 1.5 / 10.01)).value
    assert 10.01 / 1.5**depends > 8.9


@given(slownesses, st.floats(1.0, 100.0), st.floats(0.0, 1.0))
def test_a_known_dependence_is_taken_out_whole(slowness: list[float], full_ms: float, depends: float) -> None:
    slowdown = [[slow] for slow in slowness]
    timed = [[full_ms * slow**depends] for slow in slowness]
    assert at_full_speed(timed, slowdown, depends) == [[pytest.approx(full_ms)]] * len(slowness)


@given(slownesses, st.lists(st.floats(0.1, 100.0), min_size=20, max_size=20), st.floats(0.0, 1.0))
def test_a_dependence_lies_between_none_and_all(slowness: list[float], times: list[float], paced: float) -> None:
    wall_ms = [[times[number]] for number in range(len(slowness))]
    found = dependence(wall_ms, [[slow] for slow in slowness], paced)
    assert 0.0 <= found.value <= 1.4
    assert 0.0 <= found.deviation <= 0.12


class SlowHost:
    """A host that is so many times as slow, at its work and at the phase's."""

    def __init__(self, slowness: float) -> None:
        self.clock = FakeClock()
        self.device = FakeDevice(self.clock)
        self.slowness = slowness
        self.probes = 0
        self.phase = FakePhase(self.clock, self.device.log, iteration_ms=lambda _: 20.0 * self.slowness)
        self.phase.launch = lambda: self.clock.advance_ms(19.0 * self.slowness)

    def work(self) -> None:
        self.probes += 1
        self.clock.advance_ms(0.3 * self.slowness)

    @property
    def pace(self) -> HostPace:
        return HostPace(self.work, 300.0)


@pytest.mark.parametrize("slowness", [1.0, 1.8])
def test_a_slow_host_is_measured_as_a_fast_one(slowness: float) -> None:
    host = SlowHost(slowness)
    plan = Plan.quick()
    passed = measure_clean(host.phase, host.device, host.clock, plan, SilentProgress(), host.pace)
    host_ms = measure_host_ms(host.phase, host.device, host.clock, plan, host.pace)
    clean = passed.beside_full_speed(host_ms)
    assert host_ms == pytest.approx(19.0)
    assert clean.full_speed_ms is not None
    # The yardstick is the whole truth here; a step is known to depend on it a little more, and the interval knows.
    assert clean.full_speed_ms.median == pytest.approx(20.0, rel=0.07)
    assert (clean.full_speed_ms.low or 0.0) <= 20.0 <= (clean.full_speed_ms.high or 0.0)
    assert clean.host_slowdown == pytest.approx(slowness)
    assert clean.wall_ms.median == pytest.approx(20.0 * slowness)


def test_no_probe_lies_within_an_iteration_and_the_device_is_idle_after_one() -> None:
    host = SlowHost(1.0)
    passed = measure_clean(host.phase, host.device, host.clock, Plan.quick(), SilentProgress(), host.pace)
    assert {time for repeat in passed.wall_ms for time in repeat} == {20.0}
    assert host.device.log[-1] == "synchronize"


def test_short_iterations_share_a_probe() -> None:
    host = SlowHost(1.0)
    pacer = Pacer(host.pace, host.device, host.clock)
    for iteration in range(12):
        pacer.before(iteration)
        host.clock.advance_ms(PROBE_EVERY_MS / 4)
    assert pacer.slowdowns(12) == [pytest.approx(1.0)] * 12
    assert host.probes == 2 * 4  # each is two goes: after 0, 4 and 8 iterations, and at the end
