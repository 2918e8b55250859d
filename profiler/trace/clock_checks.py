"""Do the clocks of host and device agree, and do they go on evenly?

A kernel starts after its launch began and ends before a sync that waits for it returns; a device with queued work has
no reason to stop. In 42 traces of seven kinds of devices no kernel broke the first two rules by 1 ns, and none that
was queued left the device idle for more than 16 us.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from profiler.numerals import three_digits
from profiler.trace import intervals
from profiler.trace.accounting import idle_gaps
from profiler.trace.distinct import values
from profiler.trace.finding import FATAL_RATIO, Finding, Severity
from profiler.trace.timeline import Ints, Timeline

_ROUNDING_NS = 1_000  # old traces are written in whole microseconds
_STOPPED_NS = 5_000_000  # uploading a graph and the like takes less
# Nobody records so long a silence: profilers run for some steps of a loop.
_JUMP_NS = 600 * 10**9
_DEVICE_SYNCS = frozenset({"cudaDeviceSynchronize", "hipDeviceSynchronize", "cuCtxSynchronize"})


def clock_findings(timeline: Timeline) -> Iterator[Finding]:
    """What in the times of a trace cannot be."""
    if len(timeline.device):
        yield from _jump(timeline)
        yield from _disagreement(timeline)
        yield from _stopped(timeline)


def _jump(timeline: Timeline) -> Iterator[Finding]:
    """Events hours away from the others: a clock was set, or a time is wrong."""
    tables = (timeline.device, timeline.host, timeline.operations, timeline.ranges)
    if (
        max(int(t.end_ns.max()) for t in tables if len(t)) - min(int(t.start_ns.min()) for t in tables if len(t))
        < _JUMP_NS
    ):
        return
    start = np.concatenate([table.start_ns for table in tables])
    order = np.argsort(start)
    reach = np.maximum.accumulate(np.concatenate([table.end_ns for table in tables])[order])
    silences = start[order][1:] - reach[:-1]
    jumps = np.flatnonzero(silences >= _JUMP_NS)
    if len(jumps):
        fewer = min(int(jumps[0]) + 1, len(start) - 1 - int(jumps[-1]))
        hours = three_digits(int(silences[jumps].sum()) / 3.6e12)
        yield Finding(
            "clock_jump",
            f"for {hours} {'hour' if hours == '1' else 'hours'} neither host nor device did anything, and {fewer} of "
            f"{len(start)} events lie on one side of that: a clock jumped, or their times are wrong",
            fewer,
            len(start),
            Severity.FATAL,
            effect="span and idle time hold that silence",
            where=intervals.from_columns(reach[:-1][jumps], start[order][1:][jumps]),
        )


def _disagreement(timeline: Timeline) -> Iterator[Finding]:
    """Kernels that start before their launch, or end after the host had waited for them."""
    device = timeline.device
    rows = np.flatnonzero(device.call >= 0)
    if not len(rows):
        return
    off = np.maximum(_before_launch(timeline, rows), _after_sync(timeline, rows))
    wrong = rows[off > _ROUNDING_NS]
    if not len(wrong):
        return
    most, begin = int(off.max()), int(device.start_ns.min())
    span = int(device.end_ns.max()) - begin
    # By so much the wait before each of them may be another than it seems.
    lost = min(float(off[off > _ROUNDING_NS].sum()) / max(span, 1), 1.0)
    since = int(device.start_ns[wrong].min()) - begin
    where = f" from {three_digits(since / 1e6)} ms on" if since > 0 else ""
    yield Finding(
        "clocks_disagree",
        f"{len(wrong)} of {len(rows)} activities{where} start before they were launched or end after the host had "
        f"waited for them, by up to {three_digits(most / 1e6)} ms: the clocks of host and device disagree, or the host "
        "waited for another device",
        len(wrong),
        len(rows),
        Severity.FATAL if lost > FATAL_RATIO else Severity.WARNING,
        lost,
        effect="what the device waited for is in doubt by as much; busy and idle time are the device's own",
        # A clock that was set stays so: what comes after may only not show it.
        where=np.array([[begin + since, int(device.end_ns.max())]], np.int64),
    )


def _before_launch(timeline: Timeline, rows: Ints) -> Ints:
    early: Ints = timeline.host.start_ns[timeline.device.call[rows]] - timeline.device.start_ns[rows]
    return early


def _after_sync(timeline: Timeline, rows: Ints) -> Ints:
    """By how much each row outlasts the next wait for the whole device; 0 where none came, or for one of several."""
    host, device = timeline.host, timeline.device
    syncs = device_syncs(timeline)
    if not len(syncs):
        return np.zeros(len(rows), np.int64)
    # Of a window, calls may be clipped to one instant: only what ended before a sync began is waited for surely.
    nth = np.searchsorted(host.start_ns[syncs], host.end_ns[device.call[rows]], side="right")
    returned = np.append(host.end_ns[syncs], np.iinfo(np.int64).max)[nth]
    late: Ints = np.maximum(device.end_ns[rows] - returned, 0)
    return late


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def device_syncs(timeline: Timeline) -> Ints:
    """The calls that wait for all that the device was asked for, shape (n,); none where it is one of several."""
    names = np.array([name in _DEVICE_SYNCS for name in timeline.names], np.bool_)
    if not names.any() or len(values(timeline.device.device)) > 1:
        return np.empty(0, np.int64)
    return np.flatnonzero(names[timeline.host.name])


def _stopped(timeline: Timeline) -> Iterator[Finding]:
    """The device idles although its next work was launched before: its clock jumped, or work was not recorded."""
    device, host = timeline.device, timeline.host
    gaps, ended_by = idle_gaps(device)
    if not len(gaps) or not len(host):
        return
    call = np.append(device.call, -1)[ended_by]
    queued: NDArray[np.bool_] = (call >= 0) & (host.end_ns[call] <= gaps[:, 0])
    stops = gaps[queued & (gaps[:, 1] - gaps[:, 0] >= _STOPPED_NS)]
    if len(stops):
        lost = int((stops[:, 1] - stops[:, 0]).sum())
        span = int(device.end_ns.max() - device.start_ns.min())
        yield Finding(
            "stopped_with_work_queued",
            f"the device stood still {_times(len(stops))} although its next work was queued, "
            f"{lost / 1e6:.1f} ms in all: its clock jumped, another process or a function of the host held it up, "
            "or work was not recorded",
            len(stops),
            len(gaps),
            Severity.FATAL if lost > FATAL_RATIO * span else Severity.WARNING,
            lost / span,
            effect="it may be no idle time of this program",
            where=stops,
        )
