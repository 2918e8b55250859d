"""What holds the phase that leads back, as far as a GPU's counters under the load tell (ADR 26).

Counters say how much of the time the GPU had work, moved bytes and multiplied matrices, of all that it ran. They do not
say of which phase, nor what held back what was neither. So a class is clear only where it takes more than half of the
time whatever the rest may be, and where memory or the matrix units, while the GPU had work, were at four fifths of what
they reach: below that, kernels wait for something else as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from profiler.attribute.verdict import refuse
from profiler.endpoint.exchange import Exchange
from profiler.measure.telemetry.source import Recording
from profiler.measure.telemetry.summary import FOREIGN_RATIO, Span, coverage
from profiler.report.records import Verdict
from profiler.report.server_gpu import ServerGpu
from profiler.report.vocabulary import BottleneckClass, Cause, VerdictState

_NEEDED = ("gpu_active", "dram_utilization", "tensor_utilization")
# Of the theoretical peak, what copies and reads reach on an H100 and an H200 (docs/accuracy.md).
_DRAM_REACH = 0.91
# Nsight Compute's rule for a unit that is saturated.
_SATURATED = 0.8
_HALF = 0.5
# Beyond this over PCIe, an idle GPU may be one that waits for copies.
_COPIES_GB_PER_S = 1.0
_WORKED = 0.01
_WORTH_SAYING = 0.01


@dataclass(frozen=True, slots=True)
class Utilisation:
    """Means over `windows` in which requests were served all the time: shares of the time, 0 to 1."""

    active: float
    dram: float
    tensor: float
    pcie_gb_per_s: float
    windows: int


def served_spans(exchanges: Sequence[Exchange]) -> list[Span]:
    """When at least one request was being served, in ns: sorted, disjoint. An idle server's GPU says nothing."""
    spans: list[Span] = []
    for begin, end in sorted((each.began_ns, each.last_ns) for each in exchanges if each.ok):
        if spans and begin <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], end))
        else:
            spans.append((begin, end))
    return spans


def utilisation(recording: Recording, spans: Sequence[Span]) -> Utilisation | str:
    """The counters while requests were served, or why there are none."""
    if recording.failure is not None:
        return recording.failure
    refused = recording.refused.get("gpm", {})
    for name in _NEEDED:
        if name in refused:
            return f"the GPU's counters cannot be read: {refused[name]}"
    windows = [
        sample.values
        for sample in recording.samples
        if sample.source == "gpm"
        and all(name in sample.values for name in _NEEDED)
        and coverage(sample.start_ns, sample.end_ns, spans) >= 1 - FOREIGN_RATIO
    ]
    if not windows:
        return "in no window of half a second, which is what the counters take, were requests served all the time"
    active, dram, tensor = (fmean(window[name] for window in windows) for name in _NEEDED)
    copies = fmean(window.get("pcie_h2d", 0.0) + window.get("pcie_d2h", 0.0) for window in windows)
    return Utilisation(active, dram, tensor, copies, len(windows))


def gpu_verdict(phase: str, use: Utilisation | str, others_ratio: float) -> Verdict:
    """Of the phase that leads. `others_ratio` is how much of the time may have been another phase's."""
    if isinstance(use, str):
        return refuse(use)
    busy, idle = max(use.active, 1e-9), 1 - use.active
    memory, tensor = min(use.dram / _DRAM_REACH, use.active), min(use.tensor, use.active)
    idle_class = BottleneckClass.IO if use.pcie_gb_per_s > _COPIES_GB_PER_S else BottleneckClass.SCHEDULING
    candidates = [
        (memory, BottleneckClass.MEMORY, None, memory / busy >= _SATURATED),
        (tensor, BottleneckClass.COMPUTE, Cause.COMPUTE_TENSOR, tensor / busy >= _SATURATED),
        (idle, idle_class, None, idle_class is BottleneckClass.SCHEDULING),
    ]
    candidates.sort(key=lambda each: -each[0])
    (share, class_, cause, decisive), (next_share, runner_up, *_), _ = candidates
    own = max(1 - others_ratio, 1e-9)
    low, high = max(share - others_ratio, 0.0) / own, min(share / own, 1.0)
    evidence = [
        f"the GPU had work {100 * use.active:.0f}% of the time, moved bytes at {100 * use.dram:.0f}% of its memory's "
        f"peak and used its matrix units {100 * use.tensor:.0f}%",
    ]
    if others_ratio >= _WORTH_SAYING:
        evidence.append(f"up to {100 * others_ratio:.0f}% of that time was not {phase}'s, by the idle server's times")
    if idle_class is BottleneckClass.IO:
        evidence.append(f"{use.pcie_gb_per_s:.2g} GB/s went over PCIe: an idle GPU may have waited for that")
    return Verdict(
        class_=class_,
        cause=cause,
        share=min(share, 1.0),
        low=low,
        high=high,
        runner_up=runner_up,
        runner_up_share=next_share,
        state=VerdictState.CLEAR if decisive and low > _HALF else VerdictState.INCONCLUSIVE,
        throttled=False,
        confidence=None,
        evidence=evidence,
    )


def by_all(gpus: Sequence[ServerGpu]) -> Verdict | None:
    """What the GPUs that the server uses say together; None without any. Of unknown use, those count that worked."""
    judged = [gpu.verdict for gpu in gpus if gpu.used or (gpu.used is None and _worked(gpu))]
    if not judged:
        return refuse("no GPU of this machine had work under the load") if gpus else None
    if len({verdict.class_ for verdict in judged}) > 1:
        return refuse(f"the {len(judged)} GPUs disagree: " + ", ".join(str(each.class_ or "none") for each in judged))
    return min(judged, key=lambda verdict: verdict.state is VerdictState.CLEAR)


def _worked(gpu: ServerGpu) -> bool:
    active = next((series.value for series in gpu.series if series.name == "gpu_active"), None)
    return active is None or active > _WORKED
