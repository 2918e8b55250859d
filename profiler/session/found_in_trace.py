"""Where in a trace lies what a result says of it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from profiler.attribute.part_spans import PartSpans, part_spans
from profiler.attribute.trace_ceilings import ceilings_of
from profiler.errors import UnreadableError
from profiler.render.perfetto_phases import PlacedStep, found_of
from profiler.render.perfetto_tracks import Found, PlacedPhase
from profiler.render.spans import Span
from profiler.render.words import PARTS
from profiler.report.analysis import Analysis, PhaseAnalysis, RankAnalysis
from profiler.report.part_name import PartName
from profiler.report.records import Phase, Report
from profiler.session.looked_at import LookedAt, looked_at
from profiler.trace import intervals
from profiler.trace.accounting import Accounting, account
from profiler.trace.devices import per_device
from profiler.trace.intervals import Ints
from profiler.trace.kineto import read_kineto
from profiler.trace.narrowing import Narrowing
from profiler.trace.step_table import StepTable
from profiler.trace.steps import Step, steps_of
from profiler.trace.timeline import Timeline
from profiler.trace.trace_file import TraceSource

_ANOTHER = "--trace with the one that it was made from"
_KERNELS = "kernels"
_SPANS = 1 << 16
_AS_JUDGED = "when each part took place; what runs at once is shown in each"
_WITHOUT_LIMITERS = (
    "when each part took place; which kernels are limited by what cannot be told, as the analysis took other ceilings "
    "than the datasheet's"
)


class FoundRanks:
    """The ranks of an analysis, found in its traces one after the other."""

    def __init__(self, analysis: Analysis) -> None:
        self._left = list(analysis.ranks)
        self._unread: list[UnreadableError] = []

    def of(self, name: str, source: TraceSource | UnreadableError) -> list[Found]:
        """What the analysis says of each device of this trace; nothing of what cannot be read: it was passed over, too.

        Raises `UnreadableError` where it says nothing of one that can.
        """
        try:
            if isinstance(source, UnreadableError):
                raise source
            whole = read_kineto(source)
        except UnreadableError as error:
            self._unread.append(error)
            return []
        return [self._of_device(name, number, each) for number, each in per_device(whole)]

    def check_complete(self) -> None:
        """Raises `UnreadableError` where a rank was in none of the traces."""
        if self._left:
            more = f" and {len(self._left) - 1} more" if len(self._left) > 1 else ""
            why = f": {self._unread[0].message}" if self._unread else ""
            raise UnreadableError(f"no trace is that of {self._left[0].name}{more} in the analysis{why}", _ANOTHER)

    def _of_device(self, name: str, number: int, whole: Timeline) -> Found:
        for rank in self._left:
            part = _part(name, whole, rank)
            told = account(part.timeline.device) if part is not None else None
            if part is not None and told is not None and _is_of(rank, told):
                self._left.remove(rank)
                return _found(rank, part, told, number)
        raise UnreadableError(f"{name} is no trace that the analysis is of: no rank lasts as long as it", _ANOTHER)


def _is_of(rank: RankAnalysis, told: Accounting) -> bool:
    return (rank.span_ns, rank.busy_ns, rank.kernel_ns) == (told.span_ns, told.busy_ns, told.kernel_ns)


def _part(name: str, whole: Timeline, rank: RankAnalysis) -> LookedAt | None:
    """What the rank looked at; None where this trace has no such part."""
    window = rank.window
    narrowing = None if window is None else Narrowing(from_ns=window.from_ns, to_ns=window.to_ns)
    try:
        return looked_at(name, whole, [], narrowing, with_steps=bool(rank.phases))
    except UnreadableError:
        return None


def _found(rank: RankAnalysis, part: LookedAt, told: Accounting, number: int) -> Found:
    start = told.start_ns
    note, parts = _WITHOUT_LIMITERS, {}
    if told.span_ns:
        ceilings = ceilings_of(part.timeline.device_properties, number, None)
        spans = part_spans(part.followed, told, ceilings)
        agrees = _kernels(spans.ns) == _kernels({each.part: each.ns for each in rank.parts})
        note = _AS_JUDGED if agrees else _WITHOUT_LIMITERS
        parts = _named(spans, with_limiters=agrees)
    return Found(
        name=f"bottleneck: {rank.name}",
        subject="This trace",
        span=(start, start + told.span_ns),
        verdict=rank.verdict,
        phases=[_placed(phase, part.steps) for phase in rank.phases] if part.steps is not None else [],
        parts=parts,
        parts_note=note,
    )


def _kernels(ns: dict[PartName, int]) -> dict[PartName, int]:
    return {name: each for name, each in ns.items() if each and name.startswith("kernel.")}


class _Spans:
    """Spans that become Python's numbers some at a time: as such they take ten times the memory."""

    def __init__(self, spans: Ints) -> None:
        self._spans = spans

    def __iter__(self) -> Iterator[Span]:
        for first in range(0, len(self._spans), _SPANS):
            yield from self._spans[first : first + _SPANS].tolist()


def _named(spans: PartSpans, *, with_limiters: bool) -> dict[str, _Spans]:
    """The spans by what the parts are called, the longest first."""
    found: dict[str, list[Ints]] = {}
    for name, each in spans.spans.items():
        found.setdefault(PARTS[name] if with_limiters or not name.startswith("kernel.") else _KERNELS, []).append(each)
    merged = {name: intervals.merge(np.concatenate(each)) for name, each in found.items()}
    return {name: _Spans(each) for name, each in sorted(merged.items(), key=lambda entry: -intervals.total(entry[1]))}


def _placed(phase: PhaseAnalysis, steps: StepTable) -> PlacedPhase:
    rows = [number - steps.first for run in phase.steps for number in range(run.first, run.last + 1)]
    return PlacedPhase(
        phase.name,
        phase.verdict,
        [(int(steps.start_ns[row]), int(steps.end_ns[row])) for row in rows if 0 <= row < len(steps)],
        {f"part: {PARTS[part.part]} [ms]": part.ns / 1e6 for part in phase.parts},
    )


def found_phases(report: Report, name: str, source: TraceSource) -> Found:
    """What a report says of the phases in its trace. Raises `UnreadableError` where none of them is in it."""
    steps = steps_of(read_kineto(source))
    placed = [found for phase in report.phases if (found := _in_trace(phase, steps)) is not None]
    if not placed:
        raise UnreadableError(f"{name} is not the trace of this report: it holds none of its steps", _ANOTHER)
    return found_of(report, placed)


def _in_trace(phase: Phase, steps: list[Step]) -> PlacedStep | None:
    """The step that the phase was judged by: to the nanosecond, it took as long as the report says."""
    if phase.timeline is None:
        return None
    wall_ns, ratio = round(phase.timeline.traced_wall_us * 1e3), phase.timeline.pace_ratio
    mine = [step for step in steps if step.name == phase.name]
    judged = next((step for step in mine if round(step.wall_ns * ratio) == wall_ns), None)
    if judged is None:
        return None
    return PlacedStep(
        phase=phase,
        timeline=phase.timeline,
        start_ns=judged.start_ns,
        finish_ns=judged.finish_ns,
        device_start_ns=judged.device_start_ns,
        ns_per_us=1e3 / ratio,
        steps=[(step.start_ns, step.finish_ns) for step in mine],
    )
