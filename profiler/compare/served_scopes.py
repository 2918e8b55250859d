"""What a budget may limit of requests that were served: simulated policies, or a live server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from profiler.compare.measured import Judged, Measured, Scope, exactly, once
from profiler.compare.quantities import SPREAD
from profiler.compare.served_times import E2E, TPOT, TTFT, endpoint_times
from profiler.report.endpoint import Ending, Endpoint, EndpointPartName
from profiler.report.simulation import Percentiles, SimulatedPolicy, Simulation

_NO_SLO = "nothing was promised to requests (--slo-ttft-ms and others)"
_ONE_LOAD = "one load was served, so nothing tells how far loads differ"


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
    """A live server, as its requests saw it."""
    ended = {each.ending: each.count for each in endpoint.endings}
    sent = sum(ended.values())
    queue = [part.fraction for part in endpoint.parts if part.part is EndpointPartName.QUEUE]
    server, knee = endpoint.server, endpoint.knee
    reaches = {time.name: time.reach for time in endpoint_times(endpoint).times}
    latencies = {
        "ttft": endpoint.ttft_ms,
        "tpot": endpoint.tpot_ms,
        "itl": endpoint.itl_ms,
        "e2e": endpoint.e2e_ms,
    }

    def seen(value: float | None, missing: str = "no request ended well") -> Callable[[], Measured]:
        return partial(once, value, missing, _ONE_LOAD)

    return Scope(
        numbers={
            **_latencies(latencies, lambda value, missing: once(value, missing, _ONE_LOAD)),
            **{
                f"{word}_mean_ms": partial(_mean, spread.mean, reaches.get(name))
                for word, name, spread in (
                    ("ttft", TTFT, endpoint.ttft_ms),
                    ("tpot", TPOT, endpoint.tpot_ms),
                    ("e2e", E2E, endpoint.e2e_ms),
                )
                if spread is not None
            },
            "tokens_per_s": seen(endpoint.output_tokens_per_s),
            "requests_per_s": seen(endpoint.requests_per_s),
            "carried_requests_per_s": seen(knee.rate_per_s if knee else None, "no knee was searched for (--knee)"),
            "goodput_requests_per_s": seen(endpoint.goodput_requests_per_s, _NO_SLO),
            "goodput_ratio": seen(endpoint.goodput_ratio, _NO_SLO),
            "error_ratio": seen(1 - ended.get(Ending.OK, 0) / sent if sent else None, "no request was sent"),
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
            **_latencies(latencies, exactly),
            "tokens_per_s": known(found.output_tokens_per_s),
            "requests_per_s": known(found.requests_per_s),
            "carried_requests_per_s": known(found.load.most_requests_per_s),
            "goodput_requests_per_s": known(found.goodput_requests_per_s, _NO_SLO),
            "goodput_ratio": known(found.goodput_ratio, _NO_SLO),
            "queue_ratio": known(found.queue_share),
            "hole_ratio": known(found.hole_ratio),
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


def _latencies(
    spreads: Mapping[str, Percentiles | None], measured: Callable[[float | None, str], Measured]
) -> dict[str, Callable[[], Measured]]:
    return {
        f"{latency}_{word}ms": partial(
            measured,
            None if spread is None else getattr(spread, statistic),
            "no request ended well, or none had a second token",
        )
        for latency, spread in spreads.items()
        for word, statistic in SPREAD.items()
    }
