"""The phases that were found in a trace: how long their steps take, and what holds each back."""

from __future__ import annotations

from collections import Counter

from profiler.render.answer import cause_words, share_words
from profiler.render.document import Block, Bullets, Column, Grid, Heading
from profiler.render.numbers import MISSING, count, duration, interval, percent
from profiler.render.words import PARTS
from profiler.report.analysis import PhaseAnalysis, RankAnalysis
from profiler.report.trace_phases import FoundBy, KindFrom, StepRun

_NS_PER_MS = 1e6
# Enough to see what a phase is made of; the JSON has all parts.
_PARTS_TOLD = 3
_RUNS_TOLD = 3
_NO_VERDICT = "no verdict"

_FOUND = {
    FoundBy.ENGINE: "marked by the engine",
    FoundBy.ANNOTATION: "marked by ranges",
    FoundBy.KERNEL_PATTERN: "found by what the device repeats",
}
_KINDS = {
    KindFrom.SHAPES: "the queries of its attention say which",
    KindFrom.KERNEL_NAMES: "names of its kernels say which",
    KindFrom.ORDER: "only their order says which",
    None: "prefill or decode is not known",
}


def traced_phase_blocks(phases: list[PhaseAnalysis], span_ns: int) -> list[Block]:
    """A row a phase, and below how it was found; nothing where there are none."""
    if not phases:
        return []
    columns = (
        Column("phase", flexible=True, shortest=8),
        Column("kind", drop=3),
        Column("steps", numeric=True),
        Column("a step", numeric=True),
        Column("low–high", numeric=True, drop=4),
        Column("of time", numeric=True, drop=2),
        Column("idle", numeric=True),
        Column("held back by", flexible=True, shortest=18, wraps=True),
        Column("share", numeric=True, drop=1),
        Column("verdict"),
    )
    rows = tuple(_row(phase, span_ns) for phase in phases)
    return [Heading("Phases", 2), Grid(columns, rows), Bullets(tuple(_told(phase) for phase in phases))]


def job_phase_blocks(ranks: list[RankAnalysis]) -> list[Block]:
    """A row for the phases of each name: a step of the rank in the middle, of the fastest and of the slowest."""
    named: dict[str, list[PhaseAnalysis]] = {}
    for rank in ranks:
        for phase in rank.phases:
            named.setdefault(phase.name, []).append(phase)
    if not named:
        return []
    columns = (
        Column("phase", flexible=True, shortest=8),
        Column("ranks", numeric=True),
        Column("a step", numeric=True),
        Column("fastest–slowest rank", numeric=True, drop=2),
        Column("idle", numeric=True, drop=1),
        Column("held back by", flexible=True, shortest=18, wraps=True),
    )
    rows = tuple(_job_row(name, phases) for name, phases in named.items())
    return [Heading("Phases", 2), Grid(columns, rows)]


def _job_row(name: str, phases: list[PhaseAnalysis]) -> tuple[str, ...]:
    times = sorted(phase.step_ns.median_ns / _NS_PER_MS for phase in phases)
    classes = Counter(phase.verdict.class_.value if phase.verdict.class_ else _NO_VERDICT for phase in phases)
    held = ", ".join(f"{klass} ({number})" for klass, number in classes.most_common())
    return (
        name,
        count(len(phases)),
        duration(times[(len(times) - 1) // 2]),
        interval(times[0], times[-1], duration) if len(times) > 1 else "",
        percent(sum(phase.idle_ns for phase in phases) / sum(phase.span_ns for phase in phases)),
        held if len(classes) > 1 else next(iter(classes)),
    )


def _row(phase: PhaseAnalysis, span_ns: int) -> tuple[str, ...]:
    verdict, time = phase.verdict, phase.step_ns
    return (
        phase.name,
        phase.kind.value,
        count(phase.count),
        duration(time.median_ns / _NS_PER_MS),
        interval(time.low_ns / _NS_PER_MS, time.high_ns / _NS_PER_MS, duration) if time.steps > 1 else "",
        percent(phase.span_ns / span_ns),
        percent(phase.idle_ns / phase.span_ns),
        MISSING if verdict.class_ is None else f"{verdict.class_}{cause_words(verdict)}",
        share_words(verdict),
        verdict.state.value,
    )


def _told(phase: PhaseAnalysis) -> str:
    largest = sorted(phase.parts, key=lambda part: -part.ns)[:_PARTS_TOLD]
    made_of = ", ".join(f"{percent(part.fraction)} {PARTS[part.part]}" for part in largest)
    told = "" if phase.kind_from is KindFrom.ANNOTATION else f"; {_KINDS[phase.kind_from]}"
    judged = _steps([phase.judged])
    doubt = f" Held back so as traced; {phase.doubt}." if phase.doubt else ""
    unlike = f" They are unlike: {phase.sorts} sorts by what runs in them." if phase.sorts > 1 else ""
    found = f"{phase.name}: {_steps(phase.steps)}, {_FOUND[phase.found_by]}{told}.{unlike}"
    return f"{found} Of {judged}: {made_of}.{_last(phase)}{doubt}"


def _last(phase: PhaseAnalysis) -> str:
    """Of steps that nothing follows at once: nobody knows how long they would have waited for it."""
    alone = phase.count - phase.step_ns.steps
    if not alone:
        return ""
    verb, they, lack, them = ("is", "it", "lacks", "it") if alone == 1 else ("are", "they", "lack", "them")
    which = f"{count(alone)} of the {count(phase.count)} steps {verb} not followed at once"
    return f" {which}: {they} {lack} the wait for a next one, and the time of a step is without {them}."


def _steps(runs: list[StepRun]) -> str:
    told = [f"{run.first}" if run.first == run.last else f"{run.first} to {run.last}" for run in runs[:_RUNS_TOLD]]
    more = f" and {count(len(runs) - _RUNS_TOLD)} more runs" if len(runs) > _RUNS_TOLD else ""
    return f"{'step' if runs[0].first == runs[-1].last else 'steps'} {', '.join(told)}{more}"
