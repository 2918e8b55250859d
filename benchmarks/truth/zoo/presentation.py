"""The zoo's outcomes as a section of the proof: claims, tables, and what must be said beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.truth.section import Claim, Section, Table
from benchmarks.truth.zoo.outcome import TOLERANCE, Outcome
from profiler.report.records import Verdict

FEWEST_ENTRIES = 24


def section_of(
    outcomes: Sequence[Outcome],
    *,
    not_run: Mapping[str, str],
    failed: Mapping[str, str],
    environment: dict[str, Any],
    details: dict[str, Any],
    on_gpu: bool,
) -> Section:
    """`not_run` are entries that this machine cannot run, `failed` those that it should have run, each with why.

    Nothing is claimed of a CPU: what is known by construction is known of work that is sized for a GPU.
    """
    return Section(
        name="zoo",
        title=f"A zoo of workloads whose bottleneck is known: {environment['device']}",
        environment=environment,
        claims=_claims(outcomes, failed, on_gpu=on_gpu),
        tables=[_verdicts(outcomes), _reliefs(outcomes)],
        notes=_notes(outcomes, not_run, failed),
        details=details,
    )


def _claims(outcomes: Sequence[Outcome], failed: Mapping[str, str], *, on_gpu: bool) -> list[Claim]:
    wrong = [o.entry.name for o in outcomes if o.is_wrong]
    unclear = [o.entry.name for o in outcomes if not o.is_right and not o.is_wrong]
    surprised = [
        f"{o.entry.name} ({'no prediction' if o.gain_error is None else f'{o.gain_error:+.2f}'})"
        for o in outcomes
        if not o.is_foretold
    ]
    misnamed = [f"{o.entry.name} ({o.verdict.cause})" for o in outcomes if not o.is_wrong and not o.names_the_cause]
    count = len(outcomes)

    def claim(text: str, exceptions: Sequence[str]) -> Claim:
        measured = f"{count - len(exceptions)} of {count}" + (f"; not: {', '.join(exceptions)}" if exceptions else "")
        return Claim(text, not exceptions if outcomes and on_gpu else None, measured)

    return [
        Claim(
            f"at least {FEWEST_ENTRIES} entries run, and none fails",
            (count >= FEWEST_ENTRIES and not failed) if on_gpu else None,
            f"{count} ran" + "".join(f"; {name}: {why}" for name, why in failed.items()),
        ),
        claim("no verdict is wrong", wrong),
        claim("every verdict is clear, or inconclusive where the truth is a tie", [*wrong, *unclear]),
        claim("every verdict names the cause, or one of those that the entry shows together", [*wrong, *misnamed]),
        claim(f"what each relief gains is foretold within {TOLERANCE * 100:.0f} points", surprised),
    ]


def _verdicts(outcomes: Sequence[Outcome]) -> Table:
    rows: list[tuple[str, ...]] = [
        (
            o.entry.name,
            _classes(o),
            str(o.verdict.class_ or "none"),
            str(o.verdict.cause or "none"),
            str(o.verdict.state),
            _share(o.verdict),
            "yes" if o.is_right else "NO",
            f"{o.roofline}{'' if o.roofline in o.entry.truth else ' (wrong)'}",
            f"{o.wall_ms:.2f}",
        )
        for o in outcomes
    ]
    columns = ("entry", "truth", "verdict", "cause", "state", "share", "right", "plain roofline", "ms")
    return Table("Verdicts", columns, rows)


def _reliefs(outcomes: Sequence[Outcome]) -> Table:
    rows: list[tuple[str, ...]] = [
        (
            o.entry.name,
            o.entry.relief.what,
            "–" if o.predicted is None else _range(o.predicted.value, o.predicted.low, o.predicted.high),
            _range(o.measured.value, o.measured.low, o.measured.high),
            "–" if o.gain_error is None else f"{o.gain_error * 100:+.0f}",
            "yes" if o.is_foretold else "NO",
        )
        for o in outcomes
    ]
    columns = ("entry", "what relieves it", "gain predicted", "gain measured", "points", "within 10")
    return Table("What relieves only the named cause, and what that gains", columns, rows)


def _notes(outcomes: Sequence[Outcome], not_run: Mapping[str, str], failed: Mapping[str, str]) -> list[str]:
    found = [f"{name} was not run: {why}." for name, why in not_run.items()]
    found += [f"{name} failed: {why}" for name, why in failed.items()]
    found += [f"{o.entry.name}: {w}" for o in outcomes for w in o.verdict.evidence[:1] if not o.is_right]
    if outcomes:
        label_right = sum(o.roofline in o.entry.truth for o in outcomes)
        unmoved = sum(abs(o.measured.value) for o in outcomes) / len(outcomes)
        errors = [abs(o.gain_error) for o in outcomes if o.gain_error is not None]
        ours = f"{sum(errors) / len(errors) * 100:.1f}" if errors else "–"
        found.append(
            f"A plain roofline (FLOPs over bytes against the ridge of the measured ceilings) names the class of "
            f"{label_right} of {len(outcomes)} entries. To say that nothing changes is wrong by {unmoved * 100:.1f} "
            f"points on average over the reliefs, ours by {ours}."
        )
        held = sum(
            o.predicted is not None and o.predicted.low <= o.measured.value <= o.predicted.high for o in outcomes
        )
        found.append(
            f"The range of a predicted gain, over the readings of the evidence, holds the measured one of {held} "
            f"of {len(outcomes)}: it bounds what the evidence leaves open, not the error of the cost model or of the "
            "clock."
        )
    return found


def _classes(outcome: Outcome) -> str:
    return " = ".join(sorted(str(klass) for klass in outcome.entry.truth))


def _share(verdict: Verdict) -> str:
    return "–" if verdict.share is None else _range(verdict.share, verdict.low, verdict.high)


def _range(value: float, low: float | None, high: float | None) -> str:
    return f"{value:.2f}" if low is None or high is None else f"{value:.2f} ({low:.2f} to {high:.2f})"
