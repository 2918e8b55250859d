"""Requests of a serving loop over time: of a simulated policy with its slots, of a live server's load."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush

from msgspec import Struct

from profiler.render.perfetto import Facts, PerfettoFile, PerfettoProcess, told
from profiler.render.perfetto_lanes import Lanes
from profiler.render.perfetto_tracks import Counter, Found, write_tracks
from profiler.render.serving_words import ENDINGS, ENDPOINT_PARTS
from profiler.report.endpoint import Ending, Endpoint, EndpointPartName, EndpointRequest
from profiler.report.simulation import RequestTimes, SimulatedPolicy, SlotTimeline
from profiler.trace.perfetto import OURS

# Places of the groups of tracks in a process.
_FOUND, _SLOTS, _REQUESTS = range(3)
_SIMULATED = "requests as they came, each with its parts, but for those of one that was preempted: they came in pieces"
_MEASURED = (
    "requests as they were due, each with its parts, the way there and back at once; of those that failed, how long "
    "they took is not kept"
)


class _Drawn(Struct, frozen=True):
    """A request and its parts, which follow one another; none where they came in pieces."""

    name: str
    begin_ns: int
    end_ns: int
    parts: list[tuple[str, int]]
    facts: Facts


def write_policy(out: PerfettoFile, policy: SimulatedPolicy) -> None:
    """A policy as a process: its verdict, how many wait, its first slots, and its requests."""
    process = out.process(f"policy {policy.policy}")
    found = Found(
        name="bottleneck",
        subject=f"The policy {policy.policy}",
        span=(0, round(policy.makespan_ms * 1e6)),
        verdict=policy.verdict,
        phases=[],
        parts={},
        parts_note="",
        counters=[_waiting(policy.timeline)],
    )
    write_tracks(process, found, zero_ns=0, order=_FOUND)
    _write_slots(process, policy.timeline)
    _write_requests(process, map(_simulated, policy.requests), policy.requests_left_out, _SIMULATED)


def write_load(out: PerfettoFile, answer: Endpoint) -> None:
    """A load as a process: its verdict, and its requests."""
    process = out.process(answer.target.model)
    found = Found(
        name="bottleneck",
        subject="The server",
        span=(0, round(answer.seconds * 1e9)),
        verdict=answer.verdict,
        phases=[],
        parts={},
        parts_note="",
    )
    write_tracks(process, found, zero_ns=0, order=_FOUND)
    _write_requests(process, map(_measured, answer.requests), answer.requests_left_out, _MEASURED)


def _waiting(timeline: SlotTimeline) -> Counter:
    step_ns = timeline.end_ms * 1e6 / max(len(timeline.waiting), 1)
    return Counter("waiting", "requests", [(round(at * step_ns), n) for at, n in enumerate(timeline.waiting)])


def _write_slots(process: PerfettoProcess, timeline: SlotTimeline) -> None:
    left_out = f"; {timeline.slots_left_out} more are not kept" if timeline.slots_left_out else ""
    group = process.group("slots", order=_SLOTS, about=f"what each slot did, and for which request{left_out}")
    for place, row in enumerate(timeline.rows):
        lanes = Lanes(process, process.group(f"replica {row.replica} slot {row.slot}", order=place, parent=group))
        for span in row.spans:
            name = f"{span.state} {span.request}"
            lanes.slice(round(span.begin_ms * 1e6), round(span.end_ms * 1e6), name, OURS)
        lanes.close()


def _simulated(request: RequestTimes) -> _Drawn:
    begin = round(request.arrival_ms * 1e6)
    parts = {"queue": request.queue_ns, "prefill": request.prefill_ns, "decode": request.decode_ns}
    return _Drawn(
        name=f"request {request.request}",
        begin_ns=begin,
        end_ns=begin + request.e2e_ns,
        parts=[] if request.preempted_ms else list(parts.items()),
        facts={
            "replica": request.replica,
            "slot": request.slot,
            "tenant": request.tenant,
            "prompt_tokens": request.prompt_tokens,
            "output_tokens": request.output_tokens,
            **{f"{name}_ms": ns / 1e6 for name, ns in parts.items()},
            "ttft_ms": request.ttft_ms,
            "tpot_ms": request.tpot_ms,
            "head_of_line_ms": request.head_of_line_ms,
            "preempted_ms": request.preempted_ms,
        },
    )


def _measured(request: EndpointRequest) -> _Drawn:
    begin, waited = round(request.due_ms * 1e6), round(request.client_queue_ms * 1e6)
    in_server = {
        EndpointPartName.NETWORK: request.network_ns,
        EndpointPartName.QUEUE: request.queue_ns,
        EndpointPartName.PREFILL: request.prefill_ns,
        EndpointPartName.DECODE: request.decode_ns,
    }
    parts = [(ENDPOINT_PARTS[part], ns) for part, ns in in_server.items() if ns is not None]
    ended = "" if request.ending is Ending.OK else f": {ENDINGS[request.ending]}"
    return _Drawn(
        name=f"request {request.request}{ended}",
        begin_ns=begin,
        end_ns=begin + waited + (request.e2e_ns if request.e2e_ns is not None else sum(ns for _, ns in parts)),
        parts=[(ENDPOINT_PARTS[EndpointPartName.CLIENT], waited), *parts],
        facts={
            "ending": ENDINGS[request.ending],
            "status": request.status,
            "prompt_tokens": request.prompt_tokens,
            "output_tokens": request.output_tokens,
            "ttft_ms": request.ttft_ms,
            "tpot_ms": request.tpot_ms,
            "e2e_ms": request.e2e_ms,
        },
    )


def _write_requests(process: PerfettoProcess, requests: Iterable[_Drawn], left_out: int, about: str) -> None:
    """Each on a track that is free when it begins, so that none lies within another.

    The tracks have one name: Perfetto shows such as one, with a row for each.
    """
    if left_out:
        about += f"; {left_out} more are not kept"
    group = process.group("requests", order=_REQUESTS, about=about)
    free: list[tuple[int, int]] = []  # when each track is free again, and the track
    for each in sorted(requests, key=lambda request: request.begin_ns):
        if free and free[0][0] <= each.begin_ns:
            _, track = heappop(free)
        else:
            track = process.group("at once", order=0, parent=group)
        process.begin(track, each.begin_ns, each.name, OURS, told(each.facts))
        at = each.begin_ns
        for name, lasts_ns in each.parts:
            if lasts_ns > 0:
                process.slice(track, at, at + lasts_ns, name)
                at += lasts_ns
        process.end(track, each.end_ns)
        heappush(free, (each.end_ns, track))
