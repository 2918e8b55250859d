from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from benchmarks.truth.repeatability import Interval, claims_of, coverage, evaluate, evaluate_folder, share_of
from benchmarks.truth.results import write_report
from profiler.report.records import Phase, Report
from profiler.report.vocabulary import BottleneckClass
from tests.unit.render import sample


def eager(median: float, half: float, klass: BottleneckClass = BottleneckClass.SCHEDULING) -> Phase:
    decode = next(phase for phase in sample.report().phases if phase.name == "decode")
    times = replace(decode.clean.wall_ms, median=median, low=median - half, high=median + half)
    return replace(
        decode,
        name="decode eager",
        clean=replace(decode.clean, wall_ms=times),
        verdict=replace(decode.verdict, class_=klass),
    )


def held(phases: list[Phase]) -> list[bool | None]:
    return [claim.holds for claim in claims_of("decode eager", phases)]


def test_runs_that_agree_within_narrow_intervals_hold() -> None:
    assert held([eager(20.0 + 0.1 * run, 1.5) for run in range(10)]) == [True, True, True]


def test_one_run_of_another_class_fails() -> None:
    runs = [eager(20.0, 1.0)] * 9 + [eager(20.0, 1.0, BottleneckClass.MEMORY)]
    assert held(runs)[0] is False


def test_a_class_that_every_run_refuses_to_name_is_none() -> None:
    refused = eager(20.0, 1.0)
    refused = replace(refused, verdict=replace(refused.verdict, class_=None))
    assert held([refused] * 10)[0] is False


def test_intervals_that_miss_each_other_fail_although_narrow() -> None:
    assert held([eager(20.0 + run, 0.5) for run in range(10)]) == [True, False, True]


def test_one_wide_interval_fails() -> None:
    assert held([eager(20.0, 1.9)] * 9 + [eager(20.0, 2.1)]) == [True, True, False]


def test_a_captured_step_must_be_known_more_closely() -> None:
    claims = claims_of("decode graph", [eager(20.0, 1.0)] * 10)
    assert claims[2].holds is False
    assert "3%" in claims[2].text


def test_coverage_counts_ordered_pairs() -> None:
    wide, narrow = Interval(10.0, 5.0, 15.0), Interval(12.0, 11.9, 12.1)
    assert coverage([wide, narrow]) == 0.5  # the wide one holds the narrow one's value, not the other way round
    assert coverage([wide]) is None


@given(st.lists(st.floats(1.0, 100.0), min_size=2, max_size=12))
def test_intervals_without_end_hold_everybody(values: list[float]) -> None:
    assert coverage([Interval(value, 0.0, 1000.0) for value in values]) == 1.0


def test_the_share_of_a_class_is_that_of_its_resources() -> None:
    phase = eager(20.0, 1.0)
    total = sum(share_of(phase, klass).value for klass in BottleneckClass)
    assert total == pytest.approx(sum(share.share for share in phase.shares))


def test_the_time_at_full_speed_is_held_to_the_same_and_need_not_fail_with_the_clock() -> None:
    runs = []
    for run in range(10):
        phase = eager(20.0 + 2 * run, 1.5)  # a host of many moods
        at_best = replace(phase.clean.wall_ms, median=18.0 + 0.05 * run, low=17.0, high=19.5)
        runs.append(replace(phase, clean=replace(phase.clean, full_speed_ms=at_best, host_slowdown=1.5)))
    claims = claims_of("decode eager", runs)
    assert [claim.holds for claim in claims] == [True, False, True, True, True]
    assert "by the clock" in claims[1].text
    assert "full speed" in claims[3].text


def report(median: float) -> Report:
    return replace(sample.report(), phases=[eager(median, 1.0)])


def test_what_runs_left_is_judged_again(tmp_path: Path) -> None:
    reports = [report(20.0 + 0.04 * number) for number in range(10)]
    for number, one in enumerate(reports):
        write_report(tmp_path, f"repeatability-{number}", one)
    found = evaluate_folder(tmp_path)
    assert found == evaluate(reports)
    assert found.holds
    assert found.environment["device"] == reports[0].environment.device
    assert [row[1] for row in found.tables[0].rows] == [str(number) for number in range(10)]


def test_fewer_than_ten_runs_prove_nothing() -> None:
    assert not evaluate([report(20.0), report(20.4)]).holds
