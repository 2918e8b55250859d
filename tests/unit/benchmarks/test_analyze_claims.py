import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.analyze import HTA, LINE, PARTS, VERDICT, Cost, commands, cost, growth_rows, measure, rows


def verdicts(line: Cost, parts: Cost, verdict: Cost, hta: Cost | None = None) -> dict[str, bool | None]:
    costs = {LINE: [line] * 2, PARTS: [parts] * 2, VERDICT: [verdict] * 2}
    if hta is not None:
        costs[HTA] = [hta] * 2
    return {row.what: row.holds for row in rows("trace", costs) if row.holds is not None}


def test_a_verdict_in_half_more_than_the_line_s_time_and_half_its_memory_keeps_the_claims():
    found = verdicts(Cost(1.0, 1.0, 100), Cost(1.0, 1.0, 50), Cost(1.5, 1.5, 60), Cost(9.0, 9.0, 10))
    assert found == dict.fromkeys(
        [
            "trace: parts, time",
            "trace: parts, memory",
            "trace: verdict, time",
            "trace: verdict, memory",
            "trace: HTA / parts, time",
            "trace: HTA / verdict, time",
        ],
        True,
    )


def test_each_claim_fails_by_itself():
    good = {
        "line": Cost(1.0, 1.0, 100),
        "parts": Cost(0.9, 0.9, 50),
        "verdict": Cost(1.4, 1.4, 50),
        "hta": Cost(9.0, 9.0, 10),
    }
    worse = {
        "trace: parts, time": {"parts": Cost(1.1, 1.1, 50)},
        "trace: parts, memory": {"parts": Cost(0.9, 0.9, 61)},
        "trace: verdict, time": {"verdict": Cost(1.501, 1.501, 50), "hta": Cost(99.0, 99.0, 10)},
        "trace: verdict, memory": {"verdict": Cost(1.4, 1.4, 61)},
        "trace: HTA / verdict, time": {"hta": Cost(8.0, 8.0, 10)},
        "trace: HTA / parts, time": {
            "parts": Cost(1.0, 1.0, 50),
            "verdict": Cost(0.9, 0.9, 50),
            "hta": Cost(5.9, 5.9, 10),
        },
    }
    for what, change in worse.items():
        assert [name for name, holds in verdicts(**{**good, **change}).items() if not holds] == [what]


def test_the_largest_trace_has_a_bound_of_its_own():
    costs = {LINE: [Cost(9, 9, 10**10)], PARTS: [Cost(3, 3, 10**8)], VERDICT: [Cost(3, 3, 2 * 10**9)]}
    assert [row.holds for row in rows("synthetic", costs, 1_500_000_000) if row.unit == "GB"] == [False]


def test_an_event_may_take_no_more_in_a_longer_trace():
    assert [row.holds for row in growth_rows({100: 1.0, 200: 2.1, 400: 5.0})] == [True, False]


def test_sides_take_turns_and_each_is_measured_in_every_round():
    nothing: list[str | Path] = [sys.executable, "-c", ""]
    costs = measure({"one": nothing, "other": nothing}, rounds=2)
    assert [len(of) for of in costs.values()] == [2, 2]


def test_the_cost_of_a_process_is_its_own_memory():
    held = cost([sys.executable, "-c", "held = bytearray(64 << 20)"])
    assert held.peak_bytes - cost([sys.executable, "-c", ""]).peak_bytes >= 60 << 20


def test_a_side_that_fails_is_no_fast_one():
    with pytest.raises(subprocess.CalledProcessError):
        cost([sys.executable, "-c", "raise SystemExit(1)"])


def test_the_whole_command_is_measured_and_another_analysis_only_where_it_can_be_had():
    found = commands(Path("trace.json.gz"))
    assert [str(word) for word in found[VERDICT][1:]] == ["analyze", "trace.json.gz"]
    assert HTA not in found
    assert HTA in commands(Path("trace.json.gz"), Path("python"))
