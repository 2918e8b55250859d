"""Where the time of each request went, and of all together.

The client sees when a request was due, when it left, its first token and its last. What lies between leaving and the
first token is network, queue and prefill: of each request that is inferred, the queue being what the first token took
beyond what an idle server takes for such a prompt. Of all together the server's own sums stand where it has them; what
they leave over is the way there and back, with the HTTP front end of the server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from profiler.endpoint.baseline import Unloaded
from profiler.endpoint.exchange import Exchange
from profiler.report.endpoint import EndpointPart, EndpointPartName, ServerTimes
from profiler.report.vocabulary import BottleneckClass

INFERRED, BY_SERVER, MIXED = "inferred", "server", "server_queue"


@dataclass(frozen=True, slots=True)
class Split:
    """One request, in ns. All but `client` sum to its e2e latency exactly."""

    client: int
    network: int
    queue: int
    prefill: int
    decode: int


def split_of(exchange: Exchange, unloaded: Unloaded) -> Split:
    """Of a request that ended well."""
    ttft = exchange.ttft_ns
    network = min(exchange.connect_ns + unloaded.round_trip_ns, ttft)
    prefill = min(unloaded.prefill_ns(exchange.input_tokens), ttft - network)
    return Split(
        client=exchange.began_ns - exchange.due_ns,
        network=network,
        queue=ttft - network - prefill,
        prefill=prefill,
        decode=exchange.e2e_ns - ttft,
    )


def summed(
    exchanges: Sequence[Exchange], splits: Sequence[Split], server: ServerTimes | None
) -> tuple[str, dict[EndpointPartName, int]]:
    """How the parts of all requests were found, and their ns. They sum to the time from due to the last token.

    A part may come out below zero where the server's metrics and the client contradict one another.
    """
    inferred = {
        name: sum(getattr(each, field) for each in splits)
        for name, field in (
            (EndpointPartName.CLIENT, "client"),
            (EndpointPartName.NETWORK, "network"),
            (EndpointPartName.QUEUE, "queue"),
            (EndpointPartName.PREFILL, "prefill"),
            (EndpointPartName.DECODE, "decode"),
        )
    }
    if server is None or server.queue_ms is None:
        return INFERRED, inferred
    whole, decode = sum(each.e2e_ns for each in exchanges), inferred[EndpointPartName.DECODE]
    queue = round(server.queue_ms * 1e6 * len(exchanges))
    if server.prefill_ms is None:
        prefill = max(whole - decode - queue - inferred[EndpointPartName.NETWORK], 0)
        how = MIXED
    else:
        prefill = round(server.prefill_ms * 1e6 * len(exchanges))
        if server.decode_ms is not None:
            decode = round(server.decode_ms * 1e6 * len(exchanges))
        how = BY_SERVER
    return how, inferred | {
        EndpointPartName.NETWORK: whole - queue - prefill - decode,
        EndpointPartName.QUEUE: queue,
        EndpointPartName.PREFILL: prefill,
        EndpointPartName.DECODE: decode,
    }


def parts_of(
    times: Mapping[EndpointPartName, int], requests: int, classes: Mapping[EndpointPartName, BottleneckClass]
) -> list[EndpointPart]:
    """The records of the parts."""
    whole = sum(times.values())
    return [
        EndpointPart(
            part=name,
            class_=classes.get(name),
            ns=ns,
            fraction=ns / whole if whole else 0.0,
            mean_ms=ns / requests / 1e6,
        )
        for name, ns in times.items()
    ]
