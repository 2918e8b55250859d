"""What is made of a run: latencies, goodput, fairness, load and the picture."""

from __future__ import annotations

import json

import msgspec
import numpy as np
import pytest

from profiler.errors import InterruptedByUser, UsageError
from profiler.report.records import Verdict
from profiler.report.simulation import ServingPartName, SimulatedPolicy, Simulation, SlotState, encode_simulation
from profiler.report.vocabulary import BottleneckClass, Cause, VerdictState
from profiler.serving import fleet
from profiler.serving.generated import Lengths, generated_requests
from profiler.serving.log import RequestLog, Rows
from profiler.serving.outcome import Slo
from profiler.serving.policies import USUAL
from profiler.serving.policies.policy import Limits
from profiler.serving.profiled_phase import ProfiledPhase
from profiler.serving.spread import weighted_percentiles
from profiler.session import simulate as session
from profiler.session.simulate import Basis, constant_basis, simulate, surface_basis
from tests.unit.serving.requests import SECOND, log_of, surface

BASIS = constant_basis(20_000, 50)
PAIR = (ServingPartName.HEAD_OF_LINE, ServingPartName.QUEUE)


def one(log: RequestLog, policy: str = "serial", basis: Basis = BASIS, **options: object) -> SimulatedPolicy:
    (found,) = simulate(log, basis, name="", policies=[policy], **options).policies  # type: ignore[arg-type]
    return found


def knowing(decode: BottleneckClass, cause: Cause) -> Basis:
    known = Verdict(
        class_=decode,
        cause=cause,
        share=0.9,
        low=0.8,
        high=0.95,
        runner_up=BottleneckClass.COMPUTE,
        runner_up_share=0.1,
        state=VerdictState.CLEAR,
        throttled=False,
        confidence=1.0,
        evidence=["it reads the weights"],
    )
    return Basis(BASIS.costs, BASIS.record, {"decode": ProfiledPhase(known, 20.0, "batch 1, 100 prompt tokens")})


def poisson(rate: float, number: int = 3000) -> RequestLog:
    return generated_requests(rate, number, Lengths("constant", 100), Lengths("exponential", 50), burstiness=1, seed=2)


def test_too_much_load_is_the_queues_fault() -> None:
    found = one(poisson(2.0))
    assert (found.verdict.class_, found.verdict.cause) == (BottleneckClass.SCHEDULING, Cause.SCHEDULING_QUEUE)
    assert found.load.diverges
    assert "the queue grows" in found.verdict.evidence[-1]


def test_more_than_is_carried_is_the_queues_fault_however_unequal_requests_are() -> None:
    lengths = Lengths("constant", 100), Lengths("lognormal", 50, 1.5)
    found = one(generated_requests(2, 2000, *lengths, burstiness=1, seed=2))
    ahead, queue = (next(each.ns for each in found.parts if each.part == part) for part in PAIR)
    assert ahead > queue
    assert found.verdict.cause is Cause.SCHEDULING_QUEUE
    assert found.verdict.evidence[1].startswith("Of the waiting, 100% is for its turn, or behind longer requests")


def test_little_load_is_not_and_then_the_phase_has_its_own_bottleneck() -> None:
    light = poisson(0.05)
    unknown = one(light).verdict
    assert (unknown.state, unknown.class_) == (VerdictState.REFUSED, None)
    assert "--costs" in unknown.evidence[-1]
    known = one(light, basis=knowing(BottleneckClass.MEMORY, Cause.MEMORY_WEIGHTS)).verdict
    assert (known.class_, known.cause) == (BottleneckClass.MEMORY, Cause.MEMORY_WEIGHTS)
    assert known.share is not None
    assert known.share > 0.9
    assert known.evidence[-1] == "it reads the weights"


def test_one_long_request_before_many_short_ones_blocks_the_head_of_the_line() -> None:
    found = one(log_of((0, 10, 4000), *((0.01, 10, 10) for _ in range(20))))
    assert found.verdict.cause is Cause.SCHEDULING_HEAD_OF_LINE
    assert found.head_of_line_ms == pytest.approx(20 * (80_000.5 - 10))


def test_short_requests_beside_a_long_one_leave_holes_that_others_wait_for() -> None:
    pairs = [(0.0, 10, length) for _ in range(10) for length in (400, *([4] * 7))]
    found = one(log_of(*pairs), "static")
    assert found.verdict.cause is Cause.SCHEDULING_BATCH_HOLES
    assert found.hole_ratio == pytest.approx(7 / 8 * 396 / 400)


def test_a_full_kv_cache_is_memory_s_fault() -> None:
    found = one(log_of(*((0, 500, 500) for _ in range(12))), "continuous", limits=Limits(kv_tokens=1500))
    assert (found.verdict.class_, found.verdict.cause) == (BottleneckClass.MEMORY, Cause.MEMORY_CAPACITY)
    assert found.peak_kv_tokens <= 1500


def test_waiting_that_hardly_leads_is_no_clear_verdict() -> None:
    found = one(log_of((0, 20, 100), (0, 20, 100), (0, 20, 100)))
    # Queue 1 + 2, decode 3.
    assert found.verdict.state is VerdictState.INCONCLUSIVE


def test_goodput_counts_who_got_all_that_was_promised() -> None:
    log = log_of((0, 500, 100), (0, 1000, 100), (0, 1000, 300), (0, 4000, 700))
    for slo, kept in ((Slo(ttft_ms=2_095), 2), (Slo(e2e_ms=10_124), 2), (Slo(tpot_ms=20), 4), (Slo(100, 19), 0)):
        found = one(log, slo=slo)
        assert found.goodput_ratio == kept / 4
        assert found.goodput_requests_per_s == pytest.approx(kept / 24.325)


def test_without_a_promise_there_is_no_goodput_and_with_one_token_no_gap() -> None:
    found = one(log_of((0, 10, 1), (0, 20, 1)))
    assert (found.goodput_ratio, found.tpot_ms, found.itl_ms) == (None, None, None)
    for name in ("goodput_ratio", "goodput_requests_per_s", "tpot_ms", "itl_ms", "weights_gb_per_s"):
        assert found.sources[name].missing


def test_the_serial_server_carries_the_reciprocal_of_the_mean_request() -> None:
    load = one(log_of((0, 500, 100), (5, 1000, 100), (9, 1000, 300), (20, 4000, 700))).load
    assert load.most_requests_per_s == pytest.approx(4 / 24.325, rel=1e-3)
    assert load.offered_requests_per_s == pytest.approx(3 / 20)
    assert load.utilisation_ratio == pytest.approx(3 / 20 * 24.325 / 4, rel=1e-3)


@pytest.mark.parametrize("policy", [*USUAL, "shortest-first"])
def test_above_the_rate_that_it_carries_the_queue_grows_and_below_it_does_not(policy: str) -> None:
    limits = Limits(slots=8)
    carried = one(poisson(1), policy, limits=limits).load.most_requests_per_s
    queues = []
    for factor in (0.85, 1.15):
        for number in (2_000, 8_000):
            served = fleet.serve(policy, poisson(carried * factor, number), BASIS.costs, limits)
            finish, arrival = np.sort(served.column("finish")), poisson(carried * factor, number).arrival_ns
            queues.append(number - int(np.searchsorted(finish, arrival[-1])))
    light, light_later, heavy, heavy_later = queues
    assert light_later < 0.02 * 8_000
    assert heavy_later > 2 * heavy > 4 * light


def test_all_at_once_is_no_rate() -> None:
    load = one(log_of((0, 10, 10), (0, 10, 10))).load
    assert (load.offered_requests_per_s, load.utilisation_ratio, load.diverges) == (None, None, None)
    assert load.sources["diverges"].missing


def test_two_replicas_carry_twice_as_much() -> None:
    single, double = (one(poisson(1), replicas=replicas).load.most_requests_per_s for replicas in (1, 2))
    assert double == pytest.approx(2 * single, rel=0.01)


def test_long_requests_starve_under_shortest_first_and_fairness_says_so() -> None:
    log = poisson(9)
    fair, unfair = (one(log, policy, limits=Limits(slots=8)).fairness for policy in ("continuous", "shortest-first"))
    assert [group.name for group in unfair.groups] == ["short", "medium", "long"]
    assert unfair.by == "length"
    assert unfair.groups[2].mean_queue_ms > 10 * unfair.groups[0].mean_queue_ms
    assert fair.groups[2].mean_queue_ms < 1.2 * fair.groups[0].mean_queue_ms


def test_tenants_are_told_apart_where_they_are_named() -> None:
    rows = Rows()
    for number in range(60):
        rows.add(0, 10, 10, 0, "large" if number % 2 else f"small {number}")
    fairness = one(rows.log("a test")).fairness
    assert fairness.by == "tenant"
    assert sum(group.requests for group in fairness.groups) == 60
    assert (fairness.groups[0].name, fairness.groups[0].requests, len(fairness.groups)) == ("large", 30, 12)
    assert fairness.groups[-1].name == "20 others"


def test_who_is_served_alike_is_treated_fairly() -> None:
    fairness = one(log_of((0, 10, 10), (50, 10, 20), (99, 10, 30))).fairness
    assert fairness.index == pytest.approx(1)
    assert [group.mean_slowdown for group in fairness.groups] == pytest.approx([1, 1, 1])


def test_the_picture_shows_each_slot_in_each_state() -> None:
    timeline = one(log_of((0, 2000, 10), (0, 10, 30), (0.1, 10, 5)), "static").timeline
    assert timeline.end_ms == one(log_of((0, 2000, 10), (0, 10, 30), (0.1, 10, 5)), "static").makespan_ms
    first, second = timeline.rows
    states = [(span.request, span.state) for span in first.spans]
    assert states == [(0, SlotState.PREFILL), (0, SlotState.DECODE), (0, SlotState.HOLE), (2, "prefill"), (2, "decode")]
    assert [span.end_ms for span in first.spans][:-1] == [span.begin_ms for span in first.spans][1:]
    assert [span.request for span in second.spans] == [1, 1]
    assert (timeline.slots_left_out, max(timeline.waiting)) == (6, 1)


def test_a_wait_shorter_than_a_step_of_the_picture_is_in_it() -> None:
    """The second waits for the first, which is over long before the second of 120 steps through ten seconds."""
    outcome = one(log_of((0, 10, 1), (0.001, 10, 1), (10, 10, 1)), "serial")
    assert [times.queue_ms > 0 for times in outcome.requests] == [False, True, False]
    assert outcome.timeline.waiting[0] == 1
    assert max(outcome.timeline.waiting[1:]) == 0


def test_percentiles_of_runs_are_those_of_all_their_samples() -> None:
    times, weights = np.array([30, 10, 20]) * 10**6, np.array([5, 90, 5])
    spread = weighted_percentiles(times, weights)
    assert spread is not None
    assert (spread.p50, spread.p90, spread.p95, spread.p99, spread.max) == (10, 10, 20, 30, 30)
    assert spread.mean == pytest.approx((30 * 5 + 10 * 90 + 20 * 5) / 100)


def test_gaps_between_tokens_are_those_of_all_iterations() -> None:
    found = one(log_of((0, 100, 30), (0, 100, 30)), "continuous", surface_basis(surface(), "report"))
    assert found.itl_ms is not None
    assert found.tpot_ms is not None
    assert found.itl_ms.mean == pytest.approx(found.tpot_ms.mean)


def test_requests_that_never_fit_are_left_out_and_counted() -> None:
    log = log_of((0, 10, 10), (1, 5000, 10), (2, 10, 10))
    answer = simulate(log, BASIS, name="", limits=Limits(kv_tokens=1000))
    assert answer.requests == 2
    assert [(finding.cause, finding.count) for finding in answer.findings] == [
        ("longer than the KV memory, left out", 1)
    ]
    assert answer.warnings[-1].code == "log_rows"


def test_time_counts_from_the_first_that_fits() -> None:
    log = log_of((0, 5000, 10), (7, 10, 10), (9, 10, 10))
    answer = simulate(log, BASIS, name="", policies=["serial"], limits=Limits(kv_tokens=1000))
    assert (answer.span_ms, answer.policies[0].makespan_ms) == (2000, 2200.5)


@pytest.mark.parametrize(
    ("log", "options", "what"),
    [
        (log_of((0, 5000, 10)), {"limits": Limits(kv_tokens=1000)}, "no request fits"),
        (log_of((0, 10, 10)), {"policies": ["fastest"]}, "no policy called fastest"),
        (log_of((0, 10, 10)), {"limits": Limits(slots=300, token_budget=200)}, "cannot decode for 300 slots"),
        (log_of(*((0, 10, 10_000_000) for _ in range(400))), {}, "over two years"),
    ],
)
def test_what_cannot_be_simulated_is_said_in_a_line(log: RequestLog, options: dict[str, object], what: str) -> None:
    with pytest.raises(UsageError, match=what) as caught:
        simulate(log, BASIS, name="", **options)  # type: ignore[arg-type]
    assert caught.value.hint


def test_only_so_many_requests_are_listed_and_all_are_counted() -> None:
    found = one(log_of(*((0, 10, 10) for _ in range(9))), most_listed=4)
    assert (len(found.requests), found.requests_left_out) == (4, 5)
    assert found.queue_ms == pytest.approx(sum(range(9)) * 200.5)


def test_the_answer_is_json_that_reads_back() -> None:
    answer = simulate(poisson(2, 50), BASIS, name="poisson", seed=2)
    text = encode_simulation(answer)
    assert msgspec.json.decode(text, type=Simulation) == answer
    (serial, *_) = json.loads(text)["policies"]
    assert {"policy", "makespan_ms", "queue_share", "prefill_share", "decode_share", "hole_ratio"} <= serial.keys()
    assert {"head_of_line_ms", "verdict", "requests"} <= serial.keys()
    assert {"queue_ms", "prefill_ms", "decode_ms", "ttft_ms", "e2e_ms"} <= serial["requests"][0].keys()


def test_what_was_done_before_an_interrupt_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    serve = session.serve

    def interrupted(policy: str, *rest: object) -> object:
        if policy == "static":
            raise KeyboardInterrupt
        return serve(policy, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(session, "serve", interrupted)
    with pytest.raises(InterruptedByUser) as caught:
        simulate(log_of((0, 10, 10)), BASIS, name="")
    partial = caught.value.partial
    assert isinstance(partial, Simulation)
    assert ([policy.policy for policy in partial.policies], partial.complete) == (["serial"], False)


def test_beyond_the_surface_is_a_warning() -> None:
    basis = surface_basis(surface(), "report")
    within = simulate(log_of((0, 500, 10)), basis, name="", policies=["serial"])
    assert not within.warnings
    beyond = simulate(log_of((0, 5000, 10)), surface_basis(surface(), "report"), name="", policies=["serial"])
    assert [warning.code for warning in beyond.warnings] == ["beyond_surface"]


def test_arrivals_count_from_the_first() -> None:
    assert log_of((5, 10, 10), (6, 10, 10)).arrival_ns.tolist() == [0, SECOND]
