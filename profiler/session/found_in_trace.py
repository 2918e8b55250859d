"""Where in a trace lies what a result says of it."""

from __future__ import annotations

import numpy as np

from profiler.attribute.part_spans import PartSpans, part_spans
from profiler.attribute.trace_ceilings import ceilings_of
from profiler.errors import UnreadableError
from profiler.render.perfetto_tracks import Counter, Found, PlacedPhase
from profiler.render.words import CAUSES, PARTS
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
_IDLE = "nothing on the device"
_AS_JUDGED = "when each part took place; what runs at once is shown in each"
_WITHOUT_LIMITERS = (
    "when each part took place; which kernels are limited by what cannot be told, as the analysis took other ceilings "
    "than the datasheet's"
)
_OF_A_STEP = "of each phase the step that was judged, as traced: the report's times are those without the tracer"
_SAMPLED = (
    "sampled in runs of their own, not in this trace: of each phase what a step was like; hardware counters through "
    "one step"
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


def _named(spans: PartSpans, *, with_limiters: bool) -> dict[str, Ints]:
    """The spans by what the parts are called, the longest first."""
    found: dict[str, list[Ints]] = {}
    for name, each in spans.spans.items():
        found.setdefault(PARTS[name] if with_limiters or not name.startswith("kernel.") else _KERNELS, []).append(each)
    merged = {name: intervals.merge(np.concatenate(each)) for name, each in found.items()}
    return dict(sorted(merged.items(), key=lambda entry: -intervals.total(entry[1])))


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
    timeline = read_kineto(source)
    steps = steps_of(timeline)
    judged = {phase.name: step for phase in report.phases if (step := _judged(phase, steps)) is not None}
    if not judged:
        raise UnreadableError(f"{name} is not the trace of this report: it holds none of its steps", _ANOTHER)
    phases = [phase for phase in report.phases if phase.name in judged]
    mine = {phase.name: [step for step in steps if step.name == phase.name] for phase in phases}
    ends = [step.finish_ns for step in steps]
    return Found(
        name="bottleneck",
        subject="The whole request",
        span=(min(step.start_ns for step in steps), max(ends)),
        verdict=report.verdict,
        phases=[
            PlacedPhase(
                phase.name,
                phase.verdict,
                [(step.start_ns, step.finish_ns) for step in mine[phase.name]],
                {f"part: {CAUSES[part.cause]} [ms]": part.ms for part in phase.parts},
            )
            for phase in phases
        ],
        parts=_causes([(phase, judged[phase.name]) for phase in phases]),
        parts_note=_OF_A_STEP,
        counters=_counters(phases, mine, judged),
        counters_note=_SAMPLED,
    )


def _judged(phase: Phase, steps: list[Step]) -> Step | None:
    """The step that the phase was judged by: to the nanosecond, it took as long as the report says."""
    if phase.timeline is None:
        return None
    wall_ns, ratio = round(phase.timeline.traced_wall_us * 1e3), phase.timeline.pace_ratio
    return next((step for step in steps if step.name == phase.name and round(step.wall_ns * ratio) == wall_ns), None)


def _causes(judged: list[tuple[Phase, Step]]) -> dict[str, Ints]:
    """When in the judged steps the device worked for which cause, and when it did nothing."""
    found: dict[str, list[Ints]] = {}
    for phase, step in judged:
        if phase.timeline is None:
            continue
        rows, ns = phase.timeline.device, 1e3 / phase.timeline.pace_ratio
        start = step.start_ns + np.rint(np.array(rows.start_us, np.float64) * ns).astype(np.int64)
        busy = intervals.from_columns(
            start, start + np.rint(np.array(rows.duration_us, np.float64) * ns).astype(np.int64)
        )
        causes = np.array([CAUSES[cause] for cause in rows.cause], np.object_)
        for cause in dict.fromkeys(causes.tolist()):
            found.setdefault(cause, []).append(busy[causes == cause])
        found.setdefault(_IDLE, []).append(intervals.complement(busy, step.start_ns, step.finish_ns))
    merged = {cause: intervals.merge(np.concatenate(each)) for cause, each in found.items()}
    return dict(sorted(merged.items(), key=lambda entry: -intervals.total(entry[1])))


def _counters(phases: list[Phase], steps: dict[str, list[Step]], judged: dict[str, Step]) -> list[Counter]:
    found: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for phase in phases:
        begin, end = steps[phase.name][0].start_ns, steps[phase.name][-1].finish_ns
        for series in phase.telemetry.series if phase.telemetry is not None else []:
            if series.value is not None:
                found.setdefault((series.name, series.unit), []).extend([(begin, series.value), (end, series.value)])
        for column, unit, points in _counted(phase, judged[phase.name]):
            found.setdefault((column, unit), []).extend(points)
    return [Counter(name, unit, points) for (name, unit), points in found.items()]


def _counted(phase: Phase, step: Step) -> list[tuple[str, str, list[tuple[int, float]]]]:
    """The hardware counters of one step, whose samples count from the start of its first kernel."""
    if phase.counters is None or step.device_start_ns is None:
        return []
    series, first = phase.counters.series, step.device_start_ns
    at = [first + round(us * 1e3) for us in series.start_us]
    columns = [
        (name, "GB/s" if name.endswith("_gb_per_s") else "ratio", getattr(series, name))
        for name in series.__struct_fields__
        if name != "start_us"
    ]
    return [
        (f"counted {name}", unit, list(zip(at, values, strict=True)))
        for name, unit, values in columns
        if len(values) == len(at) and values
    ]
