"""What a GPU's counters say of the phase that leads, held against recordings of which the bottleneck is known."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from profiler.endpoint.gpu_verdict import Utilisation, by_all, gpu_verdict, served_spans, utilisation
from profiler.measure.telemetry.source import Recording
from profiler.report.records import Verdict
from profiler.report.server_gpu import ServerGpu
from profiler.report.telemetry import Series
from profiler.report.vocabulary import BottleneckClass, Tier, VerdictState
from tests.unit.endpoint.recorded_counters import NAMES, recording, span
from tests.unit.endpoint.stand_ins import MS, exchange

MEMORY, COMPUTE = BottleneckClass.MEMORY, BottleneckClass.COMPUTE
IO, SCHEDULING = BottleneckClass.IO, BottleneckClass.SCHEDULING
# What may be named: the program is known, or its hardware swap is.
TRUTH = {
    "prefill_b1_128": {SCHEDULING},
    "prefill_b1_512": {SCHEDULING, COMPUTE},
    "decode_b1_eager": {SCHEDULING},
    "decode_b1_graph": {MEMORY},
    "decode_b16_graph": {MEMORY, COMPUTE},
    "copy_stream": {MEMORY},
    "transcendental": {COMPUTE, MEMORY},
    "repeat_kv": {COMPUTE},
    "h2d_pageable": {IO},
    "h2d_pinned_serial": {IO},
    "decode_offload_4layers": {IO, SCHEDULING},
    "tiny_kernels": {SCHEDULING},
    "sync_every_op": {SCHEDULING},
    "slow_host": {SCHEDULING},
    "decode_b1_graph_body": {SCHEDULING},
    "decode_b16_graph_body": {SCHEDULING},
    "decode_b64_graph": {COMPUTE},
    "decode_b64_graph_body": {COMPUTE},
    "decode_b256_graph": {COMPUTE},
    "decode_b256_graph_body": {COMPUTE},
}


def judged(name: str, others_ratio: float = 0.0) -> Verdict:
    return gpu_verdict("decode", utilisation(recording(name), [span(name)]), others_ratio)


def gpu(verdict: Verdict, used: bool | None, active: float = 0.9) -> ServerGpu:
    series = Series(
        name="gpu_active", unit="ratio", tier=Tier.DRIVER, value=active, low=None, high=None, samples=3, window_ms=500.0
    )
    return ServerGpu(index=0, name="NVIDIA H100", used=used, seconds=5.0, series=[series], verdict=verdict)


@pytest.mark.parametrize("name", NAMES)
def test_no_class_that_is_clear_is_wrong(name: str) -> None:
    verdict = judged(name)
    assert verdict.state is not VerdictState.CLEAR or verdict.class_ in TRUTH.get(name, {COMPUTE})


@pytest.mark.parametrize(
    ("name", "class_"),
    [
        ("copy_stream", MEMORY),
        ("gemm_large", COMPUTE),
        ("decode_b1_eager", SCHEDULING),
        ("tiny_kernels", SCHEDULING),
        ("slow_host", SCHEDULING),
    ],
)
def test_what_is_saturated_or_idle_most_of_the_time_is_told(name: str, class_: BottleneckClass) -> None:
    verdict = judged(name)
    assert (verdict.class_, verdict.state) == (class_, VerdictState.CLEAR)
    assert verdict.share is not None
    assert verdict.share > 0.5


def test_a_captured_step_that_reads_its_weights_half_of_the_time_is_not_told_for_sure() -> None:
    verdict = judged("decode_b1_graph")
    assert (verdict.class_, verdict.state) == (MEMORY, VerdictState.INCONCLUSIVE)
    assert "its memory's peak" in verdict.evidence[0]


def test_an_idle_gpu_that_copies_much_over_the_bus_may_wait_for_that() -> None:
    verdict = judged("h2d_pageable")
    assert (verdict.class_, verdict.state) == (IO, VerdictState.INCONCLUSIVE)
    assert "PCIe" in verdict.evidence[-1]


def test_time_that_may_have_been_another_phases_takes_from_what_is_sure() -> None:
    sure, unsure = judged("decode_b1_eager"), judged("decode_b1_eager", others_ratio=0.5)
    assert sure.low is not None
    assert unsure.low is not None
    assert unsure.low < sure.low
    assert unsure.state is VerdictState.INCONCLUSIVE
    assert "up to 50% of that time was not decode's" in unsure.evidence[1]


def test_windows_in_which_nothing_was_served_do_not_count() -> None:
    begin, end = span("decode_b1_eager")
    assert isinstance(utilisation(recording("decode_b1_eager"), [(begin, end)]), Utilisation)
    told = utilisation(recording("decode_b1_eager"), [(begin, begin + 100 * MS)])
    assert isinstance(told, str)
    assert "requests served all the time" in told
    assert gpu_verdict("decode", told, 0.0).state is VerdictState.REFUSED


def test_counters_that_cannot_be_read_are_no_verdict_and_say_why() -> None:
    refused = replace(recording("copy_stream"), refused={"gpm": {"dram_utilization": "Not Supported"}})
    assert gpu_verdict("decode", utilisation(refused, []), 0.0).evidence == [
        "the GPU's counters cannot be read: Not Supported"
    ]
    assert utilisation(Recording(failure="the telemetry process ended"), []) == "the telemetry process ended"


def test_requests_that_overlap_are_one_stretch_and_those_that_failed_are_none() -> None:
    early, beside, late = exchange(due_ms=0), exchange(due_ms=50), exchange(due_ms=500)
    assert served_spans([late, beside, early]) == [(0, 170 * MS), (500 * MS, 620 * MS)]


def test_of_several_gpus_those_count_that_the_server_uses_or_that_worked() -> None:
    memory, idle = judged("copy_stream"), judged("decode_b1_eager")
    assert by_all([gpu(memory, True), gpu(idle, False)]) == memory
    assert by_all([gpu(memory, None), gpu(idle, None, active=0.0)]) == memory
    disagree = by_all([gpu(memory, None), gpu(idle, None)])
    assert disagree is not None
    assert disagree.class_ is None
    assert disagree.evidence == ["the 2 GPUs disagree: memory, scheduling"]
    assert by_all([]) is None


def test_gpus_that_agree_are_as_sure_as_the_least_sure_of_them() -> None:
    sure, unsure = judged("decode_b1_eager"), judged("decode_b1_eager", others_ratio=0.5)
    together = by_all([gpu(sure, True), gpu(unsure, True)])
    assert together is not None
    assert together.state is VerdictState.INCONCLUSIVE
