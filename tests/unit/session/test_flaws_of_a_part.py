"""A part of a trace is refused for the flaws that lie in it, and for those of which nobody knows where they lie."""

from __future__ import annotations

import pytest

from profiler.session.looked_at import looked_at
from profiler.trace.finding import Severity
from profiler.trace.integrity import check
from profiler.trace.kineto import read_kineto
from profiler.trace.narrowing import Narrowing
from tests.unit.trace.trace_events import Event, call, kernel, trace_bytes

MS = 1e3  # microseconds, which events are written in
LAST_WAIT = 2.5 * MS  # what ran in a loop is over, and the host knows it
NAMES = ("norm", "qkv", "attention", "down")


def replay(at: float, correlation: int, kernels: int = len(NAMES)) -> list[Event]:
    """A graph of four kernels, of which so many were recorded."""
    shown = [kernel(at + 20 + 100 * row, 90, correlation, name=name) for row, name in enumerate(NAMES[:kernels])]
    return [call("cudaGraphLaunch", at, 10, correlation), *shown]


def loop(at: float, correlation: int) -> list[Event]:
    """Three whole steps of 1 ms, each waited for."""
    steps = [replay(at + number * MS, correlation + number) for number in range(3)]
    waits = [call("cudaDeviceSynchronize", at + number * MS + 15, 500) for number in range(3)]
    return [event for step in steps for event in step] + waits


def flawed(code: str) -> tuple[list[Event], float]:
    """A stretch of 100 ms with one flaw, or of 3 hours; it begins at 10 ms. How long it is, in microseconds."""
    at = 10 * MS
    match code:
        case "under_recorded":
            return [*replay(at, 50), call("cudaStreamSynchronize", at + MS, 90 * MS)], 100 * MS
        case "stopped_with_work_queued":
            late = [call("cudaLaunchKernel", at + 20, 5, 51), kernel(at + 90 * MS, 50, 51)]
            return [*replay(at, 50), *late], 100 * MS
        case "clocks_disagree":
            return [call("cudaLaunchKernel", at + 90 * MS, 5, 50), kernel(at, 50, 50)], 100 * MS
        case "replays_cut_short":
            return replay(at, 50, kernels=1), 100 * MS
        case "duplicate_events":
            return [*replay(at, 50), *replay(at, 50)[1:]], 100 * MS
        case "shared_correlations":
            return [*replay(at, 50), call("cudaGraphLaunch", at + MS, 10, 50)], 100 * MS
        case "clock_jump":
            return replay(at, 50), 3 * 3_600_000 * MS
        case _:
            raise AssertionError(code)


def fatal(data: bytes, start_us: float, end_us: float) -> list[str]:
    whole = read_kineto(data)
    zero = whole.device.span_ns[0]
    narrowing = Narrowing(from_ns=int(start_us * 1e3) - zero, to_ns=int(end_us * 1e3) - zero)
    part = looked_at("a.json", whole, check(whole), narrowing, with_steps=False)
    return [finding.code for finding in part.findings if finding.severity is Severity.FATAL]


@pytest.mark.parametrize(
    "code",
    [
        "under_recorded",
        "stopped_with_work_queued",
        "replays_cut_short",
        "duplicate_events",
        "shared_correlations",
        "clock_jump",
    ],
)
def test_a_flaw_leaves_no_verdict_where_it_lies_and_nowhere_else(code: str) -> None:
    middle, length = flawed(code)
    after = 10 * MS + length
    data = trace_bytes([*loop(0, 1), *middle, *loop(after, 10)])
    assert [each.code for each in check(read_kineto(data)) if each.severity is Severity.FATAL] == [code]
    assert fatal(data, 0, LAST_WAIT) == []
    assert code in fatal(data, 10 * MS, after)
    assert fatal(data, after, after + 3 * MS) == []


def test_clocks_that_disagree_are_trusted_only_before_they_do() -> None:
    middle, length = flawed("clocks_disagree")
    after = 10 * MS + length
    data = trace_bytes([*loop(0, 1), *middle, *loop(after, 10)])
    assert fatal(data, 0, LAST_WAIT) == []
    assert fatal(data, after, after + 3 * MS) == ["clocks_disagree"]


def test_work_that_was_not_recorded_may_lie_anywhere_since_the_device_was_last_waited_for() -> None:
    waiting = [call("cudaStreamSynchronize", 200 * MS, 100 * MS)]
    data = trace_bytes([*loop(0, 1), *replay(10 * MS, 50), *waiting, *loop(400 * MS, 10)])
    assert fatal(data, 10 * MS, 11 * MS) == ["under_recorded"]


def test_what_a_cut_file_lacks_may_lie_anywhere() -> None:
    text = trace_bytes([*loop(0, 1), *loop(100 * MS, 10)])
    data = text[: int(0.95 * len(text))]
    assert fatal(data, 0, LAST_WAIT) == ["cut_off"]
