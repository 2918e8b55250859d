"""What `bottleneck endpoint` is given: requests from somewhere, a key, and what is known of the model."""

from __future__ import annotations

import os

from profiler.errors import UsageError
from profiler.serving.log import RequestLog
from profiler.serving.text_lines import MAX_BYTES
from profiler.session.endpoint import at_rate
from profiler.session.simulate_inputs import PROCESSES, Generator, logged

# What is drawn where only a concurrency is given, or a knee is looked for: a closed loop has no use for arrivals.
_ANY_RATE_PER_S = 1.0
_LOADS = "--rate 4 (requests a second), --concurrency 8 (so many at once), or --knee"


def read_load(requests: str, generator: Generator, *, paced: bool, max_bytes: int = MAX_BYTES) -> RequestLog:
    """The requests. Those of a log come at their own times, or at its pattern scaled to a rate.

    `paced` says that something else than a rate says when they come. Raises `UsageError` for what cannot be meant and
    `UnreadableError` for a file that holds something else, or more than `max_bytes` of text.
    """
    rate = generator.rate_per_s
    if requests in PROCESSES:
        if rate is None and not paced:
            raise UsageError("nothing says how much load to put on", _LOADS)
        return generator.drawn(requests, rate or _ANY_RATE_PER_S)
    log = logged(requests, generator.number, max_bytes)
    return log if rate is None else at_rate(log, rate, len(log))


def api_key(variable: str | None, usual: str = "OPENAI_API_KEY") -> str | None:
    """The key in that variable, or in the usual one, if any, where none is named.

    Raises `UsageError` for a variable that is named and empty, and for what cannot be sent.
    """
    name = usual if variable is None else variable
    key = os.environ.get(name, "").strip(" ")  # as HTTP does: what a server repeats has none either
    if not key:
        if variable is None:
            return None
        raise UsageError(f"there is no key in the environment variable {name}", f"export {name}=...")
    if not key.isprintable() or not key.isascii():
        raise UsageError(f"{name} holds what no HTTP header can: a line end, or no ASCII", "the key alone")
    return key
