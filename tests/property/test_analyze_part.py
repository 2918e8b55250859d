"""Whatever part of whatever trace is asked for, it is accounted for exactly or refused in one line."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profiler.errors import UnreadableError
from profiler.report.analysis import RankAnalysis
from profiler.session.analyze import analyze_trace
from profiler.trace.narrowing import Narrowing
from tests.unit.trace.trace_events import annotation, call, copy, kernel, operation, trace_bytes

TIMES = st.integers(0, 3_000)
NAMES = ["gemm", "flash_fwd", "argmax", "softmax", "paged_attention_v2", "ncclX"]
RANGES = ["ProfilerStep#1", "step[DECODE bs=2]", "execute_context_1(9)_generation_0(0)", "prefill", "decode", "mine"]
EVENTS = st.one_of(
    st.builds(kernel, TIMES, st.integers(0, 700), st.integers(0, 6), st.integers(6, 8), st.sampled_from(NAMES)),
    st.builds(
        call,
        st.sampled_from(["cudaLaunchKernel", "cudaGraphLaunch", "cudaStreamSynchronize", "cudaMemcpyAsync"]),
        TIMES,
        st.integers(0, 900),
        st.integers(0, 6),
    ),
    st.builds(copy, st.sampled_from(["Memcpy DtoH (Device -> Pageable)", "Memcpy DtoD"]), TIMES, st.integers(0, 90)),
    st.builds(operation, st.sampled_from(["aten::mm", "aten::add"]), TIMES, st.integers(0, 90), st.integers(1, 2)),
    st.builds(annotation, st.sampled_from(RANGES), TIMES, st.integers(0, 1_500), st.integers(1, 2)),
)
US = st.none() | st.integers(0, 3_500)


@st.composite
def loops(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Some events, repeated: what a loop leaves."""
    once = draw(st.lists(EVENTS, min_size=1, max_size=9))
    every = draw(st.integers(200, 4_000))
    return [
        {**event, "ts": event["ts"] + every * number} for number in range(draw(st.integers(1, 5))) for event in once
    ]


def analysed(events: list[dict[str, Any]], narrowing: Narrowing, parts_only: bool) -> list[RankAnalysis]:
    try:
        return analyze_trace("any.json", trace_bytes(events), parts_only=parts_only, narrowing=narrowing)
    except UnreadableError as error:
        if "\n" in error.message:
            raise
        return []


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(loops(), st.none() | st.tuples(st.integers(0, 4), st.integers(0, 2)), US, US, st.booleans())
def test_any_part_of_any_trace_is_exact_or_refused_in_one_line(
    events: list[dict[str, Any]],
    steps: tuple[int, int] | None,
    from_us: int | None,
    to_us: int | None,
    parts_only: bool,
) -> None:
    narrowing = Narrowing(
        first_step=None if steps is None else steps[0],
        last_step=None if steps is None else sum(steps),
        from_ns=None if from_us is None else from_us * 1_000,
        to_ns=None if to_us is None else to_us * 1_000,
    )
    for rank in analysed(events, narrowing, parts_only):
        assert rank.busy_ns + rank.idle_ns == rank.span_ns == sum(part.ns for part in rank.parts)
        assert rank.window is None or rank.window.to_ns - rank.window.from_ns == rank.span_ns
        seen = [step for phase in rank.phases for run in phase.steps for step in range(run.first, run.last + 1)]
        assert sorted(seen) == sorted(set(seen))
        for phase in rank.phases:
            assert phase.busy_ns + phase.idle_ns == phase.span_ns
            assert sum(part.ns for part in phase.parts) == phase.judged_ns
            assert min(part.ns for part in phase.parts) > 0
