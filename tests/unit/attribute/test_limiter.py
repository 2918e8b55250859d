"""What limits one kernel. Times in microseconds on a device of round numbers: 1 MB/us, 1 MFLOP/us, 100 processors."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from profiler.attribute.limiter import LIMITERS, Band, dram_bytes, kernel_costs, told_of
from profiler.report.evidence import KernelFacts, Peaks
from profiler.report.vocabulary import Cause, Resource

MB = 1_000_000.0
PEAKS = Peaks(dram_bytes_per_s=1e12, kernel_us=1.0, sm_count=100, l2_bytes=40_000_000)
SIZED = replace(PEAKS, threads_per_sm=2048, registers_per_sm=65536, shared_bytes_per_sm=228 * 1024)
NARROW = Band(0.7, 0.7)


def kernel(
    megabytes: float | None = 0,
    megaflops: float | None = 0,
    *,
    matrix: bool = False,
    blocks: int | None = 1000,
    resident: float = 0,
    flops_per_s: float | None = 1e12,
    **more: Any,
) -> KernelFacts:
    return KernelFacts(
        bytes=None if megabytes is None else megabytes * MB,
        resident_bytes=resident * MB,
        flops=None if megaflops is None else megaflops * 1e6,
        uses_matrix_units=matrix,
        blocks=blocks,
        memory_cause=Cause.MEMORY_WEIGHTS,
        tensor_flops_per_s=flops_per_s,
        **more,
    )


@dataclass(frozen=True)
class Cost:
    """That of one kernel."""

    fixed_us: float
    exposed_us: float
    dram_us: float
    tensor_us: float
    issue_us: float
    limiter: Resource
    cause: Cause
    known: bool
    traffic_us: float


def cost_of(facts: KernelFacts, duration: float = 101.0, peaks: Peaks = PEAKS, band: Band | None = None) -> Cost:
    found = kernel_costs(np.array([duration]), told_of([facts], peaks), peaks, band)
    return Cost(
        fixed_us=found.fixed_us[0],
        exposed_us=found.exposed_us[0],
        dram_us=found.dram_us[0],
        tensor_us=found.tensor_us[0],
        issue_us=found.issue_us[0],
        limiter=LIMITERS[found.limiter[0]],
        cause=found.causes[0],
        known=bool(found.known[0]),
        traffic_us=found.traffic_us[0],
    )


def limiter(facts: KernelFacts, duration: float = 101.0, peaks: Peaks = PEAKS) -> Resource:
    return cost_of(facts, duration, peaks).limiter


def test_a_kernel_whose_bytes_explain_its_time_is_limited_by_memory():
    cost = cost_of(kernel(megabytes=90))
    assert (cost.limiter, cost.cause) == (Resource.DRAM, Cause.MEMORY_WEIGHTS)
    assert (cost.fixed_us, cost.dram_us) == (1, 100)


def test_a_kernel_whose_flops_explain_its_time_is_limited_by_the_matrix_units():
    cost = cost_of(kernel(megabytes=30, megaflops=95, matrix=True))
    assert (cost.limiter, cost.cause) == (Resource.TENSOR, Cause.COMPUTE_TENSOR)
    assert (cost.tensor_us, cost.dram_us) == (100, 30), "its second limit is kept"


def test_flops_beside_the_matrix_units_do_not_count_as_theirs():
    assert limiter(kernel(megaflops=95)) is Resource.ISSUE


def test_a_full_device_that_neither_bytes_nor_flops_explain_issues_instructions():
    cost = cost_of(kernel(megabytes=30))
    assert (cost.limiter, cost.cause) == (Resource.ISSUE, Cause.COMPUTE_ISSUE)
    assert cost.issue_us == pytest.approx(91)


def test_traffic_that_finds_the_memory_busy_is_exposed_the_rest_is_hidden():
    cost = cost_of(kernel(megabytes=30))
    assert (cost.exposed_us, cost.dram_us) == (pytest.approx(0.3 * 30), pytest.approx(0.7 * 30))


@pytest.mark.parametrize(
    "known",
    [
        {"blocks": 1000},
        {"blocks": 10},
        {"blocks": 100, "threads": 320},  # ten warps of the sixteen that it takes
        {"blocks": 1000, "matrix": True},
        {"blocks": 1000, "matrix": True, "is_matrix_product": True},
    ],
    ids=["full grid", "small grid", "few warps", "attention", "matrix product"],
)
def test_the_more_bytes_the_more_a_kernel_gains_from_faster_memory(known: dict[str, Any]):
    def without_memory(megabytes: float) -> float:
        cost = cost_of(kernel(megabytes=megabytes, **known), peaks=SIZED)
        return cost.fixed_us + max(cost.tensor_us, cost.issue_us)

    times = [without_memory(tenths / 10) for tenths in range(1001)]
    assert all(after <= before + 1e-9 for before, after in pairwise(times))
    assert times[0] > 100
    assert times[-1] == pytest.approx(1.0)


def test_attention_fetches_ahead_and_exposes_nothing():
    assert cost_of(kernel(megabytes=30, megaflops=1, matrix=True)).exposed_us == 0


def test_an_inefficient_matrix_product_keeps_the_matrix_units_from_doing_better():
    assert limiter(kernel(megabytes=10, megaflops=25, matrix=True)) is Resource.TENSOR


def test_a_grid_that_cannot_fill_the_device_is_a_small_kernel():
    cost = cost_of(kernel(megabytes=11, megaflops=3, matrix=True, blocks=32))
    assert (cost.limiter, cost.cause) == (Resource.LATENCY, Cause.SCHEDULING_SMALL_KERNELS)
    assert (cost.fixed_us, cost.exposed_us) == (101, 0)


def test_a_grid_that_leaves_few_processors_out_fills_the_device():
    assert limiter(kernel(blocks=90)) is Resource.ISSUE
    assert limiter(kernel(blocks=89)) is Resource.LATENCY


def test_a_small_grid_that_reads_at_full_speed_all_the_same_is_limited_by_memory():
    assert limiter(kernel(megabytes=90, blocks=32)) is Resource.DRAM


def test_a_kernel_of_little_more_than_its_fixed_cost_is_a_small_kernel_whatever_its_grid():
    assert limiter(kernel(blocks=1000), 2) is Resource.LATENCY
    assert limiter(kernel(blocks=1000), 2.1) is Resource.ISSUE


def test_a_kernel_shorter_than_the_fixed_cost_is_all_fixed_cost():
    cost = cost_of(kernel(megabytes=90), 0.8)
    assert (cost.fixed_us, cost.dram_us, cost.limiter) == (0.8, 0, Resource.LATENCY)


def test_a_kernel_of_no_duration_costs_nothing():
    cost = cost_of(kernel(megabytes=90), 0)
    assert (cost.fixed_us, cost.dram_us, cost.tensor_us, cost.issue_us) == (0, 0, 0, 0)


@pytest.mark.parametrize(("megabytes", "fixed", "dram"), [(50, 76, 25), (60, 65, 36), (70, 51, 50), (95, 1, 100)])
def test_a_small_kernel_is_memory_s_as_far_as_its_traffic_explains_it_and_else_stalled(
    megabytes: float, fixed: float, dram: float
):
    cost = cost_of(kernel(megabytes=megabytes, blocks=32))
    assert (cost.fixed_us, cost.exposed_us + cost.dram_us) == (pytest.approx(fixed), pytest.approx(dram))


@pytest.mark.parametrize(("megabytes", "expected"), [(69, Resource.ISSUE), (71, Resource.DRAM)])
def test_a_kernel_that_fills_the_device_goes_from_one_limit_to_the_other_in_the_middle(
    megabytes: float, expected: Resource
):
    assert limiter(kernel(megabytes=megabytes)) is expected


def test_a_narrow_band_moves_the_middle():
    assert cost_of(kernel(megabytes=70), band=Band(0.8, 0.8)).limiter is Resource.ISSUE
    assert cost_of(kernel(megabytes=65), band=Band(0.6, 0.6)).limiter is Resource.DRAM
    assert [NARROW.weight(ratio) for ratio in (0.69, 0.7)] == [0, 1]


def test_bytes_that_stay_in_the_cache_do_not_reach_memory():
    assert limiter(kernel(megabytes=16, resident=16), 17) is Resource.ISSUE
    assert limiter(kernel(megabytes=16), 17) is Resource.DRAM


@pytest.mark.parametrize(("resident", "reaching"), [(10, 90), (20, 80), (30, 85), (40, 100), (60, 100)])
def test_a_working_set_up_to_half_of_the_cache_stays_and_one_as_large_as_it_does_not(resident: float, reaching: float):
    assert dram_bytes(100 * MB, resident * MB, PEAKS.l2_bytes) == reaching * MB


def test_without_a_known_cache_all_bytes_reach_memory():
    assert dram_bytes(100 * MB, 10 * MB, None) == 100 * MB


@pytest.mark.parametrize(("megabytes", "fixed", "dram"), [(20, 81, 20), (50, 51, 50), (70, 31, 70), (90, 1, 100)])
def test_a_thin_matrix_product_waits_for_its_operands_and_then_for_their_latency(
    megabytes: float, fixed: float, dram: float
):
    cost = cost_of(kernel(megabytes=megabytes, megaflops=5, matrix=True, is_matrix_product=True))
    assert (cost.fixed_us, cost.dram_us) == (pytest.approx(fixed), pytest.approx(dram))


def test_attention_does_more_than_wait_for_its_operands():
    cost = cost_of(kernel(megabytes=50, megaflops=5, matrix=True))
    assert (cost.limiter, cost.fixed_us) == (Resource.ISSUE, 1)


def test_a_full_grid_of_too_few_warps_is_in_part_stalled():
    # 2 blocks of 2 warps on each processor: 4 of the 16 that would hide the latency of instructions.
    cost = cost_of(kernel(blocks=200, threads=64), peaks=SIZED)
    assert (cost.fixed_us, cost.issue_us) == (pytest.approx(1 + 75), pytest.approx(25))
    assert cost.limiter is Resource.LATENCY


def test_counted_bytes_come_before_those_of_the_shapes():
    assert limiter(kernel(megabytes=10, counted_bytes=90 * MB)) is Resource.DRAM
    assert limiter(kernel(megabytes=90, counted_bytes=10 * MB)) is Resource.ISSUE


def test_counted_issuing_competes_with_counted_traffic():
    assert limiter(kernel(counted_bytes=85 * MB, issue_active_ratio=0.95)) is Resource.ISSUE
    assert limiter(kernel(counted_bytes=95 * MB, issue_active_ratio=0.5)) is Resource.DRAM


def test_a_kernel_of_unknown_bytes_says_so_and_leaves_memory_out():
    cost = cost_of(kernel(megabytes=None, megaflops=None))
    assert (cost.known, cost.limiter, cost.dram_us) == (False, Resource.ISSUE, 0)


def test_no_grid_is_no_small_grid():
    assert limiter(kernel(blocks=None)) is Resource.ISSUE


def test_without_ceilings_nothing_is_said_to_be_saturated():
    unmeasured = Peaks(None, 1.0, 100, None)
    assert limiter(kernel(megabytes=95, flops_per_s=None), peaks=unmeasured) is Resource.ISSUE
    assert limiter(kernel(megaflops=95, matrix=True, flops_per_s=None), peaks=unmeasured) is Resource.TENSOR


def test_what_the_bytes_alone_would_take_is_kept_whatever_limits_it():
    assert cost_of(kernel(megabytes=11, blocks=32)).traffic_us == 11
    assert cost_of(kernel(megabytes=500)).traffic_us == 100


@pytest.mark.parametrize("blocks", [1, 1000])
@pytest.mark.parametrize("megabytes", [0, 30, 65, 75, 95, 300])
@pytest.mark.parametrize("megaflops", [0, 30, 65, 75, 95, 300])
def test_the_cost_model_lasts_as_long_as_the_kernel_did(megaflops: float, megabytes: float, blocks: int):
    cost = cost_of(kernel(megabytes, megaflops, matrix=True, blocks=blocks))
    assert cost.fixed_us + cost.exposed_us + max(cost.dram_us, cost.tensor_us, cost.issue_us) == pytest.approx(101)
