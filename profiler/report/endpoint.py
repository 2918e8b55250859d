"""What `bottleneck endpoint` answers: a live server under load. docs/report.md has every field.

Times were taken by the client's monotonic clock, in whole nanoseconds. A request's `network_ns`, `queue_ns`,
`prefill_ns` and `decode_ns` sum to its `e2e_ns` exactly, and the parts of the answer to the time of all requests.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from profiler.report.engine_trace import EngineTrace
from profiler.report.json_text import json_text, schema_of
from profiler.report.records import ReportWarning, Verdict
from profiler.report.server_gpu import ServerGpu
from profiler.report.simulation import LogFinding, Percentiles
from profiler.report.source import Sources
from profiler.report.vocabulary import BottleneckClass

ENDPOINT_SCHEMA_VERSION = "1.1"


class Ending(StrEnum):
    """How a request ended."""

    OK = "ok"
    UNREACHABLE = "unreachable"
    TLS = "tls_failure"
    UNAUTHORISED = "unauthorised"
    NOT_FOUND = "not_found"
    THROTTLED = "throttled"
    REJECTED = "rejected"
    SERVER_ERROR = "server_error"
    CUT = "stream_cut"
    MALFORMED = "malformed_stream"
    EMPTY = "no_token"
    OVERRUN = "ignored_max_tokens"
    TIMEOUT = "timed_out"


class PhaseClassFrom(StrEnum):
    """What told the class of the phase that leads."""

    TRACE = "trace"  # the engine's own profiler
    COSTS = "costs"  # a report of the model
    GPU = "gpu"  # the GPU's counters under the load


class EndpointPartName(StrEnum):
    """An exclusive piece of the time from when a request is due to its last token."""

    CLIENT = "client_queue"
    NETWORK = "network"
    QUEUE = "queue"
    PREFILL = "prefill"
    DECODE = "decode"


class Saturation(StrEnum):
    """What a server, or its client, runs out of first."""

    QUEUE = "queue"
    KV_CACHE = "kv_cache"
    INTERFERENCE = "prefill_interference"
    CLIENT = "client"
    ERRORS = "errors"


class EndpointPart(Struct, frozen=True, kw_only=True):
    """One exclusive piece of the requests' time: summed over them, and of it all."""

    part: EndpointPartName
    class_: BottleneckClass | None = field(name="class")
    ns: int
    fraction: float
    mean_ms: float


class Target(Struct, frozen=True, kw_only=True):
    """What was asked, and how: `extensions` are the fields beyond OpenAI's that the server took."""

    url: str
    api: str
    model: str
    engine: str | None
    context_tokens: int | None
    extensions: list[str]
    clock_skew_s: float | None
    sources: Sources = field(default_factory=dict)


class Load(Struct, frozen=True, kw_only=True):
    """What was sent. `loop` is `open` (at times of its own) or `closed` (so many at once)."""

    log: str
    loop: str
    requests: int
    rate_per_s: float | None
    concurrency: int | None
    seed: int | None
    findings: list[LogFinding]
    sources: Sources = field(default_factory=dict)


class Baseline(Struct, frozen=True, kw_only=True):
    """One request at a time on the idle server: TTFT less a round trip is `fixed_ms` and so much a prompt token."""

    requests: int
    round_trip_ms: float
    fixed_ms: float
    ms_per_prompt_token: float
    ttft_ms: Percentiles
    tpot_ms: Percentiles | None
    sources: Sources = field(default_factory=dict)


class ServerTimes(Struct, frozen=True, kw_only=True):
    """The server's own metrics: means over its requests in the time of the load, and gauges sampled meanwhile.

    Of replicas counts are added up, and the fullest KV cache counts. Peaks are each for itself, but
    `peak_kv_usage_waiting_ratio` is of the samples in which requests waited.
    """

    engine: str
    requests: int
    queue_ms: float | None
    prefill_ms: float | None
    decode_ms: float | None
    ttft_ms: float | None
    e2e_ms: float | None
    preemptions: int | None
    peak_running: float | None
    peak_waiting: float | None
    peak_kv_usage_ratio: float | None
    peak_kv_usage_waiting_ratio: float | None = None
    samples: int
    sources: Sources = field(default_factory=dict)


class ClientHealth(Struct, frozen=True, kw_only=True):
    """What the client cost: how late its event loop came, its CPU, how late it sent. `limited` is what is told."""

    loop_lag_ms: Percentiles | None
    cpu_ratio: float
    send_delay_ms: Percentiles | None
    limited: bool
    reasons: list[str]
    sources: Sources = field(default_factory=dict)


class EndpointRequest(Struct, frozen=True, kw_only=True):
    """One request. Its split is inferred against the baseline; what was not reached is null."""

    request: int
    due_ms: float
    ending: Ending
    status: int | None
    prompt_tokens: int
    output_tokens: int | None
    client_queue_ms: float
    connect_ms: float
    ttft_ms: float | None
    tpot_ms: float | None
    e2e_ms: float | None
    network_ns: int | None
    queue_ns: int | None
    prefill_ns: int | None
    decode_ns: int | None
    e2e_ns: int | None
    sources: Sources = field(default_factory=dict)


class EndingCount(Struct, frozen=True, kw_only=True):
    """So many requests that ended in the same way, with what the server or the system said of the first."""

    ending: Ending
    count: int
    first: str


class KneeStep(Struct, frozen=True, kw_only=True):
    """One load of the search."""

    rate_per_s: float
    requests: int
    goodput_requests_per_s: float
    goodput_ratio: float
    ttft_p99_ms: float | None
    tpot_p50_ms: float | None
    queue_share: float | None
    peak_waiting: float | None
    peak_kv_usage_ratio: float | None
    client_limited: bool
    holds: bool
    sources: Sources = field(default_factory=dict)


class Knee(Struct, frozen=True, kw_only=True):
    """The highest rate at which goodput kept up, the lowest at which it did not, and what saturates there."""

    rate_per_s: float | None
    beyond_per_s: float | None
    saturates: Saturation | None
    evidence: list[str]
    slo_ttft_ms: float | None
    slo_tpot_ms: float | None
    slo_e2e_ms: float | None
    steps: list[KneeStep]
    sources: Sources = field(default_factory=dict)


class Endpoint(Struct, frozen=True, kw_only=True):
    """The whole answer. Latencies and parts are those of the requests that ended well."""

    kind: str = "endpoint"
    schema_version: str = ENDPOINT_SCHEMA_VERSION
    tool_version: str
    target: Target
    load: Load
    baseline: Baseline | None
    seconds: float
    endings: list[EndingCount]
    split: str
    parts: list[EndpointPart]
    verdict: Verdict
    leader: EndpointPartName | None
    ttft_ms: Percentiles | None
    tpot_ms: Percentiles | None
    itl_ms: Percentiles | None
    e2e_ms: Percentiles | None
    requests_per_s: float
    output_tokens_per_s: float
    slo_ttft_ms: float | None
    slo_tpot_ms: float | None
    slo_e2e_ms: float | None
    goodput_requests_per_s: float | None
    goodput_ratio: float | None
    server: ServerTimes | None
    client: ClientHealth
    knee: Knee | None
    requests: list[EndpointRequest]
    requests_left_out: int
    warnings: list[ReportWarning]
    complete: bool = True
    sources: Sources = field(default_factory=dict)
    phase_class_from: PhaseClassFrom | None = None
    gpus: list[ServerGpu] = field(default_factory=list)
    trace: EngineTrace | None = None
    doubt: str | None = None  # what makes an inconclusive verdict so; null where two parts are too close to call


def encode_endpoint(answer: Endpoint) -> bytes:
    """The answer as JSON, indented by two spaces, with a newline at its end."""
    return json_text(answer)


def endpoint_schema() -> dict[str, Any]:
    """The JSON Schema of an answer."""
    return schema_of(Endpoint)
