"""A kernel that a window cuts through is limited by what limits all of it."""

from __future__ import annotations

import pytest

from profiler.report.analysis import PartName, RankAnalysis
from profiler.report.vocabulary import Resource, VerdictState
from profiler.session.analyze import analyze_trace
from profiler.trace.narrowing import Narrowing
from tests.unit.trace.trace_events import call, event, operation, trace_bytes

H100 = {"id": 0, "name": "NVIDIA H100 80GB HBM3", "totalGlobalMem": 85_000_000_000}
CAPABILITY = {"computeMajor": 9, "computeMinor": 0, "numSms": 132}
SHAPES = {"Input Dims": [[8192, 8192], [8192, 8192]], "Input type": ["c10::BFloat16"] * 2}
LAUNCH = {"correlation": 1, "stream": 7, "device": 0, "grid": [132, 1, 1], "block": [128, 1, 1]}
PRODUCT = [
    operation("aten::mm", 0, 5, **SHAPES),
    call("cudaLaunchKernel", 1, 2, 1),
    event("kernel", "nvjet_gemm", 10, 2000, 7, **LAUNCH),
]


def analysed(narrowing: Narrowing | None = None) -> RankAnalysis:
    (rank,) = analyze_trace("a", trace_bytes(PRODUCT, deviceProperties=[H100 | CAPABILITY]), narrowing=narrowing)
    return rank


@pytest.mark.parametrize(("from_us", "to_us"), [(0, 50), (1_000, 1_001), (1_500, 2_000)])
def test_a_window_within_a_matrix_product_finds_its_limit_and_its_roof(from_us: int, to_us: int) -> None:
    whole, part = analysed(), analysed(Narrowing(from_ns=from_us * 1000, to_ns=to_us * 1000))
    assert [each.part for each in part.parts] == [PartName.KERNEL_TENSOR]
    assert part.kernels[0].limiter is Resource.TENSOR
    assert part.kernels[0].roof_ratio == pytest.approx(whole.kernels[0].roof_ratio)
    assert part.verdict.state is VerdictState.CLEAR
    assert part.verdict.class_ is whole.verdict.class_
    leader = part.shares[0]
    assert (leader.resource, leader.share) == (Resource.TENSOR, pytest.approx(whole.shares[0].share, abs=0.01))
