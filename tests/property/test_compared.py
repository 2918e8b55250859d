"""What must hold of every comparison of kept results."""

from __future__ import annotations

import math
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from profiler.compare.change import Sample, change
from profiler.compare.part_changes import PartChanges, part_changes
from profiler.compare.result_times import ComparedResult, OneTime, PartOfTime
from profiler.compare.results import compare_results, time_changes
from profiler.errors import UsageError
from profiler.report.comparison import ChangeState, encode_change
from profiler.report.kinds import decode_result, load_result
from profiler.report.records import Report
from tests.property.report_strategy import reports

TURNS = Path(__file__).parents[1] / "data" / "turns"
FEW = settings(deadline=None, max_examples=30)  # a comparison resamples its results, which takes a while
NAMES = ("prefill", "decode")
CAUSES = ("scheduling.host", "memory.weights", "compute.issue")
MS = st.floats(min_value=0.1, max_value=1e3)
REACH = st.one_of(st.none(), st.floats(min_value=1e-3, max_value=10))


@st.composite
def one_times(draw: st.DrawFn, name: str) -> OneTime:
    parts = [PartOfTime(cause, None, None, draw(MS)) for cause in draw(st.sets(st.sampled_from(CAUSES), min_size=1))]
    ms = math.fsum(part.ms for part in parts)
    return OneTime(name, "wall_ms", ms, draw(REACH), draw(st.integers(2, 20)), parts)


@st.composite
def results(draw: st.DrawFn) -> ComparedResult:
    day, hour = draw(st.integers(1, 28)), draw(st.integers(0, 23))
    created_at = draw(st.sampled_from([None, f"2026-11-{day:02d}T{hour:02d}:00:00+00:00"]))
    return ComparedResult("profile", created_at, None, {}, {}, [draw(one_times(name)) for name in NAMES])


SIDES = st.lists(results(), min_size=1, max_size=6)


@FEW
@given(SIDES, SIDES)
def test_the_changes_of_the_parts_sum_to_that_of_the_time(before: list[ComparedResult], after: list[ComparedResult]):
    for time in time_changes(before, after)[0]:
        largest = max(time.before_ms, time.after_ms)
        assert math.isclose(
            math.fsum(part.change_ms for part in time.parts), time.change_ms, rel_tol=1e-9, abs_tol=1e-9 * largest
        )
        assert all(part.before_ms >= 0 and part.after_ms >= 0 for part in time.parts)


@FEW
@given(SIDES)
def test_results_have_not_changed_from_themselves(side: list[ComparedResult]):
    for time in time_changes(side, side)[0]:
        assert time.state is not ChangeState.CHANGED
        assert (time.change_ms, time.because) == (0, [])


@FEW
@given(SIDES, SIDES)
def test_the_way_back_mirrors_the_way_there(before: list[ComparedResult], after: list[ComparedResult]):
    there, back = time_changes(before, after)[0], time_changes(after, before)[0]
    for one, other in zip(there, back, strict=True):
        assert (one.name, one.state, one.basis) == (other.name, other.state, other.basis)
        assert math.isclose((1 + one.change_ratio) * (1 + other.change_ratio), 1, rel_tol=1e-6)
        assert math.isclose(one.change_ms, -other.change_ms, rel_tol=1e-6, abs_tol=1e-9)
        changes = {part.name: part.change_ms for part in other.parts}
        for part in one.parts:
            assert math.isclose(part.change_ms, -changes[part.name], rel_tol=1e-6, abs_tol=1e-6 * one.before_ms)
        if one.low_ratio is not None and other.high_ratio is not None:
            assert math.isclose((1 + one.low_ratio) * (1 + other.high_ratio), 1, rel_tol=1e-6)


@given(st.lists(MS, min_size=1, max_size=8), st.lists(MS, min_size=1, max_size=8), st.floats(1e-3, 1e3), st.booleans())
def test_the_unit_of_time_does_not_matter(before: list[float], after: list[float], unit: float, in_turn: bool):
    plain, scaled = (
        change([Sample(ms * u, 0.1, 9) for ms in before], [Sample(ms * u, 0.1, 9) for ms in after], 0.95, in_turn)
        for u in (1.0, unit)
    )
    assert math.isclose(plain.log_ratio, scaled.log_ratio, abs_tol=1e-9)
    assert math.isclose(plain.reach or 0, scaled.reach or 0, rel_tol=1e-6, abs_tol=1e-9)


@FEW
@given(reports(), reports())
def test_any_two_reports_are_compared_or_refused(one: Report, other: Report):
    try:
        answer = compare_results([("a", one)], [("b", other)], force=True)
    except UsageError:
        return
    assert decode_result(encode_change(answer)) == answer


def test_kept_reports_are_compared_the_same_way_round() -> None:
    sides = [
        [(path.name, load_result(path)) for path in sorted(TURNS.glob(f"{side}-*.json.gz"))] for side in ("a", "slowed")
    ]
    there, back = compare_results(*sides), compare_results(*sides[::-1])
    assert [time.state for time in there.times] == [time.state for time in back.times]


def test_parts_that_are_not_those_of_the_time_are_left_out() -> None:
    wrong = OneTime("decode", "wall_ms", 10.0, 0.1, 5, [PartOfTime("scheduling.host", None, None, 3.0)])
    assert part_changes([wrong], [wrong], 0.95, False) == PartChanges()
