"""One traced step of the report in columns: what the host did, what the device ran."""

from __future__ import annotations

from collections.abc import Sized

from msgspec import Struct, field

from profiler.errors import UnreadableError
from profiler.report.evidence import Evidence
from profiler.report.vocabulary import Cause, Resource

# A stream is numbered by its device, times this, and its number there, which is less on every device.
STREAMS_OF_A_DEVICE = 100_000


class HostRows(Struct, frozen=True, kw_only=True):
    """Host side of one step in columns, a row a call that launches, copies or blocks, in the order of time.

    `gap_us` is the host's work before the call, after `input_us` of waiting for a data loader; `call_us` the call
    without the time it was blocked, `wake_us` what it took after `waits_for` (rows of the device side) had ended;
    `thread` indexes `Timeline.tail_us`.
    """

    thread: list[int]
    start_us: list[float]
    gap_us: list[float]
    call_us: list[float]
    wake_us: list[float]
    kind: list[str]
    waits_for: list[list[int]]
    input_us: list[float] = field(default_factory=list)


class DeviceRows(Struct, frozen=True, kw_only=True):
    """Device side of one step in columns, a row an activity, in launch order.

    An activity lasts `fixed_us`, `exposed_us` of memory and the largest of its `needs_us` (by resource). It starts
    `issue_delay_us` after the host row `launched_by` (-1: before the step, or not known), `stream_gap_us` (below zero
    where they overlap) after what ran before it in its stream, and after the rows `held_by`, whichever is last.
    """

    stream: list[int]
    start_us: list[float]
    duration_us: list[float]
    name: list[int]
    kind: list[str]
    cause: list[Cause]
    launched_by: list[int]
    issue_delay_us: list[float]
    stream_gap_us: list[float]
    held_by: list[list[int]]
    fixed_us: list[float]
    needs_us: dict[Resource, list[float]]
    exposed_us: list[float] = field(default_factory=list)


class Timeline(Struct, frozen=True, kw_only=True):
    """One traced step: enough for a picture, and for a replay at other speeds.

    Times are as traced, times `pace_ratio`: how much faster or slower the machine was known to be at that moment. The
    scales bring them to those of the clean pass; calls to the driver take `call_scale` times the `host_scale` of the
    work between them. With `evidence` the step can be judged again; reports before schema 1.1 lack it.
    """

    names: list[str]
    host: HostRows
    device: DeviceRows
    tail_us: list[float]
    traced_wall_us: float
    host_scale: float
    kernel_scale: float
    gap_scale: float = 1.0
    input_scale: float = 1.0
    call_scale: float = 1.0
    pace_ratio: float = 1.0
    evidence: Evidence | None = None


def check_columns(timeline: Timeline) -> None:
    """Raises `UnreadableError` where columns are not of one length, or name rows that are not there."""
    host, device = timeline.host, timeline.device
    calls, rows = len(host.thread), len(device.stream)
    of_calls: list[Sized] = [host.gap_us, host.call_us, host.wake_us, host.start_us, host.kind, host.waits_for]
    of_times = [device.start_us, device.duration_us, device.issue_delay_us, device.stream_gap_us, device.fixed_us]
    of_rows: list[Sized] = [
        *of_times,
        *device.needs_us.values(),
        device.name,
        device.kind,
        device.cause,
        device.launched_by,
        device.held_by,
    ]
    lengths = [(calls, of_calls), (rows, of_rows)]
    named = [
        (0, len(timeline.tail_us), host.thread),
        (0, len(timeline.names), device.name),
        (-1, calls, device.launched_by),
        (0, rows, [row for waited in (*host.waits_for, *device.held_by) for row in waited]),
    ]
    if not (
        all(len(column) == length for length, columns in lengths for column in columns)
        and all(low <= value < high for low, high, values in named for value in values)
        and len(host.input_us or host.thread) == calls
        and len(device.exposed_us or device.stream) == rows
    ):
        raise UnreadableError("the report's kept step is damaged: its columns do not fit each other", "profile again")
