"""Recorded H100 phases through the session: the record of a GPU's phase, its flags and its cross-checks."""

from __future__ import annotations

import gzip
import json

import pytest

from profiler.report.records import Phase
from profiler.report.vocabulary import Resource, VerdictState
from tests.unit.session.recorded import recorded_phase, recorded_report


def codes(phase: Phase) -> set[str]:
    return {warning.code for warning in phase.warnings}


@pytest.mark.parametrize("name", ["decode_b1_eager", "decode_b1_graph", "prefill_b1_512", "h2d_pageable"])
def test_the_parts_sum_to_the_clean_median(name: str) -> None:
    phase = recorded_phase(name)
    assert sum(part.ms for part in phase.parts) == pytest.approx(phase.clean.wall_ms.median, rel=0.01)


def test_a_throttled_gpu_leaves_the_verdict_and_flags_it() -> None:
    healthy, hot = recorded_phase("decode_b1_eager"), recorded_phase("decode_b1_eager", clock_event_reasons=0x40)
    assert (healthy.verdict.throttled, hot.verdict.throttled) == (False, True)
    assert hot.verdict.class_ is healthy.verdict.class_
    assert hot.verdict.state is not VerdictState.REFUSED
    assert codes(hot) - codes(healthy) == {"throttled"}
    message = next(warning.message for warning in hot.warnings if warning.code == "throttled")
    assert "hardware thermal slowdown" in message


def test_a_power_cap_is_a_warning_and_no_throttling() -> None:
    phase = recorded_phase("decode_b1_eager", clock_event_reasons=0x4)
    assert not phase.verdict.throttled
    assert "power_cap" in codes(phase)


def test_the_verdict_of_the_request_carries_the_flag_of_its_phases() -> None:
    assert not recorded_report("decode_b1_graph").verdict.throttled


def test_the_driver_agrees_with_the_shapes_on_a_decode_that_is_captured() -> None:
    assert "dram_disagrees" not in codes(recorded_phase("decode_b1_graph"))


def losing_every_fifth_kernel(trace: bytes) -> bytes:
    whole = json.loads(gzip.decompress(trace))
    kernels = [event for event in whole["traceEvents"] if event.get("cat") == "kernel"]
    lost = {id(kernel) for kernel in kernels[::5]}
    whole["traceEvents"] = [event for event in whole["traceEvents"] if id(event) not in lost]
    return gzip.compress(json.dumps(whole).encode())


def test_a_trace_that_lacks_kernels_is_trusted_as_far_as_it_goes() -> None:
    whole, torn = recorded_phase("slow_host"), recorded_phase("slow_host", edited=losing_every_fifth_kernel)
    assert codes(torn) - codes(whole) == {"launches_without_activity"}
    assert whole.verdict.confidence == 1
    assert torn.verdict.confidence == pytest.approx(0.8, abs=0.05)
    assert torn.verdict.class_ is whole.verdict.class_


def test_a_driver_that_saw_other_idle_time_halves_the_confidence() -> None:
    phase = recorded_phase("copy_stream")
    assert "idle_disagrees" in codes(phase)
    assert phase.verdict.confidence == 0.5


def test_bytes_that_a_matrix_product_reads_twice_leave_its_verdict_as_sure_as_it_was() -> None:
    phase = recorded_phase("gemm_large")
    assert "dram_disagrees" in codes(phase)
    assert (phase.verdict.state, phase.verdict.confidence) == (VerdictState.CLEAR, 1)
    (dram,) = [share for share in phase.shares if share.resource is Resource.DRAM]
    assert 0.1 < dram.high < phase.verdict.low


def test_bytes_that_may_be_what_holds_a_prefill_back_halve_its_confidence_and_are_told_first() -> None:
    phase = recorded_phase("prefill_b1_2048")
    assert "dram_disagrees" in codes(phase)
    assert phase.verdict.state is VerdictState.INCONCLUSIVE
    assert phase.verdict.confidence is not None
    assert phase.verdict.confidence < 0.5
    assert "GB of DRAM traffic" in phase.verdict.evidence[0]


def test_the_copies_of_a_step_are_told_with_their_memory_and_speed() -> None:
    (copy,) = recorded_phase("h2d_pageable").copies
    assert (copy.direction, copy.memory) == ("h2d", "pageable")
    assert copy.gb_per_s == pytest.approx(23, rel=0.2)
    assert copy.exposed_ms == pytest.approx(copy.busy_ms, rel=0.05)


def test_streams_that_wait_for_each_other_are_seen() -> None:
    streams = recorded_phase("stream_imbalance").streams
    assert streams is not None
    assert len(streams.streams) >= 2
    assert streams.imbalance_ratio is not None
    assert streams.imbalance_ratio > 0.2


def test_energy_is_that_of_the_iterations() -> None:
    phase = recorded_phase("decode_b1_graph")
    assert phase.joules_per_token is None  # a recording does not say its shape
    assert phase.sources["joules_per_token"].missing
    assert phase.telemetry is not None
    energy = next(series for series in phase.telemetry.series if series.name == "energy")
    assert energy.value is not None
    assert energy.value / phase.telemetry.seconds > 100  # watts
