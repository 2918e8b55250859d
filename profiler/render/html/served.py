"""What a live server did as it was loaded: latencies request by request, and the search for its knee."""

from __future__ import annotations

from typing import Any

from profiler.render.html.figure import Figure, rounded
from profiler.render.numbers import count, number
from profiler.report.endpoint import Endpoint, EndpointRequest

_MOST_REQUESTS = 5_000


def knee(answer: Endpoint) -> Figure | None:
    """Goodput over the rate that was asked for; None where no knee was looked for."""
    if answer.knee is None or not answer.knee.steps:
        return None
    steps = sorted(answer.knee.steps, key=lambda step: step.rate_per_s)
    rate = answer.knee.rate_per_s
    found = f"Goodput keeps up until {number(rate)} requests/s." if rate is not None else "No rate was kept up with."
    return Figure(
        "knee",
        "Goodput over load",
        f"{found} {count(len(steps))} rates were tried. On the dashed line every request is served within its targets.",
        {
            "rate": rounded([step.rate_per_s for step in steps]),
            "goodput": rounded([step.goodput_requests_per_s for step in steps]),
            "ttft_p99_ms": [step.ttft_p99_ms for step in steps],
            "holds": [step.holds for step in steps],
            "knee": rate,
        },
    )


def latencies(answer: Endpoint) -> Figure | None:
    """When each request was due, and how long until its first and its last token."""
    requests = [request for request in answer.requests if request.e2e_ms is not None][:_MOST_REQUESTS]
    if not requests:
        return None
    return Figure(
        "latencies",
        "Request by request",
        f"Time to the first token and end to end of {count(len(requests))} requests, by when they were due.",
        {
            "due_s": rounded([request.due_ms / 1e3 for request in requests], 6),
            "ttft_ms": _of(requests, "ttft_ms"),
            "e2e_ms": _of(requests, "e2e_ms"),
        },
    )


def _of(requests: list[EndpointRequest], name: str) -> list[Any]:
    return [None if (value := getattr(request, name)) is None else rounded([value])[0] for request in requests]
