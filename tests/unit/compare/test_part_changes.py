"""The changes of parts: what is told of each, and how far that may be off, belong together."""

from __future__ import annotations

import numpy as np
import pytest

from profiler.compare.part_changes import PartChanges, part_changes
from profiler.compare.result_times import OneTime, PartOfTime
from profiler.report.comparison import Side
from profiler.report.vocabulary import BottleneckClass

HOST, WEIGHTS = "scheduling.host", "memory.weights"
RESULTS, CONFIDENCE, PLANTED_MS = 8, 0.95, 0.4


def result(host_ms: float, weights_ms: float) -> OneTime:
    return OneTime(
        name="decode",
        clock="wall_ms",
        ms=host_ms + weights_ms,
        reach=0.05,
        repeats=10,
        parts=[
            PartOfTime(HOST, BottleneckClass.SCHEDULING, Side.HOST, host_ms),
            PartOfTime(WEIGHTS, BottleneckClass.MEMORY, Side.DEVICE, weights_ms),
        ],
    )


def compared(seed: int, planted_ms: float, disturbed: int = 0) -> PartChanges:
    """Sides whose traces give the weights what they take from the host, and once in a while half of it."""
    draw = np.random.default_rng(seed)

    def side(added_ms: float) -> list[OneTime]:
        taken = draw.normal(0, 0.2, RESULTS)
        taken[:disturbed] -= 0.6
        return [result(1.4 + added_ms + each, 2.2 - each) for each in taken]

    return part_changes(side(0.0), side(planted_ms), CONFIDENCE, in_turn=True)


@pytest.mark.parametrize("disturbed", [0, 1])
def test_the_interval_of_a_part_holds_what_was_planted_as_often_as_it_says(disturbed: int) -> None:
    held = 0
    for seed in range(400):
        host = next(part for part in compared(seed, PLANTED_MS, disturbed).parts if part.name == HOST)
        assert host.low_ms is not None
        assert host.high_ms is not None
        held += host.low_ms <= PLANTED_MS <= host.high_ms
    assert held >= 400 * CONFIDENCE - 2 * np.sqrt(400 * CONFIDENCE * (1 - CONFIDENCE))


def test_a_part_with_a_name_is_one_whose_interval_leaves_zero_out() -> None:
    for seed in range(100):
        found = compared(seed, PLANTED_MS)
        for part in found.parts:
            if part.name in found.sure:
                assert part.low_ms is not None
                assert part.high_ms is not None
                assert part.low_ms * part.high_ms > 0


def test_the_parts_of_a_side_sum_to_the_geometric_mean_of_its_times() -> None:
    sides = ([result(1.0, 3.0), result(2.0, 7.0)], [result(4.0, 4.0), result(1.0, 1.0)])
    parts = part_changes(*sides, CONFIDENCE, in_turn=False).parts
    assert sum(part.before_ms for part in parts) == pytest.approx(6.0)
    assert sum(part.after_ms for part in parts) == pytest.approx(4.0)
    assert next(part for part in parts if part.name == HOST).before_ms == pytest.approx(1.5 * 6.0 / 6.5)
