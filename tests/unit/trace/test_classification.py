"""What a call, a copy and a kernel are, by what the trace calls them."""

from __future__ import annotations

from pathlib import Path

import pytest

from profiler.trace.kineto import read_kineto
from profiler.trace.timeline import Activity, Call
from tests.unit.trace.trace_events import (
    call,
    copy,
    kernel,
    recording,
    timeline_of,
)

CAPTURED = Path(__file__).parents[2] / "data" / "own" / "smollm135m-graph-trace.json.gz"


def test_pageable_and_pinned_copies_are_told_apart():
    for name, pageable in (("h2d_pageable", True), ("h2d_pinned_serial", False)):
        device = recording(name).device
        copies = device.kind == Activity.H2D
        assert copies.sum() == 2
        assert (device.pageable[copies] == pageable).all()
        assert (device.bytes[copies] == 64 * 2**20).all()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("cudaLaunchKernel", Call.LAUNCH),
        ("cudaLaunchKernelExC", Call.LAUNCH),
        ("cuLaunchKernelEx", Call.LAUNCH),
        ("hipExtModuleLaunchKernel", Call.LAUNCH),
        ("cudaLaunchCooperativeKernel", Call.LAUNCH),
        ("cudaLaunchHostFunc", Call.OTHER),
        ("cudaGraphLaunch", Call.GRAPH_LAUNCH),
        ("hipGraphLaunch", Call.GRAPH_LAUNCH),
        ("cudaMemcpyAsync", Call.COPY),
        ("cudaMemcpy", Call.COPY),
        ("hipMemcpyWithStream", Call.COPY),
        ("cudaMemsetAsync", Call.MEMSET),
        ("cudaDeviceSynchronize", Call.SYNC),
        ("hipEventSynchronize", Call.SYNC),
        ("cudaEventRecordWithFlags", Call.EVENT_RECORD),
        ("cudaStreamWaitEvent", Call.EVENT_WAIT),
        ("cudaEventQuery", Call.OTHER),
        ("cudaMalloc", Call.OTHER),
        ("cudaFree", Call.OTHER),
        ("cudaGraphAddMemcpyNode", Call.OTHER),
    ],
)
def test_calls_are_known_by_their_names(name, kind):
    assert timeline_of(call(name, 0, 1)).host.kind.tolist() == [kind]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Memcpy HtoD (Pageable -> Device)", Activity.H2D),
        ("Memcpy HtoD (Host -> Device)", Activity.H2D),
        ("Memcpy DtoH (Device -> Pinned)", Activity.D2H),
        ("Memcpy DtoD (Device -> Device)", Activity.D2D),
        ("Memcpy PtoP (Device -> Device)", Activity.P2P),
        ("CopyDeviceToHost", Activity.D2H),
    ],
)
def test_copies_are_known_by_their_direction(name, kind):
    assert timeline_of(copy(name, 0, 1)).device.kind.tolist() == [kind]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ncclDevKernel_AllReduce_Sum_bf16_RING_LL(ncclDevKernelArgsStorage<4096ul>)", Activity.COLLECTIVE),
        ("void vllm::cross_device_reduce_1stage<__half, 2>(vllm::RankData*)", Activity.COLLECTIVE),
        ("rcclGenericKernel<1, false>", Activity.COLLECTIVE),
        ("void at::native::reduce_kernel<512, 1>(at::native::ReduceOp<float>)", Activity.KERNEL),
        ("memcpy32_post", Activity.D2D),
        ("memcpy128", Activity.D2D),
        ("memset32", Activity.MEMSET),
        ("memset32_post", Activity.MEMSET),
        ("memcpy3_kernel", Activity.KERNEL),
        ("void memcpy_rows<float>(float*, float const*)", Activity.KERNEL),
        ("my_memcpy128", Activity.KERNEL),
    ],
)
def test_kernels_that_communicate_or_replay_a_copy_are_told_from_those_that_compute(name, kind):
    assert timeline_of(kernel(0, 1, name=name)).device.kind.tolist() == [kind]


def test_the_copies_that_a_recorded_graph_replays_are_copies():
    timeline = read_kineto(CAPTURED)
    copies = timeline.device.name[timeline.device.kind == Activity.D2D]
    assert [timeline.names[name] for name in copies.tolist()].count("memcpy32_post") == 2
