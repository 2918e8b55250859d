"""What was found in a trace as tracks above its events: the verdict, phases, parts, and what was sampled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, field

from profiler.render.answer import cause_words, verdict_statements
from profiler.render.perfetto import Facts, PerfettoProcess
from profiler.render.spans import Span
from profiler.report.records import Verdict


class PlacedPhase(Struct, frozen=True):
    """A phase, its verdict, and when its steps ran."""

    name: str
    verdict: Verdict
    steps: list[Span]
    facts: dict[str, str | float | None] = field(default_factory=dict)


class Counter(Struct, frozen=True):
    """A number that was sampled: `points` are when and how much."""

    name: str
    unit: str
    points: list[tuple[int, float]]


class Found(Struct, frozen=True):
    """What was found of one device of a trace: its span, and its parts in the order in which to show them."""

    name: str
    subject: str
    span: Span
    verdict: Verdict
    phases: list[PlacedPhase]
    parts: Mapping[str, Iterable[Span]]
    parts_note: str
    counters: Sequence[Counter] = ()
    counters_note: str = ""


def write_tracks(process: PerfettoProcess, found: Found, *, zero_ns: int, order: int) -> None:
    """Write them, in a group that stands in that place among the process's tracks; times count from `zero_ns`."""
    told = " ".join(each.text for each in verdict_statements(found.subject, found.verdict))
    group = process.group(found.name, order=order, about=told)
    start, end = found.span
    if end > start:
        verdict = process.group("verdict", order=0, parent=group, about=told)
        process.slice(verdict, start - zero_ns, end - zero_ns, _short(found.verdict), _facts(found.verdict))
    if found.phases:
        _write_phases(process, found.phases, process.group("phases", order=1, parent=group), zero_ns)
    if found.parts:
        parts = process.group("parts", order=2, parent=group, about=found.parts_note)
        for place, (name, spans) in enumerate(found.parts.items()):
            track = process.group(name, order=place, parent=parts)
            for begin, stop in spans:
                process.slice(track, begin - zero_ns, stop - zero_ns, name)
    if found.counters:
        counters = process.group("counters", order=3, parent=group, about=found.counters_note)
        for place, counter in enumerate(found.counters):
            track = process.counter(counter.name, counter.unit, order=place, parent=counters)
            for at, value in counter.points:
                process.count(track, at - zero_ns, value)


def _write_phases(process: PerfettoProcess, phases: Sequence[PlacedPhase], track: int, zero_ns: int) -> None:
    steps = [(span, phase) for phase in phases for span in phase.steps]
    for (begin, end), phase in sorted(steps, key=lambda step: step[0]):
        facts = {**_facts(phase.verdict), **phase.facts}
        process.slice(track, begin - zero_ns, end - zero_ns, f"{phase.name}: {_short(phase.verdict)}", facts)


def _short(verdict: Verdict) -> str:
    if verdict.class_ is None:
        return "no verdict"
    return f"{verdict.class_}{cause_words(verdict)} ({verdict.state})"


def _facts(verdict: Verdict) -> Facts:
    return {
        "state": verdict.state.value,
        "share": verdict.share,
        "low": verdict.low,
        "high": verdict.high,
        "runner_up": verdict.runner_up,
        "runner_up_share": verdict.runner_up_share,
        "confidence": verdict.confidence,
        "evidence": "; ".join(verdict.evidence) or None,
    }
