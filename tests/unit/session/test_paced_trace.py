"""Which of several traces of one phase is looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from profiler.session.paced_trace import PacedTrace, middle_trace
from profiler.trace.timeline import STEP_PREFIX
from tests.unit.trace.trace_events import annotation, operation, trace_bytes

DATA = Path(__file__).parents[2] / "data" / "own"
TRACE = (DATA / "smollm135m-graph-trace.json.gz").read_bytes()
EMPTY = b'{"traceEvents": []}'


def test_it_is_the_one_of_the_middle_time_at_the_pace_of_the_clean_pass() -> None:
    slow, middle, fast = (PacedTrace(TRACE, ratio) for ratio in (1.3, 1.0, 0.9))
    for several in ([slow, middle, fast], [fast, slow, middle], [middle, fast, slow]):
        assert middle_trace(several) is middle


def test_it_is_chosen_by_what_operations_took_and_not_by_what_lies_between_them() -> None:
    # The one whose operations took the median time is the longest of all.
    short, middle, long = (computing(*us) for us in ((100, 700), (200, 900), (300, 800)))
    for several in ([short, middle, long], [middle, long, short]):
        assert middle_trace(several) is middle


def computing(operations_us: float, step_us: float) -> PacedTrace:
    """A step of two operations on a CPU."""
    each = operations_us / 2
    return PacedTrace(
        trace_bytes(
            [
                annotation(f"{STEP_PREFIX}decode#0", 0.0, step_us),
                operation("aten::mm", 10.0, each),
                operation("aten::mm", step_us - 10.0 - each, each),
            ]
        )
    )


def test_a_trace_without_a_step_is_not_looked_at_where_others_have_one() -> None:
    empty, one, other = PacedTrace(EMPTY), PacedTrace(TRACE), PacedTrace(TRACE, 1.1)
    assert middle_trace([empty, one, other]) is other
    assert middle_trace([empty, one]) is one
    assert middle_trace([empty]) is empty


def test_there_is_none_to_choose_from_nothing() -> None:
    with pytest.raises(ValueError, match="no trace"):
        middle_trace([])
