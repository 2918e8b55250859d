"""What `bottleneck simulate` answers: one log of requests under several policies. docs/report.md has every field.

Times are simulated in whole nanoseconds: `queue_ns`, `prefill_ns` and `decode_ns` of a request sum to its `e2e_ns`
exactly. What ends in `_ms` is the same as a float.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from profiler.report.cost_surface import CostSurface
from profiler.report.json_text import json_text, schema_of
from profiler.report.records import ReportWarning, Verdict
from profiler.report.source import Sources
from profiler.report.vocabulary import BottleneckClass

SIMULATION_SCHEMA_VERSION = "1.1"


class ServingPartName(StrEnum):
    """An exclusive piece of the time that all requests take together."""

    QUEUE = "scheduling.queue"
    BATCH_HOLES = "scheduling.batch_holes"
    HEAD_OF_LINE = "scheduling.head_of_line"
    CAPACITY = "memory.capacity"
    PREFILL = "prefill"
    DECODE = "decode"

    @property
    def is_waiting(self) -> bool:
        """Whether a request waits in it."""
        return self not in (ServingPartName.PREFILL, ServingPartName.DECODE)


class SlotState(StrEnum):
    """What a slot of the batch is taken by."""

    PREFILL = "prefill"
    DECODE = "decode"
    HOLE = "hole"


class Percentiles(Struct, frozen=True, kw_only=True):
    """How a time is spread, in milliseconds."""

    mean: float
    p50: float
    p90: float
    p95: float
    p99: float
    max: float


class ServingPart(Struct, frozen=True, kw_only=True):
    """One exclusive piece of the requests' time: summed over them, and of it all."""

    part: ServingPartName
    class_: BottleneckClass | None = field(name="class")
    ns: int
    fraction: float


class FairnessGroup(Struct, frozen=True, kw_only=True):
    """The requests of one tenant, or of one class of lengths. `slowdown` is e2e over what it takes alone."""

    name: str
    requests: int
    mean_queue_ms: float
    mean_e2e_ms: float
    mean_slowdown: float


class Fairness(Struct, frozen=True, kw_only=True):
    """How evenly the groups are slowed: `index` is Jain's over their mean slowdowns, 1 where all are alike."""

    by: str
    index: float
    groups: list[FairnessGroup]


class CarriedLoad(Struct, frozen=True, kw_only=True):
    """What load the policy carries: above `most_requests_per_s` the queue grows without end."""

    most_requests_per_s: float
    offered_requests_per_s: float | None
    utilisation_ratio: float | None
    diverges: bool | None
    sources: Sources = field(default_factory=dict)


class SlotSpan(Struct, frozen=True, kw_only=True):
    """A slot in one state for one request, which is numbered in the order of arrival from 0."""

    request: int
    state: SlotState
    begin_ms: float
    end_ms: float


class SlotRow(Struct, frozen=True, kw_only=True):
    """One slot of one replica."""

    replica: int
    slot: int
    spans: list[SlotSpan]


class SlotTimeline(Struct, frozen=True, kw_only=True):
    """The first slots over the first part of the run: `waiting` is the most that queue in each of even steps of it."""

    end_ms: float
    rows: list[SlotRow]
    slots_left_out: int
    waiting: list[int]


class RequestTimes(Struct, frozen=True, kw_only=True):
    """One request. It held its slot for `hole_ms` after its last token; `tpot_ms` is null for a single token."""

    request: int
    arrival_ms: float
    prompt_tokens: int
    output_tokens: int
    tenant: str | None
    replica: int
    slot: int
    queue_ms: float
    prefill_ms: float
    decode_ms: float
    ttft_ms: float
    tpot_ms: float | None
    e2e_ms: float
    head_of_line_ms: float
    preempted_ms: float
    hole_ms: float
    queue_ns: int
    prefill_ns: int
    decode_ns: int
    e2e_ns: int


class SimulatedPolicy(Struct, frozen=True, kw_only=True):
    """One policy. Shares are sums over the requests, over the sum of their e2e latencies."""

    policy: str
    slots: int
    makespan_ms: float
    queue_share: float
    prefill_share: float
    decode_share: float
    hole_ratio: float
    head_of_line_ms: float
    verdict: Verdict
    queue_ms: float
    prefill_ms: float
    decode_ms: float
    parts: list[ServingPart]
    ttft_ms: Percentiles
    tpot_ms: Percentiles | None
    itl_ms: Percentiles | None
    e2e_ms: Percentiles
    goodput_requests_per_s: float | None
    goodput_ratio: float | None
    requests_per_s: float
    prompt_tokens_per_s: float
    output_tokens_per_s: float
    busy_ratio: float
    slot_occupancy_ratio: float
    weights_gb_per_s: float | None
    iterations: int
    decode_steps: int
    preemptions: int
    peak_kv_tokens: int
    fairness: Fairness
    load: CarriedLoad
    timeline: SlotTimeline
    requests: list[RequestTimes]
    requests_left_out: int
    sources: Sources = field(default_factory=dict)


class ServingSetup(Struct, frozen=True, kw_only=True):
    """What a replica may do at once, and what requests are promised."""

    replicas: int
    slots: int
    token_budget: int
    kv_tokens: int | None
    batch_size: int
    batch_window_ms: float
    padded: bool
    slo_ttft_ms: float | None
    slo_tpot_ms: float | None
    slo_e2e_ms: float | None
    sources: Sources = field(default_factory=dict)


class CostBasis(Struct, frozen=True, kw_only=True):
    """What iterations are taken to cost: constant speeds of each stream, or a surface."""

    kind: str
    prefill_tokens_per_s: float | None
    decode_tokens_per_s: float | None
    surface: CostSurface | None
    weight_bytes: int | None
    sources: Sources = field(default_factory=dict)


class LogFinding(Struct, frozen=True, kw_only=True):
    """So many rows of the log with the same flaw."""

    cause: str
    count: int


class PhaseShares(Struct, frozen=True, kw_only=True):
    """Where requests' time went: shares of the sum of their e2e latencies, and the mean of these."""

    queue_share: float
    prefill_share: float
    decode_share: float
    mean_e2e_ms: float


class HeldOut(Struct, frozen=True, kw_only=True):
    """The requests that costs were not fitted to, as they were simulated and as the server measured them."""

    policy: str
    fitted_requests: int
    requests: int
    simulated: PhaseShares
    measured: PhaseShares
    holds: bool


class Simulation(Struct, frozen=True, kw_only=True):
    """The whole answer."""

    kind: str = "simulate"
    schema_version: str = SIMULATION_SCHEMA_VERSION
    tool_version: str
    log: str
    requests: int
    prompt_tokens: int
    output_tokens: int
    span_ms: float
    seed: int | None
    findings: list[LogFinding]
    costs: CostBasis
    setup: ServingSetup
    policies: list[SimulatedPolicy]
    warnings: list[ReportWarning]
    held_out: HeldOut | None = None
    complete: bool = True


def encode_simulation(answer: Simulation) -> bytes:
    """The answer as JSON, indented by two spaces, with a newline at its end."""
    return json_text(answer)


def simulation_schema() -> dict[str, Any]:
    """The JSON Schema of an answer."""
    return schema_of(Simulation)
