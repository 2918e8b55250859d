"""Which way of sampling is chosen on a device, held on a stand-in for CUPTI."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from profiler.measure.counters.cupti import CountersRefused, CuptiSamplers
from profiler.measure.counters.source import Counter

WISHED_NS = 20_000


class Cupti:
    """`lengths` says how long a sample is by set name and number of metrics: None refuses, 0 gives no times."""

    TriggerMode = SimpleNamespace(GPU_TIME_INTERVAL="time", GPU_SYSCLK_INTERVAL="clock")

    def __init__(self, lengths: dict[tuple[str | None, int], int | None]) -> None:
        self.lengths = lengths
        self.opened: list[tuple[str | None, int, int]] = []

    def Collector(self, device: int) -> Collector:  # noqa: N802 - cupti-python's name
        return Collector(self)


class Collector:
    def __init__(self, cupti: Cupti) -> None:
        self.cupti = cupti
        self.length = 0
        self.running = False

    def configure(
        self, *, metrics: list[str], sampling_interval: int, single_pass_metric_set_name: str | None, **_: Any
    ) -> None:
        length = self.cupti.lengths[single_pass_metric_set_name, len(metrics)]
        if length is None:
            raise RuntimeError("ERROR_INVALID_PARAMETER")
        self.length = length
        self.cupti.opened.append((single_pass_metric_set_name, len(metrics), sampling_interval))

    def enable(self) -> None: ...

    def start(self) -> None:
        self.running = True

    def stop(self) -> None:
        self.running = False

    def disable(self) -> None:
        assert not self.running

    def decode(self, most: int) -> Data:
        return Data(self.length, most - 1)


class Data:
    def __init__(self, length: int, count: int) -> None:
        self._start_timestamps = [100 + row * length for row in range(count)]
        self._end_timestamps = [100 + (row + 1) * length for row in range(count)]

    def __len__(self) -> int:
        return len(self._start_timestamps)


def samplers(**lengths: int | None) -> tuple[Cupti, CuptiSamplers]:
    cupti = Cupti(
        {
            (None, 6): lengths.get("all"),
            ("TriageCompute", 6): lengths.get("named"),
            (None, 2): lengths.get("dram"),
        }
    )
    return cupti, CuptiSamplers(sleep=lambda seconds: None, sampling=cupti)


def test_everything_is_sampled_as_finely_as_wished_where_that_works():
    cupti, open_sampler = samplers(all=WISHED_NS, named=50_000, dram=WISHED_NS)
    open_sampler(WISHED_NS)
    assert cupti.opened == [(None, 6, WISHED_NS)] * 2, "once to try, once to sample"


def test_samples_without_a_length_are_seen_in_a_trial_and_the_next_way_is_taken():
    cupti, open_sampler = samplers(all=0, named=50_000, dram=WISHED_NS)
    open_sampler(WISHED_NS)
    assert cupti.opened[-1] == ("TriageCompute", 6, 50_000)


def test_what_works_is_remembered():
    cupti, open_sampler = samplers(all=0, named=50_000)
    open_sampler(WISHED_NS)
    tried = len(cupti.opened)
    open_sampler(WISHED_NS)
    assert len(cupti.opened) == tried + 1


def test_traffic_alone_is_better_than_nothing():
    _, open_sampler = samplers(dram=WISHED_NS)
    recording = open_sampler(WISHED_NS)
    recording.start()
    recording.poll()
    kept = recording.stop(lambda data: [[1.0, 2.0]] * len(data))
    assert set(kept.values) == {Counter.DRAM_READ, Counter.DRAM_WRITE}
    assert kept.end_ns[0] - kept.start_ns[0] == WISHED_NS
    assert kept.failure is None


def test_where_nothing_works_the_first_reason_is_given():
    _, open_sampler = samplers()
    with pytest.raises(CountersRefused, match="ERROR_INVALID_PARAMETER"):
        open_sampler(WISHED_NS)
    _, open_sampler = samplers(all=0, named=0, dram=0)
    with pytest.raises(CountersRefused, match="0 have a length"):
        open_sampler(WISHED_NS)


def test_a_way_that_lost_samples_is_not_taken_again():
    cupti, open_sampler = samplers(all=WISHED_NS, named=50_000, dram=WISHED_NS)
    for expected in ((None, 6), ("TriageCompute", 6), (None, 2)):
        open_sampler(WISHED_NS)
        assert cupti.opened[-1][:2] == expected
        open_sampler.give_up()
    with pytest.raises(CountersRefused, match="keeps up"):
        open_sampler(WISHED_NS)


def test_samples_without_a_length_are_left_out_and_said():
    _, open_sampler = samplers(dram=WISHED_NS)
    recording = open_sampler(WISHED_NS)
    recording._decoded = [Data(WISHED_NS, 5), Data(0, 3)]
    kept = recording.stop(lambda data: [[1.0, 2.0]] * len(data))
    assert all(end - start == WISHED_NS for start, end in zip(kept.start_ns, kept.end_ns, strict=True))
    assert kept.failure == f"CUPTI: 3 of {len(kept) + 3} samples have no length"
