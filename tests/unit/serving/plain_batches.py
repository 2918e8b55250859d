"""Serial service and static batching once more, a step after the other: what the runs of steps are held against."""

from __future__ import annotations

from profiler.serving.costs import Costs
from profiler.serving.log import RequestLog
from profiler.serving.policies.policy import Limits
from tests.unit.serving.plain_engine import Sequence, sequences


def plain_serial(log: RequestLog, costs: Costs) -> list[Sequence]:
    """Every request with its times, one by one."""
    requests, now = sequences(log), 0
    for each in requests:
        now = _together([each], max(now, each.arrival), costs, padded=False)
    return requests


def plain_static(log: RequestLog, costs: Costs, limits: Limits) -> list[Sequence]:
    """Every request with its times, in batches."""
    requests, now, size = sequences(log), 0, limits.batch_size
    coming = list(requests)
    while coming:
        begin = coming[0].arrival + limits.window_ns
        if len(coming) >= size:
            begin = min(begin, coming[size - 1].arrival)
        begin = max(now, begin)
        batch = [each for each in coming if each.arrival <= begin][:size]
        while len(batch) > 1 and limits.kv_tokens is not None and _held(batch, limits) > limits.kv_tokens:
            batch.pop()
        coming = coming[len(batch) :]
        now = _together(batch, begin, costs, padded=limits.padded)
    return requests


def _held(batch: list[Sequence], limits: Limits) -> int:
    """Tokens in the KV cache when the longest of them ends."""
    widest = max(each.prompt for each in batch)
    prompts = sum(widest if limits.padded else each.prompt for each in batch)
    return prompts + len(batch) * max(each.output for each in batch)


def _together(batch: list[Sequence], now: int, costs: Costs, *, padded: bool) -> int:
    """Serve them from now on; when all are done."""
    widths = [max(each.prompt for each in batch) if padded else each.prompt for each in batch]
    started, now = now, now + costs.iteration_ns([(width, 0) for width in widths], 0, 0)
    tokens = [now] if costs.prefill_gives_token else []
    prefilled = now
    while len(tokens) < max(each.output for each in batch):
        now += costs.steps_ns(len(batch), sum(widths) + len(batch) * len(tokens), 1)
        tokens.append(now)
    for each in batch:
        each.start, each.prefilled, each.tokens = started, prefilled, tokens[: each.output]
    return now
