"""What the verdict of a trace alone may not say: measured without a tracer, or on another card, the truth is known."""

from __future__ import annotations

import gzip
import json
import random
from functools import cache

import pytest

from profiler.report.analysis import PartName, RankAnalysis
from profiler.report.trace_waits import PathKind
from profiler.report.vocabulary import BottleneckClass, Resource, VerdictState
from profiler.session.analyze import analyze_trace
from tests.unit.trace.trace_events import PUBLIC_TRACES, RECORDINGS, call, kernel, operation, trace_bytes

REPLAYED = "replayed from a CUDA graph"


@cache
def recorded(name: str) -> RankAnalysis:
    (rank,) = analyze_trace(name, RECORDINGS / f"{name}.json.gz")
    return rank


@cache
def public(name: str) -> RankAnalysis:
    path = PUBLIC_TRACES / f"{name}.json.gz"
    if not path.exists():
        pytest.skip(f"the public trace {name} is not on this machine; it is not part of the repository")
    (rank,) = analyze_trace(name, path)
    return rank


@pytest.mark.parametrize("name", ["decode_b1_graph", "decode_b16_graph", "decode_b64_graph", "decode_b256_graph"])
def test_a_replayed_step_is_not_laid_to_the_host_that_the_tracer_slowed(name: str) -> None:
    # Batch 1: 28 ms of launches in 53 ms as traced; untraced the GPU is busy for 9.2 of the 9.9 ms of each step.
    rank = recorded(name)
    assert rank.verdict.state is VerdictState.REFUSED
    assert {phase.verdict.state for phase in rank.phases} == {VerdictState.REFUSED}


@pytest.mark.parametrize("name", ["decode_b1_graph", "decode_b16_graph", "decode_b64_graph", "decode_b256_graph"])
def test_kernels_of_a_replayed_graph_are_not_said_to_lack_recorded_shapes(name: str) -> None:
    (reason,) = recorded(name).verdict.evidence
    assert REPLAYED in reason
    assert "shapes" not in reason


def test_a_trace_with_shapes_that_do_not_reach_its_kernels_says_what_does_not() -> None:
    (reason,) = public("v100_hta_trace_diff_test").verdict.evidence
    assert REPLAYED in reason
    assert "operations of which it is not known what they move" in reason


def test_a_trace_recorded_without_shapes_says_so() -> None:
    (reason,) = public("hta_ns_resolution").verdict.evidence
    assert reason.endswith("they are launched by operations whose shapes were not recorded")


def test_the_interval_of_the_memory_holds_the_truth_of_special_functions() -> None:
    # With 1.4 times the bandwidth a twentieth of the gain reached them, though they run at 0.95 of the roof.
    rank = recorded("transcendental")
    (memory,) = (share for share in rank.shares if share.resource is Resource.DRAM)
    assert memory.low <= 0.05 <= memory.high
    assert (rank.verdict.class_, rank.verdict.state) == (BottleneckClass.COMPUTE, VerdictState.INCONCLUSIVE)


def test_what_limits_a_special_function_near_the_bandwidth_is_not_claimed_to_be_known() -> None:
    rank = recorded("transcendental")
    (special,) = (kernel for kernel in rank.kernels if kernel.operation == "aten::special_i0e")
    assert special.limiter is None
    assert "may issue as well as wait" in (special.sources["limiter"].missing or "")
    assert special.roof is Resource.DRAM
    (unknown,) = (part for part in rank.parts if part.part is PartName.KERNEL_UNKNOWN)
    assert unknown.ns == special.ns


@pytest.mark.parametrize("name", ["transcendental", "copy_stream", "gemm_large", "repeat_kv", "slow_host"])
def test_the_first_evidence_is_of_the_class_that_leads(name: str) -> None:
    rank = recorded(name)
    own = [part for part in rank.parts if part.class_ is rank.verdict.class_]
    assert f"{max(part.fraction for part in own):.0%}" in rank.verdict.evidence[0]


@pytest.mark.parametrize(
    "name", ["prefill_b1_512", "prefill_b1_2048", "decode_b16_graph_body", "decode_b64_graph_body"]
)
def test_a_verdict_that_only_the_tracer_makes_unclear_says_so_and_how_to_find_out(name: str) -> None:
    # Untraced, decode at batch 64 takes 42 ms back to back launched op by op, and 39 ms as a graph: the host hardly
    # matters, though the GPU is idle for 61% of the trace.
    rank = recorded(name)
    assert rank.verdict.state is VerdictState.INCONCLUSIVE
    assert "with a host 4 times as fast, compute leads" in (rank.doubt or "")
    assert "without the profiler" in rank.advice[0].action
    assert rank.advice[0].speedup is None
    assert rank.advice[0].sources["speedup"].missing


@pytest.mark.parametrize("name", ["h2d_pinned_serial", "transcendental", "gemm_large"])
def test_a_tie_of_two_classes_is_not_laid_to_the_tracer(name: str) -> None:
    assert recorded(name).doubt is None


def test_the_runner_up_of_an_unclear_verdict_is_the_class_that_may_have_most() -> None:
    rank = public("h100_qwen1.5_0.5b")
    assert (rank.verdict.class_, rank.verdict.runner_up) == (BottleneckClass.COMPUTE, BottleneckClass.MEMORY)


@pytest.mark.parametrize(
    ("name", "action", "least"),
    [
        ("copy_stream", "copy less within the GPU's memory", 1.9),
        ("gemm_large", "narrower number format", 1.9),
        ("repeat_kv", "fuse elementwise kernels", 1.5),
        ("decode_b1_eager", "capture the step into a CUDA graph", 2.5),
        ("decode_offload_4layers", "copy from pinned memory", 5.0),
        ("sync_every_op", "read results back once a step", None),
    ],
)
def test_what_to_do_follows_from_what_holds_it_back(name: str, action: str, least: float | None) -> None:
    first = recorded(name).advice[0]
    assert action in first.action
    assert (first.speedup is None) == (least is None) == bool(first.sources)
    if least is not None:
        assert least <= (first.low or 0.0) <= (first.speedup or 0.0) <= (first.high or 0.0)


def test_a_host_that_costs_no_time_leaves_what_the_gpu_is_busy() -> None:
    rank = recorded("decode_b1_eager")
    (capture,) = rank.advice
    assert capture.speedup is not None
    assert capture.speedup == pytest.approx(rank.span_ns / rank.busy_ns, rel=0.05)


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("mi300_sglang_decode", "record fewer steps"),
        ("mi300_vllm_decode_graph", "analyze with --ceilings"),
        ("hta_ns_resolution", "record with record_shapes=True"),
        ("v100_hta_trace_diff_test", "--mode graph"),
    ],
)
def test_a_refused_trace_says_what_to_record_instead(name: str, action: str) -> None:
    rank = public(name)
    assert rank.verdict.state is VerdictState.REFUSED
    assert action in rank.advice[0].action
    assert len(rank.advice) <= 2


def test_a_trace_without_a_gpu_says_what_to_record() -> None:
    (rank,) = analyze_trace("cpu", trace_bytes([operation("aten::mm", 0, 10)]))
    (advice,) = rank.advice
    assert "activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]" in advice.action


def test_a_host_that_is_late_between_replays_is_still_found() -> None:
    # 10 ms of work before each of four replays, whose launches take 3 ms as traced, and untraced 0.03.
    events = []
    for step in range(4):
        start = 14_000.0 * step
        events += [operation("work", start, 9_990), call("cudaGraphLaunch", start + 10_000, 3_000, step + 1)]
        events += [kernel(start + 13_000 + 100 * each, 90, step + 1) for each in range(10)]
    (rank,) = analyze_trace("late", trace_bytes(events, deviceProperties=[{"id": 0, "name": "NVIDIA H100 80GB HBM3"}]))
    assert (rank.verdict.class_, rank.verdict.state) == (BottleneckClass.SCHEDULING, VerdictState.CLEAR)
    assert "between the launches of its graphs" in rank.advice[0].action


@pytest.mark.parametrize("name", ["decode_b1_eager", "slow_host", "tiny_kernels", "sync_every_op", "gemm_large"])
def test_launches_that_were_not_recorded_leave_the_class_of_the_verdict(name: str) -> None:
    trace = json.loads(gzip.decompress((RECORDINGS / f"{name}.json.gz").read_bytes()))
    launches = [each for each in trace["traceEvents"] if "LaunchKernel" in each["name"]]
    lost = {id(each) for each in random.Random(5).sample(launches, max(len(launches) // 20, 1))} | {id(launches[-1])}
    trace["traceEvents"] = [each for each in trace["traceEvents"] if id(each) not in lost]
    (rank,) = analyze_trace(name, json.dumps(trace).encode())
    whole = recorded(name)
    assert rank.verdict.class_ is whole.verdict.class_
    assert rank.critical_path is not None
    assert whole.critical_path is not None
    unknown, before = (
        sum(each.fraction for each in path.kinds if each.kind is PathKind.UNKNOWN)
        for path in (rank.critical_path, whole.critical_path)
    )
    assert unknown - before <= len(lost) / len(launches)
