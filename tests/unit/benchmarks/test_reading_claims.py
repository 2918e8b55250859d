from pathlib import Path

from benchmarks.reading import CANDIDATES, LINE, READERS, Cost, cost, rows

FILE = Path("trace.json.gz")


def verdicts(path: Path, line: Cost, parts: Cost) -> dict[str, bool | None]:
    return {row.what: row.holds for row in rows(path, {LINE: [line, line], "parts": [parts, parts]})}


def test_a_reader_that_is_as_fast_as_the_line_in_half_its_memory_keeps_the_claims():
    found = verdicts(FILE, Cost(2.0, 100), Cost(2.0, 50))
    assert found == {"trace: orjson": None, "trace: parts, time": True, "trace: parts, memory": True}


def test_a_slower_or_larger_reader_fails():
    found = verdicts(FILE, Cost(2.0, 100), Cost(2.1, 70))
    assert not any(found[what] for what in ("trace: parts, time", "trace: parts, memory"))


def test_nothing_is_claimed_of_a_trace_that_takes_no_longer_than_starting_python():
    found = verdicts(FILE, Cost(0.1, 100), Cost(0.2, 90))
    assert found == {"trace: orjson": None, "trace: parts, time": None}


def test_the_synthetic_trace_has_a_bound_of_its_own():
    table = rows(Path("synthetic_5000000.json.gz"), {LINE: [Cost(9, 9 * 10**9)], "whole": [Cost(3, 2 * 10**9)]})
    assert [row.holds for row in table if row.unit == "GB"] == [False]


def test_the_cost_of_a_process_is_its_own_memory():
    assert cost("held = bytearray(64 << 20)", FILE).peak_bytes - cost("", FILE).peak_bytes >= 60 << 20


def test_only_what_needs_a_library_of_its_own_may_be_left_out():
    assert {reader.name for reader in READERS + CANDIDATES if not reader.needs} >= {"parts", "whole"}
