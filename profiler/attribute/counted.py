"""From counter samples beside a trace to what each kernel moved, and how busy it kept the SMs.

A kernel is often shorter than a sample, and a sample holds parts of several kernels. But each kernel runs many times,
and falls into the samples differently each time: what a sample counted is a sum over kernels of the part of each that
lies in it, times what one run of that kernel counts. That is a linear model with one unknown a kernel, and far more
samples than unknowns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from profiler.attribute.counter_clock import Bursts, CounterClock, Floats, cumulated, find_clock
from profiler.attribute.kernel_runs import KernelKey, kernels_in
from profiler.attribute.regression import regress
from profiler.attribute.traffic_window import EDGE_ERROR_NS, Runs, traffic_design
from profiler.measure.counters.source import Counter, CounterRecording
from profiler.trace import intervals
from profiler.trace.timeline import Activity, Ints, Timeline

FEWEST_SAMPLES = 200  # of the iterations; a regression with an error needs some for each kernel
LONGEST_HOLE = 0.01  # of a sample: an H100 left 0.08 us between two of 50
OTHER_WORK = 1.5  # a duration further from the counted ones than this is of work that was not counted
SURE = 0.15  # of what a full memory bus moves meanwhile
SURE_RATIO = 0.05  # of the time: no unit is judged by an active ratio whose standard error is larger
WORST_UNEXPLAINED = 0.1  # a larger rest, and counters and trace do not belong together


class CountersUnusable(Exception):  # noqa: N818 - it is an answer, not an error
    """Why nothing follows from these counters, in one line."""


class Estimate(Struct, frozen=True):
    """A number for one run of a kernel, and its standard error."""

    value: float
    error: float


class CountedKernel(Struct, frozen=True):
    """One kernel: `calls` in an iteration, each of `us` on average. `each` is of one call: bytes or an active ratio.

    Its traffic runs from `lead_us` after its start to `tail_us` before its end.
    """

    key: KernelKey
    calls: float
    us: float
    lead_us: float
    tail_us: float
    each: Mapping[Counter, Estimate]


class Series(Struct, frozen=True):
    """One iteration through time: when each sample starts, in us after the iteration, and each counter's mean in it.

    Bytes are GB/s, units the part of the sample in which they were active.
    """

    start_us: list[float]
    rates: Mapping[Counter, list[float]]


class Counted(Struct, frozen=True):
    """What was counted of a phase; `kernels` the longest first.

    `whole` is of one iteration, whatever moved it: bytes, or the part of its device time in which a unit was active.
    `explained_ratio` is the part of the read bytes that the kernels account for. `unit_sample_us` is how long a sample
    is of what another recording added; None where nothing was added.
    """

    kernels: list[CountedKernel]
    whole: Mapping[Counter, float]
    iterations: int
    samples: int
    sample_us: float
    misfit: float
    explained_ratio: float
    top_bytes_per_us: float
    series: Series
    unit_sample_us: float | None = None

    def is_sure(self, kernel: CountedKernel) -> bool:
        """Whether the error of its bytes is small beside what the memory moves in its time."""
        error = kernel.each[Counter.DRAM_READ].error + kernel.each[Counter.DRAM_WRITE].error
        return error <= SURE * self.top_bytes_per_us * kernel.us

    def active_ratio(self, kernel: CountedKernel, counter: Counter) -> float | None:
        """The part of the kernel's time in which a unit was active; None where it was not counted or is not sure."""
        found = kernel.each.get(counter)
        return min(found.value, 1.0) if found is not None and found.error <= SURE_RATIO else None

    def find(self, name: str, grid: tuple[int, int, int], us: float) -> CountedKernel | None:
        """The kernel of this name and grid whose duration is nearest, None where none is near."""
        same = [kernel for kernel in self.kernels if kernel.key == (name, grid)]
        nearest = min(same, key=lambda kernel: abs(log(kernel.us / us)), default=None) if us > 0 else None
        return nearest if nearest is not None and abs(log(nearest.us / us)) < log(OTHER_WORK) else None


class _Window(Struct, frozen=True):
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
    device), so many iterations, and another marker. The first iteration of several is left out: what the marker wrote
    is still on its way to memory then. Of a phase that needs a reset before each iteration there is only one; what is
    written in it is then off by what L2 holds back at its start and at its end, which are about alike.

    Raises `CountersUnusable`.
    """
    if recording.failure is not None and not len(recording):
        raise CountersUnusable(recording.failure)
    markers = _markers(timeline, marker_bytes, marker_copies)
    if len(markers) != 2 * len(iterations):
        raise CountersUnusable(f"the trace shows {len(markers)} of {2 * len(iterations)} markers")
    start_ns, end_ns = np.asarray(recording.start_ns, np.int64), np.asarray(recording.end_ns, np.int64)
    if (start_ns[1:] - end_ns[:-1] > LONGEST_HOLE * (end_ns - start_ns)[1:]).any():
        raise CountersUnusable(recording.failure or "samples are missing in between")
    read = np.asarray(recording.values[Counter.DRAM_READ], np.float64)
    clock = find_clock(start_ns, end_ns, read, [_bursts(timeline, rows) for rows in markers])
    if clock is None:
        raise CountersUnusable(recording.failure or "the marker's copies are not found in the samples")
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
    """The iterations between two markers, less the first of several. None where nothing ran."""
    rows = np.arange(int(before[-1]) + 1, int(after[0]))
    per_iteration, odd = divmod(len(rows), max(iterations, 1))
    if per_iteration == 0:
        return None
    if iterations > 1:
        rows = rows[per_iteration + odd :]  # where iterations differ, what is odd is taken for the first one's
    device = timeline.device
    return _Window(rows, int(device.start_ns[rows[0]]), int(device.end_ns[rows].max()), max(iterations - 1, 1))


def _attributed(
    timeline: Timeline, recording: CounterRecording, clock: CounterClock, windows: list[_Window]
) -> Counted:
    device = timeline.device
    rows = np.concatenate([window.rows for window in windows]) if windows else np.empty(0, np.int64)
    start = (device.start_ns[rows] - clock.anchor_ns).astype(np.float64)
    end = (device.end_ns[rows] - clock.anchor_ns).astype(np.float64)
    edges = clock.since_anchor_ns(np.append(recording.start_ns, recording.end_ns[-1:]).astype(np.int64))
    length = np.diff(edges)
    inside = np.flatnonzero(np.any([_inside(edges, window, clock.anchor_ns) for window in windows], axis=0))
    if len(inside) < FEWEST_SAMPLES:
        raise CountersUnusable(f"only {len(inside)} samples fall into the iterations")
    keys, group = kernels_in(timeline, rows, end - start)
    runs = Runs(start, end, group, len(keys))
    idle = (length - _covered(start, end, edges))[inside]
    amounts = {
        counter: np.asarray(column, np.float64) * (1.0 if counter.is_bytes else length)
        for counter, column in recording.values.items()
    }
    design, leads, tails = traffic_design(runs, idle, amounts[Counter.DRAM_READ][inside], edges, inside)
    found = {counter: regress(design, column[inside]) for counter, column in amounts.items()}
    explained = _explained(design, found[Counter.DRAM_READ].values, amounts[Counter.DRAM_READ][inside])
    if abs(1 - explained) > WORST_UNEXPLAINED:
        raise CountersUnusable(f"the kernels explain {explained:.0%} of the bytes read")
    iterations = sum(window.iterations for window in windows)
    # What an edge that is off by a step of its search gives to the wrong kernel, at the highest rate that lasts.
    leaks = {
        counter: EDGE_ERROR_NS * float(np.quantile(column[inside] / length[inside], 0.95))
        for counter, column in amounts.items()
    }
    kernels = []
    for index, key in enumerate(keys):
        duration_ns = float(np.mean((end - start)[group == index]))
        each = {
            counter: _estimate(
                of.values[index], of.errors[index], leaks[counter], 1.0 if counter.is_bytes else duration_ns
            )
            for counter, of in found.items()
        }
        calls = int((group == index).sum()) / iterations
        kernels.append(CountedKernel(key, calls, duration_ns / 1e3, leads[index] / 1e3, tails[index] / 1e3, each))
    return Counted(
        kernels=sorted(kernels, key=lambda kernel: -kernel.calls * kernel.us),
        whole=_whole(edges, amounts, windows, clock.anchor_ns),
        iterations=iterations,
        samples=len(inside),
        sample_us=float(np.median(length)) / 1e3,
        misfit=clock.misfit,
        explained_ratio=explained,
        top_bytes_per_us=leaks[Counter.DRAM_READ] / EDGE_ERROR_NS * 1e3,
        series=_series(edges, amounts, windows[0], clock.anchor_ns),
    )


def _estimate(value: float, scatter: float, leak: float, unit: float) -> Estimate:
    """A kernel's number in its unit; the two errors have nothing to do with each other."""
    return Estimate(float(value) / unit, float(np.hypot(scatter, leak)) / unit)


def _explained(design: Floats, values: Floats, amounts: Floats) -> float:
    """What the kernels, and not the idle time in the last column, explain of the amounts."""
    total = float(amounts.sum())
    return float((design[:, :-1] @ values[:-1]).sum()) / total if total > 0 else 1.0


def _inside(edges: Floats, window: _Window, anchor_ns: int) -> NDArray[np.bool_]:
    """Which samples lie in the window."""
    return (edges[:-1] >= window.start_ns - anchor_ns) & (edges[1:] <= window.end_ns - anchor_ns)


def _covered(start: Floats, end: Floats, edges: Floats) -> Floats:
    """How much of each sample some kernel covers, in ns."""
    busy = intervals.merge(intervals.from_columns(start.round().astype(np.int64), end.round().astype(np.int64)))
    first, last = busy[:, 0].astype(np.float64), busy[:, 1].astype(np.float64)
    return np.asarray(np.diff(cumulated(first, last, last - first, edges)), np.float64)


def _whole(
    edges: Floats, amounts: Mapping[Counter, Floats], windows: Sequence[_Window], anchor_ns: int
) -> dict[Counter, float]:
    """One iteration's bytes, and the active part of its time. Samples across a window's edge count in part.

    What the sampling itself writes over the bus is taken off, at the rate seen before the first marker.
    """
    places = [(window.start_ns - anchor_ns, window.end_ns - anchor_ns) for window in windows]
    device_ns = sum(last - first for first, last in places)
    iterations = sum(window.iterations for window in windows)
    before = edges[1:] <= 0
    whole = {}
    for counter, column in amounts.items():
        reached = np.concatenate([[0.0], np.cumsum(column)])
        total = sum(float(np.diff(np.interp(place, edges, reached))[0]) for place in places)
        if counter is Counter.PCIE_WRITE and before.any():
            total = max(0.0, total - device_ns * float(np.median(column[before] / np.diff(edges)[before])))
        whole[counter] = total / (iterations if counter.is_bytes else device_ns)
    return whole


def _series(edges: Floats, amounts: Mapping[Counter, Floats], window: _Window, anchor_ns: int) -> Series:
    """The samples of the window's first iteration, of so many that it holds."""
    begin = float(window.start_ns - anchor_ns)
    end = begin + (window.end_ns - window.start_ns) / window.iterations
    mine = np.flatnonzero((edges[:-1] >= begin) & (edges[1:] <= end))
    length = np.diff(edges)[mine]  # bytes a nanosecond are GB/s
    return Series(
        start_us=((edges[mine] - begin) / 1e3).round(3).tolist(),
        rates={counter: (column[mine] / length).round(4).tolist() for counter, column in amounts.items()},
    )
