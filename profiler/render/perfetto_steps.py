"""The steps that a report keeps, one after the other: what the host called, what each stream ran."""

from __future__ import annotations

from itertools import count
from operator import add

from profiler.render.perfetto import PerfettoFile, flow, told
from profiler.render.perfetto_lanes import Lanes
from profiler.render.perfetto_phases import PlacedStep, found_of
from profiler.render.perfetto_tracks import write_tracks
from profiler.render.words import CAUSES, stream_name
from profiler.report.records import Phase, Report
from profiler.report.timeline import HostRows, Timeline, check_columns
from profiler.trace.perfetto import OURS

# Between two steps, of the longer one: they did not follow each other.
_GAP = 0.05
# What a CPU computes within a call is the activity itself (`trace.inline_graph`), and drawn as that.
_INLINE = "operation"
_NEVER = 1 << 62


def kept_steps(report: Report) -> list[PlacedStep]:
    """The step of each phase that was judged, as traced, in the order of the phases; the first begins at 0.

    Raises `UnreadableError` for one whose columns do not fit each other.
    """
    found: list[PlacedStep] = []
    for phase in report.phases:
        if phase.timeline is not None:
            check_columns(phase.timeline)
            found.append(_placed(phase, phase.timeline, found[-1] if found else None))
    return found


def _placed(phase: Phase, timeline: Timeline, before: PlacedStep | None) -> PlacedStep:
    ns_per_us, starts = 1e3 / timeline.pace_ratio, timeline.device.start_us
    first_us = min([0.0, *starts, *timeline.host.start_us])
    last_us = max([timeline.traced_wall_us, *map(add, starts, timeline.device.duration_us)])
    length = round((last_us - first_us) * ns_per_us)
    begin = 0
    if before is not None:
        begin = before.finish_ns + round(_GAP * max(length, before.finish_ns - before.steps[0][0]))
    start = begin - round(first_us * ns_per_us)
    return PlacedStep(
        phase=phase,
        timeline=timeline,
        start_ns=start,
        finish_ns=begin + length,
        device_start_ns=start + round(min(starts) * ns_per_us) if starts else None,
        ns_per_us=ns_per_us,
        steps=[(begin, begin + length)],
    )


def write_steps(out: PerfettoFile, report: Report, placed: list[PlacedStep]) -> None:
    """Write them, at least one, with what was found, as a process that has the model's name."""
    process = out.process(report.workload.model if report.workload is not None else "marked phases")
    write_tracks(process, found_of(report, placed), zero_ns=0, order=0)
    threads = sorted({thread for step in placed for thread in _threads(step.timeline.host)})
    streams = sorted({stream for step in placed for stream in step.timeline.device.stream})
    order = count(1)
    of_thread = {each: Lanes(process, process.group(f"host thread {each}", order=next(order))) for each in threads}
    of_stream = {each: Lanes(process, process.group(stream_name(each), order=next(order))) for each in streams}
    first_flow = 1
    for step in placed:
        _write_host(step, of_thread, first_flow)
        _write_device(step, of_stream, first_flow)
        first_flow += len(step.timeline.host.thread)
    for lanes in (*of_thread.values(), *of_stream.values()):
        lanes.close()


def _threads(host: HostRows) -> set[int]:
    return {thread for thread, kind in zip(host.thread, host.kind, strict=True) if kind != _INLINE}


def _write_host(step: PlacedStep, of_thread: dict[int, Lanes], first_flow: int) -> None:
    """Each call, and after it how long it was blocked; an arrow to the first activity that it launched."""
    host, device = step.timeline.host, step.timeline.device
    starts, calls, wakes = (step.ns(column) for column in (host.start_us, host.call_us, host.wake_us))
    ends = list(map(add, step.ns(device.start_us), step.ns(device.duration_us)))
    launched = set(device.launched_by)
    next_ns = _next_on_thread(host, starts)
    for row, (thread, kind) in enumerate(zip(host.thread, host.kind, strict=True)):
        if kind == _INLINE:
            continue
        # A call that waits for its own copy is kept as lasting to the copy's start, which may come after its return.
        called = min(starts[row] + calls[row], next_ns[row])
        freed = max((ends[other] + wakes[row] for other in host.waits_for[row]), default=called)
        arrow = flow(first_flow + row) if row in launched else b""
        of_thread[thread].slice(step.start_ns + starts[row], step.start_ns + called, kind, OURS, arrow)
        if called < min(freed, next_ns[row]):
            of_thread[thread].slice(step.start_ns + called, step.start_ns + min(freed, next_ns[row]), "blocked", OURS)


def _next_on_thread(host: HostRows, starts: list[int]) -> list[int]:
    """When the same thread makes its next call, of each row; after the last one, the end of all times."""
    following: dict[int, int] = {}
    found = []
    for thread, start in zip(reversed(host.thread), reversed(starts), strict=True):
        found.append(following.get(thread, _NEVER))
        following[thread] = start
    return found[::-1]


def _write_device(step: PlacedStep, of_stream: dict[int, Lanes], first_flow: int) -> None:
    host, device = step.timeline.host, step.timeline.device
    starts, lengths = step.ns(device.start_us), step.ns(device.duration_us)
    reached = {row for row, kind in enumerate(host.kind) if kind == _INLINE} | {-1}
    for row in sorted(range(len(starts)), key=starts.__getitem__):
        begin, call = step.start_ns + starts[row], device.launched_by[row]
        arrow = b"" if call in reached else flow(first_flow + call)
        reached.add(call)
        facts = told({"cause": CAUSES[device.cause[row]], "kind": device.kind[row]})
        name = step.timeline.names[device.name[row]]
        of_stream[device.stream[row]].slice(begin, begin + lengths[row], name, OURS, facts + arrow)
