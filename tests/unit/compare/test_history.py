"""Many results over time."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from profiler.compare.history import history_of
from profiler.compare.results import Named
from profiler.errors import UnreadableError
from profiler.report.kinds import load_result
from profiler.report.records import Report
from tests.failing_endpoint import refusing, served

DATA = Path(__file__).parents[2] / "data"
A, SLOWED = (sorted((DATA / "turns").glob(f"{side}-*.json.gz")) for side in ("a", "slowed"))
GRAPH = DATA / "own" / "llama8b-graph.json.gz"


def report(path: Path) -> Report:
    found = load_result(path)
    assert isinstance(found, Report)
    return found


def nights(*paths: Path) -> list[Named]:
    """One of these a night, given in no order."""
    made = [
        (f"night-{i:02d}", replace(report(path), created_at=f"2026-11-{i + 1:02d}T02:00:00+00:00"))
        for i, path in enumerate(paths)
    ]
    return made[::2] + made[1::2]


def twice_as_slow(result: Report) -> Report:
    phases = []
    for phase in result.phases:
        wall = phase.clean.wall_ms
        slower = replace(wall, median=2 * wall.median, samples=[2 * each for each in wall.samples])
        parts = [replace(part, ms=2 * part.ms) for part in phase.parts]
        phases.append(replace(phase, clean=replace(phase.clean, wall_ms=slower), parts=parts))
    return replace(result, phases=phases)


def test_results_stand_in_the_order_of_their_time():
    (group,) = history_of(nights(*A, *SLOWED)).groups
    assert [entry.name for entry in group.entries] == [f"night-{i:02d}" for i in range(12)]
    decode = next(time for time in group.times if time.name == "decode")
    assert decode.ms[0] == report(A[0]).phases[-1].clean.wall_ms.median


def test_the_night_from_which_on_all_is_slower_is_marked():
    series = nights(*A, *A)
    slower = [(name, twice_as_slow(each) if name >= "night-06" else each) for name, each in series]
    (group,) = history_of(slower).groups
    for time in group.times:
        (point,) = time.change_points
        assert point.at == 6
        assert point.change_ratio == pytest.approx(1)
    (same,) = history_of(series).groups
    assert not any(time.change_points for time in same.times if time.name != "load")


def test_what_cannot_be_compared_is_a_group_of_its_own_the_largest_first():
    answer = history_of([("graph", load_result(GRAPH)), *nights(*A)])
    assert [(group.alike["device"][:6], len(group.entries)) for group in answer.groups] == [
        ("Intel(", 6),
        ("NVIDIA", 1),
    ]


def test_a_result_without_a_date_is_last_and_said():
    undated = ("undated", replace(report(A[0]), created_at=None))
    answer = history_of([undated, *nights(*A)])
    assert answer.groups[0].entries[-1].name == "undated"
    assert "undated" in answer.notes[0]


def test_too_few_results_say_how_many_it_takes():
    (group,) = history_of(nights(*A)).groups
    assert {time.sources["change_points"].missing for time in group.times} == {
        "it takes 8 results that have it, here are 6"
    }


def test_versions_are_shown_where_they_differ():
    series = nights(*A)
    name, first = series[0]
    assert isinstance(first, Report)
    newer = replace(first, environment=replace(first.environment, torch="9.9"))
    (group,) = history_of([(name, newer), *series[1:]]).groups
    assert group.entries[0].versions == {"torch": "9.9"}
    assert all(entry.versions.keys() == {"torch"} for entry in group.entries)


def test_kinds_without_times_are_left_out_with_the_reason():
    whatif = DATA / "results" / "whatif.json.gz"
    answer = history_of([("w", load_result(whatif)), *nights(*A)])
    assert answer.unread[0].name == "w"
    with pytest.raises(UnreadableError, match="none of them has times"):
        history_of([("w", load_result(whatif))])


def test_analyses_simulations_and_servers_have_a_history_too():
    kept = [(path.name, load_result(path)) for path in sorted((DATA / "results").glob("[aes]*[!n].json.gz"))]
    assert {group.results for group in history_of(kept).groups} >= {"analyze", "endpoint", "simulate"}


def test_a_server_that_refused_everything_is_an_entry_without_times_and_says_why():
    answer = history_of([("a", served()), ("b", refusing()), ("c", served())])
    (group,) = answer.groups
    assert [entry.name for entry in group.entries] == ["a", "b", "c"]
    assert {time.name for time in group.times} == {"e2e latency", "TTFT", "TPOT"}
    assert all([ms is None for ms in time.ms] == [False, True, False] for time in group.times)
    assert "without times: b (40 of 40 requests failed: 40 throttled)" in answer.notes


def test_refusals_that_are_alike_are_told_once():
    (_, note) = history_of([("a", refusing()), ("b", refusing())]).notes
    assert note == "without times: a and 1 more (40 of 40 requests failed: 40 throttled)"


def test_a_profile_that_ended_before_its_first_phase_keeps_the_others_at_full_speed():
    fast = report(DATA / "truth" / "counted_whole_report_h100.json.gz")
    (alone,) = history_of([("a", fast), ("b", fast)]).groups
    (beside,) = history_of([("a", replace(fast, phases=[], complete=False)), ("b", fast), ("c", fast)]).groups
    assert {time.name: time.clock for time in beside.times} == {time.name: time.clock for time in alone.times}
    assert "full_speed_ms" in {time.clock for time in beside.times}
