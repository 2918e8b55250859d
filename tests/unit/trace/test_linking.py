"""What launched what: activities, calls, operations and modules find each other."""

from __future__ import annotations

import numpy as np
import pytest

from profiler.trace.kineto import read_kineto
from profiler.trace.timeline import Call
from tests.unit.trace.trace_events import (
    RECORDINGS,
    annotation,
    call,
    event,
    kernel,
    operation,
    public_trace,
    recording,
    timeline_of,
)


def test_the_kernels_of_a_hip_graph_belong_to_its_launch():
    timeline = public_trace("mi300_vllm_decode_graph")
    launch = np.flatnonzero(timeline.host.kind == Call.GRAPH_LAUNCH)
    assert len(launch) == 1
    assert (timeline.device.call == launch[0]).sum() == 421


def test_an_event_wait_knows_its_stream_and_the_record_it_waits_for():
    timeline = public_trace("hta_event_sync_multi_stream")
    host = timeline.host
    (wait,) = np.flatnonzero(host.kind == Call.EVENT_WAIT)
    assert host.stream[wait] == 24
    record = np.flatnonzero(host.correlation == host.waits_for[wait])
    assert timeline.name_of(host.name, record[0]) == "cudaEventRecord"


@pytest.mark.parametrize("path", sorted(RECORDINGS.glob("*.json.gz")), ids=lambda path: path.name.partition(".")[0])
def test_every_activity_of_the_recordings_has_its_launch_and_its_operation(path):
    timeline = read_kineto(path)
    assert len(timeline.device)
    assert (timeline.device.call >= 0).all()
    if len(timeline.operations):
        assert (timeline.device.operation >= 0).all()
        assert all(timeline.operations.shapes[row] for row in timeline.device.operation)


def test_a_graph_replay_gives_all_its_kernels_to_one_launch():
    timeline = recording("decode_b1_graph")
    launches = np.flatnonzero(timeline.host.kind == Call.GRAPH_LAUNCH)
    assert [(timeline.device.call == launch).sum() for launch in launches] == [1724, 1724, 1724]


def test_a_call_belongs_to_the_innermost_operation_and_module_around_it():
    timeline = timeline_of(
        annotation("bottleneck.module:layer", 0, 100),
        annotation("not a module", 5, 90),
        operation("aten::linear", 10, 50),
        operation("aten::mm", 20, 30),
        operation("aten::mm", 20, 30, tid=2),
        call("cudaLaunchKernel", 30, 5, correlation=4),
        kernel(40, 10, correlation=4),
    )
    device, operations = timeline.device, timeline.operations
    row = int(device.operation[0])
    assert timeline.name_of(operations.name, row) == "aten::mm"
    assert timeline.name_of(operations.name, operations.parent[row]) == "aten::linear"
    assert timeline.name_of(timeline.ranges.name, operations.module[row]) == "bottleneck.module:layer"
    assert timeline.threads[operations.thread[row]] == 1


def test_a_kernel_without_a_launch_record_still_finds_its_operation_by_external_id():
    timeline = timeline_of(
        operation("aten::mm", 20, 30, External_id=12),
        event("kernel", "gemm", 60, 5, correlation=99, External_id=12),
    )
    assert timeline.device.call.tolist() == [-1]
    assert timeline.device.operation.tolist() == [0]


def test_an_external_id_that_names_an_operation_of_another_time_is_not_believed():
    timeline = timeline_of(
        operation("aten::mm", 20, 30, External_id=12),
        call("cudaStreamWaitEvent", 80, 2, correlation=12, External_id=12),
    )
    assert timeline.host.operation.tolist() == [-1]


def test_two_calls_with_one_correlation_give_the_kernel_to_the_one_that_launches():
    timeline = timeline_of(
        call("cudaLaunchKernel", 0, 5, correlation=4),
        call("cudaStreamIsCapturing", 1, 1, correlation=4),
        kernel(10, 1, correlation=4),
    )
    assert timeline.name_of(timeline.host.name, timeline.device.call[0]) == "cudaLaunchKernel"
