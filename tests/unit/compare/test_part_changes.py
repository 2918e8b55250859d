"""The changes of parts: what is told of each, and how far that may be off, belong together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiler.compare.part_changes import PartChanges, part_changes
from profiler.compare.result_times import OneTime, PartOfTime
from profiler.report.comparison import CauseChange, Side
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


def compared(seed: int, planted_ms: float, disturbed_ms: float = 0.0) -> PartChanges:
    """Sides whose traces give the weights what they take from the host, on a host that is not always as fast.

    One result after was disturbed for so long.
    """
    draw = np.random.default_rng(seed)

    def side(added_ms: float) -> list[OneTime]:
        host = 1.4 * np.exp(draw.normal(0, 0.1, RESULTS)) + added_ms
        taken = draw.normal(0, 0.2, RESULTS)
        return [result(*each) for each in zip(host + taken, 2.2 - taken, strict=True)]

    before, after = side(0.0), side(planted_ms)
    host, weights = (part.ms for part in after[0].parts)
    return part_changes(before, [result(host + disturbed_ms, weights), *after[1:]], CONFIDENCE, in_turn=True)


def change_of(name: str, found: PartChanges) -> CauseChange:
    return next(part for part in found.parts if part.name == name)


def test_the_interval_of_a_part_holds_what_was_planted_as_often_as_it_says() -> None:
    held = 0
    for seed in range(400):
        host = change_of(HOST, compared(seed, PLANTED_MS))
        assert host.low_ms is not None
        assert host.high_ms is not None
        held += host.low_ms <= PLANTED_MS <= host.high_ms
    spread = 2 * np.sqrt(400 * CONFIDENCE * (1 - CONFIDENCE))
    assert 400 * CONFIDENCE - spread <= held <= 400 * CONFIDENCE + spread


def test_a_disturbed_result_widens_the_interval_of_the_part_that_it_disturbs() -> None:
    usual, disturbed = (change_of(HOST, compared(1, PLANTED_MS, ms)) for ms in (0.0, 10.0))
    assert disturbed.low_ms is not None
    assert usual.low_ms is not None
    assert disturbed.change_ms - disturbed.low_ms > 3 * (usual.change_ms - usual.low_ms)


@pytest.mark.parametrize("host_ms", [[1.4] * 7 + [11.4], [1.0, 3.0, 0.5, 2.0, 1.4, 1.2, 5.0, 0.8]])
def test_a_part_that_is_the_same_in_all_results_of_a_side_stays_what_it_is_however_the_others_scatter(
    host_ms: list[float],
) -> None:
    """Scaling the mean parts to the geometric mean of the times would take a part of it where the host scatters."""
    before, after = [result(1.4, 2.2)] * 8, [result(host, 2.3) for host in host_ms]
    weights = change_of(WEIGHTS, part_changes(before, after, CONFIDENCE, in_turn=True))
    assert weights.change_ms == pytest.approx(0.1, abs=0.01)


def test_a_part_with_a_name_is_one_whose_interval_leaves_zero_out() -> None:
    for seed in range(100):
        found = compared(seed, PLANTED_MS)
        for part in found.parts:
            if part.name in found.sure:
                assert part.low_ms is not None
                assert part.high_ms is not None
                assert part.low_ms * part.high_ms > 0


@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0.01, 50)), min_size=1, max_size=8))
def test_the_parts_of_a_side_sum_to_the_geometric_mean_of_its_times(parts: list[tuple[float, float]]) -> None:
    side = [result(*each) for each in parts]
    found = part_changes(side, side, CONFIDENCE, in_turn=False).parts
    geometric = np.exp(np.mean([np.log(time.ms) for time in side]))
    assert sum(part.before_ms for part in found) == pytest.approx(geometric)
    assert sum(part.change_ms for part in found) == pytest.approx(0, abs=1e-9)


def test_of_one_result_the_parts_are_its_own() -> None:
    found = part_changes([result(1.0, 3.0)], [result(2.0, 7.0)], CONFIDENCE, in_turn=False)
    assert change_of(HOST, found).before_ms == 1.0
    assert change_of(WEIGHTS, found).after_ms == 7.0
