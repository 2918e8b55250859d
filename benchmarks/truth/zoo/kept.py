"""A zoo that was run before, judged again from its report: needs no GPU, and shows what a changed cost model says."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from benchmarks.truth.section import Section
from benchmarks.truth.zoo.entries import NAMES, entry_of
from benchmarks.truth.zoo.outcome import MeasuredGain, Outcome, outcome_of, rejudge, rejudged
from benchmarks.truth.zoo.presentation import section_of
from profiler.report.records import Report, Verdict

# The key of the measured gains in the section's details.
GAINS = "gains"


def outcomes_again(report: Report, section: Section) -> list[Outcome]:
    """The outcomes of a kept run: verdicts and predictions are made anew, measured gains are those of `section`.

    Phases whose entry is no longer in the zoo are left out.
    """
    gains = msgspec.convert(section.details[GAINS], dict[str, MeasuredGain])
    again = rejudged(report)
    phases = [phase for phase in again.phases if phase.name in NAMES]
    return [outcome_of(entry_of(p.name), p, again.ceilings, gains[p.name]) for p in phases]


def section_again(report: Report, section: Section) -> Section:
    """The section of a kept run with what is judged now."""
    found = section_of(
        outcomes_again(report, section),
        not_run={p.name: "it is no longer in the zoo" for p in report.phases if p.name not in NAMES},
        failed={},
        environment=section.environment,
        details=section.details,
        on_gpu=report.environment.device_kind == "cuda",
    )
    return replace(found, notes=[*found.notes, _judged_again(report)])


def _judged_again(report: Report) -> str:
    """That the verdicts are not those of the run, and which of them were others then."""
    now = dict(rejudge(report))
    otherwise = [
        f"{phase.name} was {phase.verdict.cause or 'refused'}, {phase.verdict.state}"
        for phase in report.phases
        if phase.name in NAMES and _said(phase.verdict) != _said(now[phase.name])
    ]
    changed = f"{'; '.join(otherwise)} then" if otherwise else "none was another then"
    return f"The verdicts are made anew, by the cost model as it is now, from the report of an earlier run: {changed}."


def _said(verdict: Verdict) -> tuple[object, ...]:
    return verdict.class_, verdict.cause, verdict.state
