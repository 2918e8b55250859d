"""Is a trace whole? What it lacks is said, so that nobody reads idle time into records that were lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from profiler.trace import intervals
from profiler.trace.clock_checks import clock_findings, device_syncs
from profiler.trace.distinct import rows_alike
from profiler.trace.finding import FATAL_RATIO, Finding, Severity
from profiler.trace.replay_checks import replay_findings
from profiler.trace.text_checks import text_findings
from profiler.trace.timeline import Activity, Call, Ints, Timeline
from profiler.trace.waits import block_host

# A host that blocks this long on a device that shows nothing waited for work that was not recorded. Driver calls that
# are slow for their own reasons (first use, memory mapping) take less.
_UNEXPLAINED_BLOCK_NS = 5_000_000
# Clocks of profilers tick in tens of ns. Coarser steps come from whole microseconds, or from floats of microseconds
# since the epoch, which are 250 ns apart.
_COARSE_NS = 100
_FEW_EVENTS = 10
# Part of their time for which kernels of one stream overlap: 0.1% at most in 42 traces.
_MUCH_OVERLAP = 0.01


__all__ = ["Finding", "Severity", "check", "worst_first"]


def check(timeline: Timeline) -> list[Finding]:
    """All flaws of a timeline, the worst first; an empty list for one that is whole."""
    checks = (
        text_findings,
        clock_findings,
        replay_findings,
        _under_recorded,
        _no_device_events,
        _kernels_without_launch,
        _launches_without_activity,
        _empty_kernels,
        _overlapping_kernels,
        _coarse_timestamps,
        _missing_shapes,
    )
    return worst_first(finding for judge in checks for finding in judge(timeline))


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """The fatal ones before the others."""
    return sorted(findings, key=lambda finding: list(Severity).index(finding.severity), reverse=True)


def _under_recorded(timeline: Timeline) -> Iterator[Finding]:
    """The host blocks for far longer than the device shows work: graph replays or whole streams were not recorded."""
    host, device = timeline.host, timeline.device
    if not len(host):
        return
    blocking = np.isin(host.kind, (Call.SYNC, Call.COPY))
    # A copy of pageable memory is the host's own work until it is staged.
    blocking[device.call[block_host(device) & (device.call >= 0)]] = False
    start, end = host.start_ns[blocking], host.end_ns[blocking]
    known = intervals.merge(np.concatenate([intervals.from_columns(device.start_ns, device.end_ns), timeline.overhead]))
    explained = intervals.covered_before(known, end) - intervals.covered_before(known, start)
    unexplained = end - start - explained
    suspicious = (unexplained >= _UNEXPLAINED_BLOCK_NS) & (unexplained > explained)
    if suspicious.any():
        lost = int(unexplained[suspicious].sum())
        span = int(max(host.end_ns.max(), device.end_ns.max(initial=0)) - host.start_ns.min())
        yield Finding(
            "under_recorded",
            f"the host waited {lost / 1e6:.1f} ms for a device that shows no work then: work was not recorded "
            f"({lost / span:.0%} of the trace)",
            int(suspicious.sum()),
            int(blocking.sum()),
            Severity.FATAL if lost > FATAL_RATIO * span else Severity.WARNING,
            lost / span,
            effect="idle time is overstated by as much",
            where=_before_waits(timeline, start[suspicious], end[suspicious]),
        )


def _before_waits(timeline: Timeline, start: Ints, end: Ints) -> Ints:
    """Where the work was that these waits were for: after the last wait for all of the device, before their ends."""
    host = timeline.host
    drained = host.end_ns[device_syncs(timeline)]
    since = np.append(np.iinfo(np.int64).min, np.sort(drained))[np.searchsorted(np.sort(drained), start, side="right")]
    return intervals.from_columns(since, end)


def _no_device_events(timeline: Timeline) -> Iterator[Finding]:
    launches = int(np.isin(timeline.host.kind, (Call.LAUNCH, Call.GRAPH_LAUNCH)).sum())
    if not len(timeline.device) and launches:
        yield Finding(
            "no_device_events",
            f"{launches} launches and not one kernel: the trace was taken without GPU activity",
            launches,
            launches,
            Severity.FATAL,
        )


def _kernels_without_launch(timeline: Timeline) -> Iterator[Finding]:
    kernels = _kernels(timeline)
    orphans = int((timeline.device.call[kernels] < 0).sum())
    if orphans and len(timeline.host):
        yield Finding(
            "kernels_without_launch",
            f"{orphans} of {len(kernels)} kernels have no launch record: they are counted, "
            "but what launched them is not known",
            orphans,
            len(kernels),
            Severity.WARNING,
            orphans / len(kernels),
            effect="their time counts",
        )


def _launches_without_activity(timeline: Timeline) -> Iterator[Finding]:
    """Kernels that were dropped. A launch into a graph that is being captured has none and misses none."""
    launches = np.flatnonzero(np.isin(timeline.host.kind, (Call.LAUNCH, Call.GRAPH_LAUNCH)))
    launches = launches[~_captured(timeline)[launches]]
    barren = int((~np.isin(launches, timeline.device.call)).sum())
    if barren and len(timeline.device):
        yield Finding(
            "launches_without_activity",
            f"{barren} of {len(launches)} launches have no kernel: the profiler dropped it or stopped before it ran",
            barren,
            len(launches),
            Severity.WARNING,
            barren / len(launches),
            effect="busy time is understated by theirs",
        )


def _empty_kernels(timeline: Timeline) -> Iterator[Finding]:
    kernels = _kernels(timeline)
    empty = int((timeline.device.end_ns[kernels] <= timeline.device.start_ns[kernels]).sum())
    if empty:
        # Where times are whole microseconds, kernels of less than one are so: 7% of those of a ResNet's training.
        most = 2 * empty > len(kernels)
        yield Finding(
            "empty_kernels",
            f"{empty} of {len(kernels)} kernels last 0 ns{': how long they ran was not recorded' if most else ''}",
            empty,
            len(kernels),
            Severity.FATAL if most else Severity.NOTE,
            effect="their time counts as idle" if most else "",
        )


def _overlapping_kernels(timeline: Timeline) -> Iterator[Finding]:
    """A stream runs one kernel after the other, except branches of a graph and dependent launches."""
    kernels, device = _kernels(timeline), timeline.device
    overlapping, overlap_ns = 0, 0
    for lane in rows_alike(device.device[kernels], device.stream[kernels]):
        rows = kernels[lane]
        reach, start, end = (
            np.maximum.accumulate(device.end_ns[rows])[:-1],
            device.start_ns[rows][1:],
            device.end_ns[rows][1:],
        )
        early = start < reach
        overlapping += int(early.sum())
        overlap_ns += int((np.minimum(reach, end) - start)[early].sum())
    if overlapping:
        lost = overlap_ns / max(int((device.end_ns - device.start_ns)[kernels].sum()), 1)
        yield Finding(
            "overlapping_kernels",
            f"{overlapping} of {len(kernels)} kernels start before the kernel before them in their stream ends "
            "(branches of a graph, dependent launches, or rounded times)",
            overlapping,
            len(kernels),
            Severity.WARNING if lost > _MUCH_OVERLAP else Severity.NOTE,
            lost if lost > _MUCH_OVERLAP else 0.0,
            effect="two that run at once share the time",
        )


def _coarse_timestamps(timeline: Timeline) -> Iterator[Finding]:
    device, operations = timeline.device, timeline.operations
    rows = device if len(device) else operations
    if len(rows) < _FEW_EVENTS:
        return
    step = int(np.gcd.reduce(np.concatenate([rows.start_ns - rows.start_ns[0], rows.end_ns - rows.start_ns])))
    if step >= _COARSE_NS:
        yield Finding(
            "coarse_timestamps",
            f"times were rounded to {step} ns: short kernels and the gaps between them are inexact",
            len(rows),
            len(rows),
            Severity.NOTE,
        )


def _missing_shapes(timeline: Timeline) -> Iterator[Finding]:
    count = len(timeline.operations)
    if count and not any(timeline.operations.shapes):
        yield Finding(
            "missing_shapes",
            "no operation has its input shapes: bytes and FLOPs cannot be computed (profile with record_shapes=True)",
            count,
            count,
            Severity.WARNING,
            effect="what limits the kernels cannot be told",
        )


def _kernels(timeline: Timeline) -> Ints:
    return np.flatnonzero(np.isin(timeline.device.kind, (Activity.KERNEL, Activity.COLLECTIVE)))


def _captured(timeline: Timeline) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which calls only fill a graph that is being captured on their thread."""
    host = timeline.host
    changes = [("BeginCapture" in name) - ("EndCapture" in name) for name in timeline.names]
    change = np.array(changes, np.int64)[host.name]
    captured = np.zeros(len(host), np.bool_)
    for rows in rows_alike(host.thread):
        captured[rows] = np.cumsum(change[rows]) > 0
    return captured
