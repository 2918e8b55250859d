from __future__ import annotations

import gc
from dataclasses import replace

import pytest

from profiler.measure.clean import CleanPass, Interrupted, is_steady, measure_clean
from profiler.measure.plan import Plan, iterations_for
from profiler.progress import SilentProgress
from tests.unit.measure.stand_ins import FakeClock, FakeDevice, FakePhase

PLAN = Plan.standard()
MOST = PLAN.most_iterations  # of a repeat: so many where an iteration is short


def run(phase: FakePhase, device: FakeDevice, plan: Plan = PLAN) -> CleanPass:
    return measure_clean(phase, device, device.clock, plan, SilentProgress())


def make(**options: object) -> tuple[FakePhase, FakeDevice]:
    clock = FakeClock()
    device = FakeDevice(clock, has_stopwatch=bool(options.pop("has_stopwatch", False)))
    return FakePhase(clock, device.log, **options), device  # type: ignore[arg-type]


def test_the_median_is_that_of_the_iterations_and_not_of_the_resets() -> None:
    result = run(*make(iteration_ms=lambda _: 10.0, reset_ms=5000.0, iterations_per_reset=7))
    assert result.clean.wall_ms.median == 10.0
    assert result.clean.wall_ms.samples == [10.0] * len(result.clean.wall_ms.samples)


def test_each_repeat_starts_from_a_fresh_reset() -> None:
    phase, device = make(iteration_ms=lambda _: 5.0)
    result = run(phase, device)
    assert [len(samples) for samples in result.wall_ms] == [MOST] * PLAN.repeats
    measured = device.log[-PLAN.repeats * (MOST + 2) :]  # a reset, its synchronisation, the iterations
    assert measured[:: MOST + 2] == ["reset"] * PLAN.repeats


def test_the_device_has_finished_a_reset_before_an_iteration_is_timed() -> None:
    phase, device = make(iterations_per_reset=3)
    run(phase, device)
    after = [device.log[i + 1] for i, entry in enumerate(device.log) if entry == "reset"]
    assert set(after) == {"synchronize"}


def test_a_phase_is_reset_again_when_its_cache_is_full() -> None:
    phase, device = make(iterations_per_reset=7)
    run(phase, device)  # the fake phase refuses an eighth iteration
    assert phase.resets > PLAN.repeats * MOST // 7


def test_a_timed_iteration_does_nothing_but_iterate_and_read_the_clock_twice() -> None:
    phase, device = make(has_stopwatch=True, iteration_ms=lambda _: 5.0)
    run(phase, device)
    last_repeat = device.log[-2 - 3 * MOST :]
    assert last_repeat[0] == "synchronize"
    assert last_repeat[1:-1] == ["start", "iterate", "stop"] * MOST
    warmups = phase.iterations - MOST * PLAN.repeats
    assert device.clock.readings == 2 * (MOST * PLAN.repeats + warmups)


def test_stopwatches_are_made_once_and_used_in_every_repeat() -> None:
    phase, device = make(has_stopwatch=True)
    run(phase, device)
    assert device.stopwatches_made == iterations_for(10.0, PLAN)


def test_the_gpu_span_is_kept_by_repeat_beside_the_wall_time() -> None:
    result = run(*make(has_stopwatch=True, iteration_ms=lambda number: 10.0 + number % 3))
    assert result.clean.gpu_ms is not None
    assert result.gpu_ms == result.wall_ms
    assert result.clean.sources["gpu_ms"].missing is None


def test_a_device_without_a_clock_of_its_own_has_no_gpu_span_and_says_why() -> None:
    result = run(*make(has_stopwatch=False))
    assert result.clean.gpu_ms is None
    assert result.gpu_ms is None
    assert result.clean.sources["gpu_ms"].missing


def test_compilation_in_the_first_iterations_is_warmed_away() -> None:
    compiling = {0: 30_000.0, 1: 20_000.0}
    result = run(*make(iteration_ms=lambda number: compiling.get(number, 8.0)))
    assert result.clean.wall_ms.median == 8.0
    assert max(result.clean.wall_ms.samples) == 8.0
    assert result.clean.steady


def test_the_warm_up_lasts_while_iterations_still_get_faster() -> None:
    result = run(*make(iteration_ms=lambda number: 10.0 + 100.0 * 0.8**number))
    assert result.clean.steady
    assert result.clean.wall_ms.samples[0] == pytest.approx(10.0, rel=0.1)


def test_an_iteration_that_grows_without_end_is_measured_but_not_called_steady() -> None:
    result = run(*make(iteration_ms=lambda number: 100.0 * 1.2**number))
    assert not result.clean.steady
    assert result.clean.wall_ms.low is not None


def test_a_warm_up_of_slow_iterations_is_short() -> None:
    result = run(*make(iteration_ms=lambda _: 10_000.0))
    assert result.clean.warmup_iterations == 3
    assert len(result.clean.wall_ms.samples) == PLAN.fewest_repeats


def test_noise_alone_does_not_keep_a_phase_from_being_steady() -> None:
    recorded = [32.8, 29.8, 46.8, 34.7, 41.7, 44.9, 33.0, 38.1]  # an eager prefill on an H100
    assert is_steady(recorded)


def test_a_step_down_between_the_last_groups_is_not_steady() -> None:
    assert not is_steady([12.0, 12.1, 12.0, 12.1, 10.0, 10.1, 10.0, 10.1])


def test_one_iteration_cannot_show_that_it_is_steady() -> None:
    assert not is_steady([10.0])


def test_the_garbage_collector_runs_as_it_does_for_the_user() -> None:
    seen = []

    def iteration_ms(number: int) -> float:
        seen.append(gc.isenabled())
        return 10.0

    assert gc.isenabled()
    run(*make(iteration_ms=iteration_ms))
    assert all(seen)


def interrupt_at(iteration: int) -> object:
    def iteration_ms(number: int) -> float:
        if number == iteration:
            raise KeyboardInterrupt
        return 10.0

    return iteration_ms


def test_ctrl_c_keeps_the_iterations_that_were_finished() -> None:
    phase, device = make(iteration_ms=lambda _: 10.0)
    warmups = run(phase, device).clean.warmup_iterations
    phase, device = make(has_stopwatch=True, iteration_ms=interrupt_at(warmups + iterations_for(10.0, PLAN) + 5))
    with pytest.raises(Interrupted) as interrupt:
        run(phase, device)
    partial = interrupt.value.partial
    assert partial is not None
    assert [len(samples) for samples in partial.wall_ms] == [iterations_for(10.0, PLAN), 5]
    assert partial.gpu_ms == partial.wall_ms
    assert gc.isenabled()


def test_ctrl_c_during_the_warm_up_keeps_nothing() -> None:
    with pytest.raises(Interrupted) as interrupt:
        run(*make(iteration_ms=interrupt_at(2)))
    assert interrupt.value.partial is None


def test_who_knows_only_keyboard_interrupts_sees_one() -> None:
    with pytest.raises(KeyboardInterrupt):
        run(*make(iteration_ms=interrupt_at(0)))


def test_one_repeat_gives_no_interval() -> None:
    result = run(*make(), plan=replace(PLAN, repeats=1))
    assert result.clean.wall_ms.low is None
    assert result.clean.wall_ms.high is None


def test_iterations_that_are_slow_the_first_time_at_a_context_are_not_measured() -> None:
    clock = FakeClock()
    device = FakeDevice(clock)
    met: set[int] = set()

    class Planning(FakePhase):
        """Plans for 50 ms whenever it is further from its reset than ever before."""

        def iterate(self) -> None:
            position = device.log[::-1].index("synchronize")
            if position not in met:
                clock.advance_ms(50.0)
                met.add(position)
            super().iterate()

    result = run(Planning(clock, device.log, iteration_ms=lambda _: 10.0, iterations_per_reset=63), device)
    assert set(result.clean.wall_ms.samples) == {10.0}
    assert result.clean.first_time_ms == 60.0
    assert result.cycle < 63


def test_it_is_told_how_long_the_measuring_will_take() -> None:
    told: dict[str, float | None] = {}

    class Told(SilentProgress):
        def stage(self, label: str, total: int | None = None, *, seconds: float | None = None) -> None:
            told[label] = seconds

    phase, device = make(iteration_ms=lambda _: 10.0)
    measure_clean(phase, device, device.clock, PLAN, Told())
    (warming, unknown), (measuring, seconds) = told.items()
    assert warming.endswith("warming up")
    assert unknown is None
    assert measuring.endswith("measuring")
    assert seconds == pytest.approx(PLAN.repeats * MOST * 10e-3)
