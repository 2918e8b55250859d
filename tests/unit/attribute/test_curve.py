"""Time over the speed of one resource: where the next one takes over, and where a speed stops helping."""

from __future__ import annotations

import pytest

from profiler.attribute.calibration import calibrate
from profiler.attribute.curve import SPEEDS, curves_of, matters
from profiler.attribute.shares import STEP, Scenario, class_shares, share_table
from profiler.report.vocabulary import BottleneckClass, Resource
from profiler.report.whatif import Curve, Knob
from tests.unit.attribute.small_graphs import HostCall, Work, graph_of, period_us
from tests.unit.attribute.test_whatif import kept


def reading(*works: dict[Resource, float]) -> Scenario:
    """Kernels one after the other, launched at no cost."""
    step = graph_of([HostCall(takes=0.001)], [Work(0, needs) for needs in works])
    return Scenario("", *step, calibrate(*step, period_us(step), step[0].host_us))


def curve(knob: Knob, *readings: Scenario) -> Curve:
    [found] = curves_of(readings, readings[0].run().period_us / 1e3, [knob])
    return found


MIXED = reading({Resource.DRAM: 80.0}, {Resource.TENSOR: 20.0})


def test_a_curve_goes_from_the_clean_time_towards_its_limit() -> None:
    found = curve(Knob.MEMORY, MIXED)
    assert [point.speed for point in found.points] == list(SPEEDS)
    assert found.points[0].ms == pytest.approx(0.1, rel=1e-3)
    assert found.points[4].ms == pytest.approx(0.06, rel=1e-3)
    assert found.limit_ms == pytest.approx(0.02, rel=1e-3)


def test_the_next_class_takes_over_where_it_has_the_larger_share() -> None:
    found = curve(Knob.MEMORY, MIXED).takes_over
    assert found is not None
    assert found.speed == pytest.approx(4.0, rel=0.02)
    assert found.class_ is BottleneckClass.COMPUTE


def test_a_speed_stops_helping_where_a_tenth_of_a_further_gain_arrives() -> None:
    """Of 55 us at memory, (55/k) / (45 + 55/k) falls to a tenth at k = 11; of 25 us, at k = 3."""
    assert curve(Knob.MEMORY, reading({Resource.DRAM: 55.0}, {Resource.TENSOR: 45.0})).stops_helping is None
    found = curve(Knob.MEMORY, reading({Resource.DRAM: 25.0}, {Resource.TENSOR: 75.0})).stops_helping
    assert found == pytest.approx(3.0, rel=0.03)
    assert curve(Knob.MEMORY, reading({Resource.DRAM: 5.0}, {Resource.TENSOR: 95.0})).stops_helping == 1.0


def test_the_share_of_a_knob_falls_along_its_curve() -> None:
    points = curve(Knob.MEMORY, MIXED).points
    shares = [point.share for point in points]
    assert shares[0] == pytest.approx(0.8, abs=0.01)
    assert shares == sorted(shares, reverse=True)
    assert next(point.share for point in points if point.speed == 4.0) == pytest.approx(0.5, abs=0.01)


def test_what_a_curve_cannot_say_has_its_reason() -> None:
    found = curve(Knob.MEMORY, reading({Resource.DRAM: 99.0}))
    assert (found.takes_over, found.stops_helping) == (None, None)
    assert found.sources["takes_over"].missing == "memory is still the bottleneck at 8x"
    assert found.sources["stops_helping"].missing == "it still helps at 8x"
    other = curve(Knob.COMPUTE, MIXED)
    assert other.sources["takes_over"].missing == "memory is the bottleneck already"


def test_a_knob_turns_both_units_of_compute() -> None:
    found = curve(Knob.COMPUTE, reading({Resource.TENSOR: 50.0}, {Resource.ISSUE: 50.0}))
    assert found.limit_ms == pytest.approx(0, abs=1e-4)


def test_readings_that_differ_give_the_place_of_the_crossing_an_interval() -> None:
    late, never = (reading({Resource.DRAM: dram}, {Resource.TENSOR: 100 - dram}) for dram in (85.0, 95.0))
    found = curve(Knob.MEMORY, MIXED, late).takes_over
    assert found is not None
    assert (found.low, found.high) == (pytest.approx(4.0, rel=0.02), pytest.approx(85 / 15, rel=0.02))
    found = curve(Knob.MEMORY, MIXED, never).takes_over
    assert found is not None
    assert found.high is None


def test_what_a_step_does_not_use_has_no_curve() -> None:
    assert matters(Knob.MEMORY, MIXED)
    assert not matters(Knob.PCIE, MIXED)
    assert curves_of([MIXED], 0.1, [Knob.PCIE]) == []


@pytest.mark.parametrize("name", ["decode_b1_eager", "decode_offload_4layers", "prefill_b1_2048"])
def test_each_point_is_that_of_the_step_replayed_alone_at_its_speed(name: str) -> None:
    scenarios, clean = kept(name)

    def period(knob: Knob, speed: float) -> float:
        return scenarios[0].run(dict.fromkeys(knob.resources, speed)).period_us

    for found in curves_of(scenarios, clean.wall_ms):
        base = period(found.knob, 1.0)
        alone = {point.speed: period(found.knob, point.speed) for point in found.points}
        further = {speed: period(found.knob, speed * STEP) for speed in alone}
        assert [point.ms for point in found.points] == pytest.approx(
            [clean.wall_ms * us / base for us in alone.values()], rel=1e-9
        )
        assert [point.share for point in found.points] == pytest.approx(
            [(1 - further[speed] / us) / (1 - 1 / STEP) for speed, us in alone.items()], abs=1e-9
        )
        assert found.limit_ms == pytest.approx(clean.wall_ms * period(found.knob, float("inf")) / base, rel=1e-9)


@pytest.mark.parametrize("name", ["decode_b1_eager", "decode_b1_graph", "prefill_b1_8192"])
def test_a_class_leads_until_just_before_it_is_overtaken_and_not_from_there_on(name: str) -> None:
    scenarios, clean = kept(name)

    def leader(scenario: Scenario, knob: Knob, speed: float) -> BottleneckClass:
        [shares] = class_shares(share_table([scenario], speeds=dict.fromkeys(knob.resources, speed)))
        return max(shares, key=lambda klass: shares[klass])

    overtaken = [found for found in curves_of(scenarios, clean.wall_ms) if found.takes_over is not None]
    assert overtaken
    for found in overtaken:
        own, crossing = found.knob.bottleneck_class, found.takes_over
        assert crossing is not None
        assert leader(scenarios[0], found.knob, crossing.speed) is crossing.class_ is not own
        assert leader(scenarios[0], found.knob, crossing.speed / 1.02) is own
        assert crossing.high is not None
        assert all(leader(scenario, found.knob, crossing.high) is not own for scenario in scenarios)
        assert any(leader(scenario, found.knob, crossing.high / 1.02) is own for scenario in scenarios)


def test_a_recorded_copy_bound_step_gains_from_the_bus_until_its_kernels_take_over() -> None:
    scenarios, clean = kept("decode_offload_4layers")
    [found] = curves_of(scenarios, clean.wall_ms, [Knob.PCIE])
    assert found.points[0].ms == clean.wall_ms
    assert found.points[4].ms < 0.6 * clean.wall_ms
    assert found.limit_ms < 0.2 * clean.wall_ms


def test_a_faster_host_helps_an_eager_step_until_the_device_takes_over() -> None:
    scenarios, clean = kept("decode_b1_eager")
    [found] = curves_of(scenarios, clean.wall_ms, [Knob.HOST])
    assert found.takes_over is not None
    assert found.takes_over.class_ is not BottleneckClass.SCHEDULING
    assert 1 < found.takes_over.speed < 8
