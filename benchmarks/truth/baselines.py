"""What others would predict for a card with faster memory: a plain roofline, and that nothing changes.

The roofline asks each kernel for its arithmetic intensity (Williams, Waterman and Patterson, CACM 2009). One whose
bytes take longer at the bandwidth than its FLOPs at the peak is memory-bound, and runs as many times faster as the
memory is. It knows the same bytes, FLOPs, ceilings and traced durations as the profiler; caches, launches and
instructions it does not know.
"""

from __future__ import annotations

from profiler.attribute.step_evidence import StepEvidence
from profiler.report.evidence import KernelFacts
from profiler.trace.timeline import Activity

_DEVICE_MEMORY = (Activity.D2D, Activity.MEMSET)


def is_memory_bound(kernel: KernelFacts, bytes_per_s: float | None) -> bool:
    """Whether the roofline puts a kernel left of the ridge. Not one whose bytes nobody knows."""
    if not kernel.bytes or not bytes_per_s:
        return False
    peak = kernel.tensor_flops_per_s
    return not kernel.flops or not peak or kernel.bytes / bytes_per_s > kernel.flops / peak


def busy_us(evidence: StepEvidence) -> float:
    """The device's traced time, one activity after the other."""
    return sum(fact.duration_us for fact in evidence.facts)


def roofline_memory_ratio(evidence: StepEvidence) -> float:
    """The part of the device's time in kernels (and copies within the device) that the roofline calls memory-bound."""
    bandwidth = evidence.peaks.dram_bytes_per_s
    bound = sum(
        fact.duration_us
        for fact in evidence.facts
        if fact.activity in _DEVICE_MEMORY
        or (fact.activity is Activity.KERNEL and is_memory_bound(fact.kernel, bandwidth))
    )
    total = busy_us(evidence)
    return bound / total if total > 0 else 0.0


def roofline_ms(clean_ms: float, busy_ms: float, memory_ratio: float, bandwidth: float) -> float:
    """The time at `bandwidth` times the bandwidth: memory-bound kernels scale, all else stays.

    `busy_ms` is the device's traced time; no more of it than the clean time can have been.
    """
    return clean_ms - min(busy_ms, clean_ms) * memory_ratio * (1 - 1 / bandwidth)


def share_of(before_ms: float, after_ms: float, step: float) -> float:
    """The finite share at that step: (1 - T(k)/T) / (1 - 1/k)."""
    return (1 - after_ms / before_ms) / (1 - 1 / step)
