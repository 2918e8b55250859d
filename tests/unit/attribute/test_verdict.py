"""The class with the largest share, how sure that is, and when nobody can say."""

from __future__ import annotations

from profiler.attribute.verdict import judge, judge_request, leading_cause, refuse
from profiler.report.records import Part, Share, Verdict
from profiler.report.vocabulary import BottleneckClass, Cause, Resource, Tier, VerdictState

MEMORY, COMPUTE, IO, SCHEDULING = BottleneckClass


def classes(
    memory: float = 0, compute: float = 0, io: float = 0, scheduling: float = 0
) -> dict[BottleneckClass, float]:
    return {MEMORY: memory, COMPUTE: compute, IO: io, SCHEDULING: scheduling}


def share(resource: Resource, value: float, margin: float = 0.0) -> Share:
    return Share(
        resource=resource,
        class_=resource.bottleneck_class,
        share=value,
        low=value - margin,
        high=value + margin,
        step=1.01,
    )


def part(cause: Cause, ms: float) -> Part:
    return Part(class_=cause.bottleneck_class, cause=cause, ms=ms, fraction=ms / 10, tier=Tier.TIMELINE)


def verdict(leader: Resource, value: float = 0.9, cause: Cause | None = None, evidence: str = "") -> Verdict:
    shares = [share(resource, value if resource is leader else 0.01) for resource in Resource]
    parts = [part(cause, 5)] if cause else []
    totals = dict.fromkeys(BottleneckClass, 0.0)
    for each in shares:
        totals[each.class_] += each.share
    return judge([totals], shares, parts, evidence=[evidence] if evidence else [])


def test_a_leader_whose_interval_lies_above_all_others_is_clear():
    found = judge([classes(memory=0.7, scheduling=0.3), classes(memory=0.6, scheduling=0.4)], [], [])
    assert (found.class_, found.state) == (MEMORY, VerdictState.CLEAR)
    assert (found.share, found.low, found.high) == (0.7, 0.6, 0.7)
    assert (found.runner_up, found.runner_up_share) == (SCHEDULING, 0.3)


def test_intervals_that_overlap_are_inconclusive():
    found = judge([classes(memory=0.6, scheduling=0.4), classes(memory=0.45, scheduling=0.55)], [], [])
    assert (found.class_, found.state) == (MEMORY, VerdictState.INCONCLUSIVE)


def test_a_third_class_that_could_lead_leaves_it_inconclusive():
    readings = [classes(compute=0.42, scheduling=0.3, memory=0.28), classes(compute=0.33, scheduling=0.3, memory=0.37)]
    found = judge(readings, [], [])
    assert (found.class_, found.runner_up, found.state) == (COMPUTE, SCHEDULING, VerdictState.INCONCLUSIVE)


def test_shares_that_are_nearly_equal_are_a_tie_however_narrow_their_intervals():
    nearly, apart = [classes(compute=0.54, memory=0.46)], [classes(compute=0.56, memory=0.44)]
    assert judge(nearly, [], []).state is VerdictState.INCONCLUSIVE
    assert judge(apart, [], []).state is VerdictState.CLEAR


def test_a_tie_is_inconclusive():
    assert judge([classes(memory=0.5, io=0.5)], [], []).state is VerdictState.INCONCLUSIVE


def test_confidence_is_how_many_readings_agree_times_how_far_they_can_be_trusted():
    readings = [classes(memory=0.6, io=0.4)] * 3 + [classes(memory=0.4, io=0.6)]
    assert judge(readings, [], []).confidence == 0.75
    assert judge(readings, [], [], trust=0.5).confidence == 0.375
    assert judge(readings, [], [], trust=-0.001).confidence == 0


def test_parts_that_do_not_sum_make_nothing_clear():
    assert judge([classes(memory=1)], [], [], whole=False).state is VerdictState.INCONCLUSIVE


def test_throttling_stands_beside_the_verdict():
    assert judge([classes(memory=1)], [], [], throttled=True).throttled


def test_a_refusal_names_no_class_and_gives_its_reason():
    found = refuse("the trace holds no step")
    assert (found.class_, found.cause, found.share, found.confidence) == (None, None, None, None)
    assert (found.state, found.evidence) == (VerdictState.REFUSED, ["the trace holds no step"])


def test_the_cause_is_the_largest_part_of_the_leading_resource():
    shares = [share(Resource.LATENCY, 0.5), share(Resource.HOST, 0.2), share(Resource.DRAM, 0.3)]
    parts = [
        part(Cause.SCHEDULING_HOST, 9),
        part(Cause.SCHEDULING_LAUNCH_GAP, 2),
        part(Cause.SCHEDULING_SMALL_KERNELS, 3),
    ]
    assert leading_cause(SCHEDULING, shares, parts) is Cause.SCHEDULING_SMALL_KERNELS


def test_a_resource_that_shows_in_no_part_takes_the_class_s_largest():
    shares = [share(Resource.LATENCY, 0.5)]
    assert leading_cause(SCHEDULING, shares, [part(Cause.SCHEDULING_HOST, 9)]) is Cause.SCHEDULING_HOST
    assert leading_cause(SCHEDULING, shares, []) is Cause.SCHEDULING_SMALL_KERNELS
    assert leading_cause(SCHEDULING, [], []) is None


def request(*phases: tuple[str, float, Verdict, list[Share]]) -> Verdict:
    return judge_request(phases)


def only(resource: Resource, value: float = 0.9, margin: float = 0.0) -> list[Share]:
    return [share(resource, value, margin)]


def test_a_request_weighs_its_phases_by_their_time():
    prefill = ("prefill", 25.0, verdict(Resource.TENSOR), only(Resource.TENSOR))
    decode = ("decode", 75.0, verdict(Resource.HOST, cause=Cause.SCHEDULING_HOST, evidence="idle"), only(Resource.HOST))
    found = request(prefill, decode)
    assert (found.class_, found.share) == (SCHEDULING, 0.9 * 0.75)
    assert (found.runner_up, found.runner_up_share) == (COMPUTE, 0.9 * 0.25)
    assert (found.cause, found.state) == (Cause.SCHEDULING_HOST, VerdictState.CLEAR)
    assert found.evidence == ["decode takes 75% of the request", "idle"]


def test_a_request_can_have_another_leader_than_its_longest_phase():
    dram, io, tensor = Resource.DRAM, Resource.PCIE, Resource.TENSOR
    found = request(
        ("load", 40.0, verdict(io), only(io)),
        ("prefill", 30.0, verdict(dram), only(dram)),
        ("decode", 30.0, verdict(dram), only(dram)),
        ("other", 0.0, verdict(tensor), only(tensor)),
    )
    assert found.class_ is MEMORY


def test_phases_that_are_even_leave_a_request_inconclusive():
    found = request(
        ("prefill", 50.0, verdict(Resource.TENSOR), only(Resource.TENSOR, 0.8, margin=0.1)),
        ("decode", 55.0, verdict(Resource.DRAM), only(Resource.DRAM, 0.8, margin=0.1)),
    )
    assert (found.class_, found.state) == (MEMORY, VerdictState.INCONCLUSIVE)


def test_a_short_refused_phase_has_no_say_in_the_request_but_keeps_it_from_being_clear():
    refused = ("prefill", 5.0, refuse("no trace"), [])
    found = request(refused, ("decode", 10.0, verdict(Resource.DRAM), only(Resource.DRAM)))
    assert (found.class_, found.state) == (MEMORY, VerdictState.INCONCLUSIVE)


def test_a_request_whose_longest_phase_is_refused_is_refused():
    refused = ("prefill", 90.0, refuse("no trace"), [])
    found = request(refused, ("decode", 10.0, verdict(Resource.DRAM), only(Resource.DRAM)))
    assert (found.class_, found.state) == (None, VerdictState.REFUSED)


def test_a_request_whose_phases_are_all_refused_is_refused():
    assert request(("decode", 10.0, refuse("no trace"), [])).state is VerdictState.REFUSED
    assert request().state is VerdictState.REFUSED


def test_a_request_is_as_sure_as_its_least_sure_phase_and_throttled_if_one_is():
    sure = judge([classes(memory=1)], only(Resource.DRAM), [])
    less = judge([classes(memory=1)], only(Resource.DRAM), [], trust=0.4, throttled=True)
    found = request(("prefill", 1.0, sure, only(Resource.DRAM)), ("decode", 9.0, less, only(Resource.DRAM)))
    assert (found.confidence, found.throttled) == (0.4, True)
