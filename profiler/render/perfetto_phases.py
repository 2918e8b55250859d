"""What a report says of its phases, as tracks on a clock on which the steps that were judged are placed."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from profiler.render.perfetto_tracks import Counter, Found, PlacedPhase
from profiler.render.spans import Span, gaps, union
from profiler.render.words import CAUSES
from profiler.report.records import Phase, Report
from profiler.report.timeline import Timeline

_IDLE = "nothing on the device"
_OF_A_STEP = "of each phase the step that was judged, as traced: the report's times are those without the tracer"
_SAMPLED = (
    "sampled in runs of their own, not in this trace: of each phase what a step was like; hardware counters through "
    "one step"
)


class PlacedStep(Struct, frozen=True):
    """The step by which a phase was judged, and when it ran.

    A time of `timeline`, the phase's, is so many ns after `start_ns` as it is us times `ns_per_us`. `device_start_ns`
    is the start of the first activity, None without any. `steps` are all that are known of the phase, as begin and end.
    """

    phase: Phase
    timeline: Timeline
    start_ns: int
    finish_ns: int
    device_start_ns: int | None
    ns_per_us: float
    steps: list[Span]

    def ns(self, us: Sequence[float]) -> list[int]:
        """These times or lengths of the timeline in ns."""
        return [round(each * self.ns_per_us) for each in us]


def found_of(report: Report, placed: Sequence[PlacedStep]) -> Found:
    """The verdict, the phases, their causes and what was sampled, where these steps ran."""
    spans = [span for each in placed for span in each.steps]
    return Found(
        name="bottleneck",
        subject="The whole request",
        span=(min(begin for begin, _ in spans), max(end for _, end in spans)),
        verdict=report.verdict,
        phases=[
            PlacedPhase(
                each.phase.name,
                each.phase.verdict,
                each.steps,
                {f"part: {CAUSES[part.cause]} [ms]": part.ms for part in each.phase.parts},
            )
            for each in placed
        ],
        parts=_causes(placed),
        parts_note=_OF_A_STEP,
        counters=_counters(placed),
        counters_note=_SAMPLED,
    )


def _causes(placed: Sequence[PlacedStep]) -> dict[str, list[Span]]:
    """When in the steps the device worked for which cause, and when it did nothing; the longest first."""
    found: dict[str, list[Span]] = {}
    for step in placed:
        rows = step.timeline.device
        busy = [
            (step.start_ns + begin, step.start_ns + begin + lasts)
            for begin, lasts in zip(step.ns(rows.start_us), step.ns(rows.duration_us), strict=True)
        ]
        for cause, span in zip(rows.cause, busy, strict=True):
            found.setdefault(CAUSES[cause], []).append(span)
        found.setdefault(_IDLE, []).extend(gaps(union(busy), step.start_ns, step.finish_ns))
    merged = {cause: union(spans) for cause, spans in found.items()}
    return dict(sorted(merged.items(), key=lambda entry: -sum(end - begin for begin, end in entry[1])))


def _counters(placed: Sequence[PlacedStep]) -> list[Counter]:
    found: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for step in placed:
        begin, end = step.steps[0][0], step.steps[-1][1]
        telemetry = step.phase.telemetry
        for series in telemetry.series if telemetry is not None else []:
            if series.value is not None:
                found.setdefault((series.name, series.unit), []).extend([(begin, series.value), (end, series.value)])
        for column, unit, points in _counted(step):
            found.setdefault((column, unit), []).extend(points)
    return [Counter(name, unit, points) for (name, unit), points in found.items()]


def _counted(step: PlacedStep) -> list[tuple[str, str, list[tuple[int, float]]]]:
    """The hardware counters of one step, whose samples count from the start of its first kernel."""
    if step.phase.counters is None or step.device_start_ns is None:
        return []
    series, first = step.phase.counters.series, step.device_start_ns
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
