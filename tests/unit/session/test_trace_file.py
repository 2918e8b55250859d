"""The traces of all phases as one file."""

from __future__ import annotations

import gzip
import json

import pytest

from profiler.session.trace_file import trace_file

TRACES = {
    name: gzip.compress(
        json.dumps({"schemaVersion": 1, "traceEvents": [{"name": name, "ts": 4474822119312.2}]}).encode()
    )
    for name in ("prefill", "decode")
}


@pytest.mark.parametrize("plain", [True, False])
def test_the_events_of_all_phases_are_in_one_file_in_their_order(plain: bool) -> None:
    data = trace_file(TRACES, plain=plain)
    whole = json.loads(data if plain else gzip.decompress(data))
    assert [event["name"] for event in whole["traceEvents"]] == ["prefill", "decode"]
    assert whole["schemaVersion"] == 1


def test_times_keep_all_their_digits() -> None:
    assert b"4474822119312.2" in trace_file(TRACES, plain=True)


def test_the_same_traces_give_the_same_file() -> None:
    assert trace_file(TRACES, plain=False) == trace_file(TRACES, plain=False)
