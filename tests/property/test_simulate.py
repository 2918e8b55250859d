"""What holds of every simulation, whatever arrives."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiler.serving.fleet import serve
from profiler.serving.generated import Lengths, generated_requests
from profiler.serving.ledger import Ledger
from profiler.serving.log import RequestLog
from profiler.serving.outcome import Outcome, Slo
from profiler.serving.policies import POLICIES
from profiler.serving.policies.policy import Limits
from profiler.serving.surface import SurfaceCosts
from profiler.session.simulate import constant_basis, simulate
from tests.unit.serving.plain_batches import plain_serial, plain_static
from tests.unit.serving.plain_engine import Sequence, plain
from tests.unit.serving.requests import SPEEDS, WholeCosts, log_of, surface

# Arrivals in microseconds, so that they fall between iterations and into them.
requests = st.tuples(
    st.integers(0, 60).map(lambda micro: micro / 1e6), st.integers(1, 90), st.integers(1, 40), st.integers(0, 2)
)
logs = st.lists(requests, min_size=1, max_size=25).map(
    lambda found: log_of(*(request for *request, _ in found), priorities=[priority for *_, priority in found])
)
limits = st.builds(
    Limits,
    slots=st.integers(1, 6),
    token_budget=st.integers(6, 200),
    kv_tokens=st.none() | st.integers(130, 500),
    batch_size=st.integers(1, 5),
    window_ns=st.integers(0, 30_000),
    padded=st.booleans(),
)
costs = st.builds(WholeCosts, prefill_gives_token=st.booleans()) | st.just(SPEEDS)
policies = st.sampled_from(sorted(POLICIES))
unhurried = settings(deadline=None)  # the machine may be busy


def intervals(ledger: Ledger) -> dict[tuple[int, int], list[tuple[int, int]]]:
    held: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for request, slot in enumerate(ledger.slot):
        held[ledger.replica[request], slot].append((ledger.seated[request], ledger.released[request]))
    for stay in ledger.stays:
        held[stay.replica, stay.slot].append((stay.begin_ns, stay.end_ns))
    return held


def plainly(policy: str, log: RequestLog, cost: WholeCosts, limit: Limits) -> list[Sequence]:
    match policy:
        case "serial":
            return plain_serial(log, cost)
        case "static":
            return plain_static(log, cost, limit)
        case "priority":
            return plain(log, cost, limit, lambda request: int(log.priority[request]))
        case "shortest-first":
            return plain(log, cost, limit, lambda each: log.output_tokens[each] + log.prompt_tokens[each] * 1e-9)
    return plain(log, cost, limit)


@given(logs, limits, costs, policies)
@unhurried
def test_jumping_over_equal_iterations_changes_nothing(
    log: RequestLog, limit: Limits, cost: WholeCosts, policy: str
) -> None:
    ledger = serve(policy, log, cost, limit)
    slow = plainly(policy, log, cost, limit)
    assert ledger.start.tolist() == [each.start for each in slow]
    assert ledger.prefilled.tolist() == [each.prefilled for each in slow]
    assert ledger.first_token.tolist() == [each.tokens[0] for each in slow]
    assert ledger.finish.tolist() == [each.tokens[-1] for each in slow]
    assert ledger.preempted.tolist() == [each.preempted for each in slow]
    (sums,) = ledger.replicas
    gaps = [after - before for each in slow for before, after in pairwise(each.tokens)]
    assert sum(sums.gap_tokens) == len(gaps)
    runs = zip(sums.gap_ns, sums.gap_tokens, strict=True)
    # The mean gap of a run is rounded, by half a nanosecond at most.
    assert sum(gap * tokens for gap, tokens in runs) == pytest.approx(sum(gaps), abs=len(gaps))


@given(logs, limits, costs, policies, st.integers(1, 3))
@unhurried
def test_no_slot_is_used_twice_and_none_beyond_those_there_are(
    log: RequestLog, limit: Limits, cost: WholeCosts, policy: str, replicas: int
) -> None:
    ledger = serve(policy, log, cost, limit, replicas)
    for (replica, slot), stays in intervals(ledger).items():
        assert 0 <= replica < replicas
        assert 0 <= slot < ledger.slots
        stays.sort()
        assert all(end <= begin for (_, end), (begin, _) in pairwise(stays))


@given(logs, limits, costs, policies, st.integers(1, 3))
@unhurried
def test_every_request_goes_through_its_phases_in_order(
    log: RequestLog, limit: Limits, cost: WholeCosts, policy: str, replicas: int
) -> None:
    ledger = serve(policy, log, cost, limit, replicas)
    times = [
        log.arrival_ns,
        *(ledger.column(name) for name in ("start", "prefilled", "first_token", "finish", "released")),
    ]
    for before, after in pairwise(times):
        assert (before <= after).all()
    outcome = Outcome(policy, log, ledger, cost.alone_ns(log.prompt_tokens, log.output_tokens))
    assert (outcome.queue_ns + outcome.prefill_ns + outcome.decode_ns == outcome.e2e_ns).all()


@given(logs, limits, costs, policies, st.integers(1, 3))
@unhurried
def test_work_is_conserved(log: RequestLog, limit: Limits, cost: WholeCosts, policy: str, replicas: int) -> None:
    """Every token is given once, and no replica has nothing to do while one of its requests could run."""
    ledger = serve(policy, log, cost, limit, replicas)
    assert sum(sum(sums.gap_tokens) for sums in ledger.replicas) == int((log.output_tokens - 1).sum())
    window = limit.window_ns if policy == "static" else 0
    for number, sums in enumerate(ledger.replicas):
        mine = np.flatnonzero(ledger.column("replica") == number)
        there, batches, last = 0, 0, 0
        for request in mine[np.argsort(log.arrival_ns[mine], kind="stable")]:
            begin, end = int(log.arrival_ns[request]), ledger.released[request]
            there += max(end - max(begin, last), 0)
            last = max(last, end)
            batches += 1
        assert there - window * batches <= sums.busy_ns <= there


@pytest.mark.parametrize("policy", POLICIES)
@given(logs, limits, st.integers(130, 400), costs, st.integers(1, 2))
@unhurried
def test_the_kv_memory_is_never_overdrawn(
    policy: str, log: RequestLog, limit: Limits, kv_tokens: int, cost: WholeCosts, replicas: int
) -> None:
    for sums in serve(policy, log, cost, replace(limit, kv_tokens=kv_tokens), replicas).replicas:
        assert sums.peak_kv_tokens <= kv_tokens


@given(logs, limits, costs, policies, st.integers(2, 4))
@unhurried
def test_a_request_goes_to_the_replica_with_the_fewest_that_are_not_finished(
    log: RequestLog, limit: Limits, cost: WholeCosts, policy: str, replicas: int
) -> None:
    ledger = serve(policy, log, cost, limit, replicas)
    replica, finish = ledger.column("replica"), ledger.column("finish")
    for request, arrival in enumerate(log.arrival_ns):
        there = replica[:request][finish[:request] > arrival]
        assert np.argmin(np.bincount(there, minlength=replicas)) == replica[request]


@given(logs, st.booleans())
@unhurried
def test_a_static_batch_of_one_is_serial(log: RequestLog, padded: bool) -> None:
    limit = Limits(batch_size=1, padded=padded)
    one, serial = (serve(name, log, SurfaceCosts(surface()), limit) for name in ("static", "serial"))
    for name in ("start", "prefilled", "first_token", "finish", "released"):
        assert getattr(one, name) == getattr(serial, name)
    assert one.replicas[0].peak_kv_tokens == serial.replicas[0].peak_kv_tokens


@given(logs, limits, policies, st.integers(1, 2))
@settings(max_examples=40, deadline=None)
def test_the_parts_sum_to_all_the_time_that_requests_take(
    log: RequestLog, limit: Limits, policy: str, replicas: int
) -> None:
    answer = simulate(
        log, constant_basis(2e7, 1e5), name="", policies=[policy], limits=limit, replicas=replicas, slo=Slo(1, 1, 1)
    )
    (found,) = answer.policies
    assert sum(part.ns for part in found.parts) == sum(request.e2e_ns for request in found.requests)
    assert all(part.ns >= 0 for part in found.parts)
    assert found.queue_share + found.prefill_share + found.decode_share == pytest.approx(1)
    for request in found.requests:
        assert request.queue_ns + request.prefill_ns + request.decode_ns == request.e2e_ns
        assert 0 <= request.head_of_line_ms <= request.queue_ms + 1e-6
    assert 0 <= found.hole_ratio < 1
    assert 0 < found.slot_occupancy_ratio <= 1
    assert 0 < found.fairness.index <= 1 + 1e-12


@given(st.integers(0, 2**32), st.sampled_from(sorted(POLICIES)))
@settings(max_examples=10, deadline=None)
def test_the_same_seed_gives_the_same_run(seed: int, policy: str) -> None:
    runs = []
    for _ in range(2):
        log = generated_requests(
            40, 60, Lengths("exponential", 300), Lengths("lognormal", 50, 0.7), burstiness=0.3, seed=seed
        )
        runs.append(serve(policy, log, SPEEDS, Limits(slots=4, kv_tokens=100_000), 2))
    for name in ("start", "prefilled", "first_token", "finish", "slot", "replica"):
        assert getattr(runs[0], name) == getattr(runs[1], name)


@pytest.mark.parametrize(("policy", "rate"), [("serial", 0.3), ("static", 0.6), ("continuous", 6.0)])
def test_littles_law_holds_within_one_percent(policy: str, rate: float) -> None:
    """Requests that are there on average are the rate times how long each stays."""
    log = generated_requests(
        rate, 20_000, Lengths("lognormal", 400, 0.8), Lengths("exponential", 100), burstiness=1.0, seed=7
    )
    ledger = serve(policy, log, SPEEDS, Limits(slots=32))
    finish, end = np.sort(ledger.column("finish")), int(log.arrival_ns[-1])
    instants = np.linspace(0, end, 1_000_003)
    there = np.searchsorted(log.arrival_ns, instants, side="right") - np.searchsorted(finish, instants, side="right")
    stay = (ledger.column("finish") - log.arrival_ns).mean()
    assert there.mean() == pytest.approx(len(log) / end * stay, rel=0.01)
