from __future__ import annotations

from dataclasses import replace

import pytest

from profiler.measure.plan import Plan
from profiler.measure.repeat import measure_telemetry
from profiler.measure.telemetry.source import Recording, Sample
from profiler.progress import SilentProgress
from profiler.report.telemetry import Telemetry
from tests.unit.measure.stand_ins import FakeClock, FakeDevice, FakePhase, FakeSampler

PLAN = replace(Plan.standard(), telemetry_seconds=2.0)


def run(phase: FakePhase, sampler: FakeSampler) -> Telemetry:
    return measure_telemetry(
        phase, FakeDevice(phase.clock, log=phase.log), sampler, phase.clock, PLAN, SilentProgress()
    )


def make(recording: Recording | None = None, **options: object) -> tuple[FakePhase, FakeSampler]:
    clock = FakeClock()
    return FakePhase(clock, [], **options), FakeSampler(clock, recording or Recording())  # type: ignore[arg-type]


def test_the_phase_repeats_for_the_planned_time_of_iterating() -> None:
    result = run(*make(iteration_ms=lambda _: 10.0))
    assert (result.seconds, result.iterations) == (2.0, 200)


def test_resets_are_not_counted_as_time_of_the_phase() -> None:
    result = run(*make(iteration_ms=lambda _: 10.0, iterations_per_reset=50, reset_ms=100.0))
    assert (result.seconds, result.iterations) == (2.0, 200)


def test_resets_longer_than_the_iterations_do_not_stretch_the_pass_without_end() -> None:
    phase, sampler = make(iteration_ms=lambda _: 1.0, iterations_per_reset=1, reset_ms=100.0)
    result = run(phase, sampler)
    begun, ended = sampler.asked[1][1], sampler.asked[2][1]
    assert ended - begun <= 4.2e9
    assert result.iterations == pytest.approx(40, abs=1)
    assert result.seconds == pytest.approx(result.iterations * 0.001)


def test_sampling_begins_in_the_middle_of_work_and_ends_with_it() -> None:
    phase, sampler = make(iteration_ms=lambda _: 10.0, reset_ms=700.0)
    run(phase, sampler)
    assert sampler.asked == [("wait", 0), ("begin", 710_000_000), ("end", 2_710_000_000)]


def test_one_iteration_is_enough_where_it_is_longer_than_the_pass() -> None:
    result = run(*make(iteration_ms=lambda _: 9_000.0))
    assert (result.seconds, result.iterations) == (9.0, 1)


def test_a_window_that_holds_a_reset_is_dropped() -> None:
    def window(start_ms: int, end_ms: int, active: float) -> Sample:
        values = {"gpu_active": active}
        return Sample(source="gpm", start_ns=start_ms * 10**6, end_ns=end_ms * 10**6, values=values)

    # the phase runs from 110 to 1,110 ms, is reset, and runs from 1,210 to 2,210 ms
    samples = [window(120, 620, 0.9), window(620, 1120, 0.7), window(1120, 1620, 0.3), window(1620, 2120, 0.9)]
    recording = Recording(samples=samples)
    phase, sampler = make(recording, iteration_ms=lambda _: 10.0, reset_ms=100.0, iterations_per_reset=101)
    series = {s.name: s for s in run(phase, sampler).series}["gpu_active"]
    assert series.samples == 3  # the second reaches only 10 ms into the reset
    assert series.value == 0.9


def test_a_killed_sampler_leaves_the_iterations_and_null_series() -> None:
    result = run(*make(Recording(failure="the telemetry process was killed (signal 9)")))
    assert result.iterations == 200
    assert all(series.value is None and series.missing for series in result.series)


def test_sampling_is_ended_when_the_phase_fails() -> None:
    def out_of_memory(number: int) -> float:
        if number > 5:
            raise MemoryError
        return 10.0

    phase, sampler = make(iteration_ms=out_of_memory)
    with pytest.raises(MemoryError):
        run(phase, sampler)
    assert sampler.asked[-1][0] == "end"
