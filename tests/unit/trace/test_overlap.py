from __future__ import annotations

import pytest

from profiler.report.vocabulary import Tier
from profiler.trace.overlap import host_copies, stream_overlap
from profiler.trace.steps import cut, representative, steps_of
from profiler.trace.timeline import Timeline
from tests.unit.trace.trace_events import copy, kernel, public_trace, recording, timeline_of


def one_step(name: str) -> Timeline:
    timeline = recording(name)
    return cut(timeline, representative(steps_of(timeline), timeline.overhead))


def test_a_copy_before_its_gemm_is_exposed_in_full():
    (copies,) = host_copies(one_step("h2d_pinned_serial"))
    assert (copies.direction, copies.memory, copies.copies, copies.bytes) == ("h2d", "pinned", 1, 64 * 2**20)
    assert copies.exposed_ms == copies.busy_ms
    assert copies.gb_per_s == pytest.approx(54.7, abs=0.1)


def test_a_copy_on_another_stream_hides_under_the_gemm():
    step = one_step("h2d_pinned_overlapped")
    (copies,) = host_copies(step)
    streams = stream_overlap(step)
    assert copies.exposed_ms < 0.1 * copies.busy_ms
    assert streams.copy_overlapped_ms == pytest.approx(copies.busy_ms - copies.exposed_ms)
    assert streams.copy_overlap_ratio == pytest.approx(1 - copies.exposed_ms / copies.busy_ms)
    assert {(stream.stream, stream.kernels, stream.copies) for stream in streams.streams} == {("7", 2, 0), ("33", 0, 1)}


def test_pageable_and_pinned_copies_of_one_step_are_listed_apart():
    copies = host_copies(one_step("decode_offload_4layers"))
    assert [(each.direction, each.memory, each.copies) for each in copies] == [
        ("h2d", "pageable", 39),
        ("d2h", "pinned", 2),
    ]


def test_streams_out_of_balance_show_it():
    streams = stream_overlap(one_step("stream_imbalance"))
    busy = sorted(stream.busy_ms for stream in streams.streams)
    assert streams.imbalance_ratio == pytest.approx(1 - sum(busy) / 2 / busy[1])
    assert streams.concurrent_kernels_ms == pytest.approx(sum(busy) - streams.busy_ms)
    assert streams.copy_overlap_ratio is None
    assert streams.sources["copy_overlap_ratio"].missing


def test_one_stream_cannot_be_out_of_balance():
    streams = stream_overlap(one_step("decode_b1_eager"))
    assert streams.imbalance_ratio is None
    assert streams.sources["imbalance_ratio"].missing == "fewer than two streams were used"
    assert streams.sources["busy_ms"].tier == Tier.TIMELINE


def test_kernels_on_two_devices_do_not_run_concurrently_on_one():
    other = kernel(0, 1000)
    other["args"]["device"] = 1
    streams = stream_overlap(timeline_of(kernel(0, 1000), other))
    assert streams.concurrent_kernels_ms == 0
    assert streams.busy_ms == 2
    assert {stream.stream for stream in streams.streams} == {"0:7", "1:7"}


def test_a_copy_within_the_device_is_memory_work_not_a_transfer():
    timeline = timeline_of(copy("Memcpy DtoD (Device -> Device)", 0, 1000, bytes=100))
    assert host_copies(timeline) == []
    assert stream_overlap(timeline).kernel_ms == 1


def test_bytes_that_the_trace_does_not_say_are_missing_not_zero():
    (copies,) = host_copies(public_trace("mi250_hta_minitoy"))[:1]
    assert (copies.memory, copies.bytes, copies.gb_per_s) == ("unknown", None, None)
    assert copies.sources["bytes"].missing


def test_a_step_without_device_work_has_no_streams():
    streams = stream_overlap(timeline_of())
    assert (streams.streams, streams.busy_ms, streams.imbalance_ratio) == ([], 0, None)
    assert host_copies(timeline_of()) == []


def test_a_kernel_of_another_device_hides_no_copy():
    other = kernel(0, 1000)
    other["args"]["device"] = 1
    (copies,) = host_copies(timeline_of(other, copy("Memcpy HtoD (Pinned -> Device)", 0, 1000, bytes=8)))
    assert copies.exposed_ms == copies.busy_ms == 1
