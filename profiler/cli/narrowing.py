"""`--step`, `--from` and `--to`: which part of a trace to look at."""

from __future__ import annotations

import re
from decimal import Decimal

from profiler.errors import UsageError
from profiler.trace.narrowing import Narrowing

_NS = {"s": 10**9, "ms": 10**6, "": 10**6, "us": 10**3, "ns": 1}
_TIME = re.compile(r"(\d+(?:\.\d*)?|\.\d+) *(s|ms|us|ns|)", re.ASCII)
_STEPS = re.compile(r"(\d+)(?:-(\d+))?", re.ASCII)
# More digits than any trace has: beyond the years that its clock can tell.
_MOST_DIGITS = 20


def narrowing(step: str | None, from_time: str | None, to_time: str | None) -> Narrowing | None:
    """What was asked for; None where all of the trace was. Raises `UsageError` for what cannot be meant."""
    if step is None and from_time is None and to_time is None:
        return None
    first, last = (None, None) if step is None else _steps(step)
    start, end = (
        None if text is None else _ns(text, option) for text, option in ((from_time, "--from"), (to_time, "--to"))
    )
    if end is not None and end <= (start or 0):
        raise UsageError(f"--to {to_time} is not after --from {from_time or 0}", "--from 100ms --to 1.5s")
    return Narrowing(first, last, start, end)


def _steps(text: str) -> tuple[int, int]:
    match = _STEPS.fullmatch(text.strip())
    if match is None or len(text) > _MOST_DIGITS:
        shown = text[:_MOST_DIGITS]
        raise UsageError(f"--step {shown!r} is neither the number of a step nor two of them", "--step 3 or --step 3-7")
    first = int(match[1])
    last = int(match[2] or first)
    if last < first:
        raise UsageError(f"--step {text} ends before it begins", f"--step {last}-{first}")
    return first, last


def _ns(text: str, option: str) -> int:
    match = _TIME.fullmatch(text.strip().lower())
    if match is None or len(text) > _MOST_DIGITS:
        raise UsageError(f"{option} {text[:_MOST_DIGITS]!r} is no time", f"{option} 300 (milliseconds), 300ms or 1.5s")
    return int(Decimal(match[1]) * _NS[match[2]])
