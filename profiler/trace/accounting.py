"""How the time of one trace was spent, to the nanosecond: busy and idle, what overlaps, and whose each instant is.

Everything is integer nanoseconds and exact: the parts of the busy time and the idle time sum to the span. Where a trace
shows several devices, they are taken together: an instant counts as busy if one of them is.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from profiler.trace import intervals
from profiler.trace.distinct import numbered, values
from profiler.trace.timeline import Activity, DeviceEvents, Ints

Rows = NDArray[np.bool_]

HOST_COPIES = (Activity.H2D, Activity.D2H, Activity.P2P)
# What works in the device's own memory: kernels, and copies and memsets within it.
COMPUTE = (Activity.KERNEL, Activity.D2D, Activity.MEMSET)
_KERNELS = (Activity.KERNEL, Activity.COLLECTIVE)
# Whose an instant is where several kinds run: compute comes before copies that leave the device, these before
# collectives, which hide best. `profiler.attribute.parts` splits a replay in the same order.
_PRECEDENCE = {
    kind: place for place, kinds in enumerate((COMPUTE, HOST_COPIES, (Activity.COLLECTIVE,))) for kind in kinds
}


class StreamTime(Struct, frozen=True):
    """One stream: `busy_ns` is the time under any of its activities, `copies` counts memsets too."""

    device: int
    stream: int
    busy_ns: int
    kernels: int
    copies: int


class Accounting(Struct, frozen=True):
    """One trace in nanoseconds.

    The span runs from the first start to the last end on the device, or is the window that was cut out; `busy_ns` is
    its time under any activity and `idle_ns` the rest. `kernel_ns` is the sum of all kernels' durations, collectives
    included: more than the time under them where they run at once. Copies are those that leave the device.
    """

    start_ns: int
    span_ns: int
    busy_ns: int
    idle_ns: int
    kernel_ns: int
    compute_ns: int  # time under kernels, copies and memsets within the device
    copy_ns: int
    exposed_copy_ns: int  # neither under compute nor under a collective
    copy_compute_ns: int  # of copies, under compute
    collective_ns: int
    exposed_collective_ns: int  # neither under compute nor under a copy
    collective_compute_ns: int
    streams: list[StreamTime]


def account(device: DeviceEvents) -> Accounting:
    """The account of all device rows; all zeros where there are none and no window was cut out."""
    lasts = device.end_ns - device.start_ns
    start, end = device.span_ns
    span = end - start
    busy = intervals.total(_spans(device))
    compute, copies, collectives = (
        intervals.merge(_spans(device, np.isin(device.kind, kinds)))
        for kinds in (COMPUTE, HOST_COPIES, (Activity.COLLECTIVE,))
    )
    compute_ns, copy_ns, collective_ns = (intervals.total(spans) for spans in (compute, copies, collectives))
    with_copies_ns = intervals.total(np.concatenate([compute, copies]))
    with_collectives_ns = intervals.total(np.concatenate([compute, collectives]))
    return Accounting(
        start_ns=start,
        span_ns=span,
        busy_ns=busy,
        idle_ns=span - busy,
        kernel_ns=int(lasts[np.isin(device.kind, _KERNELS)].sum()),
        compute_ns=compute_ns,
        copy_ns=copy_ns,
        exposed_copy_ns=busy - with_collectives_ns,
        copy_compute_ns=compute_ns + copy_ns - with_copies_ns,  # what both cover counts twice
        collective_ns=collective_ns,
        exposed_collective_ns=busy - with_copies_ns,
        collective_compute_ns=compute_ns + collective_ns - with_collectives_ns,
        streams=_streams(device),
    )


def exclusive_ns(device: DeviceEvents) -> Ints:
    """Nanoseconds that each device row has for itself, shape (n,); their sum is the busy time.

    An instant under k rows of the same precedence gives each 1/k. What integers cannot divide, at most k - 1 ns between
    two events, goes to the row that ends last of those running.
    """
    own = np.zeros(len(device), np.int64)
    edges = values(np.concatenate([device.start_ns, device.end_ns]))
    free = np.diff(edges)  # of each piece between neighbouring edges, what nobody has yet
    precedence = np.array([_PRECEDENCE[kind] for kind in Activity], np.int64)[device.kind]
    for place in range(max(_PRECEDENCE.values()) + 1):
        rows = np.flatnonzero((precedence == place) & (device.end_ns > device.start_ns))
        rows = rows[np.argsort(device.start_ns[rows], kind="stable")]
        if not len(rows):
            continue
        first = np.searchsorted(edges, device.start_ns[rows])
        last = np.searchsorted(edges, device.end_ns[rows])
        change = np.bincount(first, minlength=len(edges)) - np.bincount(last, minlength=len(edges))
        running = np.cumsum(change)[:-1]
        each, rest = np.divmod(np.where(running > 0, free, 0), np.maximum(running, 1))
        before = np.concatenate([[0], np.cumsum(each)])
        own[rows] += before[last] - before[first]
        last = intervals.last_so_far(device.end_ns[rows])
        odd = np.flatnonzero(rest)
        begun = np.searchsorted(first, odd, side="right") - 1
        np.add.at(own, rows[last[begun]], rest[odd])
        free = np.where(running > 0, 0, free)
    return own


def idle_gaps(device: DeviceEvents) -> tuple[Ints, Ints]:
    """The gaps within the span, shape (n, 2), and of each the row whose start ends it, shape (n,).

    -1 for a gap that only an activity without duration, the last of the trace, ends. What follows a window that was cut
    out has none left, and ends the gap before it.
    """
    start, end = device.span_ns
    gaps = intervals.complement(_spans(device), start, end)
    follows = np.logical_and(device.start_ns == end, device.window_ns is not None)
    lasting = np.flatnonzero((device.end_ns > device.start_ns) | follows)
    lasting = lasting[np.argsort(device.start_ns[lasting], kind="stable")]
    return gaps, np.append(lasting, -1)[np.searchsorted(device.start_ns[lasting], gaps[:, 1])]


def _streams(device: DeviceEvents) -> list[StreamTime]:
    is_kernel = np.isin(device.kind, _KERNELS)
    lanes, lane = numbered(device.device, device.stream)
    found = []
    for number, (card, stream) in enumerate(lanes.tolist()):
        mine = lane == number
        busy = intervals.total(_spans(device, mine))
        found.append(StreamTime(card, stream, busy, int((mine & is_kernel).sum()), int((mine & ~is_kernel).sum())))
    return found


def _spans(device: DeviceEvents, rows: Rows | slice = slice(None)) -> Ints:
    return intervals.from_columns(device.start_ns[rows], device.end_ns[rows])
