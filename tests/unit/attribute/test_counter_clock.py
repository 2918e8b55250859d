from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiler.attribute.counter_clock import Bursts, CounterClock, cumulated, find_clock
from profiler.measure.counters.source import Counter
from profiler.trace.timeline import Activity
from tests.unit.attribute.counter_samples import MARKER_COPIES, counted_run


def clock_of(
    *, offset_ns: int, drift: float, noise_bytes: float = 1e5
) -> tuple[CounterClock | None, np.ndarray, np.ndarray]:
    timeline, recording = counted_run(iterations=(40, 40), offset_ns=offset_ns, drift=drift, noise_bytes=noise_bytes)
    device = timeline.device
    copies = np.flatnonzero(device.kind == Activity.D2D)
    markers = [
        Bursts(device.start_ns[rows], device.end_ns[rows], device.bytes[rows].astype(float))
        for rows in np.split(copies, len(copies) // MARKER_COPIES)
    ]
    start, end = np.array(recording.start_ns), np.array(recording.end_ns)
    truth_ns = (start - offset_ns) / (1 + drift)
    found = find_clock(start, end, np.array(recording.values[Counter.DRAM_READ]), markers)
    return found, start, truth_ns


@given(
    offset_ns=st.integers(-(2**61), 2**61),
    drift=st.floats(-5e-5, 5e-5),
)
@settings(max_examples=15, deadline=None)
def test_samples_are_laid_onto_the_trace_to_a_tenth_of_a_microsecond(offset_ns: int, drift: float) -> None:
    clock, start, truth_ns = clock_of(offset_ns=offset_ns, drift=drift)
    assert clock is not None
    placed_ns = clock.since_anchor_ns(start) + clock.anchor_ns
    assert np.abs(placed_ns - truth_ns).max() < 150


def test_a_marker_under_noise_as_large_as_itself_is_not_found() -> None:
    clock, _, _ = clock_of(offset_ns=5, drift=0.0, noise_bytes=5e7)
    assert clock is None


def test_what_lies_before_an_instant_counts_whole_and_what_holds_it_in_part() -> None:
    start, end = np.array([0.0, 10.0, 12.0]), np.array([4.0, 20.0, 16.0])
    reached = cumulated(start, end, np.array([8.0, 100.0, 4.0]), np.array([-5.0, 2.0, 7.0, 14.0, 50.0]))
    assert reached.tolist() == pytest.approx([0.0, 4.0, 8.0, 50.0, 112.0])
