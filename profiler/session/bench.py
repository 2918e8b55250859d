"""What every phase of a run is measured with, and what is known of a phase before it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from profiler.attribute.operation_work import TokenShape
from profiler.attribute.rates import NeededWork
from profiler.clock import Clock
from profiler.device.base import Device
from profiler.device.host_work import HostWork
from profiler.measure.counted_pass import Counters
from profiler.measure.pace import HostPace
from profiler.measure.plan import Plan
from profiler.measure.repeat import Sampler
from profiler.progress import Progress
from profiler.report.ceilings import Ceilings
from profiler.report.evidence import Peaks
from profiler.workload.phase import RunnablePhase


@dataclass(frozen=True, slots=True)
class Bench:
    """What every phase of a run is measured with."""

    device: Device
    ceilings: Ceilings
    sampler: Sampler
    clock: Clock
    plan: Plan
    progress: Progress
    counters: Counters | None = None  # None where nobody asked for them

    def ceiling(self, name: str) -> float | None:
        """A measured ceiling in SI units: bytes/s, FLOP/s; microseconds stay as they are."""
        for ceiling in self.ceilings.ceilings:
            if ceiling.name == name and ceiling.value is not None:
                return ceiling.value * {"GB/s": 1e9, "TFLOP/s": 1e12}.get(ceiling.unit, 1.0)
        return None

    def pace(self) -> HostPace | None:
        """What tells the host's speed at a moment; None on a CPU, where all work is the host's.

        Its reference is the fastest that the host was seen: neighbours slowed it while it was measured, too.
        """
        known = next((ceiling for ceiling in self.ceilings.ceilings if ceiling.name == "host_work"), None)
        if self.device.properties.kind != "cuda" or known is None or not known.low:
            return None
        return HostPace(HostWork(self.device.torch_device), known.low)

    def peaks(self) -> Peaks:
        """What the cost model of kernels asks of the device."""
        properties = self.device.properties
        on_gpu = properties.kind == "cuda"
        return Peaks(
            dram_bytes_per_s=self.ceiling("read"),
            # On a CPU an operation's fixed cost is that of calling it.
            kernel_us=self.ceiling("kernel" if on_gpu else "launch") or 0.0,
            sm_count=properties.sm_count,
            l2_bytes=properties.l2_bytes,
            threads_per_sm=properties.max_threads_per_sm,
            registers_per_sm=properties.registers_per_sm,
            shared_bytes_per_sm=properties.shared_bytes_per_sm,
        )

    def gemm_flops_per_s(self) -> dict[str, float | None]:
        """The GEMM ceilings by name."""
        return {c.name: self.ceiling(c.name) for c in self.ceilings.ceilings if c.name.startswith("gemm.")}


@dataclass(frozen=True, slots=True)
class PhasePlan:
    """One phase of the run and what is known of it before it runs.

    Where `dtype` is empty or unknown, and `needed` is None, the traced operations say what it computes in and needs.
    """

    phase: RunnablePhase
    dtype: str
    mode: str
    offload: str
    needed: NeededWork | None
    needed_note: str  # where that is from, or why there is none
    modules: Any = None  # the torch.nn.Module whose forwards get ranges in the trace
    hint: TokenShape = field(default_factory=TokenShape)
