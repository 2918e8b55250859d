"""The report: typed, versioned records with units in their names. docs/report.md explains every field.

Plain numbers stand where tools look for them; where each comes from (its tier, its window) or why it is
missing stands beside them in `sources`, keyed by the field's name. A missing number is null, never 0.
"""

from __future__ import annotations

from msgspec import Struct, field

from profiler.report.cost_surface import CostSurface
from profiler.report.counters import Counters
from profiler.report.evidence import Evidence
from profiler.report.vocabulary import BottleneckClass, Cause, Resource, Tier, VerdictState

SCHEMA_VERSION = "1.2"


class Source(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a number comes from: `tier` if it is there, `missing` (the reason) if it is null."""

    tier: Tier | None = None
    window_ms: float | None = None
    note: str | None = None
    missing: str | None = None


Sources = dict[str, Source]


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


class HostRows(Struct, frozen=True, kw_only=True):
    """Host side of one step in columns, a row a call that launches, copies or blocks, in the order of time.

    `gap_us` is the host's work before the call, after `input_us` of waiting for a data loader; `call_us` the call
    without the time it was blocked, `wake_us` what it took after `waits_for` (rows of the device side) had ended;
    `thread` indexes `Timeline.tail_us`.
    """

    thread: list[int]
    start_us: list[float]
    gap_us: list[float]
    call_us: list[float]
    wake_us: list[float]
    kind: list[str]
    waits_for: list[list[int]]
    input_us: list[float] = field(default_factory=list)


class DeviceRows(Struct, frozen=True, kw_only=True):
    """Device side of one step in columns, a row an activity, in launch order.

    An activity lasts `fixed_us`, `exposed_us` of memory and the largest of its `needs_us` (by resource). It starts
    `issue_delay_us` after the host row `launched_by` (-1: before the step, or not known), `stream_gap_us` (below zero
    where they overlap) after what ran before it in its stream, and after the rows `held_by`, whichever is last.
    """

    stream: list[int]
    start_us: list[float]
    duration_us: list[float]
    name: list[int]
    kind: list[str]
    cause: list[Cause]
    launched_by: list[int]
    issue_delay_us: list[float]
    stream_gap_us: list[float]
    held_by: list[list[int]]
    fixed_us: list[float]
    needs_us: dict[Resource, list[float]]
    exposed_us: list[float] = field(default_factory=list)


class Timeline(Struct, frozen=True, kw_only=True):
    """One traced step: enough for a picture, and for a replay at other speeds.

    Times are as traced. The scales bring them to those of the clean pass; calls to the driver take `call_scale`
    times the `host_scale` of the work between them. With `evidence` the step can be judged again; reports before
    schema 1.1 lack it.
    """

    names: list[str]
    host: HostRows
    device: DeviceRows
    tail_us: list[float]
    traced_wall_us: float
    host_scale: float
    kernel_scale: float
    gap_scale: float = 1.0
    input_scale: float = 1.0
    call_scale: float = 1.0
    evidence: Evidence | None = None


class Series(Struct, frozen=True, kw_only=True):
    """One telemetry series over the telemetry pass of a phase; `value` is null where it could not be read."""

    name: str
    unit: str
    tier: Tier
    value: float | None
    low: float | None
    high: float | None
    samples: int
    window_ms: float | None
    peak: float | None = None
    missing: str | None = None
    note: str | None = None


class Telemetry(Struct, frozen=True, kw_only=True):
    """The telemetry pass: the phase repeated while another process samples the driver and the host."""

    seconds: float
    iterations: int
    series: list[Series]


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


class Ceiling(Struct, frozen=True, kw_only=True):
    """What the device was measured to reach, beside the datasheet."""

    name: str
    unit: str
    value: float | None
    low: float | None
    high: float | None
    datasheet: float | None
    tier: Tier
    missing: str | None = None


class Ceilings(Struct, frozen=True, kw_only=True):
    """All ceilings of one device."""

    device: str
    measured_at: str | None
    from_cache: bool
    ceilings: list[Ceiling]


class Environment(Struct, frozen=True, kw_only=True):
    """Where it ran. No environment variables, no host name, no paths."""

    tool_version: str
    python: str
    torch: str
    transformers: str | None
    platform: str
    device: str
    device_kind: str
    device_memory_bytes: int | None
    driver: str | None
    cuda: str | None
    cpu: str | None
    cpu_cores: int | None
    host_memory_bytes: int | None
    other_processes: int | None
    sources: Sources = field(default_factory=dict)


class Workload(Struct, frozen=True, kw_only=True):
    """What ran."""

    model: str
    source: str
    architecture: str | None
    parameters: int | None
    active_parameters: int | None
    weight_bytes: int | None
    kv_bytes_per_token: int | None
    weights: str
    dtype: str
    mode: str
    attention: str
    offload: str
    batch_size: int
    prompt_tokens: int
    new_tokens: int
    seed: int
    trust_remote_code: bool
    command: str | None = None
    sources: Sources = field(default_factory=dict)


class Capacity(Struct, frozen=True, kw_only=True):
    """The largest batch and context that fit in the memory that was free."""

    free_bytes: int | None
    weight_bytes: int | None
    kv_bytes_per_token: int | None
    largest_batch: int | None
    largest_context: int | None
    note: str | None = None
    sources: Sources = field(default_factory=dict)


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
