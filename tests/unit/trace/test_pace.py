"""A timeline at another pace: all lasts so many times as long, and stays in its order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from profiler.trace.kineto import read_kineto
from profiler.trace.pace import at_pace
from profiler.trace.steps import cut, representative, steps_of
from profiler.trace.timeline import Timeline

TRACE = Path(__file__).parents[2] / "data" / "own" / "smollm135m-graph-trace.json.gz"
WHOLE = read_kineto(TRACE.read_bytes())
CHOSEN = representative(steps_of(WHOLE), WHOLE.overhead)
STEP = cut(WHOLE, CHOSEN)


def busy_ns(timeline: Timeline) -> int:
    return int((timeline.device.end_ns - timeline.device.start_ns).sum())


def test_a_timeline_at_its_own_pace_is_the_same() -> None:
    assert at_pace(STEP, CHOSEN.start_ns, 1.0) is STEP


@given(st.floats(0.2, 5))
def test_all_of_it_takes_so_many_times_as_long(ratio: float) -> None:
    found = at_pace(STEP, CHOSEN.start_ns, ratio)
    assert abs(busy_ns(found) - ratio * busy_ns(STEP)) <= len(STEP.device)
    for before, after in ((STEP.device, found.device), (STEP.host, found.host), (STEP.operations, found.operations)):
        assert len(before)
        np.testing.assert_allclose(
            after.start_ns - CHOSEN.start_ns, ratio * (before.start_ns - CHOSEN.start_ns), atol=0.5
        )
        assert (np.diff(after.start_ns) >= 0).all()
        assert (after.end_ns >= after.start_ns).all()
