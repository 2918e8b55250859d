"""Many results over time: groups of what can be compared, and where their times changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from profiler.compare.change_points import FEWEST, change_points
from profiler.compare.kept_times import in_order, times_of
from profiler.compare.profiled_times import FULL_SPEED, PHASES, REQUEST
from profiler.compare.result_times import ComparedResult
from profiler.compare.results import Named, is_meant, time_changes
from profiler.errors import UnreadableError, UsageError
from profiler.measure.statistics import CONFIDENCE
from profiler.report.comparison import ChangeState, TimeChange, Unread
from profiler.report.history import ChangePoint, History, HistoryEntry, HistoryGroup, TimeHistory
from profiler.report.source import Source


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is kept of a result: a whole one takes megabytes. Its times by the clock, and at the host's full speed."""

    name: str
    by_clock: ComparedResult
    at_full_speed: ComparedResult


def history_of(named: Iterable[Named], unread: Sequence[Unread] = (), tool_version: str = "") -> History:
    """All of them, the largest group first. `unread` is looked at when all of `named` are.

    Raises `UnreadableError` where none has times.
    """
    groups: dict[tuple[str, ...], list[_Kept]] = {}
    left_out: list[Unread] = []
    for name, result in named:
        try:
            kept = _Kept(name, times_of(name, result, ()), times_of(name, result, PHASES))
        except UsageError as error:
            left_out.append(Unread(name=name, reason=error.message.removeprefix(f"{name} is ")))
            continue
        alike = (kept.by_clock.kind, *(f"{what}\n{value}" for what, value in kept.by_clock.alike.items()))
        groups.setdefault(alike, []).append(kept)
    if not groups:
        raise UnreadableError("none of them has times", "name what profile, analyze, simulate or endpoint kept with -o")
    found = sorted((_group(members) for members in groups.values()), key=lambda group: -len(group.entries))
    undated = [entry.name for group in found for entry in group.entries if entry.created_at is None]
    timeless: dict[str, list[str]] = {}
    for each in (each for members in groups.values() for each in members if not each.by_clock.times):
        timeless.setdefault(each.by_clock.no_times, []).append(each.name)
    return History(
        tool_version=tool_version,
        confidence=CONFIDENCE,
        groups=found,
        notes=[
            *([f"without a date, and so last, in the order of names: {_first(undated)}"] if undated else []),
            *(f"without times: {_first(names)} ({why})" for why, names in timeless.items()),
        ],
        unread=[*unread, *left_out],
    )


def _first(names: Sequence[str]) -> str:
    return f"{names[0]} and {len(names) - 1} more" if names[1:] else names[0]


def _group(members: Sequence[_Kept]) -> HistoryGroup:
    timed = [each.at_full_speed.times for each in members if each.at_full_speed.times]
    known = [{time.name for time in times if time.clock == FULL_SPEED} for times in timed]
    full_speed = any(known) and all(names == known[0] for names in known)
    ordered = in_order([(each.name, each.at_full_speed if full_speed else each.by_clock) for each in members])
    results = [each for _, each in ordered]
    noted = sorted({what for each in results for what in each.noted})
    differing = [what for what in noted if len({each.noted.get(what) for each in results}) > 1]
    names = list(dict.fromkeys(time.name for each in results for time in each.times))
    # Of several times, each would show a change that is none once in twenty series: so all of them together do.
    confidence = 1 - (1 - CONFIDENCE) / max(sum(name != REQUEST for name in names), 1)
    return HistoryGroup(
        results=results[0].kind,
        alike=results[0].alike,
        entries=[
            HistoryEntry(
                name=name,
                created_at=each.created_at,
                held_back_by=each.held_back_by,
                versions={what: each.noted[what] for what in differing if what in each.noted},
            )
            for name, each in ordered
        ],
        times=[_time(name, results, confidence) for name in names],
    )


def _time(name: str, results: Sequence[ComparedResult], confidence: float) -> TimeHistory:
    found = [next((time for time in each.times if time.name == name and is_meant(time)), None) for each in results]
    having = [(i, time) for i, time in enumerate(found) if time is not None]
    starts = [0, *change_points([time.ms for _, time in having], confidence), len(having)]
    changes = []
    for begin, at, end in zip(starts, starts[1:], starts[2:], strict=False):
        old, new = ([results[i] for i, _ in having[first:last]] for first, last in ((begin, at), (at, end)))
        change = next(time for time in time_changes(old, new)[0] if time.name == name)
        if change.state is not ChangeState.UNCHANGED:
            changes.append(_point(having[at][0], change))
    sources = {}
    if len(having) < FEWEST:
        sources["change_points"] = Source(missing=f"it takes {FEWEST} results that have it, here are {len(having)}")
    return TimeHistory(
        name=name,
        clock=next((time.clock for _, time in having), ""),
        ms=[None if time is None else time.ms for time in found],
        low_ms=[None if time is None else _end(time.ms, time.reach, -1) for time in found],
        high_ms=[None if time is None else _end(time.ms, time.reach, 1) for time in found],
        change_points=changes,
        sources=sources,
    )


def _end(ms: float, reach: float | None, sign: int) -> float | None:
    return None if reach is None else max(ms * (1 + sign * reach), 0.0)


def _point(at: int, change: TimeChange) -> ChangePoint:
    return ChangePoint(
        at=at,
        before_ms=change.before_ms,
        after_ms=change.after_ms,
        change_ratio=change.change_ratio,
        low_ratio=change.low_ratio,
        high_ratio=change.high_ratio,
        basis=change.basis,
        state=change.state,
        because=change.because,
    )
