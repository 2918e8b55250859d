"""A rule passes, fails, or cannot be told: on reports that an H100 wrote, and on what the other verbs kept."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from msgspec.structs import replace

from profiler.attribute.verdict import refuse
from profiler.compare.budget import parse_budget
from profiler.compare.gate import Checkable, check
from profiler.errors import UsageError
from profiler.report.analysis import Analysis
from profiler.report.check import Check, CheckedRule
from profiler.report.endpoint import Endpoint
from profiler.report.kinds import load_result
from profiler.report.outcome import Outcome
from profiler.report.records import Report
from profiler.report.simulation import Simulation
from profiler.report.vocabulary import VerdictState
from tests.failing_endpoint import failing, refusing, served

DATA = Path(__file__).resolve().parents[2] / "data"


@cache
def kept(name: str) -> Checkable:
    return load_result(DATA / f"{name}.json.gz")  # type: ignore[return-value]


GRAPH, EAGER = "own/llama8b-graph", "own/llama8b-eager"


def held(result: Checkable, text: str, baseline: Checkable | None = None) -> Check:
    return check(result, parse_budget(text), baseline=baseline, checked="report.json", tool_version="0")


def ruled(result: Checkable, text: str, baseline: Checkable | None = None) -> CheckedRule:
    answer = held(result, text, baseline)
    assert answer.rules[0].outcome is Outcome.PASS
    (rule,) = answer.rules[1:]
    return rule


# decode of the captured run: 9.441 ms (9.405 to 9.472)
@pytest.mark.parametrize(
    ("limit", "outcome"), [("9.5", "pass"), ("9.44", "inconclusive"), ("9.46", "inconclusive"), ("9.4", "fail")]
)
def test_an_interval_that_straddles_the_limit_tells_nothing(limit: str, outcome: str) -> None:
    rule = ruled(kept(GRAPH), f"[decode]\nmax_ms = {limit}")
    assert rule.outcome.value == outcome
    assert rule.low is not None
    assert rule.high is not None
    assert rule.low < 9.44 < rule.high


@pytest.mark.parametrize(("limit", "outcome"), [("105", "pass"), ("106", "inconclusive"), ("107", "fail")])
def test_throughput_is_limited_from_below_with_the_interval_of_its_time(limit: str, outcome: str) -> None:
    rule = ruled(kept(GRAPH), f"[decode]\nmin_tokens_per_s = {limit}")
    assert rule.outcome.value == outcome
    assert rule.measured == pytest.approx(105.92, abs=0.01)


def test_ttft_tpot_and_e2e_of_a_profile_are_those_of_its_phases() -> None:
    budget = "[overall]\nmax_ttft_ms = 1\nmax_tpot_ms = 1\nmax_e2e_ms = 1"
    ttft, tpot, e2e = (rule.measured for rule in held(kept(GRAPH), budget).rules[1:])
    report = kept(GRAPH)
    assert isinstance(report, Report)
    assert report.workload is not None
    assert ttft is not None
    assert tpot is not None
    assert e2e == pytest.approx(ttft + (report.workload.new_tokens - 1) * tpot)


def test_idle_time_is_that_of_the_parts_in_which_the_gpu_had_nothing_to_do() -> None:
    assert ruled(kept(EAGER), "[decode]\nmax_idle_ratio = 0.5").outcome is Outcome.FAIL
    assert ruled(kept(GRAPH), "[decode]\nmax_idle_ratio = 0.1").outcome is Outcome.PASS


def test_a_share_is_that_of_the_whole_class_with_its_interval() -> None:
    rule = ruled(kept(GRAPH), "[decode]\nmax_scheduling_share = 0.3")
    assert rule.outcome is Outcome.FAIL
    assert rule.measured == pytest.approx(0.382, abs=0.001)


@pytest.mark.parametrize(
    ("rule", "outcome"),
    [
        ('must_be = "memory"', "pass"),
        ('must_be = ["io", "memory.weights"]', "pass"),
        ('must_be = "memory.kv_cache"', "fail"),
        ('must_not_be = ["scheduling", "io"]', "pass"),
        ('must_not_be = "memory"', "fail"),
    ],
)
def test_a_verdict_is_named_by_its_class_or_by_its_cause(rule: str, outcome: str) -> None:
    assert ruled(kept(GRAPH), f"[decode]\n{rule}").outcome.value == outcome


@pytest.mark.parametrize("rule", ['must_be = "memory"', 'must_not_be = "memory"'])
def test_a_verdict_that_is_in_doubt_or_refused_tells_nothing(rule: str) -> None:
    report = kept(GRAPH)
    assert isinstance(report, Report)
    decode = report.phases[-1]
    doubted = replace(decode.verdict, state=VerdictState.INCONCLUSIVE)
    for verdict in (doubted, refuse("the trace is not whole")):
        changed = replace(report, phases=[*report.phases[:-1], replace(decode, verdict=verdict)])
        found = ruled(changed, f"[decode]\n{rule}")
        assert found.outcome is Outcome.INCONCLUSIVE
        assert found.why


def test_a_number_that_is_missing_tells_nothing_and_says_why() -> None:
    rule = ruled(kept("own/smollm135m-graph"), "[load]\nmin_mfu = 0.1")
    assert rule.outcome is Outcome.INCONCLUSIVE
    assert rule.measured is None
    assert rule.why
    assert "one request at a time" in (ruled(kept(GRAPH), "[overall]\nmax_ttft_p99_ms = 1").why or "")


@pytest.mark.parametrize(("policy", "holds"), [("pass", True), ("fail", False)])
def test_what_cannot_be_told_counts_as_the_budget_says(policy: str, holds: bool) -> None:
    answer = held(kept(GRAPH), f'[policy]\ninconclusive = "{policy}"\n[decode]\nmax_ms = 9.44')
    assert (answer.inconclusive, answer.failed, answer.holds) == (1, 0, holds)


def test_a_report_that_was_broken_off_never_holds() -> None:
    report = kept(GRAPH)
    assert isinstance(report, Report)
    answer = held(replace(report, complete=False, phases=report.phases[:2]), "[decode]\nmax_ms = 100")
    assert not answer.holds
    assert [rule.outcome for rule in answer.rules] == [Outcome.FAIL, Outcome.INCONCLUSIVE]
    assert "ended before decode was measured" in (answer.rules[1].why or "")


def as_slow(factor: float, phase: str = "decode") -> Report:
    """The captured run, with one phase as many times as slow."""
    report = kept(GRAPH)
    assert isinstance(report, Report)
    found = next(each for each in report.phases if each.name == phase)
    wall = found.clean.wall_ms
    slower = replace(wall, median=factor * wall.median, low=factor * (wall.low or 0), high=factor * (wall.high or 0))
    changed = replace(found, clean=replace(found.clean, wall_ms=slower))
    return replace(report, phases=[changed if each is found else each for each in report.phases])


@pytest.mark.parametrize(("factor", "outcome"), [(1.0, "pass"), (0.5, "pass"), (1.2, "fail")])
def test_a_phase_that_got_slower_than_allowed_fails(factor: float, outcome: str) -> None:
    rule = ruled(as_slow(factor), "[regression]\nmax_tpot_ratio = 1.05", kept(GRAPH))
    assert rule.outcome.value == outcome
    assert rule.measured == pytest.approx(factor)
    assert rule.low is not None
    assert rule.high is not None
    assert rule.low < factor < rule.high


def test_throughput_must_not_fall() -> None:
    text = "[regression]\nmin_tokens_per_s_ratio = 0.8"
    assert ruled(as_slow(2), text, kept(GRAPH)).outcome is Outcome.FAIL
    assert ruled(as_slow(0.5), text, kept(GRAPH)).outcome is Outcome.PASS


def test_a_noisy_phase_fails_for_no_difference_that_its_noise_could_make() -> None:
    # the prefill took 32.9 ms, 19 to 49
    rule = ruled(as_slow(1.2, "prefill"), "[regression]\nmax_ttft_ratio = 1.05", kept(GRAPH))
    assert rule.outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("beside_others", ["this report", "the baseline"])
def test_neighbours_on_the_cpu_fail_no_run_however_slow_it_was(beside_others: str) -> None:
    """Real runs on a CPU beside others, one of them as slow as more neighbours can make it."""

    def alone(report: Report) -> Report:
        return replace(report, phases=[replace(phase, warnings=[]) for phase in report.phases])

    def five_times_as_slow(report: Report) -> Report:
        phases = []
        for phase in report.phases:
            wall = phase.clean.wall_ms
            slower = replace(wall, median=5 * wall.median, low=5 * (wall.low or 0), high=5 * (wall.high or 0))
            phases.append(replace(phase, clean=replace(phase.clean, wall_ms=slower)))
        return replace(report, phases=phases)

    before, after = kept("turns/a-0"), kept("turns/a-1")
    assert isinstance(before, Report)
    assert isinstance(after, Report)
    after = five_times_as_slow(after)
    quiet = (alone(after), alone(before))
    text = "[regression]\nmax_tpot_ratio = 1.05"
    assert ruled(quiet[0], text, quiet[1]).outcome is Outcome.FAIL
    new, old = (after, quiet[1]) if beside_others == "this report" else (quiet[0], before)
    rule = ruled(new, text, old)
    assert rule.outcome is Outcome.INCONCLUSIVE
    assert f"{beside_others}: other processes kept the host's CPU busy" in (rule.why or "")


def test_what_was_measured_once_is_compared_with_nothing() -> None:
    rule = ruled(as_slow(1), "[regression]\nmax_load_ratio = 100", kept(GRAPH))
    assert rule.outcome is Outcome.INCONCLUSIVE
    assert rule.measured == 1
    assert "nothing tells how far" in (rule.why or "")


def test_a_baseline_of_something_else_is_refused_with_the_difference() -> None:
    for baseline, what in ((kept(EAGER), "mode (eager against graph)"), (kept("results/endpoint"), "kind")):
        with pytest.raises(UsageError, match="not alike") as raised:
            held(kept(GRAPH), "[regression]\nmax_tpot_ratio = 1", baseline)
        assert what in raised.value.message


def test_a_servers_mean_latencies_are_compared_and_a_simulations_are_exact() -> None:
    rule = ruled(kept("results/endpoint"), "[regression]\nmax_ttft_ratio = 3", kept("results/endpoint"))
    assert (rule.outcome, rule.of, rule.measured) == (Outcome.PASS, "TTFT", 1)
    simulation = kept("results/simulate")
    assert isinstance(simulation, Simulation)
    alone = replace(simulation, policies=simulation.policies[:1])
    rule = ruled(alone, "[regression]\nmax_e2e_p99_ratio = 1", alone)
    assert (rule.outcome, rule.low, rule.high) == (Outcome.PASS, 1, 1)


def test_a_step_of_a_trace_is_compared_with_its_own() -> None:
    analysis = kept("results/analyze")
    assert isinstance(analysis, Analysis)
    alone = replace(analysis, ranks=analysis.ranks[:1])
    rule = ruled(alone, "[regression]\nmax_step_ratio = 2", alone)
    assert rule.measured == 1
    assert rule.of == alone.ranks[0].phases[0].name


def test_without_a_baseline_a_regression_cannot_be_told() -> None:
    assert "no baseline" in (ruled(kept(GRAPH), "[regression]\nmax_tpot_ratio = 1").why or "")


def test_more_confidence_takes_a_wider_interval() -> None:
    rules = [
        ruled(kept(GRAPH), f"[regression]\nconfidence = {confidence}\nmax_tpot_ratio = 1.05", kept(GRAPH))
        for confidence in (0.8, 0.95, 0.99)
    ]
    widths = [rule.high - rule.low for rule in rules if rule.high is not None and rule.low is not None]
    assert widths == sorted(widths)
    assert widths[0] < widths[-1]


def test_of_several_ranks_the_worst_counts() -> None:
    analysis = kept("results/analyze")
    assert isinstance(analysis, Analysis)
    idle = {rank.name: rank.idle_ns / rank.span_ns for rank in analysis.ranks}
    worst = max(idle, key=lambda name: idle[name])
    between = sum(idle.values()) / len(idle)
    rule = ruled(analysis, f"[overall]\nmax_idle_ratio = {between}")
    assert (rule.outcome, rule.of) == (Outcome.FAIL, worst)
    assert rule.measured == rule.low == rule.high == idle[worst]
    assert rule.why == f"the worst of 2 is {worst}"


def test_several_simulated_policies_must_be_named() -> None:
    simulation = kept("results/simulate")
    why = ruled(simulation, "[overall]\nmax_ttft_p99_ms = 1").why
    assert "[serial], [static], [continuous]" in (why or "")
    # the worked example: 4 requests that end after 24.325 s, one after the other
    assert ruled(simulation, "[serial]\nmax_e2e_p99_ms = 24_325").outcome is Outcome.PASS
    assert ruled(simulation, "[serial]\nmax_hole_ratio = 0").outcome is Outcome.PASS
    assert ruled(simulation, "[static]\nmax_hole_ratio = 0.5").outcome is Outcome.FAIL
    assert "was not simulated" in (ruled(simulation, "[priority]\nmax_e2e_ms = 1").why or "")


def test_a_live_server_is_held_against_its_latencies_errors_and_queue() -> None:
    endpoint = kept("results/endpoint")
    text = (
        "[overall]\nmax_ttft_p99_ms = 1e6\nmax_error_ratio = 0\nmin_goodput_ratio = 0\nmin_carried_requests_per_s = 1"
    )
    assert {rule.outcome for rule in held(endpoint, text).rules} == {Outcome.PASS}
    assert ruled(endpoint, "[decode]\nmax_ms = 1").outcome is Outcome.INCONCLUSIVE


def test_a_mean_over_requests_has_the_interval_of_its_batches_and_a_percentile_has_none() -> None:
    rules = held(kept("results/endpoint"), "[overall]\nmax_ttft_mean_ms = 1e6\nmax_ttft_p99_ms = 1e6").rules[1:]
    mean, percentile = rules
    assert mean.measured is not None
    assert mean.low is not None
    assert mean.low < mean.measured
    assert (percentile.low, percentile.high) == (None, None)
    assert "one load" in (percentile.why or "")


@pytest.mark.parametrize("name", ["results/analyze", "results/simulate", "results/endpoint", GRAPH, EAGER])
@pytest.mark.parametrize("scope", ["overall", "load", "prefill", "decode", "phases.x", "continuous"])
def test_every_rule_of_every_table_can_be_asked_of_every_kind(name: str, scope: str) -> None:
    from profiler.compare.quantities import OF_A_PHASE, OVERALL

    words = OVERALL if scope in ("overall", "continuous") else OF_A_PHASE
    lines = [f"{sense}{word} = 0.5" for word, quantity in words.items() for sense in quantity.senses]
    answer = held(kept(name), "\n".join([f"[{scope}]", *lines, 'must_be = "io"']))
    assert len(answer.rules) == len(lines) + 2
    for rule in answer.rules[1:-1]:
        assert (rule.measured is not None) or (rule.outcome is Outcome.INCONCLUSIVE and rule.why)


def test_every_ratio_to_a_baseline_can_be_asked_for() -> None:
    from profiler.compare.quantities import REGRESSION

    lines = [f"{quantity.senses[0]}{word} = 1" for word, quantity in REGRESSION.items()]
    for name in (GRAPH, "results/endpoint", "results/simulate", "results/analyze"):
        answer = held(kept(name), "\n".join(["[regression]", *lines]), kept(name))
        assert len(answer.rules) == len(lines) + 1


_LATENCIES = "[overall]\nmax_ttft_ms = 1e6\nmax_tpot_p99_ms = 1e6\nmax_e2e_mean_ms = 1e6"


@pytest.mark.parametrize("endpoint", [failing(95, 100), refusing()], ids=["most", "all"])
def test_a_server_whose_requests_failed_keeps_no_budget_on_latencies(endpoint: Endpoint) -> None:
    answer = held(endpoint, _LATENCIES)
    assert not answer.holds
    errors, *latencies = answer.rules[1:]
    assert (errors.rule, errors.outcome, errors.limit) == ("overall.max_error_ratio", Outcome.FAIL, 0.01)
    assert "throttled (the budget has no overall.max_error_ratio, so 1% counts)" in (errors.why or "")
    assert {rule.outcome for rule in latencies} == {Outcome.INCONCLUSIVE}
    assert all("requests failed" in (rule.why or "") for rule in latencies)


def test_neither_does_it_keep_a_baseline() -> None:
    answer = held(refusing(), "[regression]\nmax_ttft_ratio = 1.05", kept("results/endpoint"))
    assert (answer.holds, [rule.outcome.value for rule in answer.rules]) == (False, ["pass", "fail", "inconclusive"])


@pytest.mark.parametrize(
    ("failed", "known"),
    [
        (1, {"max_ttft_ms", "max_ttft_p95_ms", "max_ttft_p99_ms", "max_ttft_mean_ms"}),
        (5, {"max_ttft_ms", "max_ttft_p95_ms"}),
        (6, set()),
    ],
)
def test_a_latency_is_known_as_long_as_those_that_failed_cannot_be_it(failed: int, known: set[str]) -> None:
    keys = ("max_ttft_ms", "max_ttft_p95_ms", "max_ttft_p99_ms", "max_ttft_mean_ms")
    text = "\n".join(["[overall]", "max_error_ratio = 1", *(f"{key} = 1e6" for key in keys)])
    passed = {rule.rule for rule in held(failing(failed, 100), text).rules[2:] if rule.outcome is Outcome.PASS}
    assert passed == {f"overall.{key}" for key in known}


@pytest.mark.parametrize(("failed", "holds"), [(0, True), (1, True), (2, False)])
def test_one_request_in_a_hundred_may_fail_where_the_budget_does_not_say(failed: int, holds: bool) -> None:
    assert held(failing(failed, 100), "[overall]\nmax_ttft_ms = 1e6").holds is holds


def test_a_budget_that_says_how_many_may_fail_is_asked_for_no_more() -> None:
    answer = held(failing(4, 100), "[overall]\nmax_error_ratio = 0.05\nmax_ttft_ms = 1e6")
    assert [rule.rule for rule in answer.rules] == ["complete", "overall.max_error_ratio", "overall.max_ttft_ms"]
    assert answer.holds


def test_the_search_for_a_knee_may_end_in_failures_unless_no_rate_held() -> None:
    searched = kept("results/endpoint")
    assert isinstance(searched, Endpoint)
    assert searched.knee is not None
    beyond = replace(failing(50, 100), knee=searched.knee)
    rule = "[overall]\nmin_carried_requests_per_s = 100"
    assert held(beyond, rule).holds
    none_held = replace(beyond, knee=replace(searched.knee, rate_per_s=None))
    _, errors, carried = held(none_held, rule).rules
    assert (errors.outcome, carried.outcome) == (Outcome.FAIL, Outcome.FAIL)
    assert (carried.why or "").startswith("no rate held, down to ")


def test_against_a_baseline_the_few_that_a_server_answered_are_no_match_for_all() -> None:
    text = "[overall]\nmax_error_ratio = 1\n[regression]\nmax_ttft_ratio = 1000"
    for new, old, which in (
        (failing(9, 177), served(), "this report"),
        (served(), failing(9, 177), "the baseline"),
    ):
        rule = held(new, text, old).rules[-1]
        assert (rule.outcome, rule.why) == (Outcome.INCONCLUSIVE, f"{which}: 9 of 177 requests failed: 9 throttled")


def test_the_interval_of_the_mean_e2e_latency_is_its_own_however_long_requests_waited_in_the_client() -> None:
    one = served()
    waited = replace(
        one,
        load=replace(one.load, concurrency=2),
        parts=[replace(part, ns=1000 * part.ns) if part.part == "client_queue" else part for part in one.parts],
    )
    ends = [(rule.low, rule.high) for rule in (held(each, _LATENCIES).rules[-1] for each in (one, waited))]
    assert ends[0] == ends[1] != (None, None)


def test_all_that_are_simulated_are_served() -> None:
    rule = ruled(kept("results/simulate"), "[serial]\nmax_error_ratio = 0")
    assert (rule.outcome, rule.low, rule.high) == (Outcome.PASS, 0, 0)
