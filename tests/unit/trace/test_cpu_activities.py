from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from profiler.trace.cpu import with_cpu_activities
from profiler.trace.kineto import read_kineto
from profiler.trace.steps import cut, steps_of
from profiler.trace.timeline import Activity, Timeline
from tests.unit.trace.trace_events import CPU_TRACE, kernel, operation, recording, timeline_of


def computed(timeline: Timeline) -> list[tuple[str, float, float]]:
    device = with_cpu_activities(timeline).device
    return [
        (timeline.names[name], start / 1e3, end / 1e3)
        for name, start, end in zip(device.name, device.start_ns, device.end_ns, strict=True)
    ]


@pytest.fixture(scope="module")
def decode() -> Timeline:
    return with_cpu_activities(read_kineto(CPU_TRACE))


def test_each_matrix_product_of_a_decode_step_is_one_kernel(decode):
    piece = cut(decode, steps_of(decode)[1])
    calls = Counter(piece.names[name] for name in piece.device.name)
    # Seven projections in each of two layers, and the head.
    assert calls["aten::mm"] == 7 * 2 + 1
    assert calls["aten::_scaled_dot_product_flash_attention_for_cpu"] == 2
    assert calls["aten::silu"] == 2


def test_views_allocations_and_wrappers_are_no_kernels(decode):
    names = {decode.names[name] for name in decode.device.name}
    assert not names & {"aten::view", "aten::transpose", "aten::t", "aten::empty", "aten::linear", "aten::matmul"}
    assert not names & {"aten::to", "aten::_to_copy", "aten::reshape", "aten::mean", "aten::embedding", "aten::item"}


def test_cpu_kernels_follow_each_other_and_lie_within_their_operations(decode):
    device, operations = decode.device, decode.operations
    assert (device.start_ns[1:] >= device.end_ns[:-1]).all()
    assert (device.start_ns >= operations.start_ns[device.operation]).all()
    assert (device.end_ns == operations.end_ns[device.operation]).all()


def test_cpu_kernels_have_their_shapes_and_module_and_no_launch(decode):
    device = decode.device
    assert (device.kind == Activity.KERNEL).all()
    assert (device.call == -1).all()
    assert np.unique(device.device).tolist() == [-1]
    products = [row for row in range(len(device)) if decode.names[device.name[row]] == "aten::mm"]
    assert all(decode.operations.shapes[device.operation[row]][0] for row in products)
    modules = decode.operations.module[device.operation[products]]
    assert {decode.names[decode.ranges.name[row]] for row in modules} == {"bottleneck.module:model"}


def test_the_time_of_views_within_an_operation_is_not_its_own():
    timeline = timeline_of(operation("aten::silu", 0, 10), operation("aten::empty", 1, 3))
    assert computed(timeline) == [("aten::silu", 3, 10)]


def test_an_operation_that_prepares_its_input_still_computes():
    timeline = timeline_of(
        operation("aten::addmm", 0, 10), operation("aten::expand", 1, 1), operation("aten::copy_", 3, 2)
    )
    assert computed(timeline) == [("aten::copy_", 3, 5), ("aten::addmm", 5, 10)]


def test_an_operation_that_only_calls_others_leaves_the_time_to_them():
    timeline = timeline_of(
        operation("custom::attention", 0, 20), operation("aten::matmul", 1, 9), operation("aten::bmm", 2, 6)
    )
    assert computed(timeline) == [("aten::bmm", 2, 8)]


def test_only_the_busiest_thread_counts():
    timeline = timeline_of(operation("aten::mm", 0, 20), operation("aten::mm", 5, 10, tid=2))
    assert computed(timeline) == [("aten::mm", 0, 20)]


def test_a_trace_with_device_events_is_left_as_it_is():
    timeline = recording("gemm_large")
    assert with_cpu_activities(timeline) is timeline
    mixed = timeline_of(operation("aten::mm", 0, 5), kernel(6, 1))
    assert with_cpu_activities(mixed) is mixed
