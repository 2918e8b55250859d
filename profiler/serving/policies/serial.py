"""One request at a time, in the order of arrival: the naive loop."""

from __future__ import annotations

from collections import deque

from profiler.serving.policies.policy import Desk


class Serial:
    """Prefills a request, decodes all of it, takes the next."""

    slots = 1

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._waiting: deque[int] = deque()
        self._now = 0

    def submit(self, request: int) -> None:
        """Wait in line."""
        self._waiting.append(request)

    def advance(self, until_ns: int) -> None:
        """Serve those whose turn comes before that time."""
        arrival = self._desk.arrival
        while self._waiting and max(self._now, arrival[self._waiting[0]]) < until_ns:
            self._serve(self._waiting.popleft())

    def _serve(self, request: int) -> None:
        desk = self._desk
        costs, ledger, sums = desk.costs, desk.ledger, desk.sums
        prompt, steps = desk.prompt[request], desk.output[request]
        start = max(self._now, desk.arrival[request])
        prefilled = start + costs.iteration_ns(((prompt, 0),), 0, 0)
        context = prompt
        if costs.prefill_gives_token:
            first, steps, context = prefilled, steps - 1, context + 1
        elif steps:
            first = prefilled + costs.steps_ns(1, context, 1)
        finish = prefilled + costs.steps_ns(1, context, steps) if steps else prefilled
        ledger.start[request] = ledger.seated[request] = start
        ledger.prefilled[request] = prefilled
        ledger.first_token[request] = first
        ledger.released[request] = finish
        desk.finished(request, finish)
        ledger.slot[request] = 0
        ledger.replica[request] = desk.replica
        gaps = desk.output[request] - 1
        if gaps:
            sums.gap_ns.append(round((finish - first) / gaps))
            sums.gap_tokens.append(gaps)
        sums.busy_ns += finish - start
        sums.decode_ns += finish - prefilled
        sums.iterations += 1 + steps
        sums.decode_steps += steps
        sums.slot_steps += steps
        sums.peak_kv_tokens = max(sums.peak_kv_tokens, context + steps)
        self._now = finish
