"""What the slots of a batch did over time, for a picture."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiler.report.simulation import SlotRow, SlotSpan, SlotState, SlotTimeline
from profiler.serving.ledger import Ledger
from profiler.serving.log import RequestLog

_NS_PER_MS = 1e6
_MOST_ROWS, _MOST_REQUESTS, _STEPS = 16, 64, 120


def slot_timeline(log: RequestLog, ledger: Ledger, slots: int) -> SlotTimeline:
    """The first slots of the first replicas, until as many requests have gone as a picture can tell apart."""
    released, seated = ledger.column("released"), ledger.column("seated")
    number = min(len(log), _MOST_REQUESTS)
    end_ns = max(int(np.partition(released, number - 1)[number - 1]), 1)
    spans: dict[tuple[int, int], list[SlotSpan]] = defaultdict(list)
    for request in np.flatnonzero(seated < end_ns).tolist():
        replica, slot = ledger.replica[request], ledger.slot[request]
        _add(spans, ledger, request, replica, slot, ledger.seated[request], ledger.released[request])
    for stay in ledger.stays:
        if stay.begin_ns < end_ns:
            _add(spans, ledger, stay.request, stay.replica, stay.slot, stay.begin_ns, stay.end_ns)
    kept = sorted(spans)[:_MOST_ROWS]
    return SlotTimeline(
        end_ms=end_ns / _NS_PER_MS,
        rows=[
            SlotRow(replica=replica, slot=slot, spans=sorted(spans[replica, slot], key=lambda span: span.begin_ms))
            for replica, slot in kept
        ],
        slots_left_out=slots * len(ledger.replicas) - len(kept),
        waiting=_most_waiting(log.arrival_ns, np.sort(ledger.column("start")), end_ns),
    )


def _most_waiting(arrivals: NDArray[np.int64], starts: NDArray[np.int64], end_ns: int) -> list[int]:
    """The most requests that queued within each of the even steps; both columns, shape (requests,), ascend."""
    steps = np.linspace(0, end_ns, _STEPS, endpoint=False)
    most = _queued(arrivals, starts, steps)
    within = arrivals[arrivals < end_ns]  # a queue only grows when somebody comes
    np.maximum.at(most, np.searchsorted(steps, within, side="right") - 1, _queued(arrivals, starts, within))
    return [int(queued) for queued in most]


def _queued(arrivals: NDArray[np.int64], starts: NDArray[np.int64], at: NDArray[Any]) -> NDArray[np.int64]:
    return np.asarray(np.searchsorted(arrivals, at, side="right") - np.searchsorted(starts, at, side="right"))


def _add(
    spans: dict[tuple[int, int], list[SlotSpan]],
    ledger: Ledger,
    request: int,
    replica: int,
    slot: int,
    begin_ns: int,
    end_ns: int,
) -> None:
    prefilled, finish = ledger.prefilled[request], ledger.finish[request]
    pieces = (
        (SlotState.PREFILL, begin_ns, min(max(prefilled, begin_ns), end_ns)),
        (SlotState.DECODE, max(begin_ns, prefilled), min(finish, end_ns)),
        (SlotState.HOLE, max(finish, begin_ns), end_ns),
    )
    for state, begin, end in pieces:
        if end > begin:
            span = SlotSpan(request=request, state=state, begin_ms=begin / _NS_PER_MS, end_ms=end / _NS_PER_MS)
            spans[replica, slot].append(span)
