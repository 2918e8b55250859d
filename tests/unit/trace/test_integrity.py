from __future__ import annotations

import pytest

from profiler.trace.integrity import Severity, check
from profiler.trace.kineto import read_kineto
from profiler.trace.timeline import Timeline
from tests.unit.trace.trace_events import (
    CPU_TRACE,
    RECORDINGS,
    annotation,
    call,
    copy,
    event,
    kernel,
    operation,
    public_trace,
    timeline_of,
)


def found(timeline: Timeline) -> dict[str, tuple[int, int, Severity]]:
    return {each.code: (each.count, each.of, each.severity) for each in check(timeline)}


def test_a_replay_that_the_host_waited_for_and_nobody_recorded_is_fatal():
    findings = check(public_trace("mi300_sglang_decode"))
    assert [(each.code, each.severity) for each in findings] == [("under_recorded", Severity.FATAL)]
    assert "463.0 ms" in findings[0].message


def test_a_whole_trace_of_a_graph_replay_has_no_flaw():
    assert check(public_trace("mi300_vllm_decode_graph")) == []


def test_kernels_without_a_launch_record_are_counted():
    assert found(public_trace("h100_qwen1.5_0.5b")) == {"kernels_without_launch": (436, 1465, Severity.WARNING)}


def test_rounded_times_and_the_kernels_they_emptied_are_noted():
    findings = found(public_trace("v100_resnet50_workers0"))
    assert findings["empty_kernels"] == (636, 8772, Severity.NOTE)
    assert findings["coarse_timestamps"] == (9096, 9096, Severity.NOTE)


def test_a_trace_with_nanoseconds_is_not_called_coarse():
    assert "coarse_timestamps" not in found(public_trace("hta_ns_resolution"))


@pytest.mark.parametrize("path", sorted(RECORDINGS.glob("*.json.gz")), ids=lambda path: path.name.partition(".")[0])
def test_our_own_recordings_are_whole(path):
    assert {each.severity for each in check(read_kineto(path))} <= {Severity.NOTE}


def test_the_cpu_trace_is_whole():
    assert check(read_kineto(CPU_TRACE)) == []


def test_a_long_wait_for_work_that_is_there_is_no_flaw():
    timeline = timeline_of(
        call("cudaLaunchKernel", 0, 5, correlation=1),
        call("cudaDeviceSynchronize", 10, 50_000),
        kernel(20.5, 49_000, correlation=1),
    )
    assert found(timeline) == {}


def test_a_wait_while_the_tracer_held_the_host_is_no_flaw():
    timeline = timeline_of(
        call("cudaLaunchKernel", 0, 5, correlation=1),
        call("cudaDeviceSynchronize", 10, 50_000),
        kernel(20, 10, correlation=1),
        event("overhead", "Activity Buffer Request", 40, 49_000),
    )
    assert "under_recorded" not in found(timeline)


def test_a_copy_that_the_host_had_to_stage_first_is_no_flaw():
    timeline = timeline_of(
        call("cudaLaunchKernel", 0, 5, correlation=1),
        kernel(20, 10, correlation=1),
        call("cudaMemcpyAsync", 40, 30_000, correlation=2),
        copy("Memcpy HtoD (Pageable -> Device)", 30_000, 30, correlation=2),
    )
    assert "under_recorded" not in found(timeline)


def test_a_lost_wait_that_is_small_in_the_trace_lowers_confidence_only():
    timeline = timeline_of(
        call("cudaLaunchKernel", 0, 5, correlation=1),
        kernel(20, 900_000, correlation=1),
        call("cudaStreamSynchronize", 910_000, 6_000),
    )
    assert found(timeline) == {"under_recorded": (1, 1, Severity.WARNING)}


def test_launches_whose_kernels_were_dropped_are_counted():
    timeline = timeline_of(
        call("cudaLaunchKernel", 0, 5, correlation=1),
        call("cudaGraphLaunch", 10, 5, correlation=2),
        kernel(20, 10, correlation=1),
    )
    assert found(timeline) == {"launches_without_activity": (1, 2, Severity.WARNING)}


def test_what_was_lost_is_the_part_that_a_verdict_cannot_rest_on():
    dropped = timeline_of(
        call("cudaLaunchKernel", 0, 5, correlation=1),
        call("cudaGraphLaunch", 10, 5, correlation=2),
        kernel(20, 10, correlation=1),
    )
    waited = timeline_of(
        call("cudaLaunchKernel", 0, 5, correlation=1),
        kernel(20, 900_000, correlation=1),
        call("cudaStreamSynchronize", 910_000, 6_000),
    )
    shapeless = timeline_of(operation("aten::mm", 0, 5))  # kernels of unknown bytes say that already
    assert [finding.lost_ratio for finding in check(dropped)] == [0.5]
    assert [finding.lost_ratio for finding in check(waited)] == [pytest.approx(6 / 916)]
    assert [finding.lost_ratio for finding in check(shapeless)] == [0]


def test_launches_into_a_captured_graph_miss_no_kernel():
    timeline = timeline_of(
        call("cudaStreamBeginCapture", 0, 1),
        call("cudaLaunchKernel", 2, 1, correlation=1),
        call("cudaStreamEndCapture", 4, 1),
        call("cudaGraphLaunch", 6, 1, correlation=2),
        kernel(20, 10, correlation=2),
    )
    assert found(timeline) == {}


def test_launches_without_any_device_event_are_fatal():
    timeline = timeline_of(call("cudaLaunchKernel", 0, 5, correlation=1))
    assert found(timeline) == {"no_device_events": (1, 1, Severity.FATAL)}


def test_kernels_may_overlap_on_two_streams_but_not_on_one():
    little = timeline_of(kernel(0, 10), kernel(9.9, 10), kernel(30, 5))
    much = timeline_of(kernel(0, 10), kernel(5, 10), kernel(30, 5))
    two = timeline_of(kernel(0, 10), kernel(5, 10, stream=8), kernel(30, 5))
    assert found(little) == {"overlapping_kernels": (1, 3, Severity.NOTE)}
    assert found(much) == {"overlapping_kernels": (1, 3, Severity.WARNING)}
    assert [finding.lost_ratio for finding in check(much)] == [5 / 25]
    assert found(two) == {}


def test_times_that_went_through_floats_are_noted():
    floats = [kernel(10 * row + 0.25 * (row % 3), 5.25) for row in range(20)]
    assert found(timeline_of(*floats)) == {"coarse_timestamps": (20, 20, Severity.NOTE)}


def test_operations_without_shapes_are_said():
    without = timeline_of(operation("aten::mm", 0, 5))
    having = timeline_of(operation("aten::mm", 0, 5, **{"Input Dims": [[1, 2], [2, 3]]}))
    assert found(without) == {"missing_shapes": (1, 1, Severity.WARNING)}
    assert found(having) == {}


def test_the_worst_finding_comes_first():
    timeline = timeline_of(
        operation("aten::mm", 0, 5),
        call("cudaMemcpyAsync", 10, 50_000, correlation=1),
        copy("Memcpy DtoH (Device -> Pinned)", 50_000, 1, correlation=1),
        kernel(50_010, 0),
    )
    severities = [each.severity for each in check(timeline)]
    assert severities == sorted(severities, key=[Severity.FATAL, Severity.WARNING, Severity.NOTE].index)
    assert severities[0] == Severity.FATAL


def test_an_empty_timeline_has_no_flaw():
    assert check(timeline_of()) == []
    assert check(timeline_of(annotation("step 0", 0, 1))) == []
