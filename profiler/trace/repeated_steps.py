"""Steps that nobody marked, found from what the device repeats.

A step has kernels that run once in it, whatever its layers do: the lookup of the tokens, the last norm, the head, the
sampling. So the number of steps is the one that the most distinct kernels agree on by running that often, each once
between any two runs of the others. Layers repeat too, and are no steps: what repeats must hold an attention kernel
several times, be the replay of a graph, or copy from or to the host.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from profiler.report.analysis import Family
from profiler.report.trace_phases import FoundBy, PhaseKind
from profiler.trace.accounting import HOST_COPIES
from profiler.trace.distinct import distinct, values
from profiler.trace.families import kernel_family
from profiler.trace.selection import Rows
from profiler.trace.step_table import StepSort, StepTable, step_table
from profiler.trace.timeline import Activity, Call, Ints, Timeline

# Fewer kernels than these that agree are a coincidence.
_FEWEST_WITNESSES = 3
# Of the kernels that run equally often, the part that takes turns. All do in a loop; what warms up may run as often by
# chance, so fewer do where no count has all. Where two loops run equally often, each has half of them.
_IN_TURN = (0.9, 0.5)
# What stands before the first step or after the last is one of its own if it is at least this part of a usual one.
_HALF = 0.5
# Most of what repeats must look like a step.
_MOST = 0.5
# A graph's replay may reach into the next step by a kernel; one that holds several of what repeats holds layers.
_MOST_SHARED = 1.5
# How many activities before the kernels that agree may belong to the same step: the copies of its inputs, and the like.
_MOST_BEFORE = 256
# Counts are tried in the order of their witnesses; a trace has few that many kernels agree on.
_MOST_TRIED = 12
_NAME = "step"


def repeated_steps(timeline: Timeline) -> StepTable | None:
    """The repeated steps of the device that shows the most activities, or None where nothing repeats."""
    device = timeline.device
    card = np.bincount(device.device - device.device.min()).argmax() + device.device.min()
    rows = np.flatnonzero(device.device == card)
    name = np.where(np.isin(device.kind[rows], HOST_COPIES), -1 - device.kind[rows], device.name[rows])
    number = np.unique(name, return_inverse=True)[1].reshape(-1)
    runs = np.bincount(number)
    order = np.argsort(number, kind="stable")  # the places of each token, one after the other
    begin = np.concatenate([[0], np.cumsum(runs)])
    counts, witnesses = np.unique(runs[runs > 1], return_counts=True)
    ranked = np.lexsort((-counts, -witnesses))[:_MOST_TRIED]
    tried = counts[ranked][witnesses[ranked] >= _FEWEST_WITNESSES].tolist()
    each_places = [
        np.stack([order[begin[t] : begin[t] + count] for t in np.flatnonzero(runs == count).tolist()])
        for count in tried
    ]
    for least in _IN_TURN:
        for places in each_places:
            borders = _borders(timeline, rows, places, least)
            if borders is not None and _are_steps(timeline, rows, borders):
                return _table(timeline, rows, borders)
    return None


def _borders(timeline: Timeline, rows: Ints, places: Ints, least: float) -> Ints | None:
    """Where steps begin, as positions in `rows`, shape (steps,); None where the witnesses do not take turns.

    `places` has a row for each witness: the positions of its runs; at least the part `least` of them must take turns.
    The border lies where the device idles longest
    between the last witness of a step and the first of the next.
    """
    taking_turns = places[_take_turns(places)]
    if len(taking_turns) < max(least * len(places), _FEWEST_WITNESSES):
        return None
    anchor, last = taking_turns.min(axis=0), taking_turns.max(axis=0)
    if (last[:-1] >= anchor[1:]).any():
        return None
    room = int(min((anchor[1:] - last[:-1]).min() - 1, _MOST_BEFORE))
    starts, ends = timeline.device.start_ns[rows], timeline.device.end_ns[rows]
    gap = starts - np.concatenate([[starts[0]], np.maximum.accumulate(ends)[:-1]])
    before = np.median(gap[anchor[1:, None] - np.arange(room + 1)], axis=0).argmax()
    begins: Ints = np.maximum(anchor - before, 0)
    return begins


def _take_turns(places: Ints) -> Rows:
    """Which witnesses run once between any two runs of the one in the middle, shape (witnesses,)."""
    middle = places[np.argsort(places[:, 0], kind="stable")[len(places) // 2]]
    after = (places >= middle).all(axis=1) & (places[:, :-1] < middle[1:]).all(axis=1)
    before = (places <= middle).all(axis=1) & (places[:, 1:] > middle[:-1]).all(axis=1)
    turns: Rows = after | before
    return turns


def _are_steps(timeline: Timeline, rows: Ints, borders: Ints) -> bool:
    """Whether most of what repeats are steps, and not the layers of one.

    A layer runs its attention once, and lies in a graph's replay that holds others as well. What has no attention must
    copy from or to the host; layers whose weights the host keeps do that, too, but they attend.
    """
    device, steps = timeline.device, len(borders)
    step = np.searchsorted(borders, np.arange(len(rows)), side="right") - 1
    inside = step >= 0
    names, call = device.name[rows], device.call[rows]
    replayed = inside & np.append(timeline.host.kind == Call.GRAPH_LAUNCH, False)[call]
    replays = distinct(call[replayed], step[replayed]).T
    if replays.size and len(replays[0]) > _MOST_SHARED * len(values(replays[0])):
        return False
    fused, softmax = _named(timeline, is_attention), _named(timeline, is_softmax)
    attends = inside & (fused | softmax)[names] & (device.kind[rows] == Activity.KERNEL)
    each, runs = np.unique(np.stack([step[attends], names[attends]]), axis=1, return_counts=True)
    are = np.zeros(steps, np.bool_)
    are[replays[1]] = True
    are[each[0][runs > 1]] = True
    if not (fused[names] & inside).any():
        are[step[inside & np.isin(device.kind[rows], HOST_COPIES)]] = True
    return bool(are.mean() > _MOST)


def is_attention(kernel: str) -> bool:
    """Whether this is the name of a kernel of fused attention."""
    return kernel_family(kernel) is Family.ATTENTION


def is_softmax(kernel: str) -> bool:
    """Whether this is the name of a softmax, which attention that is not fused has in each layer."""
    return "softmax" in kernel.lower()


def _named(timeline: Timeline, is_one: Callable[[str], bool]) -> Rows:
    """Of each name, by its number, whether it is one; shape (names,)."""
    found = np.zeros(len(timeline.names), np.bool_)
    found[[number for number in values(timeline.device.name).tolist() if is_one(timeline.names[number])]] = True
    return found


def _table(timeline: Timeline, rows: Ints, borders: Ints) -> StepTable:
    device = timeline.device
    usual = float(np.median(np.diff(borders)))
    begins = borders if borders[0] < _HALF * usual else np.concatenate([[0], borders])
    ends = np.append(begins[1:], len(rows))
    if ends[-1] - begins[-1] < _HALF * usual:
        begins, ends = begins[:-1], ends[:-1]  # the trace ends within it
    first = device.start_ns[rows[begins]]
    last = np.maximum.accumulate(device.end_ns[rows])[ends - 1]
    sort = np.zeros(len(begins), np.int64)
    return step_table(FoundBy.KERNEL_PATTERN, first, last, last - first, sort, [StepSort(_NAME, PhaseKind.UNKNOWN)])
