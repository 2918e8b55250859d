"""From counter samples beside a trace to what each kernel moved, and how busy it kept the SMs.

A kernel is often shorter than a sample, and a sample holds parts of several kernels. But each kernel runs many times,
and falls into the samples differently each time: what a sample counted is a sum over kernels of the part of each that
lies in it, times what one run of that kernel counts. That is a linear model with one unknown a kernel, and far more
samples than unknowns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from profiler.attribute.counter_clock import Bursts, CounterClock, Floats, cumulated, find_clock
from profiler.attribute.regression import regress
from profiler.measure.counters.source import Counter, CounterRecording
from profiler.trace import intervals
from profiler.trace.timeline import Activity, Ints, Timeline

KernelKey = tuple[str, tuple[int, int, int]]
"""Name and grid. Kernels that share both do the same work, as far as a trace can tell."""

FEWEST_SAMPLES = 200  # of the iterations; a regression with an error needs some for each kernel
WORST_UNEXPLAINED = 0.1  # a larger rest, and counters and trace do not belong together


class CountersUnusable(Exception):  # noqa: N818 - it is an answer, not an error
    """Why nothing follows from these counters, in one line."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number for one run of a kernel, and its standard error."""

    value: float
    error: float


@dataclass(frozen=True, slots=True)
class CountedKernel:
    """One kernel: `calls` in an iteration, each of `us` on average. `each` is of one call: bytes or an active ratio."""

    key: KernelKey
    calls: float
    us: float
    each: Mapping[Counter, Estimate]


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted of a phase; `kernels` the longest first.

    `whole` is of one iteration, whatever moved it: bytes, or the part of its device time in which a unit was active.
    `explained_ratio` is the part of the read bytes that the kernels account for.
    """

    kernels: list[CountedKernel]
    whole: Mapping[Counter, float]
    iterations: int
    samples: int
    sample_us: float
    misfit: float
    explained_ratio: float


@dataclass(frozen=True, slots=True)
class _Window:
    """Iterations of the phase: rows of the device table, and when they ran."""

    rows: Ints
    start_ns: int
    end_ns: int
    iterations: int


def count_kernels(
    timeline: Timeline, recording: CounterRecording, *, marker_bytes: int, marker_copies: int, iterations: list[int]
) -> Counted:
    """What each kernel of a trace counted, from samples taken meanwhile.

    The trace holds, for each entry of `iterations`, a marker (`marker_copies` copies of `marker_bytes` within the
    device), so many iterations, and another marker. The first iteration of each is left out: what the marker wrote is
    still on its way to memory then.

    Raises `CountersUnusable`.
    """
    if recording.failure is not None and not len(recording):
        raise CountersUnusable(recording.failure)
    markers = _markers(timeline, marker_bytes, marker_copies)
    if len(markers) != 2 * len(iterations):
        raise CountersUnusable(f"the trace shows {len(markers)} of {2 * len(iterations)} markers")
    start_ns, end_ns = np.asarray(recording.start_ns, np.int64), np.asarray(recording.end_ns, np.int64)
    read = np.asarray(recording.values[Counter.DRAM_READ], np.float64)
    clock = find_clock(start_ns, end_ns, read, [_bursts(timeline, rows) for rows in markers])
    if clock is None:
        raise CountersUnusable("the marker's copies are not found in the samples")
    windows = [
        _window(timeline, markers[2 * index], markers[2 * index + 1], count) for index, count in enumerate(iterations)
    ]
    return _attributed(timeline, recording, clock, [window for window in windows if window is not None])


def _markers(timeline: Timeline, marker_bytes: int, marker_copies: int) -> list[Ints]:
    """The rows of each marker: so many copies each, in the order of time."""
    device = timeline.device
    rows = np.flatnonzero((device.kind == Activity.D2D) & (device.bytes == marker_bytes))
    return [rows[first : first + marker_copies] for first in range(0, len(rows) - marker_copies + 1, marker_copies)]


def _bursts(timeline: Timeline, rows: Ints) -> Bursts:
    device = timeline.device
    return Bursts(device.start_ns[rows], device.end_ns[rows], device.bytes[rows].astype(np.float64))


def _window(timeline: Timeline, before: Ints, after: Ints, iterations: int) -> _Window | None:
    """The iterations between two markers, less the first. None where that leaves none."""
    rows = np.arange(int(before[-1]) + 1, int(after[0]))
    per_iteration, odd = divmod(len(rows), max(iterations, 1))
    if iterations < 2 or per_iteration == 0:
        return None
    rows = rows[per_iteration + odd :]  # where iterations differ, what is odd is taken for the first one's
    device = timeline.device
    return _Window(rows, int(device.start_ns[rows[0]]), int(device.end_ns[rows].max()), iterations - 1)


def _attributed(
    timeline: Timeline, recording: CounterRecording, clock: CounterClock, windows: list[_Window]
) -> Counted:
    device = timeline.device
    rows = np.concatenate([window.rows for window in windows]) if windows else np.empty(0, np.int64)
    start = (device.start_ns[rows] - clock.anchor_ns).astype(np.float64)
    end = (device.end_ns[rows] - clock.anchor_ns).astype(np.float64)
    edges = clock.since_anchor_ns(np.append(recording.start_ns, recording.end_ns[-1:]).astype(np.int64))
    inside = np.zeros(len(edges) - 1, bool)
    for window in windows:
        inside |= (edges[:-1] >= window.start_ns - clock.anchor_ns) & (edges[1:] <= window.end_ns - clock.anchor_ns)
    if inside.sum() < FEWEST_SAMPLES:
        raise CountersUnusable(f"only {int(inside.sum())} samples fall into the iterations")
    keys, group = _groups(timeline, rows)
    design = np.empty((int(inside.sum()), len(keys) + 1))
    for index in range(len(keys)):
        mine = group == index
        runs = cumulated(start[mine], end[mine], np.ones(int(mine.sum())), edges)
        design[:, index] = np.diff(runs)[inside]
    busy = intervals.merge(intervals.from_columns(start.round().astype(np.int64), end.round().astype(np.int64)))
    busy_ns = (busy[:, 1] - busy[:, 0]).astype(np.float64)
    covered = np.diff(cumulated(busy[:, 0].astype(np.float64), busy[:, 1].astype(np.float64), busy_ns, edges))
    length = np.diff(edges)
    design[:, -1] = (length - covered)[inside]  # what is counted while no kernel runs, by the nanosecond
    iterations = sum(window.iterations for window in windows)
    whole: dict[Counter, float] = {}
    each: list[dict[Counter, Estimate]] = [{} for _ in keys]
    mean_ns = np.array([float((end - start)[group == index].mean()) for index in range(len(keys))])
    explained = 1.0
    for counter, column in recording.values.items():
        amounts = np.asarray(column, np.float64) * (1.0 if counter.is_bytes else length)
        found = regress(design, amounts[inside])
        unit = np.ones(len(keys)) if counter.is_bytes else mean_ns
        for index in range(len(keys)):
            each[index][counter] = Estimate(
                float(found.values[index] / unit[index]), float(found.errors[index] / unit[index])
            )
        total = sum(_between(edges, amounts, window, clock.anchor_ns) for window in windows)
        device_ns = sum(window.end_ns - window.start_ns for window in windows)
        whole[counter] = total / (iterations if counter.is_bytes else device_ns)
        if counter is Counter.DRAM_READ:
            explained = float((design[:, :-1] @ found.values[:-1]).sum() / max(amounts[inside].sum(), 1.0))
    if abs(1 - explained) > WORST_UNEXPLAINED:
        raise CountersUnusable(f"the kernels explain {explained:.0%} of the bytes read")
    kernels = [
        CountedKernel(key, float((group == index).sum()) / iterations, mean_ns[index] / 1e3, each[index])
        for index, key in enumerate(keys)
    ]
    return Counted(
        kernels=sorted(kernels, key=lambda kernel: -kernel.calls * kernel.us),
        whole=whole,
        iterations=iterations,
        samples=int(inside.sum()),
        sample_us=float(np.median(length)) / 1e3,
        misfit=clock.misfit,
        explained_ratio=explained,
    )


def _groups(timeline: Timeline, rows: Ints) -> tuple[list[KernelKey], Ints]:
    """The kernels that there are, and the number of each row's."""
    numbers: dict[KernelKey, int] = {}
    device = timeline.device
    group = [
        numbers.setdefault((timeline.names[name], (int(x), int(y), int(z))), len(numbers))
        for name, (x, y, z) in zip(device.name[rows].tolist(), device.grid[rows].tolist(), strict=True)
    ]
    return list(numbers), np.asarray(group, np.int64)


def _between(edges: Floats, amounts: Floats, window: _Window, anchor_ns: int) -> float:
    """What was counted in a window; samples across its edge count in part."""
    counted = np.concatenate([[0.0], np.cumsum(amounts)])
    first, last = np.interp([window.start_ns - anchor_ns, window.end_ns - anchor_ns], edges, counted)
    return float(last - first)
