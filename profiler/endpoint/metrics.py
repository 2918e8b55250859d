"""What servers say of themselves in Prometheus' text format: vLLM, SGLang and TGI."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from profiler.report.endpoint import ServerTimes
from profiler.report.source import Source, Sources

_LINE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)")
# SGLang's ranks of one replica repeat each other's numbers. Of replicas (`dp_rank`, `engine`) counts are added up.
_A_REPEATING_RANK = re.compile(r'(?:tp_rank|pp_rank|moe_ep_rank)="(?!0")')
_MS_PER_S = 1e3


@dataclass(frozen=True, slots=True)
class Engine:
    """The names of an engine's metrics, older ones after newer; empty where it has none. Times are histograms in s."""

    name: str
    queue: str
    prefill: str = ""
    decode: str = ""
    ttft: str = ""
    e2e: str = ""
    running: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    kv_usage: tuple[str, ...] = ()
    preemptions: tuple[str, ...] = ()


# Read in vLLM 0.32's, SGLang's and TGI's lists of metrics.
ENGINES = (
    Engine(
        "vllm",
        queue="vllm:request_queue_time_seconds",
        prefill="vllm:request_prefill_time_seconds",
        decode="vllm:request_decode_time_seconds",
        ttft="vllm:time_to_first_token_seconds",
        e2e="vllm:e2e_request_latency_seconds",
        running=("vllm:num_requests_running",),
        waiting=("vllm:num_requests_waiting",),
        kv_usage=("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"),
        preemptions=("vllm:num_preemptions_total", "vllm:num_preemptions"),
    ),
    Engine(
        "sglang",
        queue="sglang:queue_time_seconds",
        ttft="sglang:time_to_first_token_seconds",
        e2e="sglang:e2e_request_latency_seconds",
        running=("sglang:num_running_reqs",),
        waiting=("sglang:num_queue_reqs",),
        kv_usage=("sglang:token_usage",),
        preemptions=("sglang:num_retracted_requests_total", "sglang:num_retracted_reqs_total"),
    ),
    Engine(
        "tgi",
        queue="tgi_request_queue_duration",
        e2e="tgi_request_duration",
        running=("tgi_batch_current_size",),
        waiting=("tgi_queue_size",),
    ),
)


_RATIOS = frozenset(name for engine in ENGINES for name in engine.kv_usage)


def parsed(text: str) -> dict[str, float]:
    """Each metric's value: the sum of its series, and of those of a ratio the largest.

    Lines that are none, and values that are no numbers, are passed over.
    """
    found: dict[str, float] = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None or _A_REPEATING_RANK.search(match[2] or ""):
            continue
        try:
            value = float(match[3])
        except ValueError:
            continue
        if math.isfinite(value):
            name, before = match[1], found.get(match[1], 0.0)
            found[name] = max(before, value) if name in _RATIOS else before + value
    return found


def engine_of(metrics: dict[str, float]) -> Engine | None:
    """Whose metrics these are. A server that has served nothing yet may lack histograms, but has its gauges."""
    prefixes = {"vllm": "vllm:", "sglang": "sglang:", "tgi": "tgi_"}
    for engine in ENGINES:
        if any(name.startswith(prefixes[engine.name]) for name in metrics):
            return engine
    return None


@dataclass(slots=True)
class Gauges:
    """The gauges, sampled while the load runs; `kv_usage_waiting` in the samples in which requests waited."""

    running: list[float] = field(default_factory=list)
    waiting: list[float] = field(default_factory=list)
    kv_usage: list[float] = field(default_factory=list)
    kv_usage_waiting: list[float] = field(default_factory=list)

    def add(self, engine: Engine, metrics: dict[str, float]) -> None:
        """One sample."""
        waiting, kv_usage = _first(metrics, engine.waiting), _first(metrics, engine.kv_usage)
        for values, value in (
            (self.running, _first(metrics, engine.running)),
            (self.waiting, waiting),
            (self.kv_usage, kv_usage),
            (self.kv_usage_waiting, kv_usage if waiting else None),
        ):
            if value is not None:
                values.append(value)


def served(before: dict[str, float], after: dict[str, float], engine: Engine) -> int:
    """How many requests the server finished between the two: by its e2e histogram, else by that of the queue."""
    name = f"{engine.e2e or engine.queue}_count"
    return round(after.get(name, 0.0) - before.get(name, 0.0))


def server_times(engine: Engine, before: dict[str, float], after: dict[str, float], gauges: Gauges) -> ServerTimes:
    """Means over the requests that ended between the two: differences of sums over differences of counts.

    SGLang has no histogram of prefill or decode: they are what TTFT exceeds the queue by, and e2e TTFT.
    """
    queue, prefill, decode, ttft, e2e = (
        _mean_ms(before, after, name) for name in (engine.queue, engine.prefill, engine.decode, engine.ttft, engine.e2e)
    )
    sources: Sources = {}
    if not engine.prefill and ttft is not None and queue is not None:
        prefill = ttft - queue
        sources["prefill_ms"] = Source(note="TTFT less queue")
    if not engine.decode and e2e is not None and ttft is not None:
        decode = e2e - ttft
        sources["decode_ms"] = Source(note="e2e less TTFT")
    if gauges.kv_usage and not gauges.kv_usage_waiting:
        sources["peak_kv_usage_waiting_ratio"] = Source(missing="no sample has requests that wait")
    was, now = _first(before, engine.preemptions), _first(after, engine.preemptions)
    record = ServerTimes(
        engine=engine.name,
        requests=served(before, after, engine),
        queue_ms=queue,
        prefill_ms=prefill,
        decode_ms=decode,
        ttft_ms=ttft,
        e2e_ms=e2e,
        preemptions=None if now is None else round(now - (was or 0.0)),
        peak_running=_peak(gauges.running),
        peak_waiting=_peak(gauges.waiting),
        peak_kv_usage_ratio=_peak(gauges.kv_usage),
        peak_kv_usage_waiting_ratio=_peak(gauges.kv_usage_waiting),
        samples=len(gauges.running),
        sources=sources,
    )
    reason = Source(missing=f"{engine.name} does not say, or nothing ended in that time")
    for name in record.__struct_fields__:
        if getattr(record, name) is None:
            sources.setdefault(name, reason)
    return record


def _mean_ms(before: dict[str, float], after: dict[str, float], name: str) -> float | None:
    number = after.get(f"{name}_count", 0.0) - before.get(f"{name}_count", 0.0)
    if not name or number <= 0:
        return None
    return (after.get(f"{name}_sum", 0.0) - before.get(f"{name}_sum", 0.0)) / number * _MS_PER_S


def _first(metrics: dict[str, float], names: Iterable[str]) -> float | None:
    return next((metrics[name] for name in names if name in metrics), None)


def _peak(values: Sequence[float]) -> float | None:
    return max(values, default=None)
