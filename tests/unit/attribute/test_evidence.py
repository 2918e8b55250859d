"""What a person would say who had looked at the trace."""

from __future__ import annotations

from msgspec.structs import replace

from profiler.attribute.evidence import Observed, sentences
from profiler.report.records import Copies, Part
from profiler.report.vocabulary import BottleneckClass, Cause, Tier

GPU = Observed(
    device_kind="cuda",
    launches=1494,
    kernels=1495,
    small_kernels=700,
    weight_bytes=15.0e9,
    weights_ideal_ms=4.87,
    wall_ms=10.0,
    mfu=0.42,
)
COPY = Copies(
    direction="h2d", memory="pageable", bytes=13_000_000_000, copies=200, busy_ms=9, exposed_ms=8, gb_per_s=12.3
)


def said(
    leader: BottleneckClass | None, seen: Observed = GPU, copies: tuple[Copies, ...] = (), **fractions: float
) -> list[str]:
    causes = {Cause(name.replace("__", ".")): fraction for name, fraction in fractions.items()}
    parts = [
        Part(class_=cause.bottleneck_class, cause=cause, ms=fraction * 10, fraction=fraction, tier=Tier.TIMELINE)
        for cause, fraction in causes.items()
    ]
    return sentences(leader, parts, copies, seen)


def test_an_idle_gpu_waits_for_the_host_to_launch():
    assert said(BottleneckClass.SCHEDULING, scheduling__host=0.75, scheduling__launch_gap=0.04)[0] == (
        "the GPU was idle 79% of each step, 75% waiting for the host to launch 1,494 kernels"
    )


def test_the_leading_class_speaks_first_and_small_parts_of_others_are_silent():
    found = said(
        BottleneckClass.MEMORY, memory__weights=0.3, scheduling__host=0.6, compute__issue=0.04, memory__kv_cache=0.03
    )
    assert [text.split(" are ")[0] for text in found[:2]] == ["30% of each step", "3% of each step"]
    assert len(found) == 3


def test_reading_the_weights_is_set_beside_what_the_ceiling_would_take():
    (text,) = said(BottleneckClass.MEMORY, memory__weights=0.5)
    assert text == (
        "50% of each step are kernels that wait for weights; "
        "reading 15 GB of them takes 4.87 of 10 ms at the measured ceiling"
    )
    (text,) = said(BottleneckClass.MEMORY, replace(GPU, weights_ideal_ms=None), memory__weights=0.5)
    assert text == "50% of each step are kernels that wait for weights"


def test_weights_that_the_ceiling_would_take_longer_for_than_the_step_lasted_are_no_part_of_it():
    (text,) = said(BottleneckClass.MEMORY, replace(GPU, weights_ideal_ms=12.0), memory__weights=0.5)
    assert "would take 12 ms at the measured ceiling, longer than the whole step of 10 ms" in text


def test_busy_matrix_units_are_set_beside_their_ceiling_where_it_is_known():
    (text,) = said(BottleneckClass.COMPUTE, compute__tensor=0.6)
    assert text.endswith("; the step reaches 42% of the measured GEMM ceiling")
    (text,) = said(BottleneckClass.COMPUTE, replace(GPU, mfu=None), compute__tensor=0.6)
    assert text == "60% of each step are kernels that keep the matrix units busy"


def test_kernels_of_unknown_work_are_not_said_to_issue() -> None:
    known, unknown = (
        said(BottleneckClass.COMPUTE, replace(GPU, unknown_ratio=ratio), compute__issue=0.3)[0] for ratio in (0.0, 0.2)
    )
    assert known == "30% of each step are kernels busy issuing instructions, not waiting for memory"
    assert unknown == f"{known}, or, for 20% of each step, of work that is not known"


def test_copies_are_named_with_size_memory_and_rate():
    (text,) = said(BottleneckClass.IO, copies=(COPY,))
    assert text == "copies to the GPU (13 GB, pageable memory at 12.3 GB/s) hold up 80% of each step"


def test_copies_under_kernels_are_not_mentioned():
    hidden = Copies(direction="h2d", memory="pinned", bytes=None, copies=1, busy_ms=9, exposed_ms=0, gb_per_s=None)
    assert said(BottleneckClass.IO, copies=(hidden,)) == []


def test_copies_of_unknown_size_and_rate_are_told_without():
    unknown = Copies(direction="d2h", memory="pinned", bytes=None, copies=1, busy_ms=9, exposed_ms=5, gb_per_s=None)
    (text,) = said(BottleneckClass.IO, copies=(unknown,))
    assert text == "copies from the GPU (pinned memory) hold up 50% of each step"


def test_on_a_cpu_operations_are_spoken_of():
    cpu = replace(GPU, device_kind="cpu")
    host, small = said(BottleneckClass.SCHEDULING, cpu, scheduling__host=0.4, scheduling__small_kernels=0.3)
    assert host == "40% of each step is Python and dispatch between 1,495 operations"
    assert small == "700 of 1,495 operations are too small to use the processor: 30% of each step"


def test_a_step_without_parts_has_no_evidence():
    assert said(None) == []
