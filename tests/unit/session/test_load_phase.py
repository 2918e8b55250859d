"""Loading, judged like any other phase."""

from __future__ import annotations

import pytest

from profiler.report.vocabulary import BottleneckClass, Cause, Resource, VerdictState
from profiler.session.load_phase import load_phase
from profiler.workload.legs import host_leg, missing_leg, moving_leg

LEGS = [moving_leg("disk", 16_000_000_000, 8.0), host_leg(1.0), moving_leg("device", 16_000_000_000, 1.0)]


def test_a_load_that_reads_for_most_of_its_time_is_held_back_by_the_disk() -> None:
    phase = load_phase(LEGS)
    assert phase.clean.wall_ms.median == 10_000
    assert (phase.verdict.class_, phase.verdict.cause) == (BottleneckClass.IO, Cause.IO_DISK)
    assert phase.verdict.state is VerdictState.CLEAR
    assert phase.verdict.evidence[0] == "the disk leg takes 8 s at 2 GB/s"


@pytest.mark.parametrize(
    ("disk_s", "state"), [(1.9, VerdictState.INCONCLUSIVE), (2.1, VerdictState.CLEAR), (0.4, VerdictState.CLEAR)]
)
def test_one_sample_is_clear_only_where_the_leader_took_twice_as_long_as_the_rest(
    disk_s: float, state: VerdictState
) -> None:
    verdict = load_phase([moving_leg("disk", 1_000_000_000, disk_s), host_leg(1.0)]).verdict
    assert verdict.state is state
    assert verdict.class_ is (BottleneckClass.IO if disk_s > 1 else BottleneckClass.SCHEDULING)


def test_every_share_has_an_interval_as_wide_as_one_sample_may_be_off() -> None:
    (disk,) = [share for share in load_phase(LEGS).shares if share.resource is Resource.DISK]
    assert (disk.low, disk.high) == (pytest.approx(4 / 6), pytest.approx(16 / 18))


def test_what_lies_between_the_legs_is_counted_as_the_host_s() -> None:
    phase = load_phase(LEGS, 12.5)
    assert phase.clean.wall_ms.median == 12_500
    (host,) = [part for part in phase.parts if part.cause is Cause.SCHEDULING_HOST]
    assert (host.ms, host.note) == (3500, "2.5 s of it between the legs")
    assert sum(part.fraction for part in phase.parts) == pytest.approx(1)
    assert phase.legs == LEGS


def test_a_throttled_load_says_so() -> None:
    assert load_phase(LEGS, throttled=True).verdict.throttled
    assert not load_phase(LEGS).verdict.throttled


def test_the_legs_are_the_parts_and_the_shares() -> None:
    phase = load_phase(LEGS)
    assert {part.cause: part.fraction for part in phase.parts} == {
        Cause.IO_DISK: pytest.approx(0.8),
        Cause.SCHEDULING_HOST: pytest.approx(0.1),
        Cause.IO_H2D: pytest.approx(0.1),
    }
    shares = {share.resource: share.share for share in phase.shares}
    assert shares[Resource.DISK] == pytest.approx(0.8)
    assert sum(shares.values()) == pytest.approx(1)


def test_a_leg_that_was_not_gone_has_its_reason_and_no_part() -> None:
    phase = load_phase([missing_leg("disk", "random weights: nothing is read"), host_leg(2.0)])
    assert [part.cause for part in phase.parts] == [Cause.SCHEDULING_HOST]
    assert phase.legs[0].missing == "random weights: nothing is read"


def test_a_load_that_nobody_timed_has_no_verdict() -> None:
    phase = load_phase([missing_leg("disk", "a factory does not say what it reads")])
    assert phase.verdict.state is VerdictState.REFUSED
    assert phase.parts == []
