"""What a budget may limit: each number by its name, with its unit in it, and which way of it is the better one."""

from __future__ import annotations

from dataclasses import dataclass

from profiler.report.vocabulary import BottleneckClass

MOST, LEAST = "max_", "min_"


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number: the unit in which it is told, the largest limit that can be meant, and what may be asked of it."""

    unit: str
    largest: float = float("inf")
    senses: tuple[str, ...] = (MOST,)


_TIME, _FRACTION = Quantity("ms"), Quantity("", 1.0)
_GOOD_FRACTION = Quantity("", 1.0, (LEAST,))
_EITHER_FRACTION = Quantity("", 1.0, (MOST, LEAST))
_TOKENS, _REQUESTS = Quantity("tokens/s", senses=(LEAST,)), Quantity("requests/s", senses=(LEAST,))
_MEMORY = Quantity("GB")

# Of times that requests take; without a word the median is meant.
SPREAD = {"": "p50", "mean_": "mean", "p90_": "p90", "p95_": "p95", "p99_": "p99"}
LATENCIES = ("ttft", "tpot", "itl", "e2e")
SHARES = {f"{each.value}_share": each for each in BottleneckClass}

_COMMON: dict[str, Quantity] = {
    "tokens_per_s": _TOKENS,
    "idle_ratio": _FRACTION,
    **dict.fromkeys(SHARES, _EITHER_FRACTION),
    "memory_gb": _MEMORY,
}
OVERALL: dict[str, Quantity] = {
    **{f"{latency}_{spread}ms": _TIME for latency in LATENCIES for spread in SPREAD},
    "step_ms": _TIME,
    **_COMMON,
    "requests_per_s": _REQUESTS,
    "carried_requests_per_s": _REQUESTS,
    "goodput_requests_per_s": _REQUESTS,
    "goodput_ratio": _GOOD_FRACTION,
    "error_ratio": _FRACTION,
    "queue_ratio": _FRACTION,
    "hole_ratio": _FRACTION,
    "kv_usage_ratio": _FRACTION,
}
OF_A_PHASE: dict[str, Quantity] = {
    "ms": _TIME,
    **_COMMON,
    "mfu": _GOOD_FRACTION,
    "mbu": _GOOD_FRACTION,
    "joules_per_token": Quantity("J"),
}
# Against a baseline: the number of the whole that is compared, by what it is called before `_ratio`.
COMPARED: dict[str, str] = {
    **{f"{latency}_{spread}".rstrip("_"): f"{latency}_{spread}ms" for latency in LATENCIES for spread in SPREAD},
    "load": "load_ms",
    "step": "step_ms",
    "tokens_per_s": "tokens_per_s",
    "requests_per_s": "requests_per_s",
}
REGRESSION: dict[str, Quantity] = {
    f"{name}_ratio": Quantity("", senses=(LEAST,) if name.endswith("per_s") else (MOST,)) for name in COMPARED
}
