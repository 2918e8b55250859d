"""Flaws that the reader met: a text that ends too early, events without a time, durations below zero, doubles."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from profiler.trace import intervals
from profiler.trace.finding import FATAL_RATIO, Finding, Severity
from profiler.trace.reading_flaws import Cut
from profiler.trace.timeline import Call, Timeline

_WORK = (Call.LAUNCH, Call.GRAPH_LAUNCH, Call.COPY, Call.MEMSET)


def text_findings(timeline: Timeline) -> Iterator[Finding]:
    """What is wrong with the events as they were written."""
    yield from _cut_off(timeline)
    yield from _timeless(timeline)
    yield from _negative(timeline)
    yield from _doubles(timeline)
    yield from _shared_correlations(timeline)


def _cut_off(timeline: Timeline) -> Iterator[Finding]:
    """Activities are written buffer by buffer and not in the order of time, so that what a cut leaves has holes.

    A trace of an A100 that was cut off after a quarter of its activities shows 79% of idle time where 16% are true, and
    nothing else in it tells.
    """
    flaws = timeline.flaws
    if flaws.cut is Cut.WITHIN_EVENTS:
        yield Finding(
            "cut_off",
            f"the file ends within its events, {flaws.events} of which could be read: it was cut off while it was "
            "written or copied. Profilers do not write in the order of time, so that anything may be missing",
            flaws.events,
            flaws.events,
            Severity.FATAL,
            effect="times are those of what could be read, and idle time may be work that is missing",
        )
    elif flaws.cut is Cut.AFTER_EVENTS:
        yield Finding(
            "cut_off",
            "the file ends too early, but behind its last event: what it says of the run may be missing",
            0,
            flaws.events,
            Severity.NOTE,
        )


def _timeless(timeline: Timeline) -> Iterator[Finding]:
    dropped, events = timeline.flaws.timeless, timeline.flaws.events + timeline.flaws.timeless
    if dropped:
        yield Finding(
            "events_without_time",
            f"{dropped} of {events} events do not say when they were and how long, or in no number",
            dropped,
            events,
            Severity.FATAL if dropped > FATAL_RATIO * events else Severity.WARNING,
            dropped / events,
            effect="they were left out",
        )


def _negative(timeline: Timeline) -> Iterator[Finding]:
    negative, events = timeline.flaws.negative, timeline.flaws.events
    if negative:
        yield Finding(
            "negative_durations",
            f"{negative} of {events} events end before they begin",
            negative,
            events,
            Severity.FATAL if negative > FATAL_RATIO * events else Severity.WARNING,
            negative / events,
            effect="they count as no time",
        )


def _doubles(timeline: Timeline) -> Iterator[Finding]:
    device = timeline.device
    # Without a duration or a correlation, nothing tells two events from one.
    told = (device.end_ns > device.start_ns) & (device.correlation > 0)
    columns = (device.start_ns, device.end_ns, device.name, device.device, device.stream, device.correlation)
    order = np.lexsort(columns)
    same = np.logical_and.reduce([np.diff(column[order]) == 0 for column in columns])
    twice = order[1:][same & told[order][1:]]
    doubles = len(twice)
    if doubles:
        yield Finding(
            "duplicate_events",
            f"{doubles} of {len(device)} activities stand in the trace twice: was it put together from several files?",
            doubles,
            len(device),
            Severity.FATAL if doubles > FATAL_RATIO * len(device) else Severity.WARNING,
            doubles / len(device),
            effect="sums of durations count them twice; busy and idle time do not",
            where=intervals.merge(intervals.from_columns(device.start_ns[twice], device.end_ns[twice])),
        )


def _shared_correlations(timeline: Timeline) -> Iterator[Finding]:
    """Two launches of one number: whose the activities are cannot be told. Files of several processes look so."""
    host, device = timeline.host, timeline.device
    numbers = host.correlation[np.isin(host.kind, _WORK) & (host.correlation > 0)]
    numbers = np.sort(numbers)
    shared = numbers[1:][np.diff(numbers) == 0]
    guessed = np.isin(device.correlation, shared) if len(shared) else np.zeros(len(device), np.bool_)
    affected = int(guessed.sum())
    if affected:
        yield Finding(
            "shared_correlations",
            f"{affected} of {len(device)} activities have a correlation number that several launches have",
            affected,
            len(device),
            Severity.FATAL if affected > FATAL_RATIO * len(device) else Severity.WARNING,
            affected / len(device),
            effect="who launched them, and so what was waited for, is a guess",
            where=intervals.merge(intervals.from_columns(device.start_ns[guessed], device.end_ns[guessed])),
        )
