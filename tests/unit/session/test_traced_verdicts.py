"""What the verdict of a trace alone may not say: measured without a tracer, or on another card, the truth is known."""

from __future__ import annotations

from functools import cache

import pytest

from profiler.report.analysis import PartName, RankAnalysis
from profiler.report.vocabulary import BottleneckClass, Resource, VerdictState
from profiler.session.analyze import analyze_trace
from tests.unit.trace.trace_events import PUBLIC_TRACES, RECORDINGS

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
