"""A counter that saw other bytes than the shapes say puts memory's share in doubt, and nothing else."""

from __future__ import annotations

import pytest

from profiler.attribute.bytes_in_doubt import Traffic, doubt_memory
from profiler.attribute.verdict import judge, refuse
from profiler.report.records import Share, Verdict
from profiler.report.vocabulary import BottleneckClass, Resource, VerdictState

MEMORY, COMPUTE = BottleneckClass.MEMORY, BottleneckClass.COMPUTE
CEILING, WALL_MS = 1e12, 10.0  # 10 GB fit into an iteration


def step(memory: float, compute: float) -> tuple[Verdict, list[Share]]:
    """A clear verdict whose shares are known to 0.05."""

    def share(resource: Resource, value: float) -> Share:
        low, high = value - 0.05, value + 0.05
        return Share(resource=resource, class_=resource.bottleneck_class, share=value, low=low, high=high, step=1.01)

    shares = [share(Resource.DRAM, memory), share(Resource.TENSOR, compute)]
    scenarios = [
        dict.fromkeys(BottleneckClass, 0.0) | {MEMORY: memory + off, COMPUTE: compute - off}
        for off in (0.0, 0.05, -0.05)
    ]
    return judge(scenarios, shares, []), shares


def doubted(memory: float, compute: float, seen_gb: float, expected_gb: float) -> tuple[Verdict, Share]:
    verdict, shares = doubt_memory(*step(memory, compute), Traffic(seen_gb * 1e9, expected_gb * 1e9), CEILING, WALL_MS)
    return verdict, shares[0]


def test_less_traffic_than_the_shapes_say_takes_from_memory_in_proportion() -> None:
    verdict, dram = doubted(0.85, 0.15, seen_gb=6.4, expected_gb=8.0)
    assert (dram.low, dram.high) == (pytest.approx(0.64), pytest.approx(0.9))
    assert (verdict.class_, verdict.state, verdict.low) == (MEMORY, VerdictState.CLEAR, pytest.approx(0.64))
    assert verdict.confidence == 0.5


def test_memory_that_no_longer_leads_for_sure_is_not_clear_and_says_why() -> None:
    verdict, _ = doubted(0.6, 0.4, seen_gb=4.0, expected_gb=8.0)
    assert (verdict.class_, verdict.state, verdict.confidence) == (MEMORY, VerdictState.INCONCLUSIVE, 0.5)
    assert verdict.evidence[0] == ("the driver saw 4 GB of DRAM traffic an iteration, the operations' shapes say 8 GB")


def test_more_traffic_may_hold_the_step_back_for_as_long_as_it_takes() -> None:
    verdict, dram = doubted(0.2, 0.8, seen_gb=7.8, expected_gb=2.0)
    assert (dram.low, dram.high) == (pytest.approx(0.15), pytest.approx(0.78))
    assert (verdict.class_, verdict.state, verdict.confidence) == (COMPUTE, VerdictState.INCONCLUSIVE, 0.5)


def test_a_matrix_product_that_reads_its_operands_twice_stays_as_sure_as_it_was() -> None:
    before, _ = step(0.1, 0.9)
    verdict, dram = doubted(0.1, 0.9, seen_gb=4.0, expected_gb=2.0)
    assert verdict == before
    assert dram.high == pytest.approx(0.4)


def test_a_refused_verdict_stays_refused() -> None:
    verdict, shares = doubt_memory(refuse("no trace"), [], Traffic(2e9, 1e9), CEILING, WALL_MS)
    assert (verdict, shares) == (refuse("no trace"), [])


def test_without_a_ceiling_only_less_traffic_can_be_weighed() -> None:
    _, shares = doubt_memory(*step(0.3, 0.7), Traffic(9e9, 3e9), None, WALL_MS)
    assert shares == step(0.3, 0.7)[1]
