"""Which of several traces of one phase is looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from profiler.session.paced_trace import PacedTrace, middle_trace

DATA = Path(__file__).parents[2] / "data" / "own"
TRACE = (DATA / "smollm135m-graph-trace.json.gz").read_bytes()
EMPTY = b'{"traceEvents": []}'


def test_it_is_the_one_of_the_middle_time_at_the_pace_of_the_clean_pass() -> None:
    slow, middle, fast = (PacedTrace(TRACE, ratio) for ratio in (1.3, 1.0, 0.9))
    for several in ([slow, middle, fast], [fast, slow, middle], [middle, fast, slow]):
        assert middle_trace(several) is middle


def test_a_trace_without_a_step_is_not_looked_at_where_others_have_one() -> None:
    empty, one, other = PacedTrace(EMPTY), PacedTrace(TRACE), PacedTrace(TRACE, 1.1)
    assert middle_trace([empty, one, other]) is other
    assert middle_trace([empty, one]) is one
    assert middle_trace([empty]) is empty


def test_there_is_none_to_choose_from_nothing() -> None:
    with pytest.raises(ValueError, match="no trace"):
        middle_trace([])
