"""What limits one kernel: its memory traffic, its matrix units, its instructions, or the fixed cost of being a kernel.

A kernel lasts `fixed + t_exposed + max(t_dram, t_tensor, t_issue)`. Its bytes and FLOPs over the measured ceilings give
t_dram and t_tensor; whichever comes near to the time that is left after the fixed cost is what limits it. Memory that
is further from it may still be waited for now and then. Time that neither explains went to issuing instructions or was
stalled: a matrix product that needs its operands longer than the matrix units has nothing else to wait for but their
latency, a grid that leaves processors or their schedulers without work stalls, and what fills the device issues.
Arithmetic intensity is not asked: a kernel that moves bytes far below the bandwidth ceiling hardly gains from more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from profiler.attribute.occupancy import filled_ratio
from profiler.report.evidence import KernelFacts, Peaks
from profiler.report.vocabulary import Cause, Resource
from profiler.trace.timeline import Ints

# Nsight Compute's rule for the two throughputs (Kernel Profiling Guide, "GPU Speed Of Light"): above 80% of its peak a
# unit is saturated, below 60% it is not what limits.
SATURATED_RATIO = 0.8
UNSATURATED_RATIO = 0.6
_LARGER_HALF = 0.5

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

LIMITERS = (Resource.DRAM, Resource.TENSOR, Resource.ISSUE, Resource.LATENCY)
_DRAM, _TENSOR, _ISSUE, _LATENCY = range(4)
_CAUSES = np.array(
    [None, Cause.COMPUTE_TENSOR, Cause.COMPUTE_ISSUE, Cause.SCHEDULING_SMALL_KERNELS], np.object_
)  # of the memory it depends on what is read


class KernelCosts(Struct, frozen=True):
    """Columns of kernels, shape (n,): `fixed_us + exposed_us + max(dram_us, tensor_us, issue_us)` is their duration.

    `exposed_us` is the memory's and hidden by nothing, `dram_us` is its work beside the others'. `traffic_us` is what
    their bytes alone would take at the ceiling, whatever limits them. `limiter` numbers `LIMITERS`.
    """

    fixed_us: Floats
    exposed_us: Floats
    dram_us: Floats
    tensor_us: Floats
    issue_us: Floats
    limiter: Ints
    causes: list[Cause]
    known: Flags
    traffic_us: Floats


class Band(Struct, frozen=True):
    """Between these utilisations a unit goes from not limiting to limiting."""

    unsaturated: float = UNSATURATED_RATIO
    saturated: float = SATURATED_RATIO

    def weight(self, utilisation: Floats) -> Floats:
        """0 below the band, 1 above it, linear within."""
        if self.saturated <= self.unsaturated:
            return np.where(utilisation >= self.saturated, 1.0, 0.0)
        return np.clip((utilisation - self.unsaturated) / (self.saturated - self.unsaturated), 0.0, 1.0)


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


def kernel_costs(duration_us: Floats, told: Told, peaks: Peaks, band: Band | None = None) -> KernelCosts:
    """The cost model of kernels from what is known of them, all of shape (n,).

    Their leading unit explains the time from the upper end of `band` on, and none of it below the lower end; in between
    a part. Traffic below that explains the part that is exposed. What nothing explains is stalled, or other work.
    """
    band = band or Band()
    fixed = np.minimum(peaks.kernel_us, duration_us)
    busy = duration_us - fixed
    # What each unit would take alone, at most the time there is. Counted activity comes before what shapes say.
    traffic = np.minimum(told.dram_us, busy)
    tensor = np.minimum(np.maximum(told.tensor_us, told.tensor_active_ratio * busy), busy)
    # Issuing at 37% of the peak was seen of sines and cosines that no faster memory would help: another pipe of the
    # processor was full. So little issuing is no stall.
    issue = np.minimum(told.issue_active_ratio * busy, busy)
    needs = np.stack([traffic, tensor, issue])
    leader = needs.argmax(axis=0)
    utilisation = np.divide(needs.max(axis=0), busy, out=np.zeros_like(busy), where=busy > 0)
    is_thin = (leader == _DRAM) & (traffic > tensor)
    # What is at work in the time that neither bytes nor FLOPs explain, as far as the kernel is not stalled. A matrix
    # product that does not reach the GEMM ceiling (tiles that do not fit, a clock that fell) keeps its matrix units
    # from doing better; one that needs its operands for longer (a thin one) is not held back by these.
    rest = np.where(told.multiplies & ~is_thin, _TENSOR, _ISSUE)
    is_thin_product = told.is_matrix_product & is_thin
    stalling = np.where((busy <= fixed) | is_thin_product, 1.0, told.stalling_ratio)
    saturated = np.where((leader == rest) & (stalling < 1), 1.0, band.weight(utilisation))
    # A thin product has nothing to hide its operands behind, however few they are.
    saturated = np.where(is_thin_product, np.maximum(saturated, utilisation), saturated)
    # Requests that come at any time find the memory busy with the probability of its utilisation (Wolff 1982: Poisson
    # arrivals see time averages). Of the time that its traffic takes, that part is exposed. Matrix products and
    # attention fetch ahead of their need.
    exposed_ratio = np.where(is_thin & ~told.uses_matrix_units, utilisation**2, 0.0)
    explained = np.maximum(saturated, exposed_ratio)

    stalled = busy * (1 - explained) * stalling
    # Up to the middle of the band: from there on the memory is the limit, and hides nothing.
    exposed = np.where((exposed_ratio > 0) & (saturated < _LARGER_HALF), busy * explained, 0.0)
    working = busy - stalled - exposed
    needs[_DRAM] = np.maximum(traffic - exposed, 0.0)
    needs = np.minimum(needs, working)
    leads = (exposed == 0) & ((saturated >= _LARGER_HALF) | (stalling >= 1))
    unexplained_us = busy * (1 - saturated) * (1 - stalling)
    for unit in (_DRAM, _TENSOR, _ISSUE):
        needs[unit] = np.where(leads & (leader == unit), working, needs[unit])
        behind = np.where(leads, np.maximum(needs[unit], unexplained_us), working)
        needs[unit] = np.where(rest == unit, behind, needs[unit])
    limiter = np.where(stalling >= _LARGER_HALF, _LATENCY, rest)
    limiter = np.where(explained >= _LARGER_HALF, leader, limiter)
    return KernelCosts(
        fixed_us=fixed + stalled,
        exposed_us=exposed,
        dram_us=needs[_DRAM],
        tensor_us=needs[_TENSOR],
        issue_us=needs[_ISSUE],
        limiter=limiter,
        causes=np.where(limiter == _DRAM, told.memory_cause, _CAUSES[limiter]).tolist(),
        known=told.known,
        traffic_us=traffic,
    )


class Told(Struct, frozen=True):
    """What is known of kernels whatever their duration, in columns."""

    dram_us: Floats
    tensor_us: Floats
    tensor_active_ratio: Floats
    issue_active_ratio: Floats
    stalling_ratio: Floats  # how much of the unexplained time they were stalled, but for thin products
    uses_matrix_units: Flags
    multiplies: Flags  # matrix units have something to do
    is_matrix_product: Flags
    memory_cause: NDArray[np.object_]
    known: Flags

    def taken(self, rows: Ints) -> Told:
        """These rows, in this order."""
        return Told(*(getattr(self, name)[rows] for name in Told.__struct_fields__))


def told_of(facts: Sequence[KernelFacts], peaks: Peaks) -> Told:
    """What is told of each kernel on a device of these peaks."""

    def numbers(of: Callable[[KernelFacts], float | None]) -> Floats:
        return np.array([of(each) or 0.0 for each in facts], np.float64)

    def flags(of: Callable[[KernelFacts], object]) -> Flags:
        return np.array([bool(of(each)) for each in facts], np.bool_)

    return Told(
        dram_us=numbers(lambda each: _time_us(_moved_bytes(each, peaks), peaks.dram_bytes_per_s)),
        tensor_us=numbers(_tensor_us),
        tensor_active_ratio=numbers(lambda each: each.tensor_active_ratio),
        issue_active_ratio=numbers(lambda each: each.issue_active_ratio),
        stalling_ratio=numbers(lambda each: 1 - filled_ratio(each, peaks)),
        uses_matrix_units=flags(lambda each: each.uses_matrix_units),
        multiplies=flags(lambda each: each.uses_matrix_units and each.flops),
        is_matrix_product=flags(lambda each: each.is_matrix_product),
        memory_cause=np.array([each.memory_cause for each in facts], np.object_),
        known=flags(lambda each: _has_bytes(each) and peaks.dram_bytes_per_s),
    )


def _has_bytes(facts: KernelFacts) -> bool:
    return facts.bytes is not None or facts.counted_bytes is not None


def _moved_bytes(facts: KernelFacts, peaks: Peaks) -> float:
    if facts.counted_bytes is not None:
        return facts.counted_bytes
    if facts.bytes is None:
        return 0.0
    return dram_bytes(facts.bytes, min(facts.resident_bytes, facts.bytes), peaks.l2_bytes)


def _tensor_us(facts: KernelFacts) -> float:
    flops = (facts.executed_flops or facts.flops) if facts.uses_matrix_units else 0.0
    return _time_us(flops, facts.tensor_flops_per_s)


def _time_us(amount: float | None, per_second: float | None) -> float:
    return amount / per_second * 1e6 if amount and per_second else 0.0
