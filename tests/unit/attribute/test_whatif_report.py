"""A kept report at other speeds: its phases, its request, and what cannot be predicted."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from profiler.attribute.verdict import refuse, undermined
from profiler.attribute.whatif_report import what_if
from profiler.catalogue.datasheet import find_datasheet
from profiler.errors import FailedError, UsageError
from profiler.report.records import Copies, Report, ReportWarning
from profiler.report.vocabulary import Resource, Tier, VerdictState
from profiler.report.whatif import Knob, PhasePrediction, WhatIf
from tests.unit.attribute.kept_reports import kept_report, without_evidence
from tests.unit.attribute.recorded_judgements import recorded

H200 = find_datasheet("h200")


def phase(answer: WhatIf, name: str) -> PhasePrediction:
    return next(found for found in answer.phases if found.name == name)


def with_decode(report: Report, **changes: object) -> Report:
    phases = [replace(found, **changes) if found.name == "decode" else found for found in report.phases]
    return replace(report, phases=phases)


def test_a_request_is_a_prefill_and_a_decode_step_for_every_further_token() -> None:
    answer = what_if(kept_report(), {Knob.MEMORY: 1.4})
    request, prefill, decode = answer.request, phase(answer, "prefill"), phase(answer, "decode")
    assert request is not None
    for found, own in ((request.ttft_ms, prefill.time_ms), (request.tpot_ms, decode.time_ms)):
        assert found == own
    for when in ("measured", "predicted"):
        first, each, whole = (getattr(change, when) for change in (prefill.time_ms, decode.time_ms, request.e2e_ms))
        assert whole.value == pytest.approx(first.value + 63 * each.value)
        assert whole.low == pytest.approx(first.low + 63 * each.low)
    assert request.speedup.value == pytest.approx(request.e2e_ms.measured.value / request.e2e_ms.predicted.value)
    assert request.speedup.low is not None
    assert request.speedup.high is not None
    assert request.speedup.low <= request.speedup.value <= request.speedup.high


@pytest.mark.parametrize(("pageable_ms", "factor"), [(0.002, 2.0), (9.0, 1.0)])
def test_a_token_that_is_read_back_makes_a_step_of_pinned_copies_no_pageable_one(
    pageable_ms: float, factor: float
) -> None:
    """The step of an A100 of pinned copies for 4 ms, on the link of an H100."""
    report = kept_report()
    report = replace(report, environment=replace(report.environment, device="NVIDIA A100-SXM4-80GB"))
    copied = [
        Copies(direction=direction, memory=memory, copies=1, bytes=8, busy_ms=ms, exposed_ms=ms, gb_per_s=None)
        for direction, memory, ms in (("h2d", "pinned", 4.0), ("d2h", "pageable", pageable_ms))
    ]
    answer = what_if(with_decode(report, copies=copied), {}, target=find_datasheet("h100-sxm"), phase="decode")
    [link] = [change for change in answer.speeds if change.resource is Resource.PCIE]
    assert link.factor == pytest.approx(factor, rel=1e-3)


def test_throughput_is_the_inverse_of_the_time() -> None:
    found = phase(what_if(kept_report(), {Knob.MEMORY: 1.4}), "prefill")
    assert found.tokens_per_s is not None
    then, rate = found.time_ms.predicted, found.tokens_per_s.predicted
    assert rate.value == pytest.approx(2048 / then.value * 1e3)
    assert rate.high == pytest.approx(2048 / then.low * 1e3)  # type: ignore[operator]


def test_compute_is_matrix_units_and_instruction_issue_and_leaves_fixed_costs_alone() -> None:
    answer = what_if(kept_report(), {Knob.COMPUTE: 2.0})
    assert {change.resource: change.factor for change in answer.speeds} == {Resource.TENSOR: 2.0, Resource.ISSUE: 2.0}
    assert [curve.knob for curve in phase(answer, "prefill").curves] == [Knob.COMPUTE]


def test_without_a_question_nothing_changes_and_every_speed_has_its_curve() -> None:
    answer = what_if(kept_report(), {}, phase="decode")
    found = phase(answer, "decode")
    assert answer.speeds == []
    assert found.time_ms.predicted == found.time_ms.measured
    assert {Knob.MEMORY, Knob.COMPUTE, Knob.HOST, Knob.LATENCY} <= {curve.knob for curve in found.curves}


def test_the_finite_share_is_kept_where_one_speed_changed() -> None:
    found = phase(what_if(kept_report(), {Knob.MEMORY: 1.408}, phase="decode"), "decode")
    assert found.finite_share == pytest.approx((1 - 1 / found.speedup.value) / (1 - 1 / 1.408))
    several = phase(what_if(kept_report(), {Knob.MEMORY: 1.4, Knob.PCIE: 2.0}, phase="decode"), "decode")
    assert several.finite_share is None
    assert several.sources["finite_share"].missing


def test_on_another_device_a_speed_that_is_given_counts_instead_of_the_datasheets() -> None:
    answer = what_if(kept_report(), {Knob.MEMORY: 1.408}, target=H200)
    factors = {change.resource: (change.factor, change.tier) for change in answer.speeds}
    assert factors[Resource.DRAM] == (1.408, None)
    assert factors[Resource.TENSOR][1] is Tier.DATASHEET
    assert answer.other_device == "NVIDIA H200 SXM 141GB"


def test_a_device_that_differs_in_its_memory_gives_what_that_memory_gives() -> None:
    by_device, by_hand = (
        phase(what_if(kept_report(), knobs, target=target, phase="decode"), "decode").speedup.value
        for knobs, target in (({}, H200), ({Knob.MEMORY: 4800 / 3352}, None))
    )
    assert by_device == pytest.approx(by_hand, rel=0.001)


def test_a_report_from_a_device_without_datasheet_cannot_be_moved() -> None:
    report = kept_report()
    report = replace(report, environment=replace(report.environment, device="AMD EPYC 7763"))
    with pytest.raises(UsageError, match=r"AMD EPYC 7763.*--memory"):
        what_if(report, {}, target=H200)


def test_what_would_not_fit_is_doubtful() -> None:
    report = kept_report()
    assert report.workload is not None
    report = replace(report, workload=replace(report.workload, batch_size=2048))
    answer = what_if(report, {}, target=H200, phase="decode")
    assert any("will not fit" in doubt for doubt in answer.doubts)


def test_slower_than_measured_is_said_to_be_a_guess_from_below() -> None:
    assert what_if(kept_report(), {Knob.MEMORY: 0.5}, phase="decode").doubts
    assert not what_if(kept_report(), {Knob.MEMORY: 2.0}, phase="decode").doubts


def test_loading_is_left_out_with_a_reason() -> None:
    reasons = {left_out.name: left_out.reason for left_out in what_if(kept_report(), {Knob.PCIE: 2.0}).not_predicted}
    assert list(reasons) == ["load"]
    assert "legs" in reasons["load"]


def test_a_phase_without_verdict_is_left_out_and_so_is_the_request() -> None:
    report = with_decode(kept_report(), verdict=refuse("the trace shows no kernel"))
    answer = what_if(report, {Knob.MEMORY: 2.0})
    reasons = {left_out.name: left_out.reason for left_out in answer.not_predicted}
    assert "the trace shows no kernel" in reasons["decode"]
    assert "no prediction of decode" in reasons["request"]
    assert [found.name for found in answer.phases] == ["prefill"]
    assert answer.request is None


def test_what_made_a_verdict_doubtful_makes_the_next_one_doubtful() -> None:
    report = kept_report(decode="decode_offload_4layers")
    decode = report.phases[-1]
    assert decode.verdict.state is VerdictState.CLEAR
    assert phase(what_if(report, {Knob.PCIE: 1.2}, phase="decode"), "decode").after.state is VerdictState.CLEAR
    doubtful = with_decode(report, verdict=undermined(decode.verdict, ["the driver saw another busy time"]))
    found = phase(what_if(doubtful, {Knob.PCIE: 1.2}, phase="decode"), "decode")
    assert (found.before.state, found.after.state) == (VerdictState.INCONCLUSIVE, VerdictState.INCONCLUSIVE)


def test_warnings_of_what_is_predicted_go_along() -> None:
    report = with_decode(kept_report(), warnings=[ReportWarning(code="unknown_kernels", message="12% unknown")])
    told = what_if(report, {Knob.PCIE: 2.0}, phase="decode").warnings
    assert [(warning.phase, warning.message) for warning in told] == [("decode", "12% unknown")]


def test_a_report_without_evidence_is_refused_with_the_command_that_makes_another() -> None:
    with pytest.raises(FailedError, match=r"schema 1\.1.*profile again: bottleneck profile llama-3.1-8b"):
        what_if(without_evidence(kept_report()), {})


def test_a_report_without_phases_is_refused() -> None:
    with pytest.raises(FailedError, match="no phase"):
        what_if(replace(kept_report(), phases=[]), {})


def test_a_phase_that_the_report_lacks_is_a_usage_error_that_names_those_it_has() -> None:
    with pytest.raises(UsageError, match=r"no phase encode.*load, prefill, decode"):
        what_if(kept_report(), {}, phase="encode")


def test_phases_that_were_marked_by_hand_make_no_request() -> None:
    answer = what_if(replace(kept_report(), workload=None), {Knob.PCIE: 2.0})
    assert answer.request is None
    assert "marked by hand" in answer.not_predicted[-1].reason


def test_a_judged_phase_keeps_the_curves_that_are_found_again_from_its_evidence() -> None:
    again = what_if(kept_report(decode="decode_b1_eager"), {}, phase="decode").phases[0]
    assert recorded("decode_b1_eager").judgement.curves == again.curves
