"""Static batching: a batch is filled once, and nobody joins it before its longest request ends."""

from __future__ import annotations

from collections import deque
from itertools import groupby

from profiler.serving.policies.policy import Desk


class StaticBatching:
    """Batches of up to a size, in the order of arrival, that wait for a window to fill.

    A request that has ended keeps its slot until the batch does: these slot-steps are holes, and they are computed
    like any other. Its contexts are padded to the longest prompt.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._waiting: deque[int] = deque()
        self._now = 0

    @property
    def slots(self) -> int:
        """The size of a batch."""
        return self._desk.limits.batch_size

    def submit(self, request: int) -> None:
        """Wait for the next batch."""
        self._waiting.append(request)

    def advance(self, until_ns: int) -> None:
        """Serve the batches that begin before that time."""
        while self._waiting:
            begin = self._begin_ns()
            if begin >= until_ns:
                return
            batch = self._next_batch()
            self._serve(batch, begin)
            if self._waiting and len(batch) < self.slots:  # memory alone left somebody behind, until the batch ends
                self._desk.sums.memory_begin.append(begin)
                self._desk.sums.memory_end.append(self._now)

    def _begin_ns(self) -> int:
        """When the next batch starts, if nobody else comes: once it is full, or its first has waited long enough."""
        arrival, limits = self._desk.arrival, self._desk.limits
        if len(self._waiting) >= limits.batch_size:
            return max(self._now, arrival[self._waiting[limits.batch_size - 1]])
        return max(self._now, arrival[self._waiting[0]] + limits.window_ns)

    def _next_batch(self) -> list[int]:
        """As many as the batch and the KV memory hold until the last of them ends, and at least one."""
        desk, waiting = self._desk, self._waiting
        most = desk.limits.kv_tokens
        batch: list[int] = []
        prompts = widest = longest = 0
        while waiting and len(batch) < desk.limits.batch_size:
            request, size = waiting[0], len(batch) + 1
            prompts += desk.prompt[request]
            widest, longest = max(widest, desk.prompt[request]), max(longest, desk.output[request])
            held = (size * widest if desk.limits.padded else prompts) + size * longest
            if batch and most is not None and held > most:
                break
            batch.append(waiting.popleft())
        return batch

    def _serve(self, batch: list[int], begin: int) -> None:
        desk = self._desk
        costs, ledger, sums, size = desk.costs, desk.ledger, desk.sums, len(batch)
        prompts = [desk.prompt[request] for request in batch]
        width = max(prompts)
        chunks = [(width if desk.limits.padded else prompt, 0) for prompt in prompts]
        prefilled = begin + costs.iteration_ns(chunks, 0, 0)
        given = 1 if costs.prefill_gives_token else 0
        # When decoding begins: the prompts, and the token that their prefill gave.
        context = (size * width if desk.limits.padded else sum(prompts)) + size * given
        now, done, first = prefilled, given, prefilled
        by_length = sorted(batch, key=lambda request: desk.output[request])
        alive = size
        for length, group in groupby(by_length, key=lambda request: desk.output[request]):
            if not done:
                first = now = now + costs.steps_ns(size, context, 1)
                done = 1
            if length > done:
                took = costs.steps_ns(size, context + size * (done - given), length - done)
                sums.gap_ns.append(round(took / (length - done)))
                sums.gap_tokens.append(alive * (length - done))
                now, done = now + took, length
            for request in group:
                desk.finished(request, now)
                alive -= 1
        for slot, request in enumerate(batch):
            ledger.start[request] = ledger.seated[request] = begin
            ledger.prefilled[request] = prefilled
            ledger.first_token[request] = first
            ledger.released[request] = now
            ledger.slot[request] = slot
            ledger.replica[request] = desk.replica
        steps = done - given
        sums.busy_ns += now - begin
        sums.decode_ns += now - prefilled
        sums.iterations += 1 + steps
        sums.decode_steps += steps
        sums.slot_steps += size * steps
        sums.hole_steps += sum(done - desk.output[request] for request in batch)
        sums.peak_kv_tokens = max(sums.peak_kv_tokens, context + size * steps)
        self._now = now
