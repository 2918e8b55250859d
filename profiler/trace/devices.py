"""Each device of a trace that shows several, as a trace of its own."""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace

from profiler.trace import intervals
from profiler.trace.distinct import values
from profiler.trace.finding import FATAL_RATIO, Finding, Severity
from profiler.trace.selection import kept
from profiler.trace.timeline import Call, DeviceEvents, Ints, Timeline

UNKNOWN = -1
_WORK = (Call.LAUNCH, Call.GRAPH_LAUNCH, Call.COPY, Call.MEMSET)


def per_device(timeline: Timeline) -> list[tuple[int, Timeline]]:
    """The devices by their numbers in the trace, and what each of them ran; one entry where there are no several.

    The host's side is the same for all, but that what launched work of other devices only is plain work of the host.
    Activities that do not say where they ran belong to the only device, where there is one; beside several they are by
    themselves, as that of device `UNKNOWN`.
    """
    device = timeline.device
    numbers = values(device.device).tolist()
    known = [number for number in numbers if number != UNKNOWN]
    if len(known) > 1:
        return [(number, _of_device(timeline, number)) for number in numbers]
    number = known[0] if known else UNKNOWN
    if number != UNKNOWN and UNKNOWN in numbers:
        timeline = replace(timeline, device=replace(device, device=np.full(len(device), number)))
    return [(number, timeline)]


def unplaced(timeline: Timeline, number: int) -> list[Finding]:
    """What activities that do not say on which of several devices they ran mean for device `number` of the trace.

    Streams, processes and correlations are numbered alike on all devices, so that nothing else tells it.
    """
    device = timeline.device
    known = len(values(device.device[device.device != UNKNOWN]))
    rows = np.flatnonzero(device.device == UNKNOWN)
    if known < 2 or not len(rows):
        return []
    start, end = kept(device, device.device == number).span_ns
    lost = int((device.end_ns - device.start_ns)[rows].sum()) / max(end - start, 1)
    by_themselves = number == UNKNOWN
    return [
        Finding(
            "activities_without_device",
            f"{len(rows)} of {len(device)} activities do not say on which of the {known} devices they ran: "
            "they are accounted for by themselves",
            len(rows),
            len(device),
            Severity.FATAL if by_themselves or lost > FATAL_RATIO else Severity.WARNING,
            1.0 if by_themselves else min(lost, 1.0),
            where=None
            if by_themselves
            else intervals.merge(intervals.from_columns(device.start_ns, device.end_ns)[rows]),
            effect="when their device was idle is not known"
            if by_themselves
            else "idle time may be overstated by them",
        )
    ]


def _of_device(timeline: Timeline, number: int) -> Timeline:
    everywhere, host = timeline.device, timeline.host
    device = kept(everywhere, everywhere.device == number)
    here, anywhere = _launching(device, len(host)), _launching(everywhere, len(host))
    elsewhere = anywhere & ~here & np.isin(host.kind, _WORK)
    return replace(timeline, device=device, host=replace(host, kind=np.where(elsewhere, int(Call.OTHER), host.kind)))


def _launching(device: DeviceEvents, calls: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which of so many calls launched something of `device`."""
    rows: Ints = device.call[device.call >= 0]
    launching = np.zeros(calls, np.bool_)
    launching[rows] = True
    return launching
