"""Which way of sampling is chosen on a device, held on a stand-in for CUPTI."""

from __future__ import annotations

from typing import Any

import pytest

from profiler.measure.counters.cupti import CountersRefused, CuptiSampler, CuptiSamplers
from profiler.measure.counters.source import Counter, CounterGroup
from tests.unit.measure.cupti_stand_in import ALL_WORK, COARSE_NS, WISHED_NS, Cupti, Data
from tests.unit.measure.stand_ins import FakeClock

TRAFFIC, UNITS = CounterGroup.TRAFFIC, CounterGroup.UNITS


class Bench:
    """Samplers on such a device."""

    def __init__(self, **changed: int | None) -> None:
        """`dram`, `set`, `all`, `sm` and `set_dram` change how long samples are in each way."""
        names = {"dram": (None, 2), "set_dram": ("TriageCompute", 2), "set": ("TriageCompute", 6)}
        names |= {"all": (None, 6), "sm": (None, 4)}
        self.clock = FakeClock()
        self.cupti = Cupti(ALL_WORK | {names[name]: length for name, length in changed.items()}, self.clock)
        self.samplers = CuptiSamplers(
            lambda seconds: self.clock.advance_ms(seconds * 1e3), sampling=self.cupti, clock=self.clock
        )

    def open(self, group: CounterGroup) -> CuptiSampler:
        return self.samplers(group, WISHED_NS)


def zeros(data: Any) -> list[list[float]]:
    return [[0.0] * 6] * len(data)


def test_traffic_is_sampled_as_finely_as_wished_and_units_more_coarsely() -> None:
    bench = Bench()
    bench.open(TRAFFIC)
    assert bench.cupti.opened == [(None, 2)] * 2, "once to try, once to sample"
    bench.open(UNITS)
    assert bench.cupti.opened[2:] == [("TriageCompute", 6)] * 2
    assert bench.cupti.intervals == [WISHED_NS] * 2 + [COARSE_NS] * 2


def test_samples_without_a_length_are_seen_in_a_trial_and_the_next_way_is_taken() -> None:
    bench = Bench(set=0)
    bench.open(UNITS)
    assert bench.cupti.opened[-1] == (None, 6)


def test_what_works_is_remembered() -> None:
    bench = Bench(set=0)
    bench.open(UNITS)
    tried = len(bench.cupti.opened)
    bench.open(UNITS)
    assert len(bench.cupti.opened) == tried + 1


def test_matrix_pipes_alone_are_better_than_nothing() -> None:
    bench = Bench(set=None, all=None)
    sampler = bench.open(UNITS)
    sampler.start()
    bench.clock.advance_ms(10)
    kept = sampler.stop(lambda data: [[1.0, 2.0, 50.0, 25.0]] * len(data))
    assert {counter: column[0] for counter, column in kept.values.items()} == {
        Counter.DRAM_READ: 1.0,
        Counter.DRAM_WRITE: 2.0,
        Counter.TENSOR_ACTIVE: 0.5,
        Counter.ISSUE_ACTIVE: 0.25,
    }
    assert kept.end_ns[0] - kept.start_ns[0] == COARSE_NS
    assert kept.failure is None


def test_a_recording_says_which_ways_were_given_up_and_why() -> None:
    bench = Bench(set=0)
    bench.open(UNITS)
    bench.samplers.give_up("the buffer ran over")
    sampler = bench.open(UNITS)
    sampler.start()
    assert sampler.stop(zeros).given_up == [
        "the set TriageCompute every 50 us: CUPTI: of 399 samples in 20 ms, 0 have a length",
        "6 metrics every 50 us: the buffer ran over",
    ]
    traffic = bench.open(TRAFFIC)
    traffic.start()
    assert traffic.stop(zeros).given_up == [], "what is said of one group is not of the other"


def test_where_nothing_works_the_first_reason_is_given() -> None:
    with pytest.raises(CountersRefused, match="ERROR_INVALID_PARAMETER"):
        Bench(dram=None, set_dram=None).open(TRAFFIC)
    with pytest.raises(CountersRefused, match="0 have a length"):
        Bench(set=0, all=0, sm=0).open(UNITS)


def test_a_way_that_lost_samples_is_not_taken_again() -> None:
    bench = Bench()
    for expected in (("TriageCompute", 6), (None, 6), (None, 4)):
        bench.open(UNITS)
        assert bench.cupti.opened[-1] == expected
        bench.samplers.give_up(f"{expected[1]} metrics lost samples")
    with pytest.raises(CountersRefused, match=r"TriageCompute every 50 us: 6 metrics lost.*4 metrics lost samples"):
        bench.open(UNITS)


def test_a_way_whose_decoding_does_not_keep_up_is_decoded_once_when_all_is_sampled() -> None:
    bench = Bench()
    sampler = bench.open(UNITS)
    sampler.start()
    bench.cupti.decoded.clear()
    for _ in range(6):
        bench.clock.advance_ms(50)
        sampler.poll()
    assert bench.cupti.decoded == []
    recording = sampler.stop(zeros)
    assert len(recording) == 300_000_000 // COARSE_NS - 1  # the first holds the past
    assert len(bench.cupti.decoded) == 1
    assert len(recording) < bench.cupti.decoded[0] < 1.2 * len(recording), "an image of the right size, and never full"


def test_before_the_buffer_is_half_full_such_samples_are_taken_out() -> None:
    bench = Bench()
    sampler = bench.open(UNITS)
    sampler.start()
    bench.cupti.decoded.clear()
    for _ in range(60):
        bench.clock.advance_ms(50)
        sampler.poll()
    assert len(bench.cupti.decoded) == 3_000_000_000 // COARSE_NS // 7_000
    assert len(sampler.stop(zeros)) == 3_000_000_000 // COARSE_NS - 1


def test_traffic_is_decoded_at_every_poll() -> None:
    bench = Bench()
    sampler = bench.open(TRAFFIC)
    sampler.start()
    bench.cupti.decoded.clear()
    for _ in range(8):
        bench.clock.advance_ms(50)
        sampler.poll()
    assert len(bench.cupti.decoded) == 8
    assert len(sampler.stop(lambda data: [[1.0, 2.0]] * len(data))) == 400_000_000 // WISHED_NS - 1


def test_samples_without_times_are_put_between_their_neighbours() -> None:
    sampler = Bench().open(TRAFFIC)
    sampler.start()
    timeless = Data(WISHED_NS, 3, 5)
    timeless._start_timestamps = timeless._end_timestamps = [0, 0, 0]
    sampler._decoded = [Data(WISHED_NS, 5), timeless, Data(WISHED_NS, 4, 8)]
    rows = iter(range(12))
    kept = sampler.stop(lambda data: [[float(next(rows)), 0.0] for _ in range(len(data))])
    assert kept.start_ns == Data(WISHED_NS, 11, 1)._start_timestamps
    assert kept.values[Counter.DRAM_READ] == [float(row) for row in range(1, 12)]
    assert kept.failure is None


def test_samples_that_were_lost_are_said() -> None:
    sampler = Bench().open(TRAFFIC)
    sampler.start()
    sampler._decoded = [Data(WISHED_NS, 5), Data(0, 3), Data(WISHED_NS, 4, 80)]
    kept = sampler.stop(lambda data: [[1.0, 2.0]] * len(data))
    assert kept.failure == "CUPTI: 3 of 11 samples have no length"
    assert len(kept) == 8
