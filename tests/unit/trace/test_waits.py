"""Who waited for whom, found fast, is what a plain look at all rows finds."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from profiler.trace.timeline import Call
from profiler.trace.waits import LaunchOrder, ends_last_before, recorded_activities, stream_keys, waited_for
from tests.unit.trace.trace_events import Event, call, event, kernel, timeline_of

ROWS = st.lists(st.tuples(st.integers(0, 5), st.integers(7, 9)), max_size=12)
TIMES = st.integers(0, 300)


@given(ROWS)
def test_what_ends_last_before_a_row_is_of_its_stream_and_of_several_the_latest(rows: list[tuple[int, int]]) -> None:
    found = ends_last_before(*np.array(rows, np.int64).reshape(-1, 2).T)
    for row, (_, stream) in enumerate(rows):
        before = [other for other in range(row) if rows[other][1] == stream]
        assert found[row] == max(before, key=lambda other: (rows[other][0], other), default=-1)


def stream_sync(at_us: float, lasts_us: float, correlation: int, stream: int) -> list[Event]:
    named = event("cuda_sync", "Stream Sync", at_us, lasts_us, correlation=correlation, stream=stream)
    return [call("cudaStreamSynchronize", at_us, lasts_us, correlation), named]


EVENTS = st.one_of(
    st.builds(lambda *told: [kernel(*told)], TIMES, st.integers(1, 60), st.integers(1, 8), st.integers(7, 9)),
    st.builds(lambda *told: [call("cudaLaunchKernel", *told)], TIMES, st.just(2), st.integers(1, 8)),
    st.builds(stream_sync, TIMES, st.integers(0, 90), st.integers(31, 34), st.integers(7, 9)),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(EVENTS, min_size=1, max_size=14))
def test_a_sync_waited_on_each_stream_for_the_end_of_all_that_was_over(drawn: list[list[Event]]) -> None:
    step = timeline_of(*(each for events in drawn for each in events))
    order = LaunchOrder.of(step)
    assert (np.diff(order.queued) >= 0).all()
    assert (order.launched_by <= order.queued).all()
    streams, ends = stream_keys(step.device)[order.device_rows], step.device.end_ns[order.device_rows]
    found = waited_for(order, recorded_activities(order))
    for place in order.of_kind(Call.SYNC):
        row = order.host_rows[place]
        over: dict[int, int] = {}
        for stream in set(streams.tolist()):
            last = -1
            for index in np.flatnonzero((streams == stream) & (order.queued < place)).tolist():
                if ends[index] > step.host.end_ns[row]:
                    break
                last = index if last < 0 or ends[index] >= ends[last] else last
            if last >= 0:
                over[stream] = last
        its_own = {over[stream] for stream in over if stream == step.host.stream[row]}
        assert set(found[place]) == (its_own or set(over.values()))
