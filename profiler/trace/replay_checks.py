"""Replays of CUDA graphs of which only the beginning was recorded."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

import numpy as np

from profiler.trace.finding import FATAL_RATIO, Finding, Severity
from profiler.trace.timeline import Call, Ints, Timeline


def replay_findings(timeline: Timeline) -> Iterator[Finding]:
    """Replays that are the beginning of a longer one, but for the last: there, recording was over.

    What several replays show is a graph of its own: a model captured in pieces has graphs that begin alike.
    """
    short, replays, missing = 0, 0, 0
    for alike in _by_beginning(timeline).values():
        longest = max(alike, key=len)
        times = Counter(names.tobytes() for names in alike)
        replays += len(alike)
        for names in alike:
            is_beginning = len(names) < len(longest) and np.array_equal(names, longest[: len(names)])
            if is_beginning and times[names.tobytes()] == 1:
                short += 1
                missing += len(longest) - len(names)
    if short:
        lost = missing / (missing + len(timeline.device))
        yield Finding(
            "replays_cut_short",
            f"{short} of {replays} graph replays show only the beginning of the kernels that others show: "
            f"{missing} may not have been recorded",
            short,
            replays,
            Severity.FATAL if lost > FATAL_RATIO else Severity.WARNING,
            lost,
            effect="idle time may be overstated by theirs",
        )


def _by_beginning(timeline: Timeline) -> dict[int, list[Ints]]:
    """The names of what each replay ran in order, the last replay left out, by the name of the first."""
    device, host = timeline.device, timeline.host
    rows = np.flatnonzero(device.call >= 0)
    rows = rows[host.kind[device.call[rows]] == Call.GRAPH_LAUNCH]
    rows = rows[np.lexsort((device.start_ns[rows], device.call[rows]))]
    found: dict[int, list[Ints]] = defaultdict(list)
    if not len(rows):
        return found
    ends = np.flatnonzero(np.diff(device.call[rows])) + 1
    for names in np.split(device.name[rows], ends)[:-1]:
        found[int(names[0])].append(names)
    return found
