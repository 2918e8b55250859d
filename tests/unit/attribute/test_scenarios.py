"""The readings of the evidence that a verdict must stand under."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from profiler.attribute.activities import ActivityFacts
from profiler.attribute.scenarios import scenarios_of
from profiler.attribute.shares import Scenario, class_shares, share_table
from profiler.attribute.step_evidence import StepEvidence
from profiler.report.evidence import CleanTimes, KernelFacts, Peaks
from profiler.report.vocabulary import BottleneckClass, Cause, Resource
from profiler.trace.timeline import Activity
from tests.unit.attribute.small_graphs import HostCall, Work, graph_of

PEAKS = Peaks(dram_bytes_per_s=1e12, kernel_us=1.0, sm_count=100, l2_bytes=None)
MEMORY, COMPUTE, SCHEDULING = BottleneckClass.MEMORY, BottleneckClass.COMPUTE, BottleneckClass.SCHEDULING
KERNEL = KernelFacts(
    bytes=38e6,
    resident_bytes=0.0,
    flops=0.0,
    uses_matrix_units=False,
    blocks=1000,
    memory_cause=Cause.MEMORY_WEIGHTS,
    tensor_flops_per_s=1e12,
)
GRAPH, _ = graph_of([HostCall(gap=1)], [Work(0, fixed=101.0)])
CLEAN = CleanTimes(wall_ms=0.102, low_ms=None, high_ms=None, host_ms=0.001)


def scenarios(
    kernel: KernelFacts = KERNEL,
    clean: CleanTimes = CLEAN,
    activity: Activity = Activity.KERNEL,
) -> dict[str, Scenario]:
    found, _ = scenarios_of(StepEvidence(GRAPH, [ActivityFacts(activity, 101.0, kernel)], clean, PEAKS))
    return {scenario.label: scenario for scenario in found}


def share(scenario: Scenario, klass: BottleneckClass) -> float:
    return class_shares(share_table([scenario]))[0][klass]


def test_the_best_reading_comes_first():
    assert next(iter(scenarios())) == "best reading"


@pytest.mark.parametrize("kernel", [KERNEL, replace(KERNEL, bytes=75e6), replace(KERNEL, bytes=None, flops=None)])
def test_every_reading_takes_the_clean_time(kernel: KernelFacts):
    for scenario in scenarios(kernel).values():
        assert scenario.run().period_us == pytest.approx(102, rel=1e-3)


def test_what_a_kernel_moves_beside_issuing_may_or_may_not_overlap():
    found = scenarios()
    assert share(found["best reading"], MEMORY) == pytest.approx(0.38**2 * 100 / 102, abs=0.001)
    assert share(found["kernels stall on their traffic"], MEMORY) == pytest.approx(38 / 102, abs=0.01)
    assert share(found["kernels stall on their traffic"], COMPUTE) == pytest.approx(62 / 102, abs=0.01)


def test_a_small_kernel_may_stall_on_what_it_moves():
    found = scenarios(replace(KERNEL, blocks=10))
    assert share(found["best reading"], SCHEDULING) == pytest.approx(1 - 0.38**2, abs=0.01)
    assert share(found["kernels stall on their traffic"], MEMORY) == pytest.approx(38 / 102, abs=0.01)


def test_matrix_units_fetch_ahead():
    found = scenarios(replace(KERNEL, uses_matrix_units=True, flops=90e6))
    assert share(found["kernels stall on their traffic"], MEMORY) == 0


def test_a_kernel_near_saturation_is_read_either_way():
    found = scenarios(replace(KERNEL, bytes=70e6))
    assert share(found["units limit early"], MEMORY) > 0.9
    assert share(found["units limit late"], MEMORY) == pytest.approx(0.7**2, abs=0.01)


def test_copies_are_their_bus_s_in_every_reading():
    for scenario in scenarios(activity=Activity.H2D).values():
        shares = share_table([scenario])[0]
        assert shares[Resource.PCIE] == pytest.approx(100 / 102, abs=0.01)


def test_a_kernel_that_nobody_knows_may_wait_for_memory():
    found = scenarios(replace(KERNEL, bytes=None, flops=None))
    assert share(found["best reading"], COMPUTE) > 0.9
    assert share(found["unknown kernels wait for memory"], MEMORY) > 0.9
    assert "unknown kernels wait for memory" not in scenarios()


def test_an_unmeasured_host_is_read_at_either_end_of_what_tracing_does():
    labels = {"tracing slowed the host a lot", "tracing slowed the host little"}
    assert labels <= set(scenarios(clean=replace(CLEAN, host_ms=None)))
    assert not labels & set(scenarios())


def test_the_clean_time_is_read_at_either_end_of_its_interval():
    found = scenarios(clean=replace(CLEAN, low_ms=0.101, high_ms=0.104))
    assert found["a fast run"].run().period_us == pytest.approx(101, rel=1e-3)
    assert found["a slow run"].run().period_us == pytest.approx(104, rel=1e-3)
    assert "a fast run" not in scenarios()


def test_a_special_function_near_the_bandwidth_ceiling_may_be_held_back_by_its_instructions():
    found = scenarios(replace(KERNEL, bytes=93e6, is_special_function=True))
    assert share(found["best reading"], MEMORY) > 0.9
    assert share(found["special functions issue"], COMPUTE) > 0.9
    assert "special functions issue" not in scenarios(replace(KERNEL, bytes=93e6))


def test_counted_instructions_leave_nothing_open_of_a_special_function():
    counted = replace(KERNEL, bytes=93e6, is_special_function=True, issue_active_ratio=0.2)
    assert "special functions issue" not in scenarios(counted)


def test_traffic_below_saturation_may_be_hidden_wholly():
    found = scenarios()["all traffic is hidden"]
    assert share(found, MEMORY) == 0
    assert share(found, COMPUTE) == pytest.approx(100 / 102, abs=0.01)
    saturated = scenarios(replace(KERNEL, bytes=95e6))["all traffic is hidden"]
    assert share(saturated, MEMORY) > 0.9


def test_matrix_products_may_load_late():
    found = scenarios(replace(KERNEL, bytes=50e6, uses_matrix_units=True, is_matrix_product=True, flops=90e6))
    assert share(found["best reading"], MEMORY) == 0
    assert share(found["nothing fetches ahead"], MEMORY) == pytest.approx(0.25 * 100 / 102, abs=0.01)
    assert share(found["nothing fetches ahead"], COMPUTE) == pytest.approx(0.75 * 100 / 102, abs=0.01)
