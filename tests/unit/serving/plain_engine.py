"""Continuous batching once more, one iteration after the other with nothing remembered between them but lists.

Slow and plain: what the engine that jumps over runs of equal iterations is held against.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from profiler.serving.costs import Costs
from profiler.serving.log import RequestLog
from profiler.serving.policies.policy import Limits


@dataclass
class Sequence:
    number: int
    arrival: int
    prompt: int
    output: int
    cached: int = 0  # tokens in the KV cache
    generated: int = 0
    start: int = -1
    prefilled: int = -1
    tokens: list[int] = field(default_factory=list)  # when each came
    preempted: int = 0  # how long it was without a whole cache, after it was put out
    out_since: int = -1

    ready: bool = False  # past its prompt
    evicted: bool = False


def sequences(log: RequestLog) -> list[Sequence]:
    """The requests of a log, before anything happened to them."""
    rows = zip(log.arrival_ns, log.prompt_tokens, log.output_tokens, strict=True)
    return [Sequence(number, *(int(value) for value in row)) for number, row in enumerate(rows)]


def plain(log: RequestLog, costs: Costs, limits: Limits, rank: Callable[[int], float] | None = None) -> list[Sequence]:
    """Every request with its times. The least rank goes first, the largest is put out; without one, first come."""
    requests = sequences(log)
    coming, waiting, seated = list(requests), [], []
    now, given = 0, 1 if costs.prefill_gives_token else 0
    most = limits.kv_tokens if limits.kv_tokens is not None else 1 << 60

    def held() -> int:
        """Tokens held; who is seated holds its whole prompt from the start, and room for the token that this gives."""
        return sum(each.prompt + each.generated + (0 if each.ready else given) for each in seated)

    while coming or waiting or seated:
        if not waiting and not seated:
            now = max(now, coming[0].arrival)
        while coming and coming[0].arrival <= now:
            waiting.append(coming.pop(0))
        if rank is not None:
            waiting.sort(key=lambda each: (rank(each.number), not each.evicted, each.number))
        decoding = [each for each in seated if each.ready]

        def fits() -> bool:
            head = waiting[0]
            return held() + head.prompt + head.generated + given + len(decoding) <= most  # noqa: B023 - called at once

        if decoding and held() + len(decoding) > most:
            victim = seated[-1] if rank is None else max(seated, key=lambda each: (rank(each.number), each.number))
            seated.remove(victim)
            victim.cached, victim.ready, victim.evicted = 0, False, True
            victim.out_since = now if victim.out_since < 0 else victim.out_since
            waiting.insert(0, victim)
            continue
        budget, chunks = limits.token_budget - len(decoding), []
        for each in [each for each in seated if not each.ready]:
            budget = _prefill(each, budget, chunks)
        while budget > 0 and waiting and len(seated) < limits.slots and fits():
            each = waiting.pop(0)
            each.start = now if each.start < 0 else each.start
            seated.append(each)
            budget = _prefill(each, budget, chunks)
        contexts = sum(each.prompt + each.generated for each in decoding)
        if chunks:
            now += costs.iteration_ns(chunks, len(decoding), contexts)
        else:
            now += costs.steps_ns(len(decoding), contexts, 1)
        for each in decoding:
            each.generated += 1
            each.tokens.append(now)
        for each in seated:
            if not each.ready and each.cached == each.prompt + each.generated:
                each.ready = True
                if each.out_since >= 0:
                    each.preempted, each.out_since = each.preempted + now - each.out_since, -1
                each.prefilled = now if each.prefilled < 0 else each.prefilled
                if costs.prefill_gives_token:
                    each.generated += 1
                    each.tokens.append(now)
        seated = [each for each in seated if each.generated < each.output]
    return requests


def _prefill(each: Sequence, budget: int, chunks: list[tuple[int, int]]) -> int:
    take = min(each.prompt + each.generated - each.cached, budget)
    if take > 0:
        chunks.append((take, each.cached))
        each.cached += take
    return budget - max(take, 0)
