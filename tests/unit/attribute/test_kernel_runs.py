from __future__ import annotations

import numpy as np

from profiler.attribute.kernel_runs import told_apart


def sizes(durations: list[float]) -> list[list[float]]:
    found = np.array(durations)
    return [sorted(found[part].tolist()) for part in told_apart(found)]


def test_runs_of_two_sizes_are_told_apart_by_the_gap_between_them() -> None:
    assert sizes([44.0, 16.0, 43.0, 15.5, 16.2]) == [[15.5, 16.0, 16.2], [43.0, 44.0]]


def test_runs_that_scatter_without_a_gap_are_one_size() -> None:
    assert len(sizes([10.0 * 1.1**step for step in range(20)])) == 1


def test_a_stray_run_is_no_size_of_its_own() -> None:
    parts = sizes([10.0] * 99 + [40.0])
    assert [len(part) for part in parts] == [100]


def test_runs_that_are_all_strays_are_one_size() -> None:
    assert len(sizes([2.0**step for step in range(60)])) == 1
