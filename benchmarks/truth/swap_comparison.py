"""What the first card's report predicts for the second, against what the second was measured to take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.truth.baselines import busy_us, roofline_memory_ratio, roofline_ms
from benchmarks.truth.results import report_path
from benchmarks.truth.section import Claim, Section, Table
from benchmarks.truth.swap_records import Measured, read_measured
from profiler.attribute.other_device import device_speeds
from profiler.attribute.scenarios import scenarios_of
from profiler.attribute.step_evidence import StepEvidence
from profiler.attribute.timeline_record import restored
from profiler.attribute.whatif import BETWEEN_CARDS, predict
from profiler.catalogue.datasheet import Datasheet, find_datasheet
from profiler.report.records import Report
from profiler.report.store import load_report
from profiler.report.vocabulary import Resource

CHANGED = 0.05  # of the measured time: configurations that the other card does change
OF_THE_BETTER_BASELINE = 1 / 3
WORST = 0.10


@dataclass(frozen=True, slots=True)
class Outcome:
    """One configuration. Times in ms; `ours` is what `whatif --device` says, from datasheets alone."""

    name: str
    before: float
    after: float
    ours: float
    low: float
    high: float
    ours_measured: float  # at the measured ratio of the bandwidths, all else equal
    roofline: float

    @property
    def changes(self) -> bool:
        """Whether the other card took another time."""
        return abs(self.after / self.before - 1) > CHANGED

    def error(self, predicted: float) -> float:
        """How far a prediction is off, as a fraction of the measured time, with its sign."""
        return predicted / self.after - 1

    @property
    def nothing(self) -> float:
        """What the other baseline says."""
        return self.before


def compare(first: Path, second: Path) -> Section:
    """The section that both cards' folders make together."""
    here, one = read_measured(first)
    there, two = read_measured(second)
    report = load_report(report_path(first, "swap"))
    source, target = _datasheet(here.environment["device"]), _datasheet(there.environment["device"])
    changes = device_speeds(source, target, dtype="bfloat16", ceilings=report.ceilings.ceilings).changes
    speeds = {change.resource: change.factor for change in changes}
    bandwidth = _ratio(one, two, "read")
    outcomes, missing = _outcomes(report, one, two, speeds, bandwidth)
    held = sum(outcome.low <= outcome.after <= outcome.high for outcome in outcomes)
    return Section(
        name="swap",
        title=f"Hardware swap: {here.environment['device']} predicts {there.environment['device']}",
        environment={
            "date": (report.created_at or "").partition("T")[0],
            **here.environment,
            "second device": there.environment["device"],
        },
        claims=claims_of(outcomes),
        tables=[table_of(outcomes)],
        notes=[
            f"ours is `whatif --device {target.name}`: memory is {speeds[Resource.DRAM]:.3f} times as fast by the "
            f"datasheets, {bandwidth:.3f} times by the measured read ceilings",
            f"the prediction's interval holds the measured time in {held} of {len(outcomes)} configurations",
            *missing,
        ],
        details={"outcomes": [outcome_record(outcome) for outcome in outcomes], "bandwidth_ratio": bandwidth},
    )


def predict_other(
    name: str, evidence: StepEvidence, after_ms: float, speeds: Mapping[Resource, float], bandwidth: float
) -> Outcome:
    """One configuration's predictions, from the evidence of the first card."""
    scenarios, _ = scenarios_of(evidence)
    clean = evidence.clean
    ours = predict(scenarios, clean, speeds, BETWEEN_CARDS)
    memory_only = predict(scenarios, clean, {Resource.DRAM: bandwidth})
    return Outcome(
        name=name,
        before=clean.wall_ms,
        after=after_ms,
        ours=ours.ms,
        low=ours.ms if ours.low_ms is None else ours.low_ms,
        high=ours.ms if ours.high_ms is None else ours.high_ms,
        ours_measured=memory_only.ms,
        roofline=roofline_ms(
            clean.wall_ms, busy_us(evidence) / 1e3, roofline_memory_ratio(evidence), speeds.get(Resource.DRAM, 1.0)
        ),
    )


def claims_of(outcomes: Sequence[Outcome]) -> list[Claim]:
    """The claims on the median of those that change, and on the worst of all."""
    changed = [outcome for outcome in outcomes if outcome.changes]
    text = (
        f"on configurations whose measured time changes by more than {CHANGED:.0%}, the median error is at most a "
        "third of the better baseline's"
    )
    claims = [Claim(text, None, "no configuration changed so much")]
    if changed:
        ours, roofline, nothing = (
            median(abs(o.error(getattr(o, name))) for o in changed) for name in ("ours", "roofline", "nothing")
        )
        better = min(roofline, nothing)
        measured = f"{ours:.2%}; roofline {roofline:.2%}, nothing changes {nothing:.2%} ({len(changed)} configurations)"
        claims = [Claim(text, ours <= OF_THE_BETTER_BASELINE * better, measured)]
    text = f"the worst error of all configurations is at most {WORST:.0%}"
    if not outcomes:
        return [*claims, Claim(text, None, "no configuration was measured on both cards")]
    worst = max(outcomes, key=lambda outcome: abs(outcome.error(outcome.ours)))
    error = worst.error(worst.ours)
    return [*claims, Claim(text, abs(error) <= WORST, f"{error:+.2%} ({worst.name}; {len(outcomes)} configurations)")]


def table_of(outcomes: Sequence[Outcome]) -> Table:
    """Milliseconds, and the error of each prediction behind it."""

    def cell(outcome: Outcome, predicted: float) -> str:
        return f"{predicted:.3f} ({outcome.error(predicted):+.1%})"

    return Table(
        "Predicted and measured, ms (error)",
        (
            "configuration",
            "first",
            "second",
            "ours",
            "interval",
            "ours, measured bandwidth",
            "roofline",
            "nothing changes",
        ),
        [
            (
                o.name,
                f"{o.before:.3f}",
                f"{o.after:.3f} ({o.after / o.before - 1:+.1%})",
                cell(o, o.ours),
                f"{o.low:.3f} .. {o.high:.3f}",
                cell(o, o.ours_measured),
                cell(o, o.roofline),
                cell(o, o.nothing),
            )
            for o in outcomes
        ],
    )


def outcome_record(outcome: Outcome) -> dict[str, float | str]:
    """An outcome as numbers, for the file."""
    return {name: getattr(outcome, name) for name in outcome.__dataclass_fields__}


def _outcomes(
    report: Report, one: Measured, two: Measured, speeds: Mapping[Resource, float], bandwidth: float
) -> tuple[list[Outcome], list[str]]:
    found, missing = [], []
    phases = {phase.name: phase for phase in report.phases}
    for name in one.timings:
        timing, phase = two.timings.get(name), phases.get(name)
        evidence = restored(phase.timeline) if phase is not None and phase.timeline is not None else None
        if timing is None or timing.clean is None:
            missing.append(f"{name}: not measured on the second card")
        elif evidence is None:
            missing.append(f"{name}: no evidence from the first card")
        else:
            found.append(predict_other(name, evidence, timing.wall_ms, speeds, bandwidth))
    return found, missing


def _ratio(one: Measured, two: Measured, ceiling: str) -> float:
    here, there = one.ceilings.get(ceiling), two.ceilings.get(ceiling)
    if not here or not there:
        raise ValueError(f"the {ceiling} ceiling was not measured on both cards")
    return there / here


def _datasheet(device: str) -> Datasheet:
    found = find_datasheet(device)
    if found is None:
        raise ValueError(f"there is no datasheet of {device} in configs/devices")
    return found
