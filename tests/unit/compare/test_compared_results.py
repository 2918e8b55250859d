"""What changed between kept results: real profiles, analyses, simulations and servers under load."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from profiler.compare.profiled_times import profiled_times
from profiler.compare.results import Named, compare_results
from profiler.errors import UsageError
from profiler.report.analysis import Analysis
from profiler.report.comparison import Basis, ChangeState, Comparison, Side, TimeChange
from profiler.report.endpoint import Endpoint
from profiler.report.kinds import load_result
from profiler.report.records import Report
from profiler.report.simulation import Simulation
from profiler.report.vocabulary import VerdictState
from tests.failing_endpoint import failing, refusing, served

DATA = Path(__file__).parents[2] / "data"
EAGER, GRAPH = DATA / "own" / "llama8b-eager.json.gz", DATA / "own" / "llama8b-graph.json.gz"
FULL_SPEED = DATA / "truth" / "counted_whole_report_h100.json.gz"
A, SLOWED = (sorted((DATA / "turns").glob(f"{side}-*.json.gz")) for side in ("a", "slowed"))
QUIET, QUIET_SLOWED = (sorted((DATA / "quiet_turns").glob(f"{side}-*.json.gz")) for side in ("a", "slowed"))
PLAIN, COPYING = (sorted((DATA / "captured_copy").glob(f"{side}-*.json.gz")) for side in ("plain", "copying"))
HOST, GAPS, WEIGHTS = "scheduling.host", "scheduling.launch_gap", "memory.weights"
SLOW_HOST = DATA / "own" / "llama8b-eager-slow-host.json.gz"


def named(*paths: Path) -> list[Named]:
    return [(path.name, load_result(path)) for path in paths]


def report(path: Path) -> Report:
    found = load_result(path)
    assert isinstance(found, Report)
    return found


def time(answer: Comparison, name: str) -> TimeChange:
    return next(time for time in answer.times if time.name == name)


def test_a_captured_step_is_faster_because_the_host_is_gone_from_it():
    answer = compare_results(named(EAGER), named(GRAPH))
    decode = time(answer, "decode")
    assert (decode.state, decode.basis) == (ChangeState.CHANGED, Basis.REPEATS)
    assert decode.before_ms / decode.after_ms == pytest.approx(3.74, abs=0.01)
    assert decode.because == ["scheduling.host"]
    assert decode.host_change_ms == pytest.approx(decode.change_ms, rel=0.05)
    assert time(answer, "prefill").state is ChangeState.INCONCLUSIVE


def test_the_request_is_a_prefill_and_a_decode_step_for_each_further_token():
    answer = compare_results(named(EAGER), named(GRAPH))
    prefill, decode, request = (time(answer, name) for name in ("prefill", "decode", "request"))
    assert request.after_ms == pytest.approx(prefill.after_ms + 63 * decode.after_ms)
    assert request.because == ["scheduling.host"]


def test_a_load_that_was_measured_once_on_each_side_has_no_interval_and_says_why():
    load = time(compare_results(named(EAGER), named(GRAPH)), "load")
    assert (load.basis, load.low_ratio, load.state) == (Basis.NONE, None, ChangeState.INCONCLUSIVE)
    assert "nothing says" in (load.sources["low_ratio"].missing or "")


def test_a_planted_tenth_of_a_step_is_found_among_runs_that_were_taken_in_turn():
    decode = time(compare_results(named(*A), named(*SLOWED)), "decode")
    assert (decode.state, decode.basis) == (ChangeState.CHANGED, Basis.TURNS)
    assert (decode.low_ratio or 0) < 0.1 < (decode.high_ratio or 0)


def test_a_planted_tenth_of_a_step_is_laid_to_the_host():
    decode = time(compare_results(named(*QUIET), named(*QUIET_SLOWED)), "decode")
    assert (decode.state, decode.because) == (ChangeState.CHANGED, ["scheduling.host"])
    host, weights = (next(part for part in decode.parts if part.name == name) for name in (HOST, WEIGHTS))
    assert (host.low_ms or 0) > 0 > (weights.low_ms or 0)


def test_a_copy_planted_in_a_captured_step_is_laid_to_copies_by_its_length():
    """It took 0.283 ms by the trace."""
    decode = time(compare_results(named(*PLAIN), named(*COPYING)), "decode")
    assert (decode.state, decode.because) == (ChangeState.CHANGED, ["memory.copy"])
    copies = next(part for part in decode.parts if part.name == "memory.copy")
    assert (copies.low_ms or 0) < 0.283 < (copies.high_ms or 0)
    assert decode.change_ms == pytest.approx(0.283, abs=0.02)


def test_one_against_one_names_no_part_that_changed_by_less_than_the_whole_may_be_off():
    """What was planted is the host's; reading the weights took as much longer by chance, and has no interval."""
    decode = time(compare_results(named(QUIET[0]), named(QUIET_SLOWED[0])), "decode")
    weights = next(part for part in decode.parts if part.name == WEIGHTS)
    assert weights.low_ms is None
    assert weights.change_ms > 0.25
    assert WEIGHTS not in decode.because


def test_an_inconclusive_verdict_holds_nothing_back():
    one = report(GRAPH)
    doubtful = replace(one, verdict=replace(one.verdict, state=VerdictState.INCONCLUSIVE))
    answer = compare_results([("a", one)], [("b", doubtful)])
    assert (answer.before.held_back_by, answer.after.held_back_by) == ([one.verdict.class_], [None])


def test_not_in_turn_the_same_runs_rest_on_how_far_those_of_a_side_differ():
    unknown = [(name, replace(result, created_at=None)) for name, result in named(*SLOWED)]
    assert time(compare_results(named(*A), unknown), "decode").basis is Basis.RESULTS


def test_halves_of_equal_runs_are_not_said_to_have_changed():
    answer = compare_results(named(*A[::2]), named(*A[1::2]))
    assert answer.state is not ChangeState.CHANGED


@pytest.mark.parametrize("sides", [(A, SLOWED), (A[:1], SLOWED[:1]), (A[:2], SLOWED[:1])], ids=["many", "one", "few"])
def test_the_changes_of_the_parts_sum_to_that_of_the_time(sides: tuple[list[Path], list[Path]]):
    for each in compare_results(*(named(*side) for side in sides)).times:
        assert sum(part.change_ms for part in each.parts) == pytest.approx(each.change_ms, abs=1e-9)
        assert sum(part.before_ms for part in each.parts) == pytest.approx(each.before_ms)
        assert (each.host_change_ms or 0) + (each.device_change_ms or 0) == pytest.approx(each.change_ms, abs=1e-9)


def test_a_run_beside_busy_neighbours_says_less_of_the_next() -> None:
    """The report's own warning counts: processes on such a host were seen to differ by a tenth."""
    beside = report(A[0])
    assert any(warning.code == "cpu_shared" for phase in beside.phases for warning in phase.warnings)
    alone = replace(beside, phases=[replace(phase, warnings=[]) for phase in beside.phases])
    wide, narrow = (time(compare_results([("a", each)], [("b", each)]), "decode") for each in (beside, alone))
    assert (wide.high_ratio or 0) > 0.2 > (narrow.high_ratio or 0)


def test_busy_neighbours_are_told_of() -> None:
    answer = compare_results(named(A[0]), named(A[1]))
    assert any("other processes kept the host's CPU busy" in note for note in answer.notes)


def test_at_the_hosts_full_speed_its_slowness_is_taken_from_the_hosts_part():
    now = report(FULL_SPEED)
    prefill = time(compare_results([("a", now)], [("b", now)]), "prefill")
    clean = next(phase.clean for phase in now.phases if phase.name == "prefill")
    assert clean.full_speed_ms is not None
    assert (prefill.clock, prefill.before_ms) == ("full_speed_ms", pytest.approx(clean.full_speed_ms.median))
    host = next(part for part in prefill.parts if part.name == "scheduling.host")
    assert host.before_ms == pytest.approx(6.09 - (clean.wall_ms.median - clean.full_speed_ms.median), abs=0.02)
    old = time(compare_results([("a", now)], named(GRAPH)), "prefill")
    assert old.clock == "wall_ms"


def test_slowness_that_the_hosts_part_does_not_hold_is_taken_from_the_gaps_after_launches() -> None:
    """Of 26.3 ms of a prefill the slow host took 7.77, its part was 7.66: no part of a time is below zero."""
    now = report(SLOW_HOST)
    phase = next(phase for phase in now.phases if phase.name == "prefill")
    assert phase.clean.full_speed_ms is not None
    slowness_ms = phase.clean.wall_ms.median - phase.clean.full_speed_ms.median
    own = {part.cause.value: part.ms for part in phase.parts}
    assert own[HOST] < slowness_ms
    parts = {part.name: part.before_ms for part in time(compare_results([("a", now)], [("b", now)]), "prefill").parts}
    assert parts[HOST] == 0
    assert own[GAPS] - parts[GAPS] == pytest.approx(slowness_ms - own[HOST], rel=1e-3)
    assert sum(parts.values()) == pytest.approx(phase.clean.full_speed_ms.median)


def test_a_part_that_a_slow_host_took_less_from_keeps_the_width_of_its_interval() -> None:
    now = report(SLOW_HOST)
    own = next(part for phase in now.phases for part in phase.parts if phase.name == "prefill" and part.cause == GAPS)
    gaps = next(
        part
        for phase in profiled_times(now, {"prefill"}).times
        for part in phase.parts
        if phase.name == "prefill" and part.name == GAPS
    )
    assert own.low_ms is not None
    assert gaps.low_ms is not None
    assert gaps.ms < own.ms
    assert gaps.ms - gaps.low_ms == pytest.approx(own.ms - own.low_ms)


def test_parts_of_another_time_than_the_one_that_is_compared_are_left_out() -> None:
    """In a file from elsewhere the host's slowness may have taken more than there is."""
    now = report(SLOW_HOST)
    short = [
        replace(phase, parts=[replace(part, ms=part.ms / 100) for part in phase.parts]) if phase.parts else phase
        for phase in now.phases
    ]
    odd = replace(now, phases=short)
    assert time(compare_results([("a", odd)], [("b", odd)]), "prefill").parts == []


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("dtype", "float16", "dtype (bfloat16 against float16)"),
        ("batch_size", 8, "batch size (1 against 8)"),
        ("prompt_tokens", 1024, "prompt tokens (512 against 1024)"),
        ("model", "gpt2", "model (llama-3.1-8b against gpt2)"),
    ],
)
def test_what_is_not_alike_is_refused_with_the_difference(field: str, value: object, said: str):
    one = report(GRAPH)
    assert one.workload is not None
    other = replace(one, workload=replace(one.workload, **{field: value}))
    with pytest.raises(UsageError, match="not alike") as raised:
        compare_results([("a", one)], [("b", other)])
    assert said in raised.value.message
    assert "--force" in (raised.value.hint or "")
    forced = compare_results([("a", one)], [("b", other)], force=True)
    assert [each.what for each in forced.unlike if each.prevents] == [said.partition(" (")[0]]


def test_another_device_is_refused_and_another_torch_is_noted():
    one = report(GRAPH)
    elsewhere = replace(one, environment=replace(one.environment, device="NVIDIA H200"))
    with pytest.raises(UsageError, match="device"):
        compare_results([("a", one)], [("b", elsewhere)])
    newer = replace(one, environment=replace(one.environment, torch="9.9"))
    (difference,) = compare_results([("a", one)], [("b", newer)]).unlike
    assert (difference.what, difference.after, difference.prevents) == ("torch", "9.9", False)


def test_an_analysis_is_compared_step_by_step_and_with_the_families_of_its_span():
    found = load_result(DATA / "results" / "analyze.json.gz")
    assert isinstance(found, Analysis)
    one = replace(found, ranks=found.ranks[:1])
    slower = [
        replace(phase, judged_ns=2 * phase.judged_ns, parts=[replace(p, ns=2 * p.ns) for p in phase.parts])
        for phase in one.ranks[0].phases
    ]
    two = replace(one, ranks=[replace(one.ranks[0], phases=slower)])
    answer = compare_results([("a", one)], [("b", two)])
    span = time(answer, "span")
    assert (span.basis, span.change_ms) == (Basis.NONE, 0)
    assert span.work
    for phase in slower:
        assert time(answer, phase.name).change_ratio == pytest.approx(1)
    assert all(part.side in Side for each in answer.times for part in each.parts)


def test_a_simulation_is_exact_and_says_what_changed_it():
    one = load_result(DATA / "results" / "simulate.json.gz")
    assert isinstance(one, Simulation)
    policy = one.policies[0]
    queue = [replace(part, ns=2 * part.ns) if part.part == "scheduling.queue" else part for part in policy.parts]
    two = replace(one, policies=[replace(policy, parts=queue), *one.policies[1:]])
    answer = compare_results([("a", one)], [("b", two)])
    changed = time(answer, policy.policy)
    assert (changed.basis, changed.state, changed.because) == (Basis.EXACT, ChangeState.CHANGED, ["scheduling.queue"])
    assert {each.state for each in answer.times[1:]} == {ChangeState.UNCHANGED}


def test_a_server_under_load_is_compared_by_latency_with_batches_of_requests_for_repeats():
    one = load_result(DATA / "results" / "endpoint.json.gz")
    assert isinstance(one, Endpoint)
    answer = compare_results([("a", one)], [("b", one)])
    assert [each.name for each in answer.times] == ["e2e latency", "TTFT", "TPOT"]
    e2e = answer.times[0]
    assert one.e2e_ms is not None
    assert e2e.before_ms == pytest.approx(one.e2e_ms.mean)
    assert {part.name for part in e2e.parts} == {"network", "queue", "prefill", "decode"}
    assert answer.state is not ChangeState.CHANGED


def test_what_requests_waited_in_a_client_that_was_told_to_hold_them_back_is_no_e2e_latency():
    one = served()
    assert one.e2e_ms is not None
    held = replace(
        one,
        load=replace(one.load, concurrency=2),
        parts=[replace(part, ns=1000 * part.ns) if part.part == "client_queue" else part for part in one.parts],
    )
    answer = compare_results([("a", held)], [("b", held)])
    assert [each.name for each in answer.times] == ["e2e with client wait", "e2e latency", "TTFT", "TPOT"]
    assert time(answer, "e2e latency").before_ms == pytest.approx(one.e2e_ms.mean)
    whole = sum(part.ns for part in held.parts) / 177 / 1e6
    assert time(answer, "e2e with client wait").before_ms == pytest.approx(whole)
    assert "client_queue" in {part.name for part in time(answer, "e2e with client wait").parts}


def test_servers_that_were_not_loaded_alike_are_refused_in_words_that_fit_them():
    one = served()
    other = replace(one, load=replace(one.load, loop="closed", rate_per_s=None, concurrency=4))
    with pytest.raises(UsageError) as raised:
        compare_results([("a", one)], [("b", other)])
    assert raised.value.message == (
        "they are not alike in loop (open against closed); rate (118 requests/s against none); "
        "concurrency (none against 4)"
    )
    assert (raised.value.hint or "").startswith("load the server the same way again, or add --force")


def test_a_simulation_with_costs_of_a_report_has_no_speed_and_says_none():
    one = load_result(DATA / "results" / "simulate.json.gz")
    assert isinstance(one, Simulation)
    other = replace(one, costs=replace(one.costs, kind="report", prefill_tokens_per_s=None))
    found = {each.what: (each.before, each.after) for each in compare_results([("a", one)], [("b", other)]).unlike}
    assert found["prefill speed"] == ("20,000 tokens/s", "none")


def test_a_server_that_refused_everything_has_nothing_to_compare_and_says_why():
    with pytest.raises(UsageError) as raised:
        compare_results([("good.json", served())], [("refused.json", refusing())])
    assert raised.value.message == "refused.json has no times: 40 of 40 requests failed: 40 throttled"


def test_how_many_requests_failed_is_said():
    notes = compare_results([("a", served())], [("b", failing(7, 177))]).notes
    assert "b: 7 of 177 requests failed: 7 throttled; the times are those of the others" in notes


def test_what_has_no_times_is_refused_by_its_kind():
    whatif = named(DATA / "results" / "whatif.json.gz")
    with pytest.raises(UsageError, match="what `bottleneck whatif` answered"):
        compare_results(whatif, whatif)


def test_kinds_are_not_mixed():
    with pytest.raises(UsageError, match=r"kind \(profile against simulate\)"):
        compare_results(named(GRAPH), named(DATA / "results" / "simulate.json.gz"))
    with pytest.raises(UsageError, match="no time in common"):
        compare_results(named(GRAPH), named(DATA / "results" / "simulate.json.gz"), force=True)


def test_the_same_file_on_both_sides_is_said():
    assert f"{GRAPH.name} is the same file on both sides" in compare_results(named(GRAPH), named(GRAPH)).notes
    copied = compare_results(named(GRAPH), [("copy.json", report(GRAPH))]).notes
    assert f"{GRAPH.name} and copy.json hold the same result" in copied
