"""The attribution of 25 phases and constructed cases on an H100, against what is known of them."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from profiler.attribute.replay import Calibration, replay
from profiler.attribute.timeline_record import replayable
from profiler.report.records import Verdict
from profiler.report.timeline import Timeline
from profiler.report.vocabulary import BottleneckClass, Cause, Resource, VerdictState
from tests.unit.attribute.recorded_judgements import index, recorded
from tests.unit.attribute.recorded_steps import RECORDINGS

MEMORY, COMPUTE, IO, SCHEDULING = BottleneckClass
CLEAR, INCONCLUSIVE = VerdictState.CLEAR, VerdictState.INCONCLUSIVE
NAMES = sorted(index())

# What each case was made to be, or what the same program on a GPU with 1.4 times the bandwidth showed it to be.
TRUTH = {
    "copy_stream": MEMORY,
    "decode_b1_eager": SCHEDULING,
    "decode_b1_graph_body": SCHEDULING,
    "decode_b16_graph_body": SCHEDULING,
    "decode_b64_graph_body": SCHEDULING,
    "decode_b64_graph": COMPUTE,
    "decode_b256_graph": COMPUTE,
    "decode_b256_graph_body": COMPUTE,
    "decode_offload_4layers": IO,
    "gemm_large": COMPUTE,
    "h2d_pageable": IO,
    "h2d_pinned_overlapped": COMPUTE,
    "prefill_b1_128": SCHEDULING,
    "prefill_b1_512": SCHEDULING,
    "prefill_b1_8192": COMPUTE,
    "repeat_kv": COMPUTE,
    "slow_host": SCHEDULING,
    "stream_imbalance": COMPUTE,  # a stream that waits while another fills the device loses nothing
    "sync_every_op": SCHEDULING,
    "tiny_kernels": SCHEDULING,
}
# Each could be either of two: nothing may be said to be clear.
OPEN = {
    # Memory 0.47 by the hardware swap; the rest is a host that launches a graph, and small kernels.
    "decode_b1_graph": {MEMORY, SCHEDULING},
    # Memory 0.34 by the hardware swap, the rest in two nearly equal parts.
    "decode_b16_graph": {MEMORY, COMPUTE, SCHEDULING},
    # Whether the host or the device holds it back depends on the untraced host's speed, which was not measured.
    "prefill_b1_2048": {COMPUTE, SCHEDULING},
    # 1,390 us of matrix product and 1,220 us of copy, one after the other: nearly a tie.
    "h2d_pinned_serial": {COMPUTE, IO},
    # At 0.93 of the bandwidth and close to the next limit: with 1.4 times the bandwidth hardly faster.
    "transcendental": {COMPUTE, MEMORY},
}


def verdict(name: str) -> Verdict:
    return recorded(name).judgement.verdict


def part(name: str, *causes: Cause) -> float:
    return sum(part.fraction for part in recorded(name).judgement.parts if part.cause in causes)


def test_every_recording_has_its_truth_or_is_open():
    assert set(TRUTH) | set(OPEN) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_parts_sum_to_the_clean_median(name: str):
    found = recorded(name)
    assert sum(part.ms for part in found.judgement.parts) == pytest.approx(found.clean_ms, rel=1e-3)
    assert all(part.ms > 0 for part in found.judgement.parts)


@pytest.mark.parametrize("name", NAMES)
def test_shares_sum_to_one(name: str):
    assert sum(share.share for share in recorded(name).judgement.shares) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("name", sorted(TRUTH))
def test_the_verdict_is_the_known_truth(name: str):
    assert (verdict(name).class_, verdict(name).state) == (TRUTH[name], CLEAR)


@pytest.mark.parametrize("name", sorted(OPEN))
def test_what_is_open_by_nature_is_left_open(name: str):
    assert verdict(name).state is INCONCLUSIVE
    assert {verdict(name).class_, verdict(name).runner_up} <= OPEN[name]


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("copy_stream", Cause.MEMORY_COPY),
        ("decode_b1_eager", Cause.SCHEDULING_HOST),
        ("decode_b256_graph", Cause.COMPUTE_ISSUE),
        ("decode_offload_4layers", Cause.IO_H2D),
        ("gemm_large", Cause.COMPUTE_TENSOR),
        ("prefill_b1_8192", Cause.COMPUTE_TENSOR),
        ("repeat_kv", Cause.COMPUTE_ISSUE),
        ("slow_host", Cause.SCHEDULING_HOST),
    ],
)
def test_the_cause_is_named(name: str, cause: Cause):
    assert verdict(name).cause is cause


def test_weights_are_most_of_what_memory_costs_a_decode():
    assert part("decode_b1_graph", Cause.MEMORY_WEIGHTS) > 0.4


def test_two_milliseconds_of_python_before_each_of_eight_kernels_are_the_host_s():
    found = recorded("slow_host")
    assert part("slow_host", Cause.SCHEDULING_HOST) * found.clean_ms == pytest.approx(8 * 2 + 2, abs=1)


def test_a_trace_that_was_not_like_the_clean_run_is_said_to_be_and_trusted_less():
    found = recorded("h2d_pinned_overlapped").judgement
    assert [warning.code for warning in found.warnings] == ["trace_disagrees"]
    assert found.verdict.confidence == pytest.approx(0.8, abs=0.01)


def test_a_trace_that_agrees_is_trusted():
    assert verdict("copy_stream").confidence == 1
    assert recorded("copy_stream").judgement.warnings == []


def swapped() -> dict[str, dict[str, Any]]:
    entries = json.loads((RECORDINGS / "index_h200.json").read_text())["recordings"]
    return {entry["name"]: entry for entry in entries}


@pytest.mark.parametrize(
    "name",
    ["copy_stream", "repeat_kv", "decode_b1_graph", "decode_b16_graph", "decode_b64_graph", "decode_b256_graph"],
)
def test_the_interval_of_memory_s_share_holds_what_faster_memory_gained(name: str):
    """The H200 has 1.408 times the bandwidth and equal processors; its clocks differ, which is worth 0.1.

    Left out are cases that wait for the host, whose two machines differ; GEMMs, which ran slower there by their clocks;
    and `transcendental`, which meets its next limit on the way.
    """
    gained_ms = index()[name]["wall_ms_back_to_back"] - swapped()[name]["wall_ms_back_to_back"]
    truth = gained_ms / recorded(name).clean_ms / (1 - 1 / 1.408)
    (dram,) = [share for share in recorded(name).judgement.shares if share.resource is Resource.DRAM]
    assert dram.low - 0.1 < truth < dram.high + 0.1


# Left out: `h2d_pinned_overlapped`, whose runs were not alike, and `prefill_b1_2048`, which the driver saw 88% and then
# 97% active.
STEADY = [name for name in NAMES if name not in ("h2d_pinned_overlapped", "prefill_b1_2048")]


@pytest.mark.parametrize("name", STEADY)
def test_the_driver_saw_the_gpu_as_active_as_the_parts_say(name: str):
    """GPM counts the GPU as active from the start of a launch on, and not while only a copy runs.

    The phase repeats back to back there, at the rate of the telemetry pass; its first window starts before it does.
    """
    telemetry = index()[name]["telemetry"]
    iteration_ms = telemetry["seconds"] / telemetry["iterations"] * 1e3
    active_ms = sum(
        part.ms
        for part in recorded(name).judgement.parts
        if part.class_ is not IO and part.cause not in (Cause.SCHEDULING_HOST, Cause.SCHEDULING_SYNC)
    )
    witness = telemetry["series"][-1]["GRAPHICS_UTIL"] / 100
    assert active_ms / iteration_ms == pytest.approx(witness, abs=0.05)


@pytest.mark.parametrize("name", NAMES)
def test_a_replay_at_the_traced_speeds_takes_the_traced_time(name: str):
    graph = recorded(name).graph
    _, costs = replayable(recorded(name).judgement.timeline)
    assert replay(graph, costs, Calibration()).period_us == pytest.approx(graph.wall_us, rel=1e-3)


@pytest.mark.parametrize("name", ["decode_b1_graph", "sync_every_op", "h2d_pageable", "stream_imbalance"])
@pytest.mark.parametrize("speeds", [{}, {Resource.DRAM: 1.4}, {Resource.HOST: 2.0}, {Resource.LATENCY: 2.0}])
def test_a_timeline_read_from_a_report_replays_as_the_trace_did(name: str, speeds: dict[Resource, float]):
    kept = recorded(name).judgement.timeline
    read = msgspec.json.decode(msgspec.json.encode(kept), type=Timeline)
    scales = Calibration(read.host_scale, read.kernel_scale, read.gap_scale)
    _, costs = replayable(kept)
    original = replay(recorded(name).graph, costs, scales, speeds)
    assert replay(*replayable(read), scales, speeds).period_us == pytest.approx(original.period_us, rel=1e-4)
    if not speeds:
        assert original.period_us / 1e3 == pytest.approx(recorded(name).clean_ms, rel=1e-3)
