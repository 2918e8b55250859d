"""Slices of one track in the order of time: what overlaps without nesting goes to further tracks below it."""

from __future__ import annotations

from msgspec import Struct, field

from profiler.render.perfetto import PerfettoProcess


class _Lane(Struct):
    """A track, and when its open slices end, the outermost first."""

    track: int
    ends_ns: list[int] = field(default_factory=list)


class Lanes:
    """The lanes of one track."""

    def __init__(self, process: PerfettoProcess, track: int) -> None:
        self._process, self._lanes = process, [_Lane(track)]

    def slice(self, start_ns: int, end_ns: int, name: str, category: str, rest: bytes = b"") -> None:
        """The next slice, which starts no earlier than the one before."""
        for lane in self._lanes:
            self._end(lane, start_ns)
            if not lane.ends_ns or lane.ends_ns[-1] >= end_ns:
                break
        else:
            lane = _Lane(self._process.group("overlapping", order=len(self._lanes), parent=self._lanes[0].track))
            self._lanes.append(lane)
        self._process.begin(lane.track, start_ns, name, category, rest)
        lane.ends_ns.append(end_ns)

    def close(self) -> None:
        """End what is still open: nothing follows."""
        for lane in self._lanes:
            self._end(lane, None)

    def _end(self, lane: _Lane, by_ns: int | None) -> None:
        while lane.ends_ns and (by_ns is None or lane.ends_ns[-1] <= by_ns):
            self._process.end(lane.track, lane.ends_ns.pop())
