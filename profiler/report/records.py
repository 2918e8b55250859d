"""The report: typed, versioned records with units in their names. docs/report.md explains every field.

Plain numbers stand where tools look for them; where each comes from (its tier, its window) or why it is
missing stands beside them in `sources`, keyed by the field's name. A missing number is null, never 0.
"""

from __future__ import annotations

from msgspec import Struct, field

from profiler.report.ceilings import Ceilings
from profiler.report.cost_surface import CostSurface
from profiler.report.counters import Counters
from profiler.report.environment import Environment
from profiler.report.source import Sources
from profiler.report.speed_curve import Curve
from profiler.report.telemetry import Telemetry
from profiler.report.timeline import Timeline
from profiler.report.vocabulary import BottleneckClass, Cause, Resource, Tier, VerdictState
from profiler.report.workload import Capacity, Workload

SCHEMA_VERSION = "1.4"


class Distribution(Struct, frozen=True, kw_only=True):
    """Samples of one quantity. `low`..`high` is the 95% prediction interval of another run's median."""

    median: float
    low: float | None
    high: float | None
    samples: list[float]
    repeat_medians: list[float] = field(default_factory=list)


class Clean(Struct, frozen=True, kw_only=True):
    """The clean pass: nothing attached. `gpu_ms` is the span between CUDA events around an iteration.

    `first_time_ms` is what an iteration took at a context length that the process had not met before. Where the host
    was probed, it was `host_slowdown` times as slow as at its best, of which `host_dependence` (0 to 1) reached an
    iteration; at its full speed one would have taken `full_speed_ms`.
    """

    wall_ms: Distribution
    gpu_ms: Distribution | None
    warmup_iterations: int
    steady: bool
    first_time_ms: float | None = None
    full_speed_ms: Distribution | None = None
    host_slowdown: float | None = None
    host_dependence: float | None = None
    sources: Sources = field(default_factory=dict)


class Part(Struct, frozen=True, kw_only=True):
    """An exclusive piece of wall time; the parts of a phase sum to its clean median."""

    class_: BottleneckClass = field(name="class")
    cause: Cause
    ms: float
    fraction: float
    tier: Tier
    low_ms: float | None = None
    high_ms: float | None = None
    note: str | None = None


class Share(Struct, frozen=True, kw_only=True):
    """How much of a gain in this resource's speed reaches the user: (1 - T(k)/T)/(1 - 1/k) at step k."""

    resource: Resource
    class_: BottleneckClass = field(name="class")
    share: float
    low: float
    high: float
    step: float


class Kernel(Struct, frozen=True, kw_only=True):
    """One kernel (all its calls in a step): what it costs, what limits it, and which module asked for it."""

    name: str
    calls: int
    ms: float
    fraction: float
    bytes: float | None
    flops: float | None
    dram_ratio: float | None
    tensor_ratio: float | None
    limiter: Resource
    cause: Cause
    operation: str | None
    module: str | None
    sources: Sources = field(default_factory=dict)


class ModuleCost(Struct, frozen=True, kw_only=True):
    """What one nn.Module of the model costs in a step, kernels of its children included."""

    module: str
    calls: int
    device_ms: float
    fraction: float


class Copies(Struct, frozen=True, kw_only=True):
    """Host-device copies in one direction during one step."""

    direction: str
    memory: str
    bytes: int | None
    copies: int
    busy_ms: float
    exposed_ms: float
    gb_per_s: float | None
    sources: Sources = field(default_factory=dict)


class Stream(Struct, frozen=True, kw_only=True):
    """One stream's busy time in a step."""

    stream: str
    busy_ms: float
    kernels: int
    copies: int


class Streams(Struct, frozen=True, kw_only=True):
    """How the streams of a step overlap. `imbalance_ratio` is 1 - mean busy / largest busy over streams."""

    streams: list[Stream]
    busy_ms: float
    kernel_ms: float
    copy_ms: float
    copy_overlapped_ms: float
    copy_overlap_ratio: float | None
    concurrent_kernels_ms: float
    imbalance_ratio: float | None
    sources: Sources = field(default_factory=dict)


class Verdict(Struct, frozen=True, kw_only=True):
    """The dominant bottleneck. `class` is the leader, or null when the verdict is refused."""

    class_: BottleneckClass | None = field(name="class")
    cause: Cause | None
    share: float | None
    low: float | None
    high: float | None
    runner_up: BottleneckClass | None
    runner_up_share: float | None
    state: VerdictState
    throttled: bool
    confidence: float | None
    evidence: list[str] = field(default_factory=list)

    @property
    def clear_class(self) -> BottleneckClass | None:
        """The class that it surely names."""
        return self.class_ if self.state is VerdictState.CLEAR else None


class Advice(Struct, frozen=True, kw_only=True):
    """What to do about it, and what it is predicted to gain: `speedup` is the phase's old time over its new one."""

    phase: str
    action: str
    why: str
    command: str | None
    predicted_ms: float | None
    speedup: float | None
    low: float | None
    high: float | None


class ReportWarning(Struct, frozen=True, kw_only=True):
    """Something the reader must know before trusting a number. `code` is stable, `message` is for people."""

    code: str
    message: str
    phase: str | None = None


class Growth(Struct, frozen=True, kw_only=True):
    """How a decode step grows with context, from two context lengths measured."""

    ms_per_1000_tokens: float | None
    context_tokens: list[int]
    wall_ms: list[float]
    low: float | None = None
    high: float | None = None
    missing: str | None = None


class LoadLeg(Struct, frozen=True, kw_only=True):
    """One leg of loading a model."""

    leg: str
    bytes: int | None
    seconds: float | None
    gb_per_s: float | None
    tier: Tier | None
    missing: str | None = None


class Phase(Struct, frozen=True, kw_only=True):
    """One phase: how long, where the time went, what would help."""

    name: str
    tokens: int | None
    context_tokens: int | None
    clean: Clean
    tokens_per_s: float | None
    ideal_ms: float | None
    mfu: float | None
    mbu: float | None
    flops: float | None
    bytes: float | None
    weights_gb_per_s: float | None
    kv_cache_gb_per_s: float | None
    joules_per_token: float | None
    parts: list[Part]
    shares: list[Share]
    kernels: list[Kernel]
    modules: list[ModuleCost]
    copies: list[Copies]
    streams: Streams | None
    timeline: Timeline | None
    telemetry: Telemetry | None
    verdict: Verdict
    counters: Counters | None = None
    growth: Growth | None = None
    legs: list[LoadLeg] = field(default_factory=list)
    warnings: list[ReportWarning] = field(default_factory=list)
    sources: Sources = field(default_factory=dict)
    curves: list[Curve] = field(default_factory=list)


class Report(Struct, frozen=True, kw_only=True):
    """The whole report."""

    kind: str
    complete: bool
    environment: Environment
    workload: Workload | None
    ceilings: Ceilings
    phases: list[Phase]
    verdict: Verdict
    schema_version: str = SCHEMA_VERSION
    created_at: str | None = None
    capacity: Capacity | None = None
    advice: list[Advice] = field(default_factory=list)
    warnings: list[ReportWarning] = field(default_factory=list)
    costs: CostSurface | None = None
