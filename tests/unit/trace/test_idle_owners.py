"""Each nanosecond that the device waited for the host is charged once, to the innermost work that was going on."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiler.report.analysis import PartName
from profiler.trace.accounting import account
from profiler.trace.host_work import host_work
from profiler.trace.idle import idle_ns, late_launches
from profiler.trace.idle_owners import CAUSES, IdlePieces, idle_pieces
from profiler.trace.span_graph import span_graph
from profiler.trace.timeline import Timeline
from tests.unit.trace.trace_events import (
    PUBLIC,
    Event,
    annotation,
    call,
    copy,
    frame,
    kernel,
    operation,
    public_trace,
    recording,
    timeline_of,
)


def pieces_of(timeline: Timeline) -> IdlePieces:
    return idle_pieces(timeline, host_work(timeline), late_launches(timeline))


def charged(*events: Event) -> dict[str, float]:
    """Microseconds by the name of the owner."""
    timeline = timeline_of(*events)
    work, pieces = host_work(timeline), pieces_of(timeline)
    found: dict[str, float] = defaultdict(float)
    for owner, begin, end in zip(pieces.owner, pieces.begin_ns, pieces.end_ns, strict=True):
        found["-" if owner < 0 else timeline.names[work.name[owner]]] += (end - begin) / 1e3
    return dict(found)


def launch(at_us: float, correlation: int, tid: int = 1) -> Event:
    return call("cudaLaunchKernel", at_us, 2, correlation) | {"tid": tid}


FIRST = (launch(0, 1), kernel(5, 10, 1))  # the device runs dry at 15
SECOND = (launch(100, 2), kernel(104, 5, 2))  # and waits for the host until 102


def test_the_innermost_operation_is_charged_and_what_lies_between_is_nobodys() -> None:
    found = charged(*FIRST, operation("aten::linear", 20, 82), operation("aten::empty", 30, 10), *SECOND)
    assert found == {"-": 5, "aten::linear": 72, "aten::empty": 10}


def test_a_runtime_call_counts_as_the_operation_around_it_and_for_itself_where_there_is_none() -> None:
    assert charged(*FIRST, operation("aten::mm", 90, 20), *SECOND) == {"-": 75, "aten::mm": 12}
    assert charged(*FIRST, *SECOND) == {"-": 85, "cudaLaunchKernel": 2}


def test_a_function_of_python_is_charged_where_no_operation_is_within_it() -> None:
    found = charged(
        *FIRST,
        frame("train.py(3): step", 10, 200),
        frame("data.py(9): load", 20, 60),
        operation("aten::mm", 90, 20),
        *SECOND,
    )
    assert found == {"train.py(3): step": 15, "data.py(9): load": 60, "aten::mm": 12}


def test_a_range_is_charged_if_nothing_was_recorded_within_it_or_if_it_is_a_data_loader() -> None:
    loading = "enumerate(DataLoader)#_MultiProcessingDataLoaderIter.__next__"
    assert charged(*FIRST, annotation("sampling", 20, 30), *SECOND)["sampling"] == 30
    assert charged(*FIRST, annotation("step", 20, 80), operation("aten::mm", 30, 10), *SECOND)["-"] == 75
    with_work = charged(*FIRST, annotation(loading, 20, 80), operation("aten::stack", 30, 10), *SECOND)
    assert with_work[loading] == 70


def test_what_another_thread_did_is_charged_where_the_launching_one_had_no_operation_open() -> None:
    backward = (operation("autograd::mm", 30, 40, tid=2), launch(62, 3, tid=2), kernel(300, 5, 3))
    found = charged(*FIRST, frame("train.py(3): backward", 20, 90), operation("aten::add_", 90, 20), *backward, *SECOND)
    assert found == {"-": 5, "train.py(3): backward": 30, "autograd::mm": 40, "aten::add_": 12}


def test_operations_that_overlap_without_nesting_are_charged_once() -> None:
    found = charged(*FIRST, operation("one", 20, 40), operation("other", 40, 40), *SECOND)
    assert found == {"-": 25, "one": 20, "other": 40, "cudaLaunchKernel": 2}


def host_causes(timeline: Timeline) -> dict[PartName, int]:
    told = account(timeline.device)
    by_cause = idle_ns(timeline, span_graph(timeline, told), late_launches(timeline))
    return {cause: by_cause[cause] for cause in CAUSES if cause in by_cause}


def assert_charges_what_the_host_is_blamed_for(timeline: Timeline) -> None:
    pieces = pieces_of(timeline)
    lasts = pieces.end_ns - pieces.begin_ns
    assert (lasts > 0).all()
    assert (pieces.begin_ns[1:] >= pieces.end_ns[:-1]).all()
    found = {cause: int(lasts[pieces.cause == number].sum()) for number, cause in enumerate(CAUSES)}
    assert {cause: ns for cause, ns in found.items() if ns} == host_causes(timeline)


@pytest.mark.parametrize("name", PUBLIC)
def test_the_charges_of_a_public_trace_are_its_idle_time_by_cause(name: str) -> None:
    assert_charges_what_the_host_is_blamed_for(public_trace(name))


@pytest.mark.parametrize("name", ["decode_b1_eager", "sync_every_op", "slow_host", "h2d_pageable", "stream_imbalance"])
def test_the_charges_of_a_recording_are_its_idle_time_by_cause(name: str) -> None:
    assert_charges_what_the_host_is_blamed_for(recording(name))


TIMES = st.integers(0, 4_000)
NAMES = st.sampled_from(["aten::mm", "aten::add"])
EVENTS = st.one_of(
    st.builds(kernel, TIMES, st.integers(0, 90), st.integers(0, 8), st.integers(6, 8)),
    st.builds(launch, TIMES, st.integers(1, 8), st.integers(1, 2)),
    st.builds(call, st.just("cudaStreamSynchronize"), TIMES, st.integers(0, 900)),
    st.builds(
        copy, st.just("Memcpy HtoD (Pageable -> Device)"), TIMES, st.integers(0, 90), correlation=st.integers(1, 8)
    ),
    st.builds(operation, NAMES, TIMES, st.integers(0, 900), st.integers(1, 2)),
    st.builds(frame, st.just("a.py(1): f"), TIMES, st.integers(0, 900), st.integers(1, 2)),
    st.builds(annotation, st.sampled_from(["enumerate(DataLoader)#x", "step"]), TIMES, st.integers(0, 900)),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(EVENTS, min_size=1, max_size=14))
def test_the_charges_are_the_idle_time_by_cause_whatever_a_trace_holds(events: list[Event]) -> None:
    assert_charges_what_the_host_is_blamed_for(timeline_of(*events))
