"""Whatever a trace holds, it is analysed exactly or refused in one line."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profiler.errors import UnreadableError
from profiler.report.analysis import RankAnalysis, encode_analysis
from profiler.session.analyze import analyze_inputs, analyze_trace
from profiler.session.trace_inputs import TraceInput
from tests.unit.trace.trace_events import annotation, call, copy, frame, kernel, operation, trace_bytes

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=8),
    st.lists(st.integers(-5, 2**40), max_size=4),
    st.lists(st.lists(st.one_of(st.integers(-5, 2**40), st.text(max_size=3)), max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)
TIMES = st.integers(0, 4_000)
EVENTS = st.one_of(
    st.builds(
        kernel, TIMES, st.integers(-5, 900), st.integers(0, 6), st.integers(6, 8), st.sampled_from(["gemm", "ncclX"])
    ),
    st.builds(
        call, st.sampled_from(["cudaLaunchKernel", "cudaGraphLaunch"]), TIMES, st.integers(0, 90), st.integers(0, 6)
    ),
    st.builds(call, st.just("cudaStreamSynchronize"), TIMES, st.integers(0, 9_000), st.integers(0, 6)),
    st.builds(copy, st.sampled_from(["Memcpy HtoD (Pageable -> Device)", "Memcpy DtoD"]), TIMES, st.integers(0, 90)),
    st.builds(operation, st.sampled_from(["aten::mm", "aten::add"]), TIMES, st.integers(0, 90), st.integers(1, 2)),
    st.builds(annotation, st.sampled_from(["ProfilerStep#1", "enumerate(DataLoader)#x"]), TIMES, st.integers(0, 900)),
    st.builds(frame, st.sampled_from(["a.py(1): f", "<built-in method x of"]), TIMES, st.integers(-5, 900)),
)
FIELDS = st.sampled_from(["ph", "cat", "name", "tid", "ts", "dur", "args"])
ARGUMENTS = st.sampled_from(
    (
        *("correlation", "stream", "device", "bytes", "grid", "block", "registers per thread", "shared memory"),
        *("Input Dims", "Input type", "Concrete Inputs", "Input Strides", "External id"),
        "Call stack",
    )
)


@st.composite
def traces(draw: st.DrawFn) -> bytes:
    """A small trace of real events, some of whose fields hold anything."""
    events: list[dict[str, Any]] = draw(st.lists(EVENTS, max_size=12))
    for event in events:
        if draw(st.integers(0, 9)) == 0:
            event[draw(FIELDS)] = draw(ODD)
        if isinstance(event["args"], dict) and draw(st.integers(0, 4)) == 0:
            event["args"] = {**event["args"], draw(ARGUMENTS): draw(ODD)}
    top = draw(st.dictionaries(st.sampled_from(["baseTimeNanoseconds", "deviceProperties"]), ODD, max_size=1))
    return trace_bytes(events, **top)


def analysed(data: bytes) -> list[RankAnalysis] | UnreadableError:
    try:
        return analyze_trace("odd.json", data)
    except UnreadableError as error:
        return error


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(traces())
def test_a_trace_of_odd_events_is_analysed_exactly_or_refused_in_one_line(data: bytes) -> None:
    found = analysed(data)
    if isinstance(found, UnreadableError):
        assert "\n" not in found.message
        return
    for rank in found:
        assert rank.busy_ns + rank.idle_ns == rank.span_ns
        assert sum(part.ns for part in rank.parts) == rank.span_ns
        assert sum(part.ns for part in rank.parts if part.part.is_idle) == rank.idle_ns
        assert all(part.ns > 0 for part in rank.parts)
        assert sum(operation.idle_ns for operation in rank.host_operations) <= rank.idle_ns
        if rank.critical_path is not None:
            assert sum(each.ns for each in rank.critical_path.kinds) == rank.span_ns


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode) | st.builds(json.dumps, ODD).map(str.encode))
def test_what_is_no_trace_is_refused_in_one_line(data: bytes) -> None:
    found = analysed(data)
    assert "\n" not in found.message if isinstance(found, UnreadableError) else found[0].span_ns == 0


def test_nothing_that_a_trace_says_of_its_environment_is_passed_on() -> None:
    secret = "hf_live_token"
    data = trace_bytes(
        [call("cudaLaunchKernel", 0, 2, 1, secret=secret), kernel(5, 10, 1)],
        env={"HF_TOKEN": secret},
        hostName=secret,
        distributedInfo={"rank": 0, "note": secret},
        deviceProperties=[{"id": 0, "name": "NVIDIA H100 80GB HBM3", "uuid": secret}],
    )
    assert secret.encode() not in encode_analysis(analyze_inputs([TraceInput("a.json", data)]))


def test_of_python_s_functions_nothing_is_passed_on_of_whose_machine_it_was() -> None:
    files = ("/home/alice/site/train.py(3): step", "/mnt/alice/lib/python3.12/site-packages/x/y.py(4): f")
    stack = ";".join(files)
    slow = [operation("aten::mm", 30, 400, **{"Call stack": stack}), call("cudaLaunchKernel", 420, 2, 2)]
    events = [call("cudaLaunchKernel", 0, 2, 1), kernel(5, 10, 1), *slow, kernel(425, 10, 2)]
    framed = [frame(file, 20 + place, 420) for place, file in enumerate(files)]
    for each in (events, [*events, *framed]):
        text = encode_analysis(analyze_inputs([TraceInput("a.json", trace_bytes(each))]))
        assert b"train.py(3): step" in text
        assert b"alice" not in text
