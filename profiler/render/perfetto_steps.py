"""The steps that a report keeps, one after the other: what the host called, what each stream ran."""

from __future__ import annotations

from operator import add

from profiler.render.perfetto import PerfettoFile, PerfettoProcess, flow, told
from profiler.render.perfetto_lanes import Lanes
from profiler.render.perfetto_phases import PlacedStep, found_of
from profiler.render.perfetto_tracks import write_tracks
from profiler.render.words import CAUSES
from profiler.report.records import Report
from profiler.trace.perfetto import OURS

# After our own tracks (`perfetto_tracks`): the threads of the host, then the streams.
_HOST, _DEVICE = 1_000_000, 2_000_000
# Between two steps, of the longer one: they did not follow each other.
_GAP = 0.05


def kept_steps(report: Report) -> list[PlacedStep]:
    """The step of each phase that was judged, in the order of the phases; the first begins at 0."""
    found: list[PlacedStep] = []
    begin = 0
    for phase in report.phases:
        timeline = phase.timeline
        if timeline is None:
            continue
        rows = timeline.device
        ends_us = (start + lasts for start, lasts in zip(rows.start_us, rows.duration_us, strict=True))
        length = round(1e3 * max(timeline.traced_wall_us, *ends_us, 0.0))
        if found:
            begin += round(_GAP * max(length, found[-1].finish_ns - found[-1].start_ns))
        found.append(
            PlacedStep(
                phase=phase,
                timeline=timeline,
                start_ns=begin,
                finish_ns=begin + length,
                device_start_ns=begin + round(1e3 * min(rows.start_us)) if rows.start_us else None,
                ns_per_us=1e3,
                steps=[(begin, begin + length)],
            )
        )
        begin += length
    return found


def write_steps(out: PerfettoFile, report: Report, placed: list[PlacedStep]) -> None:
    """Write them, at least one, with what was found, as a process that has the model's name."""
    process = out.process(report.workload.model if report.workload is not None else "marked phases")
    write_tracks(process, found_of(report, placed), zero_ns=0, order=0)
    threads = sorted({thread for step in placed for thread in step.timeline.host.thread})
    streams = sorted({stream for step in placed for stream in step.timeline.device.stream})
    of_thread = {
        thread: _lanes(process, f"host thread {thread}", _HOST + place) for place, thread in enumerate(threads)
    }
    of_stream = {stream: _lanes(process, f"stream {stream}", _DEVICE + place) for place, stream in enumerate(streams)}
    first_flow = 1
    for step in placed:
        _write_host(step, of_thread, first_flow)
        _write_device(step, of_stream, first_flow)
        first_flow += len(step.timeline.host.thread)
    for lanes in (*of_thread.values(), *of_stream.values()):
        lanes.close()


def _lanes(process: PerfettoProcess, name: str, order: int) -> Lanes:
    return Lanes(process, process.group(name, order=order))


def _write_host(step: PlacedStep, of_thread: dict[int, Lanes], first_flow: int) -> None:
    """Each call, and after it how long it was blocked; an arrow to the first activity that it launched."""
    host, device = step.timeline.host, step.timeline.device
    start, call, wake = (step.ns(column) for column in (host.start_us, host.call_us, host.wake_us))
    ends = list(map(add, step.ns(device.start_us), step.ns(device.duration_us)))
    launched = set(device.launched_by)
    for row, thread in enumerate(host.thread):
        begin, lanes = step.start_ns + start[row], of_thread[thread]
        arrow = flow(first_flow + row) if row in launched else b""
        lanes.slice(begin, begin + call[row], host.kind[row], OURS, arrow)
        freed = max((step.start_ns + ends[other] for other in host.waits_for[row]), default=begin) + wake[row]
        if freed > begin + call[row] and host.waits_for[row]:
            lanes.slice(begin + call[row], freed, "blocked", OURS)


def _write_device(step: PlacedStep, of_stream: dict[int, Lanes], first_flow: int) -> None:
    device = step.timeline.device
    start, lasts = step.ns(device.start_us), step.ns(device.duration_us)
    reached: set[int] = set()
    for row in sorted(range(len(start)), key=start.__getitem__):
        begin, call = step.start_ns + start[row], device.launched_by[row]
        arrow = flow(first_flow + call) if call >= 0 and call not in reached else b""
        reached.add(call)
        facts = told({"cause": CAUSES[device.cause[row]], "kind": device.kind[row]})
        name = step.timeline.names[device.name[row]]
        of_stream[device.stream[row]].slice(begin, begin + lasts[row], name, OURS, facts + arrow)
