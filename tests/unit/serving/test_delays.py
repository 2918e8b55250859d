"""What requests wait for: longer ones, holes, memory, or their turn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiler.serving.delays import Delays, delays
from profiler.serving.fleet import serve
from profiler.serving.log import RequestLog
from profiler.serving.policies.policy import Limits
from tests.unit.serving.requests import SPEEDS, WholeCosts, log_of

MS = 10**6


def found(policy: str, log: RequestLog, limits: Limits | None = None, costs: WholeCosts | None = None) -> Delays:
    used = costs or SPEEDS
    ledger = serve(policy, log, used, limits or Limits())
    return delays(log, ledger, used.alone_ns(log.prompt_tokens, log.output_tokens))


def test_waiting_for_a_longer_one_is_head_of_line_blocking() -> None:
    delay = found("serial", log_of((0, 20, 100), (0, 20, 10)))
    assert delay.head_of_line.tolist() == [0, 2001 * MS]


def test_shortest_first_would_save_all_of_it_but_the_own_length() -> None:
    delay = found("serial", log_of((0, 20, 100), (0, 20, 10)))
    assert delay.avoidable.tolist() == pytest.approx([0, (2001 - 201) * MS])


def test_waiting_for_a_shorter_one_or_for_an_equal_is_not() -> None:
    delay = found("serial", log_of((0, 20, 10), (0, 20, 10), (0, 20, 100)))
    assert not delay.head_of_line.any()


@given(st.lists(st.integers(1, 400), min_size=2, max_size=12))
@settings(deadline=None)  # the machine may be busy
def test_served_one_by_one_it_is_exactly_what_shortest_first_saves(outputs: list[int]) -> None:
    log = log_of(*((0, 20, output) for output in outputs))
    ledger = serve("serial", log, SPEEDS, Limits())
    shortest = serve("serial", log_of(*((0, 20, output) for output in sorted(outputs))), SPEEDS, Limits())
    saved = ledger.column("finish").sum() - shortest.column("finish").sum()
    assert found("serial", log).avoidable.sum() == pytest.approx(saved, abs=10)


def test_of_several_that_run_each_counts_for_its_part() -> None:
    log = log_of((0, 20, 100), (0, 20, 4), (0.01, 20, 20))
    ledger = serve("continuous", log, SPEEDS, Limits(slots=2))
    delay = found("continuous", log, Limits(slots=2))
    assert ledger.start[2] == ledger.finish[1]
    assert delay.head_of_line[2] == pytest.approx((ledger.start[2] - log.arrival_ns[2]) / 2)


def test_waiting_beside_ended_requests_is_waiting_for_holes() -> None:
    log = log_of((0, 20, 10), (0, 20, 30), (0.3, 20, 30))
    ledger = serve("static", log, SPEEDS, Limits(batch_size=2))
    delay = found("static", log, Limits(batch_size=2))
    assert ledger.finish[0] < log.arrival_ns[2] < ledger.start[2]
    assert delay.holes.tolist() == pytest.approx([0, 0, (ledger.start[2] - log.arrival_ns[2]) / 2])


def test_waiting_for_memory_alone_is_memory_s_as_a_whole() -> None:
    log, costs = log_of((0, 90, 10), (0, 90, 10)), WholeCosts()
    limits = Limits(kv_tokens=110)
    ledger = serve("continuous", log, costs, limits)
    delay = found("continuous", log, limits, costs)
    first_iteration = ledger.replicas[0].memory_begin[0]
    assert delay.memory.tolist() == [0, ledger.start[1] - first_iteration]
    assert not delay.head_of_line.any()


def test_more_lengths_than_can_be_told_apart_are_told_by_class() -> None:
    outputs = np.random.default_rng(3).integers(1, 5000, 400)
    log = log_of(*((0, 20, int(output)) for output in outputs))
    ledger = serve("serial", log, SPEEDS, Limits())
    shortest = serve("serial", log_of(*((0, 20, int(each)) for each in sorted(outputs))), SPEEDS, Limits())
    saved = ledger.column("finish").sum() - shortest.column("finish").sum()
    assert found("serial", log).avoidable.sum() == pytest.approx(saved, rel=0.05)
