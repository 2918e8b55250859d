"""Each device of a trace that shows several, as a trace of its own."""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace

from profiler.trace.distinct import distinct
from profiler.trace.selection import kept
from profiler.trace.timeline import Call, DeviceEvents, Ints, Timeline

_UNKNOWN = -1
_WORK = (Call.LAUNCH, Call.GRAPH_LAUNCH, Call.COPY, Call.MEMSET)


def per_device(timeline: Timeline) -> list[tuple[int, Timeline]]:
    """The devices by their numbers in the trace, and what each of them ran; one entry where there are no several.

    The host's side is the same for all, but that what launched work of other devices only is plain work of the host.
    Activities that do not say where they ran belong to the only device, where there is one.
    """
    numbers = distinct(timeline.device.device)[:, 0].tolist()
    known = [number for number in numbers if number != _UNKNOWN]
    if len(numbers) < 2 or len(known) < 2:
        return [(known[0] if known else _UNKNOWN, timeline)]
    return [(number, _of_device(timeline, number)) for number in numbers]


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
