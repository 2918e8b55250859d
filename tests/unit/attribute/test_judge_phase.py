"""A phase as a whole: what is honest to say of it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from profiler.attribute.activities import ActivityFacts
from profiler.attribute.phase import Context, Judgement, KnownActivity, judge_phase
from profiler.report.evidence import CleanTimes, KernelFacts, Peaks
from profiler.report.vocabulary import BottleneckClass, Cause, VerdictState
from profiler.trace.timeline import Activity
from tests.unit.attribute.small_graphs import HostCall, Work, graph_of

PEAKS = Peaks(dram_bytes_per_s=1e12, kernel_us=1.0, sm_count=100, l2_bytes=None)
CONTEXT = Context(
    phase="decode",
    device_kind="cuda",
    mode="eager",
    offload="none",
    weight_bytes=None,
    mfu=None,
    pageable_over_pinned=None,
)
STREAMING = KernelFacts(
    bytes=95e6,
    resident_bytes=0.0,
    flops=1e6,
    uses_matrix_units=False,
    blocks=1000,
    memory_cause=Cause.MEMORY_WEIGHTS,
    tensor_flops_per_s=1e12,
)
UNKNOWN = replace(STREAMING, bytes=None, flops=None)


def judged(
    *kernels: KernelFacts, clean_ms: float | None = None, context: Context = CONTEXT, peaks: Peaks = PEAKS
) -> Judgement:
    """A step of these kernels, launched early by a host that takes 1 us a launch."""
    graph, _ = graph_of([HostCall(gap=1)] * len(kernels), [Work(row, fixed=101.0) for row in range(len(kernels))])
    known = [
        KnownActivity(ActivityFacts(Activity.KERNEL, 101.0, facts), f"kernel {row}", "aten::op", None)
        for row, facts in enumerate(kernels)
    ]
    traced_ms = (1 + 101 * len(kernels)) / 1e3
    host_ms = len(kernels) / 1e3
    return judge_phase(graph, known, CleanTimes(clean_ms or traced_ms, None, None, host_ms), peaks, context)


def test_a_step_that_streams_weights_is_clearly_memory_s():
    found = judged(STREAMING, STREAMING)
    assert (found.verdict.class_, found.verdict.cause) == (BottleneckClass.MEMORY, Cause.MEMORY_WEIGHTS)
    assert (found.verdict.state, found.verdict.confidence, found.warnings) == (VerdictState.CLEAR, 1, [])


def test_kernels_that_nobody_knows_make_nothing_clear():
    found = judged(STREAMING, UNKNOWN, UNKNOWN, UNKNOWN)
    assert found.verdict.state is VerdictState.INCONCLUSIVE
    assert found.verdict.confidence is not None
    assert found.verdict.confidence < 0.3
    assert [warning.code for warning in found.warnings] == ["unknown_kernels"]


def test_few_unknown_kernels_lower_the_confidence_by_their_time():
    found = judged(*[STREAMING] * 19, UNKNOWN)
    assert found.verdict.state is VerdictState.CLEAR
    assert found.verdict.confidence == pytest.approx(0.95, abs=0.001)
    assert found.warnings == []


def test_a_trace_unlike_the_clean_run_is_warned_of_and_trusted_less():
    found = judged(STREAMING, STREAMING, clean_ms=0.1015)
    assert [warning.code for warning in found.warnings] == ["trace_disagrees"]
    # The kernels ran at 0.4975 of their traced time, of which tracing explains 0.94.
    assert found.verdict.confidence == pytest.approx(0.4975 / 0.94, abs=0.001)


def test_a_host_unlike_the_one_that_was_timed_alone_is_warned_of_and_trusted_less():
    graph, _ = graph_of([HostCall(gap=100)] * 4, [Work(row, fixed=11.0) for row in range(4)])
    kernel = replace(STREAMING, bytes=10e6)
    known = [KnownActivity(ActivityFacts(Activity.KERNEL, 11.0, kernel), "kernel", "aten::op", None)] * 4
    found = judge_phase(graph, known, CleanTimes(0.311, None, None, 0.2), PEAKS, CONTEXT)
    assert [warning.code for warning in found.warnings] == ["host_disagrees"]
    assert "1.5 times as long as it did when timed alone" in found.warnings[0].message
    assert (found.verdict.class_, found.verdict.cause) == (BottleneckClass.SCHEDULING, Cause.SCHEDULING_HOST)
    assert found.verdict.confidence == pytest.approx(1.15 / 1.5, abs=0.001)


def test_on_a_cpu_tracing_slows_everything_and_is_no_disagreement():
    found = judged(STREAMING, STREAMING, clean_ms=0.1015, context=replace(CONTEXT, device_kind="cpu"))
    assert (found.warnings, found.verdict.confidence) == ([], 1)


def test_parts_that_cannot_sum_to_the_clean_time_are_warned_of_and_nothing_is_clear():
    graph, _ = graph_of([], [])
    found = judge_phase(graph, [], CleanTimes(1.0, None, None, None), PEAKS, CONTEXT)
    assert [warning.code for warning in found.warnings] == ["parts_do_not_sum"]
    assert (found.verdict.state, found.parts) == (VerdictState.INCONCLUSIVE, [])


def test_a_device_without_ceilings_says_nothing_about_them():
    found = judged(STREAMING, peaks=Peaks(None, 0.0, None, None))
    assert found.kernels[0].dram_ratio is None
    assert sum(part.ms for part in found.parts) == pytest.approx(0.102)


def test_a_kernel_of_a_matrix_product_without_a_ceiling_has_no_ratio():
    product = replace(STREAMING, uses_matrix_units=True, flops=1e6, tensor_flops_per_s=None)
    graph, _ = graph_of([HostCall(gap=1)], [Work(0, fixed=101.0)])
    known = [KnownActivity(ActivityFacts(Activity.KERNEL, 101.0, product), "gemm", "aten::mm", None)]
    found = judge_phase(graph, known, CleanTimes(0.102, None, None, 0.001), PEAKS, CONTEXT)
    assert found.kernels[0].tensor_ratio is None
    assert found.kernels[0].sources["tensor_ratio"].missing
