from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.truth.baselines import busy_us, is_memory_bound, roofline_memory_ratio, roofline_ms, share_of
from profiler.attribute.activities import ActivityFacts
from profiler.attribute.step_evidence import StepEvidence
from profiler.report.evidence import CleanTimes, KernelFacts, Peaks
from profiler.report.vocabulary import Cause
from profiler.trace.timeline import Activity
from tests.unit.attribute.small_graphs import launching

BANDWIDTH, PEAK = 3e12, 800e12
PEAKS = Peaks(dram_bytes_per_s=BANDWIDTH, kernel_us=1.0, sm_count=132, l2_bytes=50 * 2**20)


def facts(moved: float | None, flops: float | None, peak: float | None = PEAK) -> KernelFacts:
    return KernelFacts(moved, 0.0, flops, True, 132, Cause.MEMORY_WEIGHTS, tensor_flops_per_s=peak)


def evidence(*rows: tuple[Activity, float, KernelFacts]) -> StepEvidence:
    graph, _ = launching(len(rows), host=0.0, kernel=1.0)
    found = [ActivityFacts(activity, us, kernel) for activity, us, kernel in rows]
    return StepEvidence(graph, found, CleanTimes(1.0, None, None, None), PEAKS)


def test_the_ridge_parts_the_kernels() -> None:
    ridge = PEAK / BANDWIDTH  # FLOPs a byte
    assert is_memory_bound(facts(1e6, 1e6 * ridge * 0.99), BANDWIDTH)
    assert not is_memory_bound(facts(1e6, 1e6 * ridge * 1.01), BANDWIDTH)


@pytest.mark.parametrize(("flops", "peak"), [(None, PEAK), (0.0, PEAK), (1e12, None)])
def test_a_kernel_without_flops_or_a_peak_is_memory_bound(flops: float | None, peak: float | None) -> None:
    assert is_memory_bound(facts(1e6, flops, peak), BANDWIDTH)


def test_a_kernel_of_unknown_bytes_is_not() -> None:
    assert not is_memory_bound(facts(None, 1.0), BANDWIDTH)


def test_the_ratio_is_of_the_devices_time_and_knows_copies() -> None:
    found = evidence(
        (Activity.KERNEL, 30.0, facts(1e6, None)),
        (Activity.KERNEL, 50.0, facts(1.0, 1e12)),
        (Activity.D2D, 15.0, facts(1e6, None)),
        (Activity.H2D, 5.0, facts(1e6, None)),
    )
    assert roofline_memory_ratio(found) == pytest.approx(0.45)
    assert busy_us(found) == 100.0


def test_a_step_that_only_streams_scales_with_the_bandwidth() -> None:
    assert roofline_ms(10.0, 10.0, 1.0, 1.4) == pytest.approx(10.0 / 1.4)


def test_the_traced_time_counts_up_to_the_clean_one() -> None:
    assert roofline_ms(10.0, 12.0, 1.0, 2.0) == pytest.approx(5.0)
    assert roofline_ms(10.0, 4.0, 1.0, 2.0) == pytest.approx(8.0)


@given(st.floats(0.1, 1e3), st.floats(0.0, 1e3), st.floats(0.0, 1.0), st.floats(1.0, 100.0))
def test_faster_memory_never_slows_and_never_gains_more_than_itself(
    clean_ms: float, busy_ms: float, ratio: float, bandwidth: float
) -> None:
    predicted = roofline_ms(clean_ms, busy_ms, ratio, bandwidth)
    assert predicted <= clean_ms
    assert predicted >= clean_ms / bandwidth or math.isclose(predicted, clean_ms / bandwidth)


@given(st.floats(0.1, 1e3), st.floats(0.0, 1.0), st.floats(1.01, 10.0))
def test_the_share_of_a_roofline_is_the_part_that_scales(clean_ms: float, ratio: float, step: float) -> None:
    after = roofline_ms(clean_ms, clean_ms, ratio, step)
    assert share_of(clean_ms, after, step) == pytest.approx(ratio, abs=1e-9)
