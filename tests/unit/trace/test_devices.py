"""A trace that shows several devices is an account for each of them."""

from __future__ import annotations

from typing import Any

from profiler.trace.accounting import account
from profiler.trace.devices import UNKNOWN, per_device, unplaced
from profiler.trace.finding import Severity
from profiler.trace.kineto import read_kineto
from profiler.trace.timeline import Call, Timeline
from tests.unit.trace.side_by_side import side_by_side
from tests.unit.trace.trace_events import RECORDINGS, call, copy, kernel, operation, timeline_of


def on_device(event: dict[str, Any], number: int) -> dict[str, Any]:
    return {**event, "args": {**event["args"], "device": number}}


def nowhere(event: dict[str, Any]) -> dict[str, Any]:
    return {**event, "args": {key: value for key, value in event["args"].items() if key != "device"}}


def two_devices() -> Timeline:
    return timeline_of(
        call("cudaLaunchKernel", 0, 2, correlation=1),
        call("cudaLaunchKernel", 3, 2, correlation=2),
        call("cudaMemcpyAsync", 6, 2, correlation=3),
        call("cudaGraphLaunch", 9, 2, correlation=4),
        on_device(kernel(10, 10, correlation=1), 0),
        on_device(kernel(15, 30, correlation=2), 1),
        on_device(copy("Memcpy HtoD (Pinned -> Device)", 50, 5, correlation=3), 1),
        on_device(kernel(60, 10, correlation=4), 0),
        on_device(kernel(61, 10, correlation=4), 1),
    )


def test_each_device_has_its_own_rows_and_the_span_of_these() -> None:
    (first, one), (second, other) = per_device(two_devices())
    assert (first, second) == (0, 1)
    accounts = [account(each.device) for each in (one, other)]
    assert [(each.span_ns, each.busy_ns, each.idle_ns) for each in accounts] == [
        (60_000, 20_000, 40_000),
        (56_000, 45_000, 11_000),
    ]
    assert [stream.device for each in accounts for stream in each.streams] == [0, 1]


def test_what_launched_only_for_another_device_is_plain_work_of_the_host() -> None:
    (_, one), (_, other) = per_device(two_devices())
    assert [Call(kind) for kind in one.host.kind] == [Call.LAUNCH, Call.OTHER, Call.OTHER, Call.GRAPH_LAUNCH]
    assert [Call(kind) for kind in other.host.kind] == [Call.OTHER, Call.LAUNCH, Call.COPY, Call.GRAPH_LAUNCH]
    assert other.device.call.tolist() == [1, 2, 3]


def test_one_device_is_the_trace_itself() -> None:
    timeline = timeline_of(on_device(kernel(0, 10), 5), on_device(kernel(20, 10), 5), operation("aten::mm", 0, 1))
    ((number, same),) = per_device(timeline)
    assert number == 5
    assert same is timeline


def test_what_does_not_say_where_it_ran_belongs_to_the_only_device() -> None:
    timeline = timeline_of(on_device(kernel(0, 10), 5), nowhere(kernel(20, 10)))
    ((number, same),) = per_device(timeline)
    (stream,) = account(same.device).streams
    assert (number, stream.device, stream.busy_ns) == (5, 5, 20_000)
    assert unplaced(timeline, 5) == []


def test_what_does_not_say_on_which_of_several_devices_it_ran_makes_all_of_them_doubtful() -> None:
    timeline = timeline_of(
        on_device(kernel(0, 100), 0), on_device(kernel(0, 1_000), 1), nowhere(kernel(40, 20)), kernel(900, 100)
    )
    short, long = (unplaced(timeline, number)[0] for number in (1, UNKNOWN))
    assert (short.severity, short.lost_ratio) == (Severity.WARNING, 0.02)
    assert (long.severity, long.count, long.of) == (Severity.FATAL, 1, 4)
    assert "do not say on which of the 2 devices" in long.message


def test_a_trace_without_any_device_is_itself() -> None:
    timeline = timeline_of(operation("aten::mm", 0, 1))
    assert per_device(timeline) == [(-1, timeline)]


def test_two_recordings_in_one_file_are_accounted_for_as_each_alone() -> None:
    names = ("tiny_kernels", "gemm_large")
    for name, (_, timeline) in zip(names, per_device(read_kineto(side_by_side(*names))), strict=True):
        alone = read_kineto(RECORDINGS / f"{name}.json.gz")
        told, expected = account(timeline.device), account(alone.device)
        assert (told.span_ns, told.busy_ns, told.idle_ns, told.kernel_ns) == (
            expected.span_ns,
            expected.busy_ns,
            expected.idle_ns,
            expected.kernel_ns,
        )
