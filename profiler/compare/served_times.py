"""What is compared of a simulation and of a server under load: the latency of a request."""

from __future__ import annotations

from statistics import fmean

from profiler.compare.result_times import ComparedResult, OneTime, PartOfTime
from profiler.measure.statistics import HOST_RUN_TO_RUN, distribution
from profiler.report.endpoint import Ending, Endpoint
from profiler.report.simulation import SimulatedPolicy, Simulation

E2E, TTFT, TPOT = "e2e latency", "TTFT", "TPOT"
_NS_PER_MS = 1e6
_BATCHES, _LEAST_OF_A_BATCH = 10, 5


def simulated_times(simulation: Simulation) -> ComparedResult:
    """The mean e2e latency under each policy. It is calculated, so it changes by nothing but what it is made from."""
    setup = simulation.setup
    return ComparedResult(
        kind=simulation.kind,
        created_at=None,
        held_back_by=simulation.policies[0].verdict.class_ if len(simulation.policies) == 1 else None,
        fixed={
            "requests": str(simulation.requests),
            "prompt tokens": str(simulation.prompt_tokens),
            "output tokens": str(simulation.output_tokens),
            "span": f"{simulation.span_ms:.6g} ms",
        },
        noted={
            "bottleneck": simulation.tool_version,
            "costs": simulation.costs.kind,
            "prefill speed": f"{simulation.costs.prefill_tokens_per_s} tokens/s",
            "decode speed": f"{simulation.costs.decode_tokens_per_s} tokens/s",
            "replicas": str(setup.replicas),
            "slots": str(setup.slots),
            "token budget": str(setup.token_budget),
            "KV cache": f"{setup.kv_tokens} tokens",
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
    """The mean e2e latency, TTFT and TPOT of the requests that ended well."""
    load = endpoint.load
    well = [request for request in endpoint.requests if request.ending is Ending.OK]
    count = sum(ending.count for ending in endpoint.endings if ending.ending is Ending.OK)
    times = []
    if count and endpoint.parts:
        parts = [
            PartOfTime(part.part.value, part.class_, None, part.ns / count / _NS_PER_MS) for part in endpoint.parts
        ]
        e2e = [request.e2e_ms for request in well]
        times.append(_latency(E2E, "e2e_ms.mean", sum(part.ms for part in parts), e2e, parts))
    for name, clock, found, each in (
        (TTFT, "ttft_ms.mean", endpoint.ttft_ms, [request.ttft_ms for request in well]),
        (TPOT, "tpot_ms.mean", endpoint.tpot_ms, [request.tpot_ms for request in well]),
    ):
        if found is not None:
            times.append(_latency(name, clock, found.mean, each, []))
    return ComparedResult(
        kind=endpoint.kind,
        created_at=None,
        held_back_by=endpoint.verdict.class_,
        fixed={
            "model": endpoint.target.model,
            "API": endpoint.target.api,
            "loop": load.loop,
            "requests": str(load.requests),
            "rate": f"{load.rate_per_s} requests/s",
            "concurrency": str(load.concurrency),
            "prompt tokens": str(sum(request.prompt_tokens for request in endpoint.requests)),
        },
        noted={
            "bottleneck": endpoint.tool_version,
            "engine": endpoint.target.engine or "not known",
            "log": load.log,
            "seed": str(load.seed),
        },
        times=times,
        notes=list(_notes(endpoint)),
    )


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
    failed = sum(ending.count for ending in endpoint.endings if ending.ending is not Ending.OK)
    if failed:
        notes.append(f"{failed} requests did not end well: the times are those of the others")
    if endpoint.client.limited:
        notes.append("the client could not keep up: times are too long by what it cost")
    return notes
