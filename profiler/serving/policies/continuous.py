"""Continuous batching: requests join and leave between any two iterations, as in vLLM.

An iteration decodes a token for every sequence that is past its prompt, and fills the rest of the token budget with
chunks of prompts. Where the KV memory is full, the last in the order of the queue loses its cache, goes back to the
queue, and computes its prompt and what it had generated again. Iterations that only decode the same batch are done
as one run, so that the work does not grow with the number of tokens.
"""

from __future__ import annotations

from heapq import heappop, heappush

from profiler.serving.ledger import Stay
from profiler.serving.policies.policy import FOREVER_NS, Desk
from profiler.serving.policies.waiting import FirstCome, Waiting


class ContinuousBatching:
    """Serves whom `waiting` names first, as far as slots, token budget and KV memory allow."""

    def __init__(self, desk: Desk, waiting: Waiting | None = None) -> None:
        self._desk = desk
        self._waiting = FirstCome() if waiting is None else waiting
        self._now = 0
        self._step = 0  # decode steps so far
        self._ends: list[tuple[int, int, int]] = []  # (step after which it ends, when it was seated, request)
        self._decoding: dict[int, int] = {}  # request -> step after which it ends
        self._batch_context = 0  # tokens of those that decode
        self._prefilling: dict[int, int] = {}  # request -> tokens that it still lacks, in the order of seating
        self._seats: dict[int, None] = {}  # who is seated, in that order
        self._free_slots: list[int] = []  # of those that were used before
        self._kv_tokens = 0  # held, with all of the prompt of who is seated, and the token that its prefill gives
        self._given = 1 if desk.costs.prefill_gives_token else 0
        self._generated: dict[int, int] = {}  # of those that were preempted: tokens that they have
        self._last_token: dict[int, int] = {}  # of those: when it came
        self._preempted_at: dict[int, int] = {}
        self._fresh: dict[int, int | None] = {}  # who decodes its first step: when its last token came, if one did
        self._short_of_memory_since: int | None = None
        self._outstanding = 0

    @property
    def slots(self) -> int:
        """The most sequences of a batch."""
        return self._desk.limits.slots

    def submit(self, request: int) -> None:
        """Wait in line; on an idle server, for nothing."""
        if not self._outstanding:
            self._now = max(self._now, self._desk.arrival[request])
        self._waiting.push(request)
        self._outstanding += 1

    def advance(self, until_ns: int) -> None:
        """Iterate until that time."""
        while self._outstanding and self._now < until_ns:
            if self._prefilling or self._next_fits():
                self._mixed_iteration()
            else:
                self._decode_run(until_ns)

    def _next_fits(self) -> bool:
        """Whether the head of the queue can be seated now."""
        if not self._waiting or len(self._seats) == self.slots:
            self._memory_suffices()
            return False
        most = self._desk.limits.kv_tokens
        if most is not None:
            head = self._waiting.head()
            needed = self._desk.prompt[head] + self._generated.get(head, 0) + self._given
            # And the token of this iteration for everybody who decodes.
            if self._kv_tokens + needed + len(self._decoding) > most:
                if self._short_of_memory_since is None:
                    self._short_of_memory_since = self._now
                return False
        self._memory_suffices()
        return True

    def _memory_suffices(self) -> None:
        if self._short_of_memory_since is not None:
            self._desk.sums.memory_begin.append(self._short_of_memory_since)
            self._desk.sums.memory_end.append(self._now)
            self._short_of_memory_since = None

    def _seat(self) -> int:
        """Give the head of the queue a slot."""
        request, desk = self._waiting.pop(), self._desk
        ledger = desk.ledger
        # The lowest that is free: where none of those that were used before is, all of them are held.
        ledger.slot[request] = heappop(self._free_slots) if self._free_slots else len(self._seats)
        ledger.seated[request] = self._now
        if ledger.start[request] < 0:
            ledger.start[request] = self._now
            ledger.replica[request] = desk.replica
        tokens = desk.prompt[request] + self._generated.get(request, 0)
        self._kv_tokens += tokens + self._given
        self._prefilling[request] = tokens
        self._seats[request] = None
        return request

    def _mixed_iteration(self) -> None:
        batch = len(self._decoding)
        if batch and not self._room(batch):
            return
        desk, prefilling, generated = self._desk, self._prefilling, self._generated
        budget = desk.limits.token_budget - batch
        chunks: list[tuple[int, int]] = []
        ready: list[int] = []
        turn = list(prefilling)
        while budget > 0:
            if turn:
                request = turn.pop(0)
            elif self._next_fits():
                request = self._seat()
            else:
                break
            lacks = prefilling[request]
            take = min(lacks, budget)
            budget -= take
            chunks.append((take, desk.prompt[request] + generated.get(request, 0) - lacks))
            if take == lacks:
                ready.append(request)
            else:
                prefilling[request] = lacks - take
        took = desk.costs.iteration_ns(chunks, batch, self._batch_context)
        sums = desk.sums
        sums.busy_ns += took
        sums.iterations += 1
        if batch:
            self._decoded(batch, 1, took)
        else:
            self._now += took
        for request in ready:
            del prefilling[request]
            self._begin_decoding(request)
        if self._kv_tokens > sums.peak_kv_tokens:
            sums.peak_kv_tokens = self._kv_tokens

    def _begin_decoding(self, request: int) -> None:
        """Its cache is whole; where the last prefill gave a token, that is its next."""
        desk, ledger, now = self._desk, self._desk.ledger, self._now
        done, last_token = self._generated.pop(request, 0), self._last_token.pop(request, None)
        if request in self._preempted_at:
            out_since = self._preempted_at.pop(request)
            ledger.preempted[request] += now - out_since
            if ledger.prefilled[request] < 0:
                desk.sums.preempted_prefill_ns += now - out_since
        if ledger.prefilled[request] < 0:
            ledger.prefilled[request] = now
        if self._given:
            self._give_token(request, now, last_token)
            done += 1
        else:
            self._fresh[request] = last_token
        context, left = desk.prompt[request] + done, desk.output[request] - done
        if left:
            self._decoding[request] = end = self._step + left
            self._batch_context += context
            heappush(self._ends, (end, ledger.seated[request], request))
        else:
            self._leave(request, context)

    def _give_token(self, request: int, at_ns: int, last_token_ns: int | None) -> None:
        """A token that is the first of its request, or the first since it was preempted."""
        if last_token_ns is None:
            self._desk.ledger.first_token[request] = at_ns
        else:
            self._desk.sums.gap_ns.append(at_ns - last_token_ns)
            self._desk.sums.gap_tokens.append(1)

    def _decode_run(self, until_ns: int) -> None:
        """The same batch decodes until somebody ends, the memory is full, or the time comes."""
        batch, costs = len(self._decoding), self._desk.costs
        steps = self._room(batch)
        if not steps:
            return
        ends, decoding = self._ends, self._decoding
        while decoding.get(ends[0][2]) != ends[0][0]:  # it was preempted
            heappop(ends)
        steps = min(ends[0][0] - self._step, steps)
        if until_ns < FOREVER_NS and steps > 1:
            steps = min(steps, costs.steps_begun(batch, self._batch_context, until_ns - self._now))
        took = costs.steps_ns(batch, self._batch_context, steps)
        self._desk.sums.busy_ns += took
        self._desk.sums.iterations += steps
        self._decoded(batch, steps, took)

    def _decoded(self, batch: int, steps: int, took: int) -> None:
        """So many steps end: every sequence of the batch has as many tokens more, and who has all leaves."""
        sums, desk, now = self._desk.sums, self._desk, self._now + took
        fresh, begin, rest = self._fresh, self._now, steps
        if fresh:  # the first step ends gaps of its own for them
            begin = now if steps == 1 else self._now + desk.costs.steps_ns(batch, self._batch_context, 1)
            rest = steps - 1
            for request, last_token in fresh.items():
                self._give_token(request, begin, last_token)
            if batch > len(fresh):
                sums.gap_ns.append(begin - self._now)
                sums.gap_tokens.append(batch - len(fresh))
            fresh.clear()
        if rest:
            sums.gap_ns.append(round((now - begin) / rest))
            sums.gap_tokens.append(batch * rest)
        self._now = now
        self._step += steps
        self._batch_context += batch * steps
        self._kv_tokens += batch * steps
        sums.decode_ns += took
        sums.decode_steps += steps
        sums.slot_steps += batch * steps
        if self._kv_tokens > sums.peak_kv_tokens:
            sums.peak_kv_tokens = self._kv_tokens
        ends, decoding = self._ends, self._decoding
        while ends and ends[0][0] <= self._step:
            end, _, request = heappop(ends)
            if decoding.get(request) == end:
                del decoding[request]
                context = desk.prompt[request] + desk.output[request]
                self._batch_context -= context
                self._leave(request, context)

    def _leave(self, request: int, context: int) -> None:
        desk = self._desk
        desk.ledger.released[request] = self._now
        desk.finished(request, self._now)
        self._kv_tokens -= context
        heappush(self._free_slots, desk.ledger.slot[request])
        del self._seats[request]
        self._outstanding -= 1

    def _room(self, batch: int) -> int:
        """For how many tokens of everybody the memory has room; where for none, one loses its place."""
        most = self._desk.limits.kv_tokens
        if most is None:
            return FOREVER_NS
        room = (most - self._kv_tokens) // batch
        if room <= 0:
            self._preempt()
            return 0
        return room

    def _preempt(self) -> None:
        desk, now = self._desk, self._now
        ledger = desk.ledger
        request = self._waiting.last(self._seats)
        del self._seats[request]
        done = self._generated.get(request, 0)
        if request in self._prefilling:
            del self._prefilling[request]
            self._kv_tokens -= self._given
        else:
            done = desk.output[request] - (self._decoding.pop(request) - self._step)
            self._batch_context -= desk.prompt[request] + done
            self._generated[request] = done
            last_token = self._fresh.pop(request, now)
            if last_token is not None:
                self._last_token[request] = last_token
        self._kv_tokens -= desk.prompt[request] + done
        self._preempted_at.setdefault(request, now)
        heappush(self._free_slots, ledger.slot[request])
        ledger.stays.append(Stay(request, desk.replica, ledger.slot[request], ledger.seated[request], now))
        self._waiting.push_back(request)
        desk.sums.preemptions += 1
