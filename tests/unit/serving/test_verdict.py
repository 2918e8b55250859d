"""What holds requests back, from what their time was spent on."""

from __future__ import annotations

import pytest

from profiler.report.records import Verdict
from profiler.report.simulation import CarriedLoad, ServingPart, ServingPartName
from profiler.report.vocabulary import BottleneckClass, Cause, VerdictState
from profiler.serving.verdict import serving_verdict

CARRIED = CarriedLoad(offered_requests_per_s=1.0, most_requests_per_s=2.0, utilisation_ratio=0.5, diverges=False)


def judged(holes: float = 0.0, **fractions: float) -> Verdict:
    names = {name.name.lower(): name for name in ServingPartName}
    parts = [
        ServingPart(part=name, class_=None, ns=round(fractions.get(key, 0.0) * 1e9), fraction=fractions.get(key, 0.0))
        for key, name in names.items()
    ]
    return serving_verdict(parts, {}, CARRIED, holes, [])


def test_causes_of_one_class_hold_back_together() -> None:
    found = judged(queue=0.4, head_of_line=0.3, decode=0.3)
    assert (found.cause, found.state) == (Cause.SCHEDULING_QUEUE, VerdictState.CLEAR)
    assert (found.share, found.low) == (pytest.approx(0.7), pytest.approx(0.7))


def test_causes_of_two_classes_that_take_nearly_as_much_are_no_clear_verdict() -> None:
    found = judged(queue=0.31, capacity=0.30, decode=0.35, prefill=0.04)
    assert (found.cause, found.state) == (Cause.SCHEDULING_QUEUE, VerdictState.INCONCLUSIVE)
    assert (found.runner_up, found.runner_up_share) == (BottleneckClass.MEMORY, pytest.approx(0.30))
    assert found.low == pytest.approx(0.31)
    assert "causes of scheduling take 31%, and of memory 30%" in found.evidence[-1]


def test_the_class_of_the_largest_cause_leads_alone_where_another_takes_much_less() -> None:
    found = judged(queue=0.2, capacity=0.5, decode=0.3)
    assert (found.cause, found.state) == (Cause.MEMORY_CAPACITY, VerdictState.CLEAR)
    assert (found.share, found.low) == (pytest.approx(0.7), pytest.approx(0.5))


def test_batches_of_holes_hold_back_the_decode_that_they_are_part_of() -> None:
    found = judged(holes=0.6, queue=0.2, decode=0.8)
    assert (found.cause, found.share, found.low) == (Cause.SCHEDULING_BATCH_HOLES, 0.8, pytest.approx(0.48))
