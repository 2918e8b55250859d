"""Where kernels stand beneath the roofline: on recordings whose work is known, and on made-up ones."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pytest

from profiler.attribute.kernel_groups import JudgedRows, KernelGroup, slowest_groups
from profiler.attribute.roofline import rooflines
from profiler.attribute.unknown_kernels import WhyUnknown
from profiler.report.ceilings import Ceiling, Ceilings
from profiler.report.evidence import KernelFacts, Peaks
from profiler.report.roofline import KernelRoofline
from profiler.report.vocabulary import Cause, Resource, Tier
from profiler.session.analyze import analyze_trace
from profiler.trace.timeline import Timeline
from profiler.trace.window import window
from tests.unit.trace.trace_events import RECORDINGS, call, copy, kernel, operation, timeline_of

PEAKS = Peaks(dram_bytes_per_s=1e12, kernel_us=1.0, sm_count=100, l2_bytes=None)
SPAN_NS = 1_000_000


@cache
def recorded(name: str) -> list[KernelRoofline]:
    (rank,) = analyze_trace(name, (RECORDINGS / f"{name}.json.gz").read_bytes())
    assert sum(kernel.ns for kernel in rank.kernels) <= rank.busy_ns
    return rank.kernels


def facts(flops: float | None, moved: float | None, gemm: float | None = None, **more: Any) -> KernelFacts:
    known = {"uses_matrix_units": gemm is not None, "blocks": 1, "memory_cause": Cause.MEMORY_ACTIVATIONS, **more}
    return KernelFacts(bytes=moved, resident_bytes=0.0, flops=flops, tensor_flops_per_s=gemm, **known)


def group(known: KernelFacts, **more: Any) -> KernelGroup:
    told: dict[str, Any] = {
        "name": "k",
        "operation": "aten::mm",
        "shapes": "2x2",
        "grid": [1, 1, 1],
        "calls": 1,
        "own_ns": 1_000,
        "sum_ns": 1_000,
        "flops": known.flops,
        "bytes": known.bytes,
        "limiter": Resource.DRAM,
        "facts": known,
    }
    return KernelGroup(**{**told, **more})


def roofline(known: KernelFacts, peaks: Peaks = PEAKS, **more: Any) -> KernelRoofline:
    (found,) = rooflines([group(known, **more)], peaks, SPAN_NS)
    return found


def test_a_large_matrix_product_stands_beneath_the_roof_of_the_matrix_units() -> None:
    (product,) = recorded("gemm_large")
    assert product.shapes == "8192x8192, 8192x8192"
    assert product.flops == product.calls * 2 * 8192**3
    assert product.bytes == product.calls * 3 * 8192**2 * 2
    assert product.flops_per_byte == pytest.approx(8192 / 3)
    assert product.flops_per_s == pytest.approx(product.flops / product.sum_ns * 1e9)
    assert (product.roof, product.limiter) == (Resource.TENSOR, Resource.TENSOR)
    assert product.roof_ratio is not None
    assert product.ceiling_flops_per_s is not None
    assert product.roof_ratio == pytest.approx(product.flops_per_s / product.ceiling_flops_per_s)
    assert 0.8 < product.roof_ratio < 1


def test_the_ceilings_of_a_report_come_before_the_datasheet() -> None:
    values = {"read": (3080.0, "GB/s"), "gemm.bfloat16": (796.0, "TFLOP/s"), "kernel": (1.1, "us")}
    measured = Ceilings(
        device="NVIDIA H100 80GB HBM3",
        measured_at=None,
        from_cache=False,
        ceilings=[
            Ceiling(name=name, unit=unit, value=value, low=None, high=None, datasheet=None, tier=Tier.HOST)
            for name, (value, unit) in values.items()
        ],
    )
    (rank,) = analyze_trace("gemm", (RECORDINGS / "gemm_large.json.gz").read_bytes(), measured)
    assert (rank.kernels[0].ceiling_flops_per_s, rank.kernels[0].ceiling_bytes_per_s) == (796e12, 3080e9)


def test_a_copy_of_heads_is_under_the_roof_of_the_memory_and_waits_for_something_else() -> None:
    # Measured: on a device of 1.41 times the bandwidth it takes the same time.
    (slowest, *_) = recorded("repeat_kv")
    assert slowest.roof is Resource.DRAM
    assert slowest.limiter is Resource.ISSUE
    assert slowest.roof_ratio is not None
    assert slowest.roof_ratio < 0.6


def test_kernels_come_by_their_time_and_are_grouped_by_shapes() -> None:
    kernels = recorded("decode_b1_eager")
    assert [each.ns for each in kernels] == sorted((each.ns for each in kernels), reverse=True)
    alike = [(each.name, each.operation, each.shapes, tuple(each.grid or ())) for each in kernels]
    assert len(set(alike)) == len(alike)
    # Two steps of 32 layers: each of the large products of a layer runs 64 times, and gate and up are alike.
    assert {each.calls for each in kernels[:4]} <= {64, 128, 2}


def test_a_replayed_graph_has_rows_without_work_and_says_why() -> None:
    slowest = recorded("decode_b16_graph")[0]
    for name in ("operation", "shapes", "flops", "bytes", "flops_per_byte", "flops_per_s", "bytes_per_s", "roof"):
        assert getattr(slowest, name) is None
        assert "replayed from a CUDA graph" in (slowest.sources[name].missing or "")
    assert slowest.roof_ratio is None
    assert slowest.grid is not None


@pytest.mark.parametrize(
    ("known", "roof", "ratio"),
    [
        (facts(0.0, 500_000.0), Resource.DRAM, 0.5),
        (facts(1e6, 500_000.0), Resource.DRAM, 0.5),  # on other units, of which no ceiling is known
        (facts(8e8, 500_000.0, gemm=1e15), Resource.TENSOR, 0.8),
        (facts(4e8, 500_000.0, gemm=1e15), Resource.DRAM, 0.5),
        (facts(0.0, 2_000_000.0), Resource.DRAM, 2.0),  # the cache served some of them
    ],
)
def test_the_roof_is_what_would_take_longer(known: KernelFacts, roof: Resource, ratio: float) -> None:
    found = roofline(known)
    assert found.roof is roof
    assert found.roof_ratio == pytest.approx(ratio)
    assert "roof" not in found.sources


@pytest.mark.parametrize(
    ("known", "peaks", "more", "reason"),
    [
        (facts(None, None), PEAKS, {}, "what it moves and computes is not known"),
        (
            facts(None, None),
            PEAKS,
            {"why_unknown": WhyUnknown.REPLAYED},
            "it is one of those replayed from a CUDA graph",
        ),
        (facts(1.0, 1.0), Peaks(None, 1.0, None, None), {}, "the bandwidth of the device is not known"),
        (facts(1.0, 1.0, uses_matrix_units=True), PEAKS, {}, "what the matrix units reach in its number format"),
    ],
)
def test_a_roof_that_is_not_known_has_its_reason(
    known: KernelFacts, peaks: Peaks, more: dict[str, Any], reason: str
) -> None:
    found = roofline(known, peaks, **more)
    assert (found.roof, found.roof_ratio) == (None, None)
    for name in ("roof", "roof_ratio"):
        assert (found.sources[name].missing or "").startswith(reason)


def test_a_kernel_without_duration_has_no_rates() -> None:
    found = roofline(facts(1.0, 1.0), sum_ns=0, own_ns=0)
    assert (found.flops_per_s, found.bytes_per_s, found.roof_ratio) == (None, None, None)
    assert found.sources["flops_per_s"].missing == "it took no time"
    assert (found.flops, found.roof) == (1.0, Resource.DRAM)


def product(start_us: float, correlation: int, size: int) -> list[dict[str, Any]]:
    inputs = {"Input Dims": [[size, size], [size, size]], "Input type": ["float", "float"]}
    return [
        operation("aten::mm", start_us, 4, **inputs),
        call("cudaLaunchKernel", start_us + 1, 2, correlation),
        kernel(start_us + 5, 10 + correlation, correlation),
    ]


def judged(timeline: Timeline, kernels: list[KernelFacts], of: list[int], **more: Any) -> JudgedRows:
    told: dict[str, Any] = {"limiters": [Resource.DRAM] * len(of), "known": [True] * len(of), **more}
    return JudgedRows(np.arange(len(timeline.device)), kernels, np.array(of), **told)


def test_runs_of_one_kernel_for_other_shapes_are_another_group() -> None:
    timeline = timeline_of(*product(0, 1, 4), *product(20, 2, 8), *product(40, 3, 4), copy("Memcpy HtoD", 70, 90))
    known = [facts(1.0, 10.0), facts(2.0, 20.0), facts(None, None)]
    own = np.array([5, 6, 7, 90])
    first, second = slowest_groups(timeline, judged(timeline, known, [0, 1, 0, 2]), own, 10)
    assert (first.shapes, first.calls, first.own_ns, first.sum_ns) == ("4x4, 4x4", 2, 12, 24_000)
    assert (first.flops, first.bytes) == (2.0, 20.0)
    assert (second.shapes, second.calls, second.own_ns, second.sum_ns) == ("8x8, 8x8", 1, 6, 12_000)
    assert [each.name for each in slowest_groups(timeline, judged(timeline, known, [0, 1, 0, 2]), own, 1)] == ["gemm"]


def test_a_sum_with_an_unknown_part_is_unknown_and_the_limiter_is_that_of_most_time() -> None:
    timeline = timeline_of(*product(0, 1, 4), *product(20, 2, 4))
    rows = judged(
        timeline,
        [facts(1.0, 10.0), facts(None, None)],
        [0, 1],
        limiters=[Resource.TENSOR, Resource.LATENCY],
        known=[True, False],
    )
    (found,) = slowest_groups(timeline, rows, np.array([3, 4]), 10)
    assert (found.flops, found.bytes, found.calls) == (None, None, 2)
    assert found.limiter is Resource.LATENCY
    (found,) = slowest_groups(timeline, rows, np.array([5, 4]), 10)
    assert found.limiter is Resource.TENSOR


def test_what_follows_on_a_window_is_no_part_of_it() -> None:
    whole = timeline_of(*product(0, 1, 4), *product(20, 2, 4), *product(40, 3, 4))
    part = window(whole, int(whole.device.start_ns[0]), int(whole.device.end_ns[1]) + 1_000, followed=True)
    assert len(part.device) == 3
    (found,) = slowest_groups(part, judged(part, [facts(1.0, 10.0)], [0, 0, 0]), np.array([5, 6, 0]), 10)
    assert (found.calls, found.flops, found.sum_ns) == (2, 2.0, 23_000)


def test_of_a_run_that_a_window_clips_only_the_part_inside_counts() -> None:
    whole = timeline_of(*product(0, 1, 4), *product(20, 2, 4))  # of 11 and 12 us
    part = window(whole, int(whole.device.start_ns[0]), int(whole.device.end_ns[1]) - 9_000)
    (found,) = slowest_groups(part, judged(part, [facts(60.0, 120.0)], [0, 0]), np.array([5, 6]), 10)
    assert (found.calls, found.sum_ns) == (2, 14_000)
    assert (found.flops, found.bytes) == (60 * 1.25, 120 * 1.25)
    again = window(part, int(part.device.start_ns[0]), int(part.device.end_ns[1]) - 1_000)
    assert again.device.inside_ratio.tolist() == [1, 2 / 12]


def test_inputs_that_are_no_sizes_are_not_shown() -> None:
    inputs = {"Input Dims": [["secret", 4], [], [[2, 3], [4]], [5, 6], {"a": 1}, [True]]}
    timeline = timeline_of(operation("aten::cat", 0, 4, **inputs), call("cudaLaunchKernel", 1, 2, 1), kernel(5, 1, 1))
    (found,) = slowest_groups(timeline, judged(timeline, [facts(None, None)], [0]), np.array([1]), 10)
    assert found.shapes == "[2x3, 4], 5x6"
    assert "secret" not in json.dumps(found.shapes)
