from __future__ import annotations

from functools import cache

import pytest
from msgspec.structs import replace

from profiler.attribute.counted import Counted, CountedKernel, Estimate, Series
from profiler.attribute.kernel_work import kernels_work
from profiler.attribute.known_activities import known_activities
from profiler.attribute.phase import KnownActivity
from profiler.measure.counters.source import Counter
from profiler.trace.graph import build_graph
from profiler.trace.kineto import read_kineto
from profiler.trace.steps import cut, representative, steps_of
from profiler.trace.timeline import Timeline
from tests.unit.attribute.recorded_steps import RECORDINGS

TOP_BYTES_PER_US = 3.1e6


@cache
def traced() -> Timeline:
    return read_kineto(RECORDINGS / "decode_b1_graph.json.gz")


def known(counted: Counted | None) -> list[KnownActivity]:
    timeline = traced()
    chosen = representative(steps_of(timeline), timeline.overhead)
    step = cut(timeline, chosen)
    graph = build_graph(step, chosen.start_ns, chosen.end_ns)
    return known_activities(step, graph, kernels_work(step), {}, counted)


def counted_as(*kernels: CountedKernel) -> Counted:
    return Counted(
        kernels=list(kernels),
        whole={},
        iterations=10,
        samples=1000,
        sample_us=20.0,
        misfit=0.05,
        explained_ratio=1.0,
        top_bytes_per_us=TOP_BYTES_PER_US,
        series=Series([], {}),
    )


def kernel(us: float, read: float, error: float = 1e5) -> CountedKernel:
    """As the longest kernel of the step is called."""
    timeline = traced()
    row = int((timeline.device.end_ns - timeline.device.start_ns).argmax())
    x, y, z = timeline.device.grid[row].tolist()
    each = {
        Counter.DRAM_READ: Estimate(read, error),
        Counter.DRAM_WRITE: Estimate(1e4, 1e3),
        Counter.TENSOR_ACTIVE: Estimate(0.11, 0.001),
    }
    return CountedKernel((timeline.name_of(timeline.device.name, row), (x, y, z)), 1.0, us, 2.2, 1.8, each)


def longest(activities: list[KnownActivity]) -> KnownActivity:
    return max(activities, key=lambda one: one.facts.duration_us)


def test_a_kernel_is_known_by_what_it_was_counted_to_move() -> None:
    us = longest(known(None)).facts.duration_us
    facts = longest(known(counted_as(kernel(us, 1.05e9)))).facts.kernel
    assert facts.counted_bytes == pytest.approx(1.05001e9)
    assert (facts.tensor_active_ratio, facts.issue_active_ratio) == (0.11, None)


def test_of_two_sizes_of_one_kernel_the_nearer_counts() -> None:
    us = longest(known(None)).facts.duration_us
    found = longest(known(counted_as(kernel(us / 8, 1e8), kernel(us * 1.1, 1.05e9))))
    assert found.facts.kernel.counted_bytes == pytest.approx(1.05001e9)


def test_a_kernel_of_another_duration_was_not_counted() -> None:
    us = longest(known(None)).facts.duration_us
    assert longest(known(counted_as(kernel(us * 2, 1.05e9)))).facts.kernel.counted_bytes is None


def test_a_unit_whose_share_is_not_sure_is_left_out_and_the_bytes_stay() -> None:
    us = longest(known(None)).facts.duration_us
    one = kernel(us, 1.05e9)
    unsure = replace(one, each={**one.each, Counter.TENSOR_ACTIVE: Estimate(0.5, 0.2)})
    facts = longest(known(counted_as(unsure))).facts.kernel
    assert (facts.tensor_active_ratio, facts.counted_bytes) == (None, pytest.approx(1.05001e9))


def test_a_number_with_too_large_an_error_is_left_out() -> None:
    us = longest(known(None)).facts.duration_us
    unsure = kernel(us, 1.05e9, error=0.2 * TOP_BYTES_PER_US * us)
    assert longest(known(counted_as(unsure))).facts.kernel.counted_bytes is None
