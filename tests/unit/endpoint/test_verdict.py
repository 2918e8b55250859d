from __future__ import annotations

import pytest

from profiler.endpoint.phase_class import PhaseClass
from profiler.endpoint.verdict import endpoint_verdict, of_survivors
from profiler.report.endpoint import EndpointPartName, PhaseClassFrom
from profiler.report.records import Verdict
from profiler.report.vocabulary import BottleneckClass, Cause, VerdictState
from tests.unit.endpoint.stand_ins import HEALTHY, LIMITED, server

Times = dict[EndpointPartName, int]
KNOWN_VERDICT = Verdict(
    class_=BottleneckClass.MEMORY,
    cause=Cause.MEMORY_WEIGHTS,
    share=0.9,
    low=0.8,
    high=1.0,
    runner_up=None,
    runner_up_share=None,
    state=VerdictState.CLEAR,
    throttled=False,
    confidence=0.9,
    evidence=["reading the weights takes it"],
)
KNOWN = PhaseClass(KNOWN_VERDICT, PhaseClassFrom.COSTS)


def times(client: int = 0, network: int = 1, queue: int = 0, prefill: int = 10, decode: int = 10) -> Times:
    return dict(zip(EndpointPartName, (client, network, queue, prefill, decode), strict=True))


def test_a_queue_that_leads_is_scheduling() -> None:
    leader, verdict = endpoint_verdict(times(queue=80), HEALTHY, server(), "server", {})
    assert leader is EndpointPartName.QUEUE
    assert (verdict.class_, verdict.cause, verdict.state) == (
        BottleneckClass.SCHEDULING,
        Cause.SCHEDULING_QUEUE,
        VerdictState.CLEAR,
    )
    assert verdict.share == pytest.approx(80 / 101)


@pytest.mark.parametrize("changes", [{"peak_kv_usage_waiting_ratio": 0.99}, {"preemptions": 3}])
def test_a_queue_for_a_full_kv_cache_is_memory(changes: dict[str, float]) -> None:
    _, verdict = endpoint_verdict(times(queue=80), HEALTHY, server(**changes), "server", {})
    assert verdict.cause is Cause.MEMORY_CAPACITY
    assert verdict.class_ is BottleneckClass.MEMORY


@pytest.mark.parametrize("while_waiting", [None, 0.1])
def test_a_kv_cache_that_was_full_only_while_nobody_waited_is_not_blamed(while_waiting: float | None) -> None:
    full_before = server(peak_kv_usage_ratio=0.99, peak_kv_usage_waiting_ratio=while_waiting)
    _, verdict = endpoint_verdict(times(queue=80), HEALTHY, full_before, "server", {})
    assert verdict.cause is Cause.SCHEDULING_QUEUE


def test_a_client_that_could_not_keep_up_is_told_and_the_server_is_not_blamed() -> None:
    _, verdict = endpoint_verdict(times(queue=80), LIMITED, server(), "server", {})
    assert verdict.state is VerdictState.REFUSED
    assert verdict.class_ is None
    assert verdict.evidence[0].startswith("the client was the bottleneck, not the server: the client used 99%")


def test_where_requests_wait_for_nothing_but_the_grain_of_timers_no_limit_of_the_users_is_blamed_alone() -> None:
    leader, verdict = endpoint_verdict(times(client=80), HEALTHY, server(), "server", {})
    assert leader is EndpointPartName.CLIENT
    assert verdict.state is VerdictState.REFUSED
    assert "--max-concurrency, or for its timers" in verdict.evidence[0]


def test_an_inferred_queue_is_marked_as_such() -> None:
    _, verdict = endpoint_verdict(times(queue=80), HEALTHY, None, "inferred", {})
    assert any("inferred" in text for text in verdict.evidence)
    assert any(text.endswith("there are no metrics of this load") for text in verdict.evidence)
    _, told = endpoint_verdict(times(queue=80), HEALTHY, server(), "server", {})
    assert not any("inferred" in text for text in told.evidence)


def test_a_phase_that_leads_is_judged_by_a_report_of_the_model_or_not_at_all() -> None:
    leader, refused = endpoint_verdict(times(decode=80), HEALTHY, server(), "server", {})
    assert leader is EndpointPartName.DECODE
    assert refused.state is VerdictState.REFUSED
    assert "--costs" in refused.evidence[0]
    _, verdict = endpoint_verdict(times(decode=80), HEALTHY, server(), "server", {"decode": KNOWN})
    assert (verdict.class_, verdict.cause) == (BottleneckClass.MEMORY, Cause.MEMORY_WEIGHTS)
    assert verdict.state is VerdictState.CLEAR
    said = "Decode leads with 88% of the time that requests take, and the report of the model says memory: reading the"
    assert verdict.evidence[0].startswith(said)


def test_two_parts_that_are_close_are_too_close_to_call() -> None:
    _, verdict = endpoint_verdict(times(queue=40, decode=39), HEALTHY, server(), "server", {"decode": KNOWN})
    assert verdict.state is VerdictState.INCONCLUSIVE
    assert verdict.runner_up is BottleneckClass.MEMORY


def test_nothing_that_ended_well_is_no_verdict() -> None:
    leader, verdict = endpoint_verdict({}, HEALTHY, None, "inferred", {})
    assert leader is None
    assert verdict.evidence == ["no request ended well"]


QUEUED = endpoint_verdict(times(queue=80), HEALTHY, server(), "server", {})[1]


def test_a_verdict_on_few_survivors_is_none() -> None:
    verdict = of_survivors(QUEUED, well=5, failed=95)
    assert (verdict.state, verdict.class_) == (VerdictState.REFUSED, None)
    assert verdict.evidence[0].startswith("95 of 100 requests failed")


def test_a_verdict_that_what_failed_could_turn_is_in_doubt_and_says_why_first() -> None:
    verdict = of_survivors(QUEUED, well=60, failed=40)
    assert (verdict.state, verdict.cause) == (VerdictState.INCONCLUSIVE, Cause.SCHEDULING_QUEUE)
    assert verdict.evidence[0].startswith("40 of 100 requests failed")


def test_a_verdict_that_a_few_failures_cannot_turn_stands_and_tells_of_them() -> None:
    verdict = of_survivors(QUEUED, well=98, failed=2)
    assert verdict.state is VerdictState.CLEAR
    assert verdict.evidence[-1].startswith("2 of 100 requests failed")
    assert of_survivors(QUEUED, well=100, failed=0) is QUEUED


def test_what_has_no_verdict_gets_none_by_failures() -> None:
    refused = endpoint_verdict({}, HEALTHY, None, "inferred", {})[1]
    assert of_survivors(refused, well=0, failed=9) is refused
