"""What to record, or to look at, where a trace has no sure answer."""

from __future__ import annotations

from profiler.attribute.recording_advice import for_findings
from profiler.session.analyze import analyze_trace
from profiler.trace.finding import Finding, Severity
from tests.unit.trace.trace_events import RECORDINGS


def test_a_trace_that_is_mostly_pauses_is_sent_to_its_steps_and_promised_nothing() -> None:
    (rank,) = analyze_trace("pauses", RECORDINGS.parent / "own" / "smollm135m-graph-trace.json.gz")
    (advice,) = rank.advice
    assert "look at the steps alone" in advice.action
    assert "96%" in advice.why
    assert advice.speedup is None


def flaw(code: str, severity: Severity = Severity.FATAL) -> Finding:
    return Finding(code, f"it has {code}", 1, 2, severity)


def test_each_fatal_flaw_has_its_remedy_once() -> None:
    found = for_findings([flaw("under_recorded"), flaw("replays_cut_short"), flaw("clock_jump")])
    assert [advice.why for advice in found] == ["it has under_recorded", "it has clock_jump"]
    assert "record fewer steps" in found[0].action


def test_what_only_lowers_the_confidence_asks_for_nothing() -> None:
    assert for_findings([flaw("kernels_without_launch", Severity.WARNING)]) == []
