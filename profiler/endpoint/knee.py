"""The knee: the load up to which goodput keeps up, and what saturates beyond it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from profiler.endpoint.verdict import kv_cache_is_full
from profiler.report.endpoint import ClientHealth, EndpointPartName, Knee, KneeStep, Saturation, ServerTimes
from profiler.report.source import Source, Sources
from profiler.serving.outcome import Slo

# A rate holds if so many of its requests keep what was promised, as in most definitions of goodput.
_HOLDS_RATIO = 0.9
_FACTOR, _HALVINGS, _MOST_STEPS, _SLOWEST_RATIO = 2.0, 3, 12, 1 / 16
# What is promised where nobody says: on the idle server a request is so much faster.
_TTFT_TIMES, _TPOT_TIMES = 5.0, 2.0
# Gaps between tokens this much above those of an idle server, with little queue, are prefills of others in between.
_INTERFERENCE_TIMES, _MOST_ERRORS = 1.5, 0.05


@dataclass(frozen=True, slots=True)
class Step:
    """What one rate came to. `parts` are fractions of the requests' time; empty where none ended well."""

    rate_per_s: float
    requests: int
    kept: int
    well: int
    seconds: float
    ttft_p99_ms: float | None
    tpot_p50_ms: float | None
    server: ServerTimes | None
    client: ClientHealth
    parts: dict[EndpointPartName, float] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """How many of the requests kept what was promised."""
        return self.kept / self.requests if self.requests else 0.0

    @property
    def holds(self) -> bool:
        """Whether the rate is carried."""
        return self.ratio >= _HOLDS_RATIO and not self.client.limited


def default_slo(ttft_p50_ms: float, tpot_p50_ms: float | None) -> Slo:
    """What is promised where nobody says, from an idle server's times."""
    return Slo(_TTFT_TIMES * ttft_p50_ms, None if tpot_p50_ms is None else _TPOT_TIMES * tpot_p50_ms, None)


async def search(begin_per_s: float, measure: Callable[[float], Awaitable[Step]], steps: list[Step]) -> None:
    """Fill `steps`: doubled until a rate does not hold (halved until one does), then halved in between.

    Ends where nothing is served any more, and at a sixteenth of the first rate: slower ones take too long to try.
    """
    low, high, rate = 0.0, float("inf"), begin_per_s
    while len(steps) < _MOST_STEPS and rate >= begin_per_s * _SLOWEST_RATIO:
        step = await measure(rate)
        steps.append(step)
        low, high = (rate, high) if step.holds else (low, rate)
        if (low and high < float("inf")) or not step.well:
            break
        rate = rate * _FACTOR if step.holds else rate / _FACTOR
    for _ in range(_HALVINGS if low and high < float("inf") else 0):
        rate = (low * high) ** 0.5
        step = await measure(rate)
        steps.append(step)
        if not step.well:
            break
        low, high = (rate, high) if step.holds else (low, rate)


def saturation(step: Step, idle_tpot_ms: float | None) -> tuple[Saturation, str]:
    """What a rate that does not hold runs out of."""
    if step.client.limited:
        return Saturation.CLIENT, "; ".join(step.client.reasons)
    if step.requests - step.well > _MOST_ERRORS * step.requests:
        return Saturation.ERRORS, f"{step.requests - step.well} of {step.requests} requests failed"
    queue = step.parts.get(EndpointPartName.QUEUE, 0.0)
    if kv_cache_is_full(step.server):
        return Saturation.KV_CACHE, "the KV cache was full while requests waited, or some were preempted"
    slower = step.tpot_p50_ms / idle_tpot_ms if step.tpot_p50_ms and idle_tpot_ms else 1.0
    if slower >= _INTERFERENCE_TIMES and queue < step.parts.get(EndpointPartName.DECODE, 0.0):
        times = f"{slower:.3g} times those of the idle server"
        return Saturation.INTERFERENCE, f"gaps between tokens are {times}: prefills and a larger batch slow decode"
    return Saturation.QUEUE, f"{100 * queue:.3g}% of the requests' time is queue"


def knee_record(steps: Sequence[Step], slo: Slo, idle_tpot_ms: float | None) -> Knee:
    """What the steps come to."""
    held = [step.rate_per_s for step in steps if step.holds]
    best = max(held, default=None)
    failed = [step for step in steps if not step.holds and (best is None or step.rate_per_s > best)]
    beyond = min(failed, key=lambda step: step.rate_per_s, default=None)
    saturates, why = (None, "") if beyond is None else saturation(beyond, idle_tpot_ms)
    sources: Sources = {}
    if best is None:
        sources["rate_per_s"] = Source(missing="no rate that was tried held")
    if beyond is None:
        reason = Source(missing="every rate that was tried held")
        sources |= dict.fromkeys(("beyond_per_s", "saturates"), reason)
    for name in ("ttft_ms", "tpot_ms", "e2e_ms"):
        if getattr(slo, name) is None:
            sources[f"slo_{name}"] = Source(missing="not promised")
    return Knee(
        rate_per_s=best,
        beyond_per_s=beyond.rate_per_s if beyond is not None else None,
        saturates=saturates,
        evidence=[why] if why else [],
        slo_ttft_ms=slo.ttft_ms,
        slo_tpot_ms=slo.tpot_ms,
        slo_e2e_ms=slo.e2e_ms,
        steps=[_record(step) for step in steps],
        sources=sources,
    )


def _record(step: Step) -> KneeStep:
    server = step.server
    record = KneeStep(
        rate_per_s=step.rate_per_s,
        requests=step.requests,
        goodput_requests_per_s=step.kept / step.seconds if step.seconds else 0.0,
        goodput_ratio=step.ratio,
        ttft_p99_ms=step.ttft_p99_ms,
        tpot_p50_ms=step.tpot_p50_ms,
        queue_share=step.parts.get(EndpointPartName.QUEUE),
        peak_waiting=server.peak_waiting if server else None,
        peak_kv_usage_ratio=server.peak_kv_usage_ratio if server else None,
        client_limited=step.client.limited,
        holds=step.holds,
    )
    for name in record.__struct_fields__:
        if getattr(record, name) is None:
            reason = "the server does not say" if name.startswith("peak") else "too few requests ended well"
            record.sources[name] = Source(missing=reason)
    return record
