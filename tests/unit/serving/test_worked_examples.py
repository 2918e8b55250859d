"""The worked examples that people learn this from, to the digit."""

from __future__ import annotations

import pytest

from profiler.report.simulation import SimulatedPolicy
from profiler.report.vocabulary import Cause, VerdictState
from profiler.serving.generated import inline_requests
from profiler.serving.policies.policy import Limits
from profiler.session.simulate import constant_basis, simulate

FOUR = "500:100,1000:100,1000:300,4000:700"


def simulated(requests: str, policy: str, limits: Limits | None = None, **options: float) -> SimulatedPolicy:
    weights = options.pop("weight_bytes", None)
    basis = constant_basis(
        options.pop("prefill", 20_000), options.pop("decode", 50), None if weights is None else int(weights)
    )
    answer = simulate(inline_requests(requests), basis, name=requests, policies=[policy], limits=limits)
    return answer.policies[0]


def test_one_by_one_the_four_requests_take_24_325_seconds() -> None:
    serial = simulated(FOUR, "serial")
    assert serial.makespan_ms == 24_325
    assert [request.prefill_ms for request in serial.requests] == [25, 50, 50, 200]
    assert [request.decode_ms for request in serial.requests] == [2_000, 2_000, 6_000, 14_000]
    assert [request.queue_ms for request in serial.requests] == [0, 2_025, 4_075, 10_125]
    assert [request.e2e_ms for request in serial.requests] == [2_025, 4_075, 10_125, 24_325]


def test_the_first_token_follows_the_first_decode_step() -> None:
    serial = simulated(FOUR, "serial")
    assert [request.ttft_ms for request in serial.requests] == [45, 2_095, 4_145, 10_345]
    assert [request.tpot_ms for request in serial.requests] == [20] * 4


def test_the_first_request_spends_most_of_its_time_in_decode() -> None:
    first = simulated(FOUR, "serial").requests[0]
    assert first.decode_ms / first.e2e_ms == pytest.approx(0.9877, abs=1e-4)


def test_of_1200_slots_of_a_static_batch_700_are_holes() -> None:
    static = simulated("10:40,10:60,10:400", "static")
    assert static.decode_steps == 400
    assert static.hole_ratio == 700 / 1200
    assert [request.hole_ms for request in static.requests] == [360 * 20, 340 * 20, 0]


def test_such_a_batch_is_held_back_by_its_holes() -> None:
    verdict = simulated("10:40,10:60,10:400", "static").verdict
    assert (verdict.cause, verdict.state) == (Cause.SCHEDULING_BATCH_HOLES, VerdictState.CLEAR)
    assert verdict.evidence[0].endswith("58% of the slot-steps are holes")


def test_one_by_one_two_fifths_are_waiting_and_of_the_rest_nothing_is_known() -> None:
    verdict = simulated(FOUR, "serial").verdict
    assert (verdict.cause, verdict.state) == (Cause.SCHEDULING_QUEUE, VerdictState.INCONCLUSIVE)
    assert verdict.low == pytest.approx(16.225 / 40.55)
    assert verdict.high == pytest.approx((16.225 + 24) / 40.55)


def test_14_gb_of_weights_at_40_tokens_a_second_are_read_at_560_gb_a_second() -> None:
    assert simulated("10:40", "serial", decode=40, weight_bytes=14e9).weights_gb_per_s == 560


def test_without_their_size_nobody_knows_how_fast_weights_are_read() -> None:
    serial = simulated(FOUR, "serial")
    assert serial.weights_gb_per_s is None
    assert "--weights-gb" in (serial.sources["weights_gb_per_s"].missing or "")


def test_together_they_take_as_long_as_the_longest() -> None:
    assert simulated(FOUR, "static").makespan_ms == 200 + 14_000
    assert simulated(FOUR, "continuous", Limits(token_budget=100_000)).makespan_ms == 200 + 14_000
