"""What a budget may limit of requests that were served: simulated policies, or a live server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from profiler.compare.measured import Judged, Measured, Scope, exactly, once
from profiler.compare.quantities import SPREAD
from profiler.compare.served_times import (
    E2E,
    MOST_FAILED_OF_A_MEAN,
    TPOT,
    TTFT,
    endpoint_times,
    failed_requests,
    how_requests_failed,
)
from profiler.numerals import three_digits
from profiler.report.endpoint import Endpoint, EndpointPartName, Knee
from profiler.report.simulation import Percentiles, SimulatedPolicy, Simulation

_NO_SLO = "nothing was promised to requests (--slo-ttft-ms and others)"
_ONE_LOAD = "one load was served, so nothing tells how far loads differ"
_ONE_TOKEN = "no request had a second token"
# So many of all requests may have failed for a latency of the others to stand for all. Beyond 1 - p, percentile p is
# that of requests that never ended; and a server that turns more than a few percent away is quick with the rest.
_MOST_FAILED = {"mean": MOST_FAILED_OF_A_MEAN, "p50": 0.05, "p90": 0.05, "p95": 0.05, "p99": 0.01}


def overall(simulation: Simulation) -> Scope:
    """The one policy that was simulated; of several, none is meant."""
    if len(simulation.policies) == 1:
        return _policy(simulation.policies[0])
    names = ", ".join(f"[{policy.policy}]" for policy in simulation.policies)
    why = f"several policies were simulated: the budget must name one, as {names}"
    return Scope({}, Judged(None, missing=why), why)


def policy(simulation: Simulation, name: str) -> Scope:
    """One policy by its name."""
    found = next((each for each in simulation.policies if each.policy == name), None)
    if found is None:
        why = f"{name} was not simulated (--policy {name})"
        return Scope({}, Judged(None, name, why), why, name)
    return _policy(found)


def live(endpoint: Endpoint) -> Scope:
    """A live server, as its requests saw it. Latencies are those of the requests that ended well."""
    failed, ended = failed_requests(endpoint)
    how = how_requests_failed(endpoint)
    queue = [part.fraction for part in endpoint.parts if part.part is EndpointPartName.QUEUE]
    server = endpoint.server
    reaches = {time.name: time.reach for time in endpoint_times(endpoint).times}
    means = {"ttft": reaches.get(TTFT), "tpot": reaches.get(TPOT), "e2e": reaches.get(E2E)}
    latencies = {
        "ttft": endpoint.ttft_ms,
        "tpot": endpoint.tpot_ms,
        "itl": endpoint.itl_ms,
        "e2e": endpoint.e2e_ms,
    }

    def seen(value: float | None, missing: str = "no request ended well") -> Callable[[], Measured]:
        return partial(once, value, missing, _ONE_LOAD)

    def latency(name: str, statistic: str, value: float | None) -> Measured:
        if failed == ended:
            return Measured(None, missing=how)
        if failed / ended > _MOST_FAILED[statistic]:
            return Measured(None, missing=f"{how}; those that ended well do not speak for them")
        if value is None:
            return Measured(None, missing=_ONE_TOKEN)
        return _mean(value, means.get(name)) if statistic == "mean" else once(value, "", _ONE_LOAD)

    return Scope(
        numbers={
            **_latencies(latencies, latency),
            "tokens_per_s": seen(endpoint.output_tokens_per_s),
            "requests_per_s": seen(endpoint.requests_per_s),
            "carried_requests_per_s": partial(_carried, endpoint.knee),
            "goodput_requests_per_s": seen(endpoint.goodput_requests_per_s, _NO_SLO),
            "goodput_ratio": seen(endpoint.goodput_ratio, _NO_SLO),
            "error_ratio": partial(once, failed / ended if ended else None, how, how if failed else _ONE_LOAD),
            "queue_ratio": seen(sum(queue) if endpoint.parts else None),
            "kv_usage_ratio": seen(server.peak_kv_usage_ratio if server else None, "the server does not tell"),
        },
        judged=Judged(endpoint.verdict, "server"),
        absent="it cannot be seen from outside a server",
        of="server",
    )


def _policy(found: SimulatedPolicy) -> Scope:
    latencies = {"ttft": found.ttft_ms, "tpot": found.tpot_ms, "itl": found.itl_ms, "e2e": found.e2e_ms}

    def known(value: float | None, missing: str = "") -> Callable[[], Measured]:
        return partial(exactly, value, missing)

    return Scope(
        numbers={
            **_latencies(latencies, lambda _, statistic, value: exactly(value, _ONE_TOKEN)),
            "tokens_per_s": known(found.output_tokens_per_s),
            "requests_per_s": known(found.requests_per_s),
            "carried_requests_per_s": known(found.load.most_requests_per_s),
            "goodput_requests_per_s": known(found.goodput_requests_per_s, _NO_SLO),
            "goodput_ratio": known(found.goodput_ratio, _NO_SLO),
            "queue_ratio": known(found.queue_share),
            "hole_ratio": known(found.hole_ratio),
            "error_ratio": known(0.0),  # all that are simulated are served
        },
        judged=Judged(found.verdict, found.policy),
        absent="a simulation of requests does not tell it",
        of=found.policy,
    )


def _mean(value: float, reach: float | None) -> Measured:
    """A mean over requests, whose batches tell how far another load's may lie."""
    if reach is None:
        return once(value, "", _ONE_LOAD)
    return Measured(value, value * (1 - reach), value * (1 + reach))


def _carried(knee: Knee | None) -> Measured:
    """Where no rate held, something below the slowest that was tried."""
    if knee is None:
        return Measured(None, missing="no knee was searched for (--knee)")
    if knee.rate_per_s is not None:
        return once(knee.rate_per_s, "", _ONE_LOAD)
    slowest = min(knee.steps, key=lambda step: step.rate_per_s, default=None)
    if slowest is None or slowest.client_limited:
        return Measured(None, missing="no rate was tried that the client could keep up with")
    note = f"no rate held, down to {three_digits(slowest.rate_per_s)} requests/s"
    return Measured(0.0, 0.0, slowest.rate_per_s, note=note)


def _latencies(
    spreads: Mapping[str, Percentiles | None], measured: Callable[[str, str, float | None], Measured]
) -> dict[str, Callable[[], Measured]]:
    return {
        f"{latency}_{word}ms": partial(
            measured, latency, statistic, None if spread is None else getattr(spread, statistic)
        )
        for latency, spread in spreads.items()
        for word, statistic in SPREAD.items()
    }
