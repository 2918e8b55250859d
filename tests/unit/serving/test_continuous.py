"""Continuous batching: chunks, budgets, memory, and who goes first."""

from __future__ import annotations

import tracemalloc

import pytest

from profiler.serving.costs import ConstantCosts
from profiler.serving.fleet import serve
from profiler.serving.policies import POLICIES
from profiler.serving.policies.policy import Limits
from tests.unit.serving.requests import SECOND, SPEEDS, WholeCosts, log_of

MS = 10**6
COSTS = WholeCosts()


def test_a_long_prompt_is_prefilled_in_chunks_of_the_budget() -> None:
    ledger = serve("continuous", log_of((0, 4000, 1)), SPEEDS, Limits(token_budget=2048))
    assert ledger.prefilled[0] == (2048 + 1952) * SECOND // 20_000
    assert ledger.replicas[0].iterations == 3


def test_who_decodes_gets_a_token_while_another_prefills() -> None:
    log = log_of((0, 20, 50), (0.1, 2000, 10))
    ledger = serve("continuous", log, SPEEDS, Limits(token_budget=501, slots=2))
    alone = serve("continuous", log_of((0, 20, 50)), SPEEDS, Limits(token_budget=501, slots=2))
    # Four iterations of 500 tokens take 25 ms each, where a step takes 20.
    assert ledger.finish[0] - alone.finish[0] == 4 * 5 * MS
    assert ledger.prefilled[1] - ledger.start[1] == 4 * 25 * MS


def test_nobody_joins_a_full_batch_before_somebody_leaves() -> None:
    ledger = serve("continuous", log_of((0, 10, 5), (0, 10, 50), (0, 10, 5)), SPEEDS, Limits(slots=2))
    assert ledger.start[2] == ledger.finish[0]
    assert ledger.slot[2] == ledger.slot[0]


def test_where_memory_is_full_the_newest_is_put_out_and_comes_back_first() -> None:
    log = log_of((0, 50, 40), (0, 50, 40), (0.00001, 30, 5))
    ledger = serve("continuous", log, COSTS, Limits(kv_tokens=130))
    (stay,) = ledger.stays
    assert stay.request == 1
    assert ledger.replicas[0].preemptions == 1
    assert ledger.seated[1] >= ledger.finish[0]
    assert ledger.start[2] >= ledger.seated[1]
    assert ledger.preempted[1] > ledger.seated[1] - stay.end_ns
    assert ledger.finish[0] < ledger.finish[1]


def test_what_was_generated_before_is_not_given_again() -> None:
    log = log_of((0, 50, 40), (0, 50, 40))
    for costs in (COSTS, WholeCosts(prefill_gives_token=False)):
        sums = serve("continuous", log, costs, Limits(kv_tokens=130)).replicas[0]
        assert sums.preemptions == 1
        assert sum(sums.gap_tokens) == 2 * 39
        # The gap over the preemption is longer than any other.
        assert sums.gap_tokens[list(sums.gap_ns).index(max(sums.gap_ns))] == 1


def test_who_is_put_out_twice_before_a_token_came_was_not_out_for_longer_than_it_was_there() -> None:
    log = log_of((0.00738651, 11, 13), (0.041871164, 26, 6), (0.0823781, 26, 10), (0.099522869, 13, 8))
    ledger = serve("shortest-first", log, ConstantCosts(200, 50), Limits(slots=8, token_budget=64, kv_tokens=42))
    assert ledger.replicas[0].preemptions > 1
    for out, start, finish in zip(ledger.preempted, ledger.start, ledger.finish, strict=True):
        assert 0 <= out < finish - start


def test_memory_is_never_overdrawn() -> None:
    log = log_of(*((0, 40, 60) for _ in range(8)))
    sums = serve("continuous", log, COSTS, Limits(kv_tokens=250)).replicas[0]
    assert sums.preemptions > 0
    assert sums.peak_kv_tokens <= 250


def test_how_long_memory_alone_held_the_queue_back_is_kept() -> None:
    ledger = serve("continuous", log_of((0, 90, 10), (0, 90, 10)), COSTS, Limits(kv_tokens=110))
    (begin,), (end,) = ledger.replicas[0].memory_begin, ledger.replicas[0].memory_end
    assert begin == ledger.start[0]
    assert end == ledger.start[1] == ledger.finish[0]


def test_the_shortest_goes_first() -> None:
    log = log_of((0, 10, 100), (0.001, 10, 90), (0.002, 10, 3))
    ledger = serve("shortest-first", log, SPEEDS, Limits(slots=1))
    assert ledger.finish[0] == ledger.start[2] < ledger.start[1]


def test_the_smallest_priority_goes_first_and_of_equals_the_oldest() -> None:
    log = log_of((0, 10, 9), (0.001, 10, 9), (0.002, 10, 9), (0.003, 10, 9), priorities=(0, 1, 0, 0))
    ledger = serve("priority", log, SPEEDS, Limits(slots=1))
    assert sorted(range(4), key=lambda request: ledger.start[request]) == [0, 2, 3, 1]


@pytest.mark.parametrize("policy", ["priority", "shortest-first"])
def test_where_memory_is_full_who_would_go_last_is_put_out(policy: str) -> None:
    log = log_of((0, 100, 900), (1, 100, 800), priorities=(5, 0))
    ledger = serve(policy, log, SPEEDS, Limits(kv_tokens=1200))
    assert {stay.request for stay in ledger.stays} == {0}
    assert ledger.preempted[0] > ledger.preempted[1] == 0
    # As if it were alone, but for computing what the other had lost, once, beside a step.
    assert ledger.finish[1] - ledger.start[1] < 802 * 20 * MS


def test_slots_that_nobody_needs_take_no_memory() -> None:
    limits = Limits(slots=1_000_000, token_budget=1_000_000)
    tracemalloc.start()
    try:
        ledger = serve("continuous", log_of((0, 10, 5), (0, 10, 5), (0, 10, 5)), SPEEDS, limits, 2)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert ledger.slot.tolist() == [0, 0, 1]
    assert peak < 1 << 20


def test_one_slot_is_serial() -> None:
    log = log_of((0, 100, 30), (0.1, 2000, 5), (0.5, 10, 1), (9, 70, 8))
    serial, one = (serve(name, log, SPEEDS, Limits(slots=1, token_budget=5000)) for name in ("serial", "continuous"))
    for name in ("start", "prefilled", "first_token", "finish"):
        assert getattr(serial, name) == getattr(one, name)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_request_goes_to_the_replica_with_the_fewest(policy: str) -> None:
    log = log_of((0, 10, 500), (0.1, 10, 1), (0.2, 10, 1), (0.3, 10, 1))
    assert serve(policy, log, SPEEDS, Limits(), 2).replica.tolist() == [0, 1, 1, 1]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_replica_is_busy_until_its_request_has_its_last_token(policy: str) -> None:
    # 50 tokens take 1.005 s: at 2 s the second replica has 5 ms to go, at 3 s it is idle.
    log = log_of((0, 100, 400), (1, 100, 50), (2, 100, 50), (3, 100, 50))
    ledger = serve(policy, log, SPEEDS, Limits(), 4)
    assert ledger.replica.tolist() == [0, 1, 2, 1]
    assert ledger.start.tolist() == log.arrival_ns.tolist()


def test_replicas_do_not_slow_each_other() -> None:
    log = log_of((0, 10, 500), (0, 10, 500))
    assert serve("serial", log, SPEEDS, Limits(), 2).finish.tolist() == [500 * 20 * MS + MS // 2] * 2
