"""What became of an entry: whether its verdict is true, and whether it foretold what the relief gained.

All of it follows from a kept report and the times beside it, so it can be judged again anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from benchmarks._common import Estimate
from benchmarks.truth.zoo.entry import Entry
from benchmarks.truth.zoo.relief import Gain
from profiler.attribute.parts import split
from profiler.attribute.phase import footing_of
from profiler.attribute.rates import Rates
from profiler.attribute.scenarios import scenarios_of
from profiler.attribute.shares import class_shares, share_records, share_table
from profiler.attribute.timeline_record import restored
from profiler.attribute.verdict import judge, refuse, undermined
from profiler.report.ceilings import Ceilings
from profiler.report.records import Phase, Report, Verdict
from profiler.report.vocabulary import BottleneckClass, VerdictState
from profiler.session.cross_checks import doubts

# The claim: a predicted gain is within 10 points of the measured one.
TOLERANCE = 0.10


class MeasuredGain(msgspec.Struct, frozen=True):
    """What the relief gained, 1 - new time / old time, with its 95% interval."""

    value: float
    low: float | None
    high: float | None

    @classmethod
    def of(cls, estimate: Estimate) -> MeasuredGain:
        return cls(estimate.value, estimate.low, estimate.high)


@dataclass(frozen=True, slots=True)
class Outcome:
    """`predicted` is None where there is no evidence to predict from: the verdict was refused."""

    entry: Entry
    wall_ms: float
    verdict: Verdict
    roofline: BottleneckClass
    predicted: Gain | None
    measured: MeasuredGain

    @property
    def is_right(self) -> bool:
        """Clear and the truth, or inconclusive where the truth is a tie."""
        wanted = VerdictState.INCONCLUSIVE if self.entry.is_tie else VerdictState.CLEAR
        return self.verdict.state is wanted and self.verdict.class_ in self.entry.truth

    @property
    def is_wrong(self) -> bool:
        """Another class than the truth, however sure."""
        return self.verdict.class_ is not None and self.verdict.class_ not in self.entry.truth

    @property
    def names_the_cause(self) -> bool:
        return self.verdict.cause in self.entry.causes

    @property
    def gain_error(self) -> float | None:
        """Predicted less measured gain."""
        return None if self.predicted is None else self.predicted.value - self.measured.value

    @property
    def is_foretold(self) -> bool:
        return self.gain_error is not None and abs(self.gain_error) <= TOLERANCE


def outcome_of(entry: Entry, phase: Phase, ceilings: Ceilings, measured: MeasuredGain) -> Outcome:
    """The outcome of an entry from its record."""
    evidence = restored(phase.timeline) if phase.timeline is not None else None
    return Outcome(
        entry=entry,
        wall_ms=phase.clean.wall_ms.median,
        verdict=phase.verdict,
        roofline=roofline_label(phase),
        predicted=None if evidence is None else entry.relief.predict(evidence, ceilings),
        measured=measured,
    )


def roofline_label(phase: Phase) -> BottleneckClass:
    """What a plain roofline calls it: FLOPs over bytes against the ridge of the measured ceilings. It has two words."""
    return BottleneckClass.COMPUTE if (phase.mfu or 0.0) > (phase.mbu or 0.0) else BottleneckClass.MEMORY


def rejudge(report: Report) -> list[tuple[str, Verdict]]:
    """The verdict of each phase of a kept report, derived anew from its evidence."""
    return [(phase.name, _judged_again(phase, report.environment.device_kind)) for phase in report.phases]


def rejudged(report: Report) -> Report:
    """The same report with verdicts derived anew."""
    verdicts = dict(rejudge(report))
    return replace(report, phases=[replace(phase, verdict=verdicts[phase.name]) for phase in report.phases])


def _judged_again(phase: Phase, device_kind: str) -> Verdict:
    evidence = restored(phase.timeline) if phase.timeline is not None else None
    if evidence is None:
        return refuse("the report holds no evidence", *phase.verdict.evidence)
    scenarios, limited = scenarios_of(evidence)
    table = share_table(scenarios)
    replayed = scenarios[0].run()
    parts = split(evidence.graph, replayed, limited.causes, limited.tiers)
    footing = footing_of(evidence, scenarios[0], limited, replayed, device_kind)
    verdict = judge(
        class_shares(table),
        share_records(table),
        parts,
        trust=footing.trust,
        whole=footing.is_whole,
        throttled=phase.verdict.throttled,
    )
    rates = Rates(phase.ideal_ms, phase.mfu, phase.mbu, phase.weights_gb_per_s, phase.kv_cache_gb_per_s, {})
    return undermined(verdict, doubts(phase.telemetry, rates, device_kind))
