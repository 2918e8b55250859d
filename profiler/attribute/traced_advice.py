"""What to do about what holds a trace back, with the gain that a replay of it predicts: as it was traced.

A prediction is made of two readings, that in which the tracer did nothing and that in which it slowed the host the
most; the interval lies between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from profiler.attribute.advice import halve_dram
from profiler.attribute.shares import Scenario, scenario_periods_us
from profiler.attribute.verdict import CAUSES_OF_RESOURCE
from profiler.report.records import Part, Share
from profiler.report.source import Source
from profiler.report.trace_advice import TraceAdvice
from profiler.report.vocabulary import Cause, Resource

# Below this, a gain drowns in the noise between two runs.
_WORTH_SAYING = 1.03
_MOST_ADVICE = 2
# Of the time: a host that is blocked for more reads results back again and again, which no graph can hold.
_MANY_SYNCS = 0.05
_SHORTEST_US = 1e-3  # a trace of which nothing is left
# Something that no longer takes time: fast enough for its rest not to show.
_GONE = 1e6


class _Remedy(Struct, frozen=True):
    """`speeds` are those at which it is replayed, after `halves` lost half of its bytes; neither: no prediction."""

    action: str
    why: str
    speeds: Mapping[Resource, float] = {}
    halves: Cause | None = None

    @property
    def is_predicted(self) -> bool:
        """Whether a replay can tell what it gains."""
        return bool(self.speeds) or self.halves is not None


_CAPTURE = _Remedy(
    "capture the step into a CUDA graph, or compile it with torch.compile(mode='reduce-overhead')",
    "the GPU waits for launches; a graph launches all kernels in one call. Predicted is a host that costs no time",
    {Resource.HOST: _GONE},
)
_LESS_HOST = _Remedy(
    "let the host do less between the launches of its graphs",
    "the GPU waits for it. Predicted is a host that costs no time",
    {Resource.HOST: _GONE},
)
_FUSE_SMALL = _Remedy(
    "fuse small kernels with torch.compile, or run larger batches",
    "kernels that are too small for the GPU cost a fixed time each. Predicted is half as many",
    {Resource.LATENCY: 2.0},
)
_REMEDIES = {
    Cause.MEMORY_WEIGHTS: _Remedy(
        "halve the bytes of the weights (8-bit quantisation), or run more sequences a batch",
        "each step reads every weight once, whatever the batch",
        halves=Cause.MEMORY_WEIGHTS,
    ),
    Cause.MEMORY_KV_CACHE: _Remedy(
        "halve the bytes of the KV cache (8-bit cache), or shorten the context",
        "each step reads the whole cache of each sequence",
        halves=Cause.MEMORY_KV_CACHE,
    ),
    Cause.MEMORY_ACTIVATIONS: _Remedy(
        "fuse elementwise kernels with torch.compile",
        "what one kernel writes and the next reads need not go through memory. Predicted is half as many bytes",
        halves=Cause.MEMORY_ACTIVATIONS,
    ),
    Cause.MEMORY_COPY: _Remedy(
        "copy less within the GPU's memory (contiguous, clone, cat)",
        "a copy reads and writes every byte. Predicted is half as many bytes",
        halves=Cause.MEMORY_COPY,
    ),
    Cause.COMPUTE_TENSOR: _Remedy(
        "multiply matrices in a narrower number format (TF32 or bf16 for float32, fp8 or int8 for bf16)",
        "the matrix units are what it waits for, and run at twice the rate with operands of half the width",
        {Resource.TENSOR: 2.0},
    ),
    Cause.COMPUTE_ISSUE: _Remedy(
        "fuse elementwise kernels with torch.compile",
        "kernels that do little but issue instructions; one that does the work of two issues half as many",
        {Resource.ISSUE: 2.0},
    ),
    Cause.IO_H2D: _Remedy(
        "copy from pinned memory on a stream of its own (pin_memory=True, non_blocking=True)",
        "then copies run while kernels do. Predicted are copies that cost no time",
        {Resource.PCIE: _GONE},
    ),
    Cause.IO_D2H: _Remedy(
        "copy results back into pinned memory on a stream of its own (non_blocking=True)",
        "then copies run while kernels do. Predicted are copies that cost no time",
        {Resource.PCIE: _GONE},
    ),
    Cause.IO_INPUT: _Remedy(
        "prepare the input in more processes ahead of time (num_workers, prefetch_factor), or on the GPU",
        "the GPU waits for its input. Predicted is an input that is never late",
        {Resource.DISK: _GONE},
    ),
    Cause.IO_COLLECTIVE: _Remedy(
        "run collectives beside kernels that do not need their result, in fewer and larger calls",
        "the GPU waits for its links, or for ranks that come late. Predicted are collectives that cost no time",
        {Resource.LINK: _GONE},
    ),
    Cause.SCHEDULING_HOST: _CAPTURE,
    Cause.SCHEDULING_SYNC: _Remedy(
        "read results back once a step, not after each operation (.item(), .cpu(), synchronize())",
        "each such call lets the GPU run empty before the host launches on",
    ),
    Cause.SCHEDULING_SMALL_KERNELS: _FUSE_SMALL,
    Cause.SCHEDULING_LAUNCH_GAP: _FUSE_SMALL,
}
_NO_PREDICTION = "a replay cannot tell which of these waits the program needs"


def traced_advice(
    scenarios: Sequence[Scenario], shares: Sequence[Share], parts: Sequence[Part], causes: Sequence[Cause]
) -> list[TraceAdvice]:
    """What gains most first by the share of its resource: of each its leading cause, of which something can be done.

    The first scenario is that of the trace as it is, the last that of the slowed host; `causes` are those of the rows.
    """
    ms = {part.cause: part.ms for part in parts}
    as_traced, slowed = scenarios[0], scenarios[-1]
    replays_graphs = "graph_launch" in as_traced.graph.kind
    worth = [share.resource for share in shares if share.share > 1 - 1 / _WORTH_SAYING]
    remedies = [remedy for each in worth if (remedy := _remedy(each, ms, replays_graphs=replays_graphs)) is not None]
    gains = _gains((as_traced, slowed), remedies, causes)
    found: list[TraceAdvice] = []
    for remedy, gain, other in zip(remedies, *gains, strict=True):
        if not remedy.is_predicted:
            sources = {"speedup": Source(missing=_NO_PREDICTION)}
            found.append(TraceAdvice(action=remedy.action, why=remedy.why, sources=sources))
        elif gain >= _WORTH_SAYING:
            low, high = min(gain, other), max(gain, other)
            found.append(TraceAdvice(action=remedy.action, why=remedy.why, speedup=gain, low=low, high=high))
    return found[:_MOST_ADVICE]


def _remedy(resource: Resource, ms: Mapping[Cause, float], *, replays_graphs: bool) -> _Remedy | None:
    """What can be done about the leading cause of a resource."""
    present = [cause for cause in CAUSES_OF_RESOURCE[resource] if cause in ms]
    if resource is Resource.HOST and ms.get(Cause.SCHEDULING_SYNC, 0.0) > _MANY_SYNCS * sum(ms.values()):
        return _REMEDIES[Cause.SCHEDULING_SYNC]  # before anything can be captured
    remedy = _REMEDIES.get(max(present, key=lambda cause: ms[cause])) if present else None
    return _LESS_HOST if remedy is _CAPTURE and replays_graphs else remedy


def _gains(scenarios: Sequence[Scenario], remedies: Sequence[_Remedy], causes: Sequence[Cause]) -> list[list[float]]:
    """What each remedy gains in each scenario, all replayed together; 1 where nothing is predicted."""
    asked: list[tuple[Scenario, Mapping[Resource, float]]] = []
    for scenario in scenarios:
        asked.append((scenario, {}))
        for each in remedies:
            costs = scenario.costs if each.halves is None else halve_dram(scenario.costs, causes, each.halves)
            asked.append((replace(scenario, costs=costs), each.speeds))
    periods = np.array(scenario_periods_us(asked)).reshape(len(scenarios), -1)
    gains: list[list[float]] = (periods[:, :1] / np.maximum(periods[:, 1:], _SHORTEST_US)).tolist()
    return gains
