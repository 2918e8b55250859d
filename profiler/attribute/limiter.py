"""What limits one kernel: its memory traffic, its matrix units, its instructions, or the fixed cost of being a kernel.

A kernel lasts `fixed + max(t_dram, t_tensor, t_issue)`. Its bytes and FLOPs over the measured ceilings give t_dram and
t_tensor; whichever comes near to the time that is left after the fixed cost is what limits it. Where neither does, a
full grid is busy issuing instructions and a small one cannot fill the device. Arithmetic intensity is not asked: a
kernel that moves bytes far below the bandwidth ceiling does not gain from more bandwidth.
"""

from __future__ import annotations

from dataclasses import dataclass

from profiler.report.vocabulary import Cause, Resource

# Nsight Compute's rule for the two throughputs (Kernel Profiling Guide, "GPU Speed Of Light"): above 80% of its peak a
# unit is saturated, below 60% it is not what limits.
SATURATED_RATIO = 0.8
UNSATURATED_RATIO = 0.6
# Blocks a streaming multiprocessor below which a part of the device has nothing to do. A grid that leaves a few of
# them out is as good as full: 128 blocks on 132.
_FULL_GRID = 0.9
_LARGER_HALF = 0.5


@dataclass(frozen=True, slots=True)
class Peaks:
    """Measured ceilings: bytes/s, and the fixed cost of a kernel in microseconds; the device's size."""

    dram_bytes_per_s: float | None
    kernel_us: float
    sm_count: int | None
    l2_bytes: int | None


@dataclass(frozen=True, slots=True)
class KernelFacts:
    """What is known of one kernel. Bytes and FLOPs are None where its operation is unknown."""

    duration_us: float
    bytes: float | None
    resident_bytes: float
    flops: float | None
    uses_matrix_units: bool
    blocks: int | None
    memory_cause: Cause


@dataclass(frozen=True, slots=True)
class KernelCost:
    """`fixed_us + max(dram_us, tensor_us, issue_us)` is the kernel's duration.

    `traffic_us` is what its bytes alone would take at the ceiling, whatever limits it.
    """

    fixed_us: float
    dram_us: float
    tensor_us: float
    issue_us: float
    limiter: Resource
    cause: Cause
    known: bool
    traffic_us: float


@dataclass(frozen=True, slots=True)
class Band:
    """Between these utilisations a unit goes from not limiting to limiting."""

    unsaturated: float = UNSATURATED_RATIO
    saturated: float = SATURATED_RATIO

    def weight(self, utilisation: float) -> float:
        """0 below the band, 1 above it, linear within."""
        if self.saturated <= self.unsaturated:
            return 1.0 if utilisation >= self.saturated else 0.0
        return min(max((utilisation - self.unsaturated) / (self.saturated - self.unsaturated), 0.0), 1.0)


def dram_bytes(bytes_: float, resident_bytes: float, l2_bytes: int | None) -> float:
    """Bytes that reach DRAM of a kernel that moves `bytes_`, of which `resident_bytes` were or will be in L2.

    Activations pass from kernel to kernel. A working set of up to half of L2 stays there whole (the cache has two
    halves, and lines may stand in both); one as large as L2 or larger does not stay.
    """
    if not l2_bytes:
        return bytes_
    half = l2_bytes / 2
    spilled = min(max((resident_bytes - half) / half, 0.0), 1.0)
    return bytes_ - resident_bytes * (1 - spilled)


def kernel_cost(
    facts: KernelFacts, peaks: Peaks, tensor_flops_per_s: float | None, band: Band | None = None
) -> KernelCost:
    """The cost model of one kernel from what is known of it; `tensor_flops_per_s` is the GEMM ceiling of its type.

    A small kernel between the two ratios of `band` is in part limited by its leading unit and in part stalled. Of a
    kernel that fills the device, the leading unit is the limit from the middle of the band on.
    """
    band = band or Band()
    fixed = min(peaks.kernel_us, facts.duration_us)
    busy = facts.duration_us - fixed
    needs = {
        Resource.DRAM: min(_time_us(_bytes_from_dram(facts, peaks), peaks.dram_bytes_per_s), busy),
        Resource.TENSOR: min(_time_us(facts.flops if facts.uses_matrix_units else 0.0, tensor_flops_per_s), busy),
        Resource.ISSUE: 0.0,
    }
    traffic = needs[Resource.DRAM]
    leader = max(needs, key=lambda resource: needs[resource])
    rest = _unexplained(
        facts, peaks, busy=busy, fixed=fixed, is_arithmetic=needs[Resource.TENSOR] >= needs[Resource.DRAM]
    )
    weight = 1.0 if leader is rest else band.weight(needs[leader] / busy if busy > 0 else 0.0)

    if rest is Resource.LATENCY:
        # Stalls come on top of what the unit takes; no unit's speed removes them.
        stalled = busy * (1 - weight)
        fixed += stalled
        needs = {resource: min(need, busy - stalled) for resource, need in needs.items()}
        needs[leader] = busy - stalled
    elif weight >= _LARGER_HALF:
        needs[leader] = busy
        needs[rest] = max(needs[rest], busy * (1 - weight))
    else:
        needs[rest] = busy
    limiter = leader if weight >= _LARGER_HALF else rest
    return KernelCost(
        fixed_us=fixed,
        dram_us=needs[Resource.DRAM],
        tensor_us=needs[Resource.TENSOR],
        issue_us=needs[Resource.ISSUE],
        limiter=limiter,
        cause=_cause(limiter, facts.memory_cause),
        known=facts.bytes is not None and bool(peaks.dram_bytes_per_s),
        traffic_us=traffic,
    )


def _bytes_from_dram(facts: KernelFacts, peaks: Peaks) -> float:
    if facts.bytes is None:
        return 0.0
    return dram_bytes(facts.bytes, min(facts.resident_bytes, facts.bytes), peaks.l2_bytes)


def _unexplained(facts: KernelFacts, peaks: Peaks, *, busy: float, fixed: float, is_arithmetic: bool) -> Resource:
    """What takes the time that neither the bytes nor the FLOPs of a kernel explain.

    A matrix product that needs its operands longer than the matrix units (a thin one) is not held back by these.
    """
    if busy <= fixed or not _fills_device(facts, peaks):
        return Resource.LATENCY
    return Resource.TENSOR if facts.uses_matrix_units and facts.flops and is_arithmetic else Resource.ISSUE


def _time_us(amount: float | None, per_second: float | None) -> float:
    return amount / per_second * 1e6 if amount and per_second else 0.0


def _fills_device(facts: KernelFacts, peaks: Peaks) -> bool:
    if facts.blocks is None or facts.blocks < 0 or not peaks.sm_count:
        return True
    return facts.blocks >= _FULL_GRID * peaks.sm_count


def _cause(limiter: Resource, memory_cause: Cause) -> Cause:
    if limiter is Resource.DRAM:
        return memory_cause
    return {
        Resource.TENSOR: Cause.COMPUTE_TENSOR,
        Resource.ISSUE: Cause.COMPUTE_ISSUE,
        Resource.LATENCY: Cause.SCHEDULING_SMALL_KERNELS,
    }[limiter]
