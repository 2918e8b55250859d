"""What changed between two sides of kept results, of any kind that has times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain, takewhile
from statistics import fmean

from profiler.compare.change import Change, Sample, change
from profiler.compare.kept_times import in_order, moment, times_of
from profiler.compare.likeness import differences, refuse_unlike
from profiler.compare.part_changes import PartChanges, part_changes
from profiler.compare.profiled_times import REQUEST, at_full_speed
from profiler.compare.result_times import ComparedResult, OneTime
from profiler.compare.work_changes import work_changes
from profiler.errors import UsageError
from profiler.measure.statistics import CONFIDENCE
from profiler.report.comparison import (
    Basis,
    ChangeState,
    ComparedSide,
    Comparison,
    Leading,
    Side,
    TimeChange,
    Unread,
)
from profiler.report.kinds import Result
from profiler.report.records import Report
from profiler.report.source import Source

MARGIN = 0.03
_TELLING = 0.1  # of a change: less of it is no reason to name
_LIKELY = 0.75  # a part that leads with at least that probability is worth a name
_MEANT_MS = (1e-9, 1e12)  # a picosecond to thirty years: other times are none
_AGAIN = {
    "profile": "profile the same again",
    "analyze": "trace the same again",
    "simulate": "simulate the same requests again",
    "endpoint": "load the server the same way again",
}
_NOTHING_KNOWN = math.log(1e6)  # an interval that reaches so far on either side says nothing

Named = tuple[str, Result]


def compare_results(
    before: Sequence[Named],
    after: Sequence[Named],
    *,
    margin: float = MARGIN,
    force: bool = False,
    tool_version: str = "",
    unread: Sequence[Unread] = (),
) -> Comparison:
    """The change from `before` to `after`, which are results with their names.

    A time whose ratio lies within 1 / (1 + margin) and 1 + margin has not changed. Raises `UsageError` for results that
    are not alike, unless `force`; for kinds and results that have no times; and where the two have none in common.
    """
    results = [result for _, result in chain(before, after)]
    full_speed = at_full_speed(result for result in results if isinstance(result, Report))
    old, new = ([(name, times_of(name, result, full_speed)) for name, result in side] for side in (before, after))
    unlike = differences([each for _, each in old], [each for _, each in new])
    again = _AGAIN.get(old[0][1].kind, "measure the same again")
    for name, each in (*old, *new):
        if not each.times:
            raise UsageError(f"{name} has no times: {each.no_times}", f"{again}, and compare that")
    if not force:
        mixed = len({each.kind for _, each in (*old, *new)}) > 1
        what = "compare results of one kind" if mixed else again
        if {each.what for each in unlike if each.prevents} <= old[0][1].chosen.keys():
            what = "keep to one on each side of vs"
        refuse_unlike(unlike, f"{what}, or add --force to compare them all the same")
    old, new = in_order(old), in_order(new)
    times, notes = time_changes([each for _, each in old], [each for _, each in new], margin)
    if not times:
        raise UsageError(
            f"{old[0][0]} and {new[0][0]} have no time in common",
            "compare results of one kind and of the same phases",
        )
    return Comparison(
        tool_version=tool_version,
        results=old[0][1].kind,
        confidence=CONFIDENCE,
        margin_ratio=margin,
        before=_side(old),
        after=_side(new),
        unlike=unlike,
        state=_overall(times),
        times=times,
        notes=[*notes, *_twice(old, new), *_of_results([*old, *new])],
        unread=list(unread),
    )


def _in_turn(before: Sequence[ComparedResult], after: Sequence[ComparedResult]) -> bool:
    """Whether the first two in time, the next two and so on are each one of both sides."""
    moments = [(moment(result), side) for side, results in enumerate((before, after)) for result in results]
    known = sorted((moment, side) for moment, side in moments if moment is not None)
    if len(known) < len(moments) or len(before) != len(after):
        return False
    return all({known[i][1], known[i + 1][1]} == {0, 1} for i in range(0, len(known), 2))


def time_changes(
    before: Sequence[ComparedResult], after: Sequence[ComparedResult], margin: float = MARGIN
) -> tuple[list[TimeChange], list[str]]:
    """Every time that all results have, each side in the order of its time, and notes on the others."""
    in_turn = _in_turn(before, after)
    sides = [[{time.name: time for time in result.times} for result in side] for side in (before, after)]
    named = dict.fromkeys(name for result in chain(*sides) for name in result)
    common = [name for name in named if all(name in result and is_meant(result[name]) for result in chain(*sides))]
    notes = [f"{name} is left out: not all of them have it" for name in named if name not in common]
    pairs = {name: [[result[name] for result in side] for side in sides] for name in common}
    tested = sum(
        _changed(pairs[name], CONFIDENCE, in_turn).basis is not Basis.NONE for name in common if name != REQUEST
    )
    # Each of several times would be said to have changed once in twenty: so all of them together are (Bonferroni).
    confidence = 1 - (1 - CONFIDENCE) / max(tested, 1)
    return [_time(pairs[name], margin, confidence, in_turn) for name in common], notes


def is_meant(time: OneTime) -> bool:
    """Whether it can be the time of anything."""
    return _MEANT_MS[0] < time.ms < _MEANT_MS[1]


def _changed(sides: Sequence[Sequence[OneTime]], confidence: float, in_turn: bool) -> Change:
    old, new = ([Sample(time.ms, time.reach, time.repeats) for time in side] for side in sides)
    found = change(old, new, confidence, in_turn)
    nothing = found.reach is None or found.reach > _NOTHING_KNOWN
    return Change(found.log_ratio, None, Basis.NONE) if nothing else found


def _time(sides: Sequence[Sequence[OneTime]], margin: float, confidence: float, in_turn: bool) -> TimeChange:
    found = _changed(sides, confidence, in_turn)
    state = found.state(margin)
    before, after = (math.exp(fmean(math.log(time.ms) for time in side)) for side in sides)
    reach_ms = None if found.reach is None else max(before, after) * math.expm1(found.reach)
    apart = part_changes(sides[0], sides[1], confidence, in_turn, reach_ms)
    parts = apart.parts
    sources = {}
    if found.reach is None:
        sources["low_ratio"] = Source(missing="nothing says how far runs differ: a single measurement, or too few")
    if not parts:
        why = next((time.no_parts for side in sides for time in side if time.no_parts), "it has no parts")
        sources["parts"] = Source(missing=why)
    on_side = {
        side: sum(part.change_ms for part in parts if part.side is side)
        for side in Side
        if parts and all(part.side for part in parts)
    }
    first = sides[0][0]
    return TimeChange(
        name=first.name,
        clock=first.clock,
        before_ms=before,
        after_ms=after,
        change_ms=after - before,
        change_ratio=math.expm1(found.log_ratio),
        low_ratio=None if found.reach is None else math.expm1(found.log_ratio - found.reach),
        high_ratio=None if found.reach is None else math.expm1(found.log_ratio + found.reach),
        basis=found.basis,
        state=state,
        before_values_ms=[time.ms for time in sides[0]],
        after_values_ms=[time.ms for time in sides[1]],
        because=_because(apart, after - before) if state is ChangeState.CHANGED else [],
        leading=_likely(apart.leading) if state is ChangeState.CHANGED else None,
        parts=parts,
        host_change_ms=on_side.get(Side.HOST),
        device_change_ms=on_side.get(Side.DEVICE),
        work=work_changes(sides[0], sides[1]),
        sources=sources,
    )


def _because(apart: PartChanges, change_ms: float) -> list[str]:
    """The parts that went the way of the whole by a telling piece of it, the largest first, as long as they surely did.

    Where the largest may be none, a smaller one that is sure does not explain the change.
    """
    telling = [
        part.name
        for part in apart.parts
        if part.change_ms * change_ms > 0 and abs(part.change_ms) >= _TELLING * abs(change_ms)
    ]
    return list(takewhile(lambda name: name in apart.sure, telling))


def _likely(leading: Leading | None) -> Leading | None:
    return leading if leading is not None and leading.probability >= _LIKELY else None


def _twice(before: Sequence[tuple[str, ComparedResult]], after: Sequence[tuple[str, ComparedResult]]) -> list[str]:
    """What stands on both sides, by its name or by all that it holds."""
    return [
        f"{name} is the same file on both sides" if name == other else f"{name} and {other} hold the same result"
        for name, result in before
        for other, another in after
        if name == other or result == another
    ]


def _of_results(named: Sequence[tuple[str, ComparedResult]]) -> list[str]:
    """What each result says of itself; what several say alike, once."""
    said: dict[str, list[str]] = {}
    for name, result in named:
        for note in result.notes:
            said.setdefault(note, []).append(name)
    return [f"{names[0]}{f' and {len(names) - 1} more' if names[1:] else ''}: {note}" for note, names in said.items()]


def _overall(times: Sequence[TimeChange]) -> ChangeState:
    tested = [time.state for time in times if time.basis is not Basis.NONE]
    if ChangeState.CHANGED in tested:
        return ChangeState.CHANGED
    alike = tested and all(state is ChangeState.UNCHANGED for state in tested)
    return ChangeState.UNCHANGED if alike else ChangeState.INCONCLUSIVE


def _side(side: Sequence[tuple[str, ComparedResult]]) -> ComparedSide:
    return ComparedSide(
        names=[name for name, _ in side],
        created_at=[result.created_at for _, result in side],
        held_back_by=[result.held_back_by for _, result in side],
    )
