"""A stand-in for cupti-python's `pm_sampling`: collectors whose samples follow a clock."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tests.unit.measure.stand_ins import FakeClock

WISHED_NS = 20_000
COARSE_NS = 50_000
Ways = dict[tuple[str | None, int], int | None]
ALL_WORK: Ways = {
    (None, 2): WISHED_NS,
    ("TriageCompute", 2): COARSE_NS,
    ("TriageCompute", 6): COARSE_NS,
    (None, 6): COARSE_NS,
    (None, 4): COARSE_NS,
}


class Cupti:
    """`lengths` says how long a sample is by set name and number of metrics: None refuses, 0 gives no times."""

    TriggerMode = SimpleNamespace(GPU_TIME_INTERVAL="time", GPU_SYSCLK_INTERVAL="clock")

    def __init__(self, lengths: Ways, clock: FakeClock) -> None:
        self.lengths = lengths
        self.clock = clock
        self.opened: list[tuple[str | None, int]] = []
        self.intervals: list[int] = []
        self.decoded: list[int] = []

    def Collector(self, device: int) -> Collector:  # noqa: N802 - cupti-python's name
        return Collector(self)


class Collector:
    """Gives the samples that its clock says were made, as many as an image holds."""

    def __init__(self, cupti: Cupti) -> None:
        self.cupti = cupti
        self.length = 0
        self.begun_ns = 0
        self.given = 0
        self.running = False

    def configure(
        self, *, metrics: list[str], sampling_interval: int, single_pass_metric_set_name: str | None, **_: Any
    ) -> None:
        length = self.cupti.lengths.get((single_pass_metric_set_name, len(metrics)))
        if length is None:
            raise RuntimeError("ERROR_INVALID_PARAMETER")
        self.length, self.interval = length, sampling_interval
        self.cupti.opened.append((single_pass_metric_set_name, len(metrics)))
        self.cupti.intervals.append(sampling_interval)

    def enable(self) -> None: ...

    def start(self) -> None:
        self.running, self.begun_ns = True, self.cupti.clock.now_ns

    def stop(self) -> None:
        self.running = False

    def disable(self) -> None:
        assert not self.running

    def decode(self, most: int) -> Data:
        self.cupti.decoded.append(most)
        there = (self.cupti.clock.now_ns - self.begun_ns) // self.interval - self.given
        count = min(most, there)
        first, self.given = self.given, self.given + count
        return Data(self.length, count, first)


class Data:
    def __init__(self, length: int, count: int, first: int = 0) -> None:
        rows = range(first, first + count)
        self._start_timestamps = [(100 + row * length) if length else 0 for row in rows]
        self._end_timestamps = [(100 + (row + 1) * length) if length else 0 for row in rows]

    def __len__(self) -> int:
        return len(self._start_timestamps)
