"""What limits one kernel: its memory traffic, its matrix units, its instructions, or the fixed cost of being a kernel.

A kernel lasts `fixed + t_exposed + max(t_dram, t_tensor, t_issue)`. Its bytes and FLOPs over the measured ceilings give
t_dram and t_tensor; whichever comes near to the time that is left after the fixed cost is what limits it. Memory that
is further from it may still be waited for now and then. Time that neither explains went to issuing instructions or was
stalled: a matrix product that needs its operands longer than the matrix units has nothing else to wait for but their
latency, a grid that leaves processors or their schedulers without work stalls, and what fills the device issues.
Arithmetic intensity is not asked: a kernel that moves bytes far below the bandwidth ceiling hardly gains from more.
"""

from __future__ import annotations

from dataclasses import dataclass

from profiler.attribute.occupancy import filled_ratio
from profiler.report.evidence import KernelFacts, Peaks
from profiler.report.vocabulary import Cause, Resource

# Nsight Compute's rule for the two throughputs (Kernel Profiling Guide, "GPU Speed Of Light"): above 80% of its peak a
# unit is saturated, below 60% it is not what limits.
SATURATED_RATIO = 0.8
UNSATURATED_RATIO = 0.6
_LARGER_HALF = 0.5


@dataclass(frozen=True, slots=True)
class KernelCost:
    """`fixed_us + exposed_us + max(dram_us, tensor_us, issue_us)` is the kernel's duration.

    `exposed_us` is the memory's and hidden by nothing, `dram_us` is its work beside the others'. `traffic_us` is what
    its bytes alone would take at the ceiling, whatever limits it.
    """

    fixed_us: float
    exposed_us: float
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


def kernel_cost(duration_us: float, facts: KernelFacts, peaks: Peaks, band: Band | None = None) -> KernelCost:
    """The cost model of one kernel from what is known of it.

    Its leading unit explains the time from the upper end of `band` on, and none of it below the lower end; in between
    a part. Traffic below that explains the part that is exposed. What nothing explains is stalled, or other work.
    """
    band = band or Band()
    fixed = min(peaks.kernel_us, duration_us)
    busy = duration_us - fixed
    needs = _needs(facts, peaks, busy)
    traffic = needs[Resource.DRAM]
    leader = max(needs, key=lambda resource: needs[resource])
    utilisation = needs[leader] / busy if busy > 0 else 0.0
    is_thin = leader is Resource.DRAM and needs[Resource.DRAM] > needs[Resource.TENSOR]
    rest = _unexplained(facts, is_thin=is_thin)
    stalling = 1.0 if busy <= fixed else _stalling_ratio(facts, peaks, is_thin=is_thin)
    saturated = 1.0 if leader is rest and stalling < 1 else band.weight(utilisation)
    if facts.is_matrix_product and is_thin:
        saturated = max(saturated, utilisation)  # it has nothing to hide its operands behind, however few they are
    exposed_ratio = _exposed_ratio(facts, utilisation) if is_thin else 0.0
    explained = max(saturated, exposed_ratio)

    stalled = busy * (1 - explained) * stalling
    # Up to the middle of the band: from there on the memory is the limit, and hides nothing.
    exposed = busy * explained if exposed_ratio > 0 and saturated < _LARGER_HALF else 0.0
    fixed, working = fixed + stalled, busy - stalled - exposed
    needs[Resource.DRAM] = max(traffic - exposed, 0.0)
    needs = {resource: min(need, working) for resource, need in needs.items()}
    if exposed:
        needs[rest] = working
    elif saturated >= _LARGER_HALF or stalling >= 1:
        needs[leader] = working
        needs[rest] = max(needs[rest], busy * (1 - saturated) * (1 - stalling))
    else:
        needs[rest] = working
    unexplained = Resource.LATENCY if stalling >= _LARGER_HALF else rest
    limiter = leader if explained >= _LARGER_HALF else unexplained
    return KernelCost(
        fixed_us=fixed,
        exposed_us=exposed,
        dram_us=needs[Resource.DRAM],
        tensor_us=needs[Resource.TENSOR],
        issue_us=needs[Resource.ISSUE],
        limiter=limiter,
        cause=_cause(limiter, facts.memory_cause),
        known=(facts.bytes is not None or facts.counted_bytes is not None) and bool(peaks.dram_bytes_per_s),
        traffic_us=traffic,
    )


def _needs(facts: KernelFacts, peaks: Peaks, busy_us: float) -> dict[Resource, float]:
    """What each unit would take alone, at most the time there is. Counted activity comes before what shapes say."""
    flops = (facts.executed_flops or facts.flops) if facts.uses_matrix_units else 0.0
    tensor = _time_us(flops, facts.tensor_flops_per_s)
    if facts.tensor_active_ratio is not None:
        tensor = max(tensor, facts.tensor_active_ratio * busy_us)
    # Issuing at 37% of the peak was seen of sines and cosines that no faster memory would help: another pipe of the
    # processor was full. So little issuing is no stall.
    issue = facts.issue_active_ratio * busy_us if facts.issue_active_ratio is not None else 0.0
    moved = facts.counted_bytes if facts.counted_bytes is not None else _bytes_from_dram(facts, peaks)
    return {
        Resource.DRAM: min(_time_us(moved, peaks.dram_bytes_per_s), busy_us),
        Resource.TENSOR: min(tensor, busy_us),
        Resource.ISSUE: min(issue, busy_us),
    }


def _bytes_from_dram(facts: KernelFacts, peaks: Peaks) -> float:
    if facts.bytes is None:
        return 0.0
    return dram_bytes(facts.bytes, min(facts.resident_bytes, facts.bytes), peaks.l2_bytes)


def _unexplained(facts: KernelFacts, *, is_thin: bool) -> Resource:
    """What is at work in the time that neither bytes nor FLOPs explain, as far as the kernel is not stalled.

    A matrix product that does not reach the GEMM ceiling (tiles that do not fit, a clock that fell) keeps its matrix
    units from doing better; one that needs its operands for longer (a thin one) is not held back by these.
    """
    return Resource.TENSOR if facts.uses_matrix_units and facts.flops and not is_thin else Resource.ISSUE


def _exposed_ratio(facts: KernelFacts, utilisation: float) -> float:
    """The part of a kernel's time in which it waits for memory and for nothing else, where memory leads.

    Requests that come at any time find the memory busy with the probability of its utilisation (Wolff 1982: Poisson
    arrivals see time averages). Of the time that its traffic takes, that part is exposed. Matrix products and attention
    fetch ahead of their need.
    """
    return 0.0 if facts.uses_matrix_units else utilisation**2


def _stalling_ratio(facts: KernelFacts, peaks: Peaks, *, is_thin: bool) -> float:
    """How much of the unexplained time the kernel was stalled, 0 to 1."""
    if facts.is_matrix_product and is_thin:
        return 1.0
    return 1 - filled_ratio(facts, peaks)


def _time_us(amount: float | None, per_second: float | None) -> float:
    return amount / per_second * 1e6 if amount and per_second else 0.0


def _cause(limiter: Resource, memory_cause: Cause) -> Cause:
    if limiter is Resource.DRAM:
        return memory_cause
    return {
        Resource.TENSOR: Cause.COMPUTE_TENSOR,
        Resource.ISSUE: Cause.COMPUTE_ISSUE,
        Resource.LATENCY: Cause.SCHEDULING_SMALL_KERNELS,
    }[limiter]
