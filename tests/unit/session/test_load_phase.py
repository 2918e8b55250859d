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
