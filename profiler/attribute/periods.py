"""How long a step takes at many speeds at once.

What `profiler.attribute.replay` does call by call for one set of speeds, this does for all of them in one pass, and
for whole stretches of the step: between two waits of the host, the times of its calls are a running sum; between two
events, the ends on a stream are a running maximum. Nothing is left out: the periods are those of `replay`, up to
rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from msgspec import Struct

from profiler.attribute.replay import ActivityCosts, Calibration, Floats, Overlaps, calls_us, queued_at
from profiler.report.vocabulary import Resource
from profiler.trace.distinct import values
from profiler.trace.graph import DependencyGraph
from profiler.trace.timeline import Ints

# Rows of the device for which all durations are held at once, and of a stretch: few enough for the caches.
_WINDOW_ROWS = 16_384
_STRETCH_ROWS = 2_048
# Runs that are replayed side by side, for the same reason; and of a large step, each keeps the ends of many rows.
_RUNS_AT_ONCE = 256


class Run(Struct, frozen=True):
    """A step to be replayed: what its activities cost, how the trace is scaled, and how fast the resources are."""

    costs: ActivityCosts
    calibration: Calibration
    speeds: Mapping[Resource, float]


def periods_us(graph: DependencyGraph, runs: Sequence[Run]) -> Floats:
    """The period of each run of one graph, shape (len(runs),): `replay(graph, *run).period_us`."""
    some = [runs[first : first + _RUNS_AT_ONCE] for first in range(0, len(runs), _RUNS_AT_ONCE)]
    return np.concatenate([_Pass(graph, each).periods_us() for each in some])


class _Pass:
    """Some runs, side by side. Times of many rows have shape (runs, rows): along a run they are summed and compared."""

    def __init__(self, graph: DependencyGraph, runs: Sequence[Run]) -> None:
        self._runs = runs
        calibrations, speeds = [run.calibration for run in runs], [run.speeds for run in runs]

        def scales(scale: str, resource: Resource) -> Floats:
            pairs = zip(calibrations, speeds, strict=True)
            return np.array([getattr(calibration, scale) / at.get(resource, 1.0) for calibration, at in pairs])

        self._host = scales("host_scale", Resource.HOST)
        self._latency = scales("gap_scale", Resource.LATENCY)
        self._waiting = scales("input_scale", Resource.DISK)
        self._kernel = np.array([calibration.kernel_scale for calibration in calibrations])
        self._calling = self._host * np.array([calibration.call_scale for calibration in calibrations])

        self._thread = np.array(graph.thread, np.int64)
        # Calls differ by how fast graphs are launched: shape (scales of that, calls), and which of these a run has.
        launch_scale = np.array([calibration.graph_launch_scale for calibration in calibrations])
        launch_scales = values(launch_scale)
        self._launching = np.searchsorted(launch_scales, launch_scale)
        call_us = np.stack([calls_us(graph, scale) for scale in launch_scales.tolist()])
        # Calls as fast as the work between them are work.
        as_fast = (self._calling == self._host).all()
        self._work_us = np.array(graph.gap_us) + (call_us if as_fast else np.zeros_like(call_us))
        self._call_us = None if as_fast else call_us
        self._input_us = np.array(graph.input_us) if any(graph.input_us) else None
        self._tail_us = np.array(graph.tail_us)
        self._waits = {call: rows for call, rows in enumerate(graph.waits_for) if rows}
        self._wake_us = graph.wake_us

        # In the order in which they run: those queued by one call by their rows, those queued before the step first.
        queued = queued_at(graph)
        self._order = np.argsort(queued, kind="stable")
        self._queued = queued[self._order]
        self._launcher = np.array(graph.launched_by, np.int64)[self._order]
        # Calls whose activities are queued with a later one: when they issued is kept.
        apart = self._launcher[(self._launcher >= 0) & (self._launcher < self._queued)]
        self._issued_apart = dict.fromkeys(values(apart).tolist(), np.empty(0))
        self._queued_as_launched = bool((self._launcher == self._queued).all())
        self._lane = np.unique(np.array(graph.stream, np.int64), return_inverse=True)[1].reshape(-1)[self._order]
        delay_us = np.array(graph.issue_delay_us)[self._order]
        self._late_us = np.maximum(delay_us, 0.0)
        self._early_us = np.minimum(delay_us, 0.0) if (delay_us < 0).any() else None
        self._gap_us = np.maximum(np.array(graph.stream_gap_us), 0.0)[self._order]
        overlaps = Overlaps.of(graph)
        self._overlap = overlaps.own_ratio[self._order]
        place = np.empty(len(queued), np.int64)
        place[self._order] = np.arange(len(queued))
        self._held = {int(place[row]): others for row, others in enumerate(graph.held_by) if others}
        # What ran within another of its stream follows that one's start, and not what its stream ran before.
        inside = np.flatnonzero(overlaps.within >= 0)
        around = overlaps.within[inside]
        self._inside = dict(zip(place[inside].tolist(), enumerate(around.tolist()), strict=True))
        self._under_us = self._of_rows(around) * overlaps.under_ratio[inside]
        self._held_places = np.array(sorted({*self._held, *self._inside}), np.int64)

        count = len(runs)
        self._clock = np.zeros((len(graph.tail_us), count))
        self._lane_end = np.full((int(self._lane.max(initial=-1)) + 1, count), -np.inf)
        awaited = [row for rows in (*self._waits.values(), *self._held.values()) for row in rows]
        named = values(np.append(np.array(awaited, np.int64), around))
        self._number = {int(row): number for number, row in enumerate(named.tolist())}
        self._kept = np.zeros((len(named), count))  # ends of the rows that others wait for; 0 until they run
        self._kept_places = np.sort(place[named])
        self._window, self._duration = slice(0, 0), np.empty((count, 0))

    def periods_us(self) -> Floats:
        """Replay the step, and give the period of each run."""
        self._run_device(0, int(np.searchsorted(self._queued, 0)), None, 0)
        for first, last in self._stretches():
            ends = self._run_host(first, last)
            begin, end = np.searchsorted(self._queued, (first, last))
            self._run_device(int(begin), int(end), ends, first)
            if last - 1 in self._waits:
                self._block(last - 1)
        done = self._clock + _outer(self._tail_us, self._host).T
        # The end of a lane is that of whatever ended last on it.
        period: Floats = np.maximum(done.max(axis=0, initial=0.0), self._lane_end.max(axis=0, initial=0.0))
        return period

    def _stretches(self) -> Iterator[tuple[int, int]]:
        """Calls from `first` up to `last`, of which none but the last blocks."""
        first = 0
        for last in (*(call + 1 for call in self._waits), len(self._thread)):
            for begin in range(first, last, _STRETCH_ROWS):
                yield begin, min(begin + _STRETCH_ROWS, last)
            first = last

    def _run_host(self, first: int, last: int) -> Floats:
        """When each of these calls ends, shape (runs, last - first); their threads' clocks move on."""
        ends: Floats = self._work_us[self._launching, first:last] * self._host[:, None]
        if self._call_us is not None:
            ends += self._call_us[self._launching, first:last] * self._calling[:, None]
        if self._input_us is not None:
            ends += _outer(self._input_us[first:last], self._waiting)
        threads = self._thread[first:last]
        for thread, mine in _groups(threads):
            found = np.cumsum(ends[:, mine], axis=1)
            found += self._clock[thread, :, None]
            ends[:, mine] = found
            self._clock[thread] = found[:, -1]
        for call in self._issued_apart.keys() & range(first, last):
            self._issued_apart[call] = ends[:, call - first].copy()
        return ends

    def _block(self, call: int) -> None:
        """A call that waits goes on when what it waits for is over."""
        released = self._kept[[self._number[row] for row in self._waits[call]]].max(axis=0)
        wake = self._wake_us[call]
        freed = released + wake * (self._host if wake > 0 else self._kernel)
        thread = self._thread[call]
        self._clock[thread] = np.maximum(self._clock[thread], freed)

    def _run_device(self, begin: int, end: int, issued: Floats | None, first_call: int) -> None:
        """Run what these places of the device's order hold, in pieces that an event may hold at their start only."""
        low, high = np.searchsorted(self._held_places, (begin + 1, end))
        cuts = self._held_places[low:high].tolist()
        for start, stop in zip((begin, *cuts), (*cuts, end), strict=True):
            for piece in range(start, stop, _STRETCH_ROWS):
                self._run_piece(piece, min(piece + _STRETCH_ROWS, stop), issued, first_call)

    def _run_piece(self, begin: int, end: int, issued: Floats | None, first_call: int) -> None:
        rows = slice(begin, end)
        ready = _outer(self._late_us[rows], self._latency)
        if self._early_us is not None:
            ready += _outer(self._early_us[rows], self._calling)
        if issued is not None:
            ready += self._issues(rows, issued, first_call)
        if begin in self._held:
            held = self._kept[[self._number[row] for row in self._held[begin]]].max(axis=0)
            np.maximum(ready[:, 0], held, out=ready[:, 0])
        if self._early_us is not None:
            np.maximum(ready, 0.0, out=ready)
        duration = self._durations_us(begin, end)
        occupied = _outer(self._gap_us[rows], self._latency)
        occupied += duration
        if begin in self._inside:
            number, around = self._inside[begin]
            begun = self._kept[self._number[around]] - self._under_us[:, number]
            np.maximum(ready[:, 0], begun, out=ready[:, 0])
            occupied[:, 0] = -np.inf
        overlap = self._overlap[rows]
        overlaps = bool(overlap.any()) or begin in self._inside
        if overlaps:
            occupied -= overlap * duration
        ready += duration
        ends = ready
        for lane, mine in _groups(self._lane[rows]):
            # end = max(ready, the end before it + gap) + duration: a running maximum, less the time occupied so far.
            adds = np.maximum(occupied[:, mine], 0.0) if overlaps else occupied[:, mine]
            so_far = np.cumsum(adds, axis=1)
            found = ready[:, mine] - so_far
            np.maximum.accumulate(found, axis=1, out=found)
            np.maximum(found, self._lane_end[lane, :, None], out=found)
            found += so_far
            if overlaps:  # some may be over before what ran before them
                before = np.concatenate([self._lane_end[lane, :, None], found[:, :-1]], axis=1)
                ends[:, mine] = np.maximum(ready[:, mine], before + occupied[:, mine])
            else:
                ends[:, mine] = found
            self._lane_end[lane] = found[:, -1]
        low, high = np.searchsorted(self._kept_places, (begin, end))
        for place in self._kept_places[low:high].tolist():
            self._kept[self._number[int(self._order[place])]] = ends[:, place - begin]

    def _issues(self, rows: slice, issued: Floats, first_call: int) -> Floats:
        """When the calls that launched these places were through, 0 where nobody launched them.

        `issued` are the times of a stretch's own calls.
        """
        launcher = self._launcher[rows]
        times: Floats = issued[:, np.maximum(launcher - first_call, 0)]
        if self._queued_as_launched:
            return times
        times[:, launcher < 0] = 0.0
        for place in np.flatnonzero((launcher >= 0) & (launcher < first_call)).tolist():
            times[:, place] = self._issued_apart[int(launcher[place])]
        return times

    def _durations_us(self, begin: int, end: int) -> Floats:
        """How long these places take in each run, shape (runs, end - begin)."""
        if not (self._window.start <= begin and end <= self._window.stop):
            self._window = slice(begin, begin + _WINDOW_ROWS)
            self._duration = self._of_rows(self._order[self._window])
        return self._duration[:, begin - self._window.start : end - self._window.start]

    def _of_rows(self, rows: Ints) -> Floats:
        """How long these rows take in each run, shape (runs, rows)."""
        durations = np.empty((len(self._runs), len(rows)))
        costs = {id(run.costs): run.costs.taken(rows) for run in self._runs}
        first: dict[object, int] = {}  # of the runs that differ in the host alone
        for number, run in enumerate(self._runs):
            same = first.setdefault((id(run.costs), tuple(run.speeds.items())), number)
            durations[number] = costs[id(run.costs)].durations_us(run.speeds) if same == number else durations[same]
        durations *= self._kernel[:, None]
        return durations


def _outer(times_us: Floats, scales: Floats) -> Floats:
    return scales[:, None] * times_us


def _groups(numbers: Ints) -> Iterator[tuple[int, slice | Ints]]:
    """Each distinct number and where it stands."""
    if not len(numbers):
        return
    if (numbers == numbers[0]).all():
        yield int(numbers[0]), slice(None)
        return
    for number in values(numbers).tolist():
        yield number, np.flatnonzero(numbers == number)
