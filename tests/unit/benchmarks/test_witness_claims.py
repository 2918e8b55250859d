import pytest
from msgspec.structs import replace

from benchmarks.acceptance import Case, sum_row, verdict_row
from benchmarks.traffic import measured_bytes
from benchmarks.witness import DelayedPhase, active_row, delay_rows
from profiler.report.records import Part, Phase
from profiler.report.telemetry import Series
from profiler.report.vocabulary import Cause, Tier
from profiler.session.cross_checks import SEEN_AS_IDLE
from profiler.workload.phase import PhaseShape
from tests.unit.render import sample

CASE = Case("eager", ("llama",), "decode", "scheduling", "scheduling.host")


def grown(phase: Phase, by_ms: dict[Cause, float]) -> Phase:
    """The phase with parts that are so much longer, and a clean time with them."""
    parts = [replace(part, ms=part.ms + by_ms.get(part.cause, 0.0)) for part in phase.parts]
    wall = replace(phase.clean.wall_ms, median=phase.clean.wall_ms.median + sum(by_ms.values()))
    return replace(phase, parts=parts, clean=replace(phase.clean, wall_ms=wall))


def with_series(phase: Phase, name: str, value: float | None) -> Phase:
    assert phase.telemetry is not None
    series = Series(name=name, unit="", tier=Tier.DRIVER, value=value, low=None, high=None, samples=1, window_ms=None)
    others = [one for one in phase.telemetry.series if one.name != name]
    return replace(phase, telemetry=replace(phase.telemetry, series=[*others, series]))


def test_a_delay_found_in_full_on_the_host_holds() -> None:
    plain = sample.decode()

    rose, other = delay_rows("eager", [plain], [grown(plain, {Cause.SCHEDULING_HOST: 5.0})], 5.0)

    assert rose.estimate is not None
    assert rose.estimate.value == pytest.approx(5.0)
    assert rose.holds
    assert other.holds


def test_a_delay_booked_on_another_part_fails_both_claims() -> None:
    plain = sample.decode()

    rose, other = delay_rows("eager", [plain], [grown(plain, {Cause.SCHEDULING_SYNC: 5.0})], 5.0)

    assert rose.holds is False
    assert other.holds is False


def test_one_disturbed_pair_of_three_decides_nothing() -> None:
    plain = sample.decode()
    found = [grown(plain, {Cause.SCHEDULING_HOST: ms}) for ms in (5.0, 12.0, 5.1)]

    rose, _ = delay_rows("eager", [plain] * 3, found, 5.0)

    assert rose.estimate is not None
    assert rose.estimate.value == pytest.approx(5.1)
    assert rose.holds


def test_a_refused_phase_proves_no_delay() -> None:
    plain = sample.decode()
    refused = replace(plain, parts=[])

    assert [row.holds for row in delay_rows("eager", [plain], [refused], 0.0)] == [False, False]


@pytest.mark.parametrize(("off_by", "holds"), [(0.04, True), (-0.04, True), (0.06, False), (-0.06, False)])
def test_the_drivers_activity_must_agree_within_five_percent_of_wall(off_by: float, holds: bool) -> None:
    phase = sample.decode()
    busy = 1 - sum(part.fraction for part in phase.parts if part.cause in SEEN_AS_IDLE)

    assert active_row("eager", [with_series(phase, "gpu_active", busy + off_by)]).holds is holds


def test_where_the_driver_says_nothing_nothing_is_claimed() -> None:
    assert active_row("eager", [with_series(sample.decode(), "gpu_active", None)]).holds is None


def test_traffic_is_bandwidth_times_the_time_of_an_iteration() -> None:
    phase = with_series(sample.decode(), "dram_bandwidth", 2000.0)
    assert phase.telemetry is not None
    phase = replace(phase, telemetry=replace(phase.telemetry, seconds=2.0, iterations=250))

    assert measured_bytes(phase) == pytest.approx(16e9)


def test_the_right_class_by_the_wrong_cause_is_not_accepted() -> None:
    phase = sample.decode()
    wrong = replace(phase, verdict=replace(phase.verdict, cause=Cause.SCHEDULING_SYNC))

    assert verdict_row(CASE, phase).holds
    assert not verdict_row(CASE, wrong).holds


def test_a_refused_verdict_is_never_accepted() -> None:
    phase = sample.decode()
    refused = replace(phase, verdict=replace(phase.verdict, class_=None, cause=None))

    assert not verdict_row(CASE, refused).holds
    assert not verdict_row(Case("tiny", ("tiny",), "decode", None), refused).holds


def test_parts_that_miss_the_clean_time_by_two_percent_fail() -> None:
    wall_ms = sample.decode().clean.wall_ms.median

    def phase_with(ms: float) -> Phase:
        cause = Cause.SCHEDULING_HOST
        part = Part(class_=cause.bottleneck_class, cause=cause, ms=ms, fraction=1.0, tier=Tier.TIMELINE)
        return replace(sample.decode(), parts=[part])

    assert sum_row(CASE, phase_with(wall_ms)).holds
    assert not sum_row(CASE, phase_with(1.02 * wall_ms)).holds


def test_a_delayed_phase_is_the_phase_in_all_but_its_delay() -> None:
    calls: list[str] = []

    class Recorded:
        name = "decode"
        shape = PhaseShape(batch_size=1, query_tokens=1, context_tokens=8, cache_tokens=8, tokens_out=1)
        iterations_per_reset = 3
        body = None

        def reset(self) -> None:
            calls.append("reset")

        def iterate(self) -> None:
            calls.append("iterate")

        def launch(self) -> None:
            calls.append("launch")

    phase = Recorded()
    delayed = DelayedPhase(phase, 0.01)
    delayed.reset()
    delayed.iterate()
    launch = delayed.launch
    assert launch is not None
    launch()

    assert calls == ["reset", "iterate", "launch"]
    assert (delayed.name, delayed.shape, delayed.iterations_per_reset) == ("decode", phase.shape, 3)
