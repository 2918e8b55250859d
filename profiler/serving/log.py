"""A log of requests, in columns."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from profiler.errors import UnreadableError

Columns = NDArray[np.int64]
# Longer than any model's context by a factor of ten: such a length is a slip of whoever wrote the log.
MOST_TOKENS = 10_000_000
# Arrivals are nanoseconds in 64 bits, and so is everything that is added to them: ten years leave room for that.
MOST_NS = 10 * 365 * 86_400 * 10**9
MOST_REQUESTS = 20_000_000
LATE = "arrived before the one above it; sorted"
SIZES = f"sizes of 1 to {MOST_TOKENS:,} tokens"

_NO_PROMPT, _NO_OUTPUT = "without a prompt (fewer than 1 token)", "without an output (fewer than 1 token)"
_TOO_LONG = f"with over {MOST_TOKENS:,} tokens"
_OF_SIZE = frozenset((_NO_PROMPT, _NO_OUTPUT, _TOO_LONG))


@dataclass(frozen=True, slots=True)
class RequestLog:
    """Requests in the order in which they arrive, the first at 0 ns.

    `tenant` indexes `tenants`, and is empty like these where nobody is named; a smaller `priority` goes first.
    `findings` counts by cause the rows that were left out, and what else was odd.
    """

    arrival_ns: Columns
    prompt_tokens: Columns
    output_tokens: Columns
    priority: Columns
    tenant: Columns
    tenants: tuple[str, ...] = ()
    findings: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.arrival_ns)

    def first(self, number: int) -> RequestLog:
        """The requests that arrive first, so many of them."""
        if number >= len(self):
            return self
        return replace(self.taken(np.arange(number), self.arrival_ns[:number]), findings=self.findings)

    def taken(self, places: Columns, arrival_ns: Columns) -> RequestLog:
        """The requests at these places, arriving at other times (sorted)."""
        return RequestLog(
            arrival_ns,
            self.prompt_tokens[places],
            self.output_tokens[places],
            self.priority[places],
            self.tenant[places] if len(self.tenant) else self.tenant,
            self.tenants,
        )


class Rows:
    """Collects requests row by row; what cannot be meant is counted by its cause and left out."""

    def __init__(self) -> None:
        self._left_out: Counter[str] = Counter()
        self._first_line: dict[str, int] = {}
        self._arrival_ns = array("q")
        self._prompt = array("q")
        self._output = array("q")
        self._priority = array("q")
        self._tenant = array("q")
        self._tenants: dict[str, int] = {}

    def add(
        self,
        arrival_ns: int,
        prompt_tokens: int,
        output_tokens: int,
        priority: int = 0,
        tenant: str = "",
        *,
        line: int = 0,
    ) -> None:
        """One request, of that line of a file. `arrival_ns` may count from anywhere."""
        cause = flaw(arrival_ns, prompt_tokens, output_tokens, priority)
        if cause:
            self.leave_out(cause, line)
            return
        self._arrival_ns.append(arrival_ns)
        self._prompt.append(prompt_tokens)
        self._output.append(output_tokens)
        self._priority.append(priority)
        self._tenant.append(self._tenants.setdefault(tenant, len(self._tenants)))

    def __len__(self) -> int:
        return len(self._arrival_ns)

    def leave_out(self, cause: str, line: int) -> None:
        """Count a row, of that line of a file, that holds no request."""
        self._left_out[cause] += 1
        self._first_line.setdefault(cause, line)

    def log(self, name: str) -> RequestLog:
        """All of them, sorted by arrival.

        Raises `UnreadableError` where there is none, or they span over ten years.
        """
        findings = {
            f"{cause}, left out (the first in line {self._first_line[cause]:,})": count
            for cause, count in self._left_out.items()
        }
        if not self._arrival_ns:
            causes = "; ".join(f"{count} {cause}" for cause, count in findings.items()) or "it is empty"
            hint = SIZES if _OF_SIZE.intersection(self._left_out) else "columns arrival_s,prompt_tokens,output_tokens"
            raise UnreadableError(f"{name} holds no request: {causes}", hint)
        first = min(self._arrival_ns)
        if max(self._arrival_ns) - first > MOST_NS:
            raise UnreadableError(f"{name}: arrivals span over ten years", "check the unit: arrival_s or arrival_ms")
        arrival = _column(self._arrival_ns) - first
        late = int(np.count_nonzero(np.diff(arrival) < 0))
        if late:
            findings[LATE] = late
        order = np.argsort(arrival, kind="stable")
        named = any(self._tenants)
        return RequestLog(
            arrival[order],
            _column(self._prompt)[order],
            _column(self._output)[order],
            _column(self._priority)[order],
            _column(self._tenant)[order] if named else np.zeros(0, np.int64),
            tuple(name or "(none)" for name in self._tenants) if named else (),
            findings,
        )


def flaw(arrival_ns: int, prompt_tokens: int, output_tokens: int, priority: int = 0) -> str:
    """Why a request cannot be meant; empty where it can."""
    if prompt_tokens < 1:
        return _NO_PROMPT
    if output_tokens < 1:
        return _NO_OUTPUT
    if max(prompt_tokens, output_tokens) > MOST_TOKENS:
        return _TOO_LONG
    if abs(arrival_ns) > 1 << 62 or abs(priority) > 1 << 62:
        return "with a number that is too large"
    return ""


def _column(values: array[int]) -> Columns:
    return np.frombuffer(values, np.int64)
