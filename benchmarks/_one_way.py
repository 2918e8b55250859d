"""The counters' process with one way of sampling only, which keeps account of every decoding.

    python -m benchmarks._one_way GROUP INDEX FILE

Speaks as `profiler.measure.counters.collector` does, and imports no torch. FILE gets a list of decodings: how many
samples the image had room for, how many came, how many of them without times, and the seconds it took.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from profiler.measure.counters.collector import serve
from profiler.measure.counters.cupti import CuptiSampler, CuptiSamplers, import_pm_sampling
from profiler.measure.counters.source import CounterGroup
from profiler.measure.counters.ways import WAYS
from profiler.measure.worker import Lines


class Decoding(msgspec.Struct, frozen=True):
    """One call of `decode`."""

    room: int
    samples: int
    timeless: int
    seconds: float


class Watched:
    """`cupti.pm_sampling`, or a stand-in, with an account of what its collectors decode."""

    def __init__(self, sampling: Any) -> None:
        self.TriggerMode = sampling.TriggerMode
        self.decodings: list[Decoding] = []
        self._sampling = sampling

    def Collector(self, device: int) -> WatchedCollector:  # noqa: N802 - cupti-python's name
        """One whose decodings are counted; the account begins anew."""
        self.decodings.clear()
        return WatchedCollector(self._sampling.Collector(device), self.decodings)


class WatchedCollector:
    """A collector that counts and is otherwise as it was."""

    def __init__(self, collector: Any, decodings: list[Decoding]) -> None:
        self._collector = collector
        self._decodings = decodings

    def __getattr__(self, name: str) -> Any:
        return getattr(self._collector, name)

    def decode(self, room: int) -> Any:
        """As the collector does."""
        begun_s = time.perf_counter()
        data = self._collector.decode(room)
        seconds = time.perf_counter() - begun_s
        self._decodings.append(Decoding(room, len(data), sum(end == 0 for end in data._end_timestamps), seconds))
        return data


def main(group: str, index: str, file: str) -> None:
    """Serve the parent on stdin and stdout until stdin ends; the account is written whenever it answers."""
    ways = {CounterGroup(group): (WAYS[CounterGroup(group)][int(index)],)}
    opened: list[tuple[Watched, CuptiSamplers]] = []

    def open_sampler(asked: CounterGroup, interval_ns: int) -> CuptiSampler:
        if not opened:
            watched = Watched(import_pm_sampling())
            opened.append((watched, CuptiSamplers(sampling=watched, ways=ways)))
        return opened[0][1](asked, interval_ns)

    def answer(line: bytes) -> None:
        if opened:
            Path(file).write_bytes(msgspec.json.encode(opened[0][0].decodings))
        sys.stdout.buffer.write(line + b"\n")
        sys.stdout.buffer.flush()

    serve(open_sampler, Lines(sys.stdin.fileno()), answer)


if __name__ == "__main__":
    main(*sys.argv[1:])
