"""Replays of CUDA graphs of which only the beginning was recorded."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from profiler.trace import intervals
from profiler.trace.finding import FATAL_RATIO, Finding, Severity
from profiler.trace.timeline import Call, Ints, Timeline


def replay_findings(timeline: Timeline) -> Iterator[Finding]:
    """Replays that are the beginning of a longer one, but for the last: there, recording was over.

    What several replays show is a graph of its own: a model captured in pieces has graphs that begin alike.
    """
    short: list[_Replay] = []
    replays, missing = 0, 0
    for alike in _by_beginning(timeline).values():
        longest = max((replay.names for replay in alike), key=len)
        times = Counter(replay.names.tobytes() for replay in alike)
        replays += len(alike)
        for replay in alike:
            names = replay.names
            is_beginning = len(names) < len(longest) and np.array_equal(names, longest[: len(names)])
            if is_beginning and times[names.tobytes()] == 1:
                short.append(replay)
                missing += len(longest) - len(names)
    if short:
        lost = missing / (missing + len(timeline.device))
        yield Finding(
            "replays_cut_short",
            f"{len(short)} of {replays} graph replays show only the beginning of the kernels that others show: "
            f"{missing} may not have been recorded",
            len(short),
            replays,
            Severity.FATAL if lost > FATAL_RATIO else Severity.WARNING,
            lost,
            effect="idle time may be overstated by theirs",
            where=intervals.merge(np.array([replay.until_next_ns for replay in short], np.int64)),
        )


class _Replay(NamedTuple):
    """The names of what a replay ran in order, and the time from its first start to that of the next replay."""

    names: Ints
    until_next_ns: tuple[int, int]


def _by_beginning(timeline: Timeline) -> dict[int, list[_Replay]]:
    """All replays but the last, by the name of what they ran first."""
    device, host = timeline.device, timeline.host
    rows = np.flatnonzero(device.call >= 0)
    rows = rows[host.kind[device.call[rows]] == Call.GRAPH_LAUNCH]
    rows = rows[np.lexsort((device.start_ns[rows], device.call[rows]))]
    found: dict[int, list[_Replay]] = defaultdict(list)
    if not len(rows):
        return found
    ends = np.flatnonzero(np.diff(device.call[rows])) + 1
    starts = device.start_ns[rows[np.append(0, ends)]].tolist()
    for names, start, following in zip(np.split(device.name[rows], ends)[:-1], starts[:-1], starts[1:], strict=True):
        found[int(names[0])].append(_Replay(names, (start, max(start, following))))
    return found
