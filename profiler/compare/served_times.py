"""What is compared of a simulation and of a server under load: the latency of a request."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean

from profiler.compare.result_times import ComparedResult, OneTime, PartOfTime
from profiler.measure.statistics import HOST_RUN_TO_RUN, distribution
from profiler.numerals import three_digits
from profiler.report.endpoint import Ending, Endpoint, EndpointPartName
from profiler.report.simulation import SimulatedPolicy, Simulation

E2E, TTFT, TPOT = "e2e latency", "TTFT", "TPOT"
# From when a request was due: its e2e latency counts from when it was sent.
WITH_CLIENT_WAIT = "e2e with client wait"
# Of all requests so many may have failed for a mean over the others to stand for it: it is moved by a tail as a p99 is,
# which beyond this is that of requests that never ended.
MOST_FAILED_OF_A_MEAN = 0.01
_NONE = "none"
_NS_PER_MS = 1e6
_BATCHES, _LEAST_OF_A_BATCH = 10, 5


def simulated_times(simulation: Simulation) -> ComparedResult:
    """The mean e2e latency under each policy. It is calculated, so it changes by nothing but what it is made from."""
    setup = simulation.setup
    return ComparedResult(
        kind=simulation.kind,
        created_at=None,
        held_back_by=simulation.policies[0].verdict.clear_class if len(simulation.policies) == 1 else None,
        fixed={
            "requests": str(simulation.requests),
            "prompt tokens": str(simulation.prompt_tokens),
            "output tokens": str(simulation.output_tokens),
            "span": f"{simulation.span_ms:.6g} ms",
        },
        noted={
            "bottleneck": simulation.tool_version,
            "costs": simulation.costs.kind,
            "prefill speed": _rate(simulation.costs.prefill_tokens_per_s, "tokens/s"),
            "decode speed": _rate(simulation.costs.decode_tokens_per_s, "tokens/s"),
            "replicas": str(setup.replicas),
            "slots": str(setup.slots),
            "token budget": str(setup.token_budget),
            "KV cache": "no limit" if setup.kv_tokens is None else f"{setup.kv_tokens} tokens",
            "batch size": str(setup.batch_size),
            "batch window": f"{setup.batch_window_ms:g} ms",
        },
        times=[_policy(policy, max(simulation.requests, 1)) for policy in simulation.policies],
        notes=[] if simulation.complete else ["was interrupted"],
    )


def _policy(policy: SimulatedPolicy, requests: int) -> OneTime:
    return OneTime(
        name=policy.policy,
        clock="e2e_ms.mean",
        ms=sum(part.ns for part in policy.parts) / requests / _NS_PER_MS,
        reach=0.0,
        repeats=1,
        parts=[
            PartOfTime(part.part.value, part.class_, None, part.ns / requests / _NS_PER_MS) for part in policy.parts
        ],
    )


def endpoint_times(endpoint: Endpoint) -> ComparedResult:
    """The mean e2e latency, TTFT and TPOT of the requests that ended well.

    Where the client held requests back, so that no more run at once than it was told, also that with their wait.
    """
    load = endpoint.load
    tokens = [request.prompt_tokens for request in endpoint.requests]
    return ComparedResult(
        kind=endpoint.kind,
        created_at=None,
        held_back_by=endpoint.verdict.clear_class,
        fixed={
            "model": endpoint.target.model,
            "API": endpoint.target.api,
            "loop": load.loop,
            "requests": str(load.requests),
            "rate": _rate(load.rate_per_s, "requests/s"),
            "concurrency": _NONE if load.concurrency is None else str(load.concurrency),
            # Rounded: of a request that failed the server did not say how many it counted.
            "prompts": f"{three_digits(fmean(tokens))} tokens a prompt" if tokens else _NONE,
        },
        noted={
            "bottleneck": endpoint.tool_version,
            "engine": endpoint.target.engine or "not known",
            "log": load.log,
            "seed": _NONE if load.seed is None else str(load.seed),
        },
        times=_latencies(endpoint),
        notes=list(_notes(endpoint)),
        no_times=how_requests_failed(endpoint),
    )


def _latencies(endpoint: Endpoint) -> list[OneTime]:
    failed, ended = failed_requests(endpoint)
    if failed == ended:
        return []
    load = endpoint.load
    well = [request for request in endpoint.requests if request.ending is Ending.OK]
    parts = [
        PartOfTime(part.part.value, part.class_, None, part.ns / (ended - failed) / _NS_PER_MS)
        for part in endpoint.parts
    ]
    sent = [part for part in parts if part.name != EndpointPartName.CLIENT.value]
    times = []
    if parts and load.loop == "open" and load.concurrency is not None:
        waited = [None if request.e2e_ms is None else request.client_queue_ms + request.e2e_ms for request in well]
        times.append(_latency(WITH_CLIENT_WAIT, "parts.mean_ms", sum(part.ms for part in parts), waited, parts))
    for name, clock, found, each, of in (
        (E2E, "e2e_ms.mean", endpoint.e2e_ms, [request.e2e_ms for request in well], sent),
        (TTFT, "ttft_ms.mean", endpoint.ttft_ms, [request.ttft_ms for request in well], []),
        (TPOT, "tpot_ms.mean", endpoint.tpot_ms, [request.tpot_ms for request in well], []),
    ):
        if found is not None:
            times.append(_latency(name, clock, found.mean, each, of))
    if failed / ended > MOST_FAILED_OF_A_MEAN:
        return [replace(time, disturbed=how_requests_failed(endpoint)) for time in times]
    return times


def failed_requests(endpoint: Endpoint) -> tuple[int, int]:
    """How many requests did not end well, and of how many that ended."""
    ended = sum(each.count for each in endpoint.endings)
    return ended - sum(each.count for each in endpoint.endings if each.ending is Ending.OK), ended


def how_requests_failed(endpoint: Endpoint) -> str:
    """How many, of how many, and by what."""
    failed, ended = failed_requests(endpoint)
    if not ended:
        return "no request ended"
    causes = {each.ending.replace("_", " "): each.count for each in endpoint.endings if each.ending is not Ending.OK}
    listed = ", ".join(f"{count:,} {cause}" for cause, count in causes.items())
    return f"{failed:,} of {ended:,} requests failed{': ' if listed else ''}{listed}"


def _rate(per_s: float | None, unit: str) -> str:
    return _NONE if per_s is None else f"{three_digits(per_s)} {unit}"


def _latency(name: str, clock: str, ms: float, each: list[float | None], parts: list[PartOfTime]) -> OneTime:
    """A mean over requests with how far another run's may lie.

    Requests wait for each other, so neighbours are alike: the means of batches of them, in the order in which they were
    due, are taken for repeats (batch means: Law, Simulation Modeling and Analysis, section 9.5.3).
    """
    known = [value for value in each if value is not None]
    size = len(known) // _BATCHES
    reach = None
    if size >= _LEAST_OF_A_BATCH and ms > 0:
        batches = [fmean(known[first * size : (first + 1) * size]) for first in range(_BATCHES)]
        spread = distribution([[batch] for batch in batches], HOST_RUN_TO_RUN)
        if spread.high is not None:
            reach = (spread.high - spread.median) / ms
    return OneTime(name=name, clock=clock, ms=ms, reach=reach, repeats=_BATCHES if reach else 1, parts=parts)


def _notes(endpoint: Endpoint) -> list[str]:
    notes = [] if endpoint.complete else ["was interrupted"]
    if failed_requests(endpoint)[0]:
        notes.append(f"{how_requests_failed(endpoint)}; the times are those of the others")
    if endpoint.client.limited:
        notes.append("the client could not keep up: times are too long by what it cost")
    return notes
