"""From a trace's steps to its phases: which steps are alike, what the model does in them, and which to judge."""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from profiler.attribute.step_kind import asks_many, step_kind
from profiler.report.trace_phases import FoundBy, KindFrom, PhaseKind, StepTime
from profiler.trace.repeated_steps import is_attention, is_softmax
from profiler.trace.step_contents import contents, sorts_of
from profiler.trace.step_table import StepTable
from profiler.trace.timeline import Ints, Timeline
from profiler.trace.window import window

# As many activities of a phase are judged, or one step: a verdict takes time in proportion, and steps are alike.
MOST_JUDGED = 2_000
# A prefill is followed by so many decode steps at least that nobody takes two halves of one loop for them.
_FEWEST_DECODES = 3
# Half the width of the 95% interval of a median is 1.96 sqrt(n) / 2 places, by the binomial distribution of how many
# of n samples lie below it (Hahn and Meeker). Fewer than six samples have no such interval: all of them are it.
_PLACES = 0.98
_FEWEST_SAMPLES = 6


class StepPhase(Struct, frozen=True):
    """One phase: the numbers of its steps, and the first and the last of those in a row that stand for it.

    By what runs in them its steps are of so many `sorts`, which one name holds together. Where an annotation tells
    their kind, it is not looked at.
    """

    name: str
    kind: PhaseKind
    kind_from: KindFrom | None
    found_by: FoundBy
    steps: Ints
    judged: tuple[int, int]
    sorts: int = 1


class _Group(Struct, frozen=True):
    name: str
    kind: PhaseKind
    kind_from: KindFrom | None
    steps: Ints
    sorts: int = 1


def phases_of(timeline: Timeline, steps: StepTable) -> list[StepPhase]:
    """The phases in the order of their first steps. Every step is of one phase."""
    within = steps.step_of(timeline.device.start_ns)
    rows = np.bincount(within[within >= 0], minlength=len(steps))
    groups: list[_Group] = []
    for number, sort in enumerate(steps.sorts):
        mine = np.flatnonzero(steps.sort == number)
        if not len(mine):
            continue
        if sort.kind is not PhaseKind.UNKNOWN:
            groups.append(_Group(sort.name, sort.kind, KindFrom.ANNOTATION, mine))
            continue
        for alike in _alike(timeline, within, mine):
            kind, kind_from = step_kind(_cut(timeline, steps, _typical(steps, alike)))
            groups.append(_Group(sort.name, kind, kind_from, alike))
    groups = _beside_decode(timeline, steps, _by_order(timeline, steps, groups))
    groups = _merged(groups, apart=steps.found_by is FoundBy.KERNEL_PATTERN)
    return [
        StepPhase(
            each.name,
            each.kind,
            each.kind_from,
            steps.found_by,
            each.steps,
            _judged(steps, each.steps, rows),
            each.sorts,
        )
        for each in sorted(groups, key=lambda group: int(group.steps[0]))
    ]


def step_time(lasts_ns: Ints) -> StepTime:
    """The median of durations, shape (n,), and its interval; of an even number the lower of the two in the middle."""
    ranked, count = np.sort(lasts_ns), len(lasts_ns)
    low, high = 0, count - 1
    if count >= _FEWEST_SAMPLES:
        reach = _PLACES * count**0.5
        low, high = max(int(count / 2 - reach), 0), min(int(np.ceil(count / 2 + reach)), count - 1)
    return StepTime(
        median_ns=int(ranked[(count - 1) // 2]), low_ns=int(ranked[low]), high_ns=int(ranked[high]), steps=count
    )


def _cut(timeline: Timeline, steps: StepTable, step: int) -> Timeline:
    return window(timeline, int(steps.start_ns[step]), int(steps.end_ns[step]))


def _typical(steps: StepTable, mine: Ints) -> int:
    """The one of median duration."""
    lasts = steps.end_ns[mine] - steps.start_ns[mine]
    return int(mine[np.argsort(lasts, kind="stable")[(len(mine) - 1) // 2]])


def _alike(timeline: Timeline, within: Ints, mine: Ints) -> list[Ints]:
    """These steps by what runs in them, the most frequent first; one that is like no other counts as the first's."""
    place = np.full(int(mine.max()) + 2, -1, np.int64)
    place[mine] = np.arange(len(mine))
    step = np.where((within >= 0) & (within <= mine.max()), place[np.minimum(within, mine.max())], -1)
    inside = step >= 0
    names, number = np.unique(timeline.device.name[inside], return_inverse=True)
    sort, count = sorts_of(contents(step[inside], number.reshape(-1), len(mine), len(names)))
    return [mine[sort == each] for each in range(count)]


def _by_order(timeline: Timeline, steps: StepTable, groups: list[_Group]) -> list[_Group]:
    """With prefill and decode told by their order, where there are two sorts and nothing else told them.

    A prefill comes before several decodes, attends as often as one of them (once a layer), and takes longer.
    """
    unknown = sorted((group for group in groups if group.kind is PhaseKind.UNKNOWN), key=lambda group: len(group.steps))
    if len(groups) != 2 or len(unknown) != 2:
        return groups
    once, often = unknown
    one, other = (_cut(timeline, steps, _typical(steps, group.steps)) for group in (once, often))
    attends = [_attentions(each) for each in (one, other)]
    follows = np.isin(once.steps + 1, often.steps).all()
    longer = (
        one.device.end_ns.max() - one.device.start_ns.min() > other.device.end_ns.max() - other.device.start_ns.min()
    )
    if not (attends[0] == attends[1] > 1 and follows and longer):
        return groups
    if len(often.steps) < _FEWEST_DECODES * len(once.steps):
        return groups
    return [
        replace(once, kind=PhaseKind.PREFILL, kind_from=KindFrom.ORDER),
        replace(often, kind=PhaseKind.DECODE, kind_from=KindFrom.ORDER),
    ]


def _beside_decode(timeline: Timeline, steps: StepTable, groups: list[_Group]) -> list[_Group]:
    """With prefills told that no causal flag told: they ask many queries of the attention that decode steps run, too.

    A mask that is given as a tensor may be anything, so without such decode steps it stays unknown.
    """
    decoding = next((group for group in groups if group.kind is PhaseKind.DECODE), None)
    if decoding is None or all(group.kind is not PhaseKind.UNKNOWN for group in groups):
        return groups
    layers = _attentions(_cut(timeline, steps, _typical(steps, decoding.steps)))
    found = []
    for group in groups:
        step = _cut(timeline, steps, _typical(steps, group.steps))
        if group.kind is PhaseKind.UNKNOWN and layers > 1 and _attentions(step) == layers and asks_many(step):
            group = replace(group, kind=PhaseKind.PREFILL, kind_from=KindFrom.SHAPES)
        found.append(group)
    return found


def _attentions(step: Timeline) -> int:
    """How often the step runs the attention kernel that it runs most; of a softmax where attention is not fused."""
    numbers, runs = np.unique(step.device.name, return_counts=True)
    for is_one in (is_attention, is_softmax):
        found = [int(run) for number, run in zip(numbers, runs, strict=True) if is_one(step.names[number])]
        if found:
            return max(found)
    return 0


def _merged(groups: list[_Group], *, apart: bool) -> list[_Group]:
    """One group a name and kind. Of the unknown ones, what only one step runs belongs to the most frequent.

    So do all of one name, unless they are kept `apart`: who gave them that name took them for the same.
    """
    found: dict[tuple[str, PhaseKind], _Group] = {}
    others = 0
    for group in groups:
        name = group.name
        if group.kind is not PhaseKind.UNKNOWN:
            name = name if group.kind_from is KindFrom.ANNOTATION else group.kind.value
        elif apart and (name, group.kind) in found and len(group.steps) > 1:
            others += 1
            name = f"{name}, other kernels ({others})"
        known = found.get((name, group.kind))
        steps = group.steps if known is None else np.sort(np.concatenate([known.steps, group.steps]))
        sorts = group.sorts + (known.sorts if known is not None else 0)
        found[name, group.kind] = replace(known or group, name=name, steps=steps, sorts=sorts)
    return list(found.values())


def _judged(steps: StepTable, mine: Ints, rows: Ints) -> tuple[int, int]:
    """The first and the last of a phase's steps in a row, few enough to judge at once, whose time is the most usual."""
    lasts = steps.end_ns - steps.start_ns
    wanted = max(1, int(MOST_JUDGED // max(float(np.median(rows[mine])), 1.0)))
    joined = (np.diff(mine) == 1) & steps.followed[mine[:-1]]
    run = np.concatenate([[0], np.cumsum(~joined)])
    length = min(wanted, int(np.bincount(run).max()))
    first = np.flatnonzero(run[: len(run) - length + 1] == run[length - 1 :])
    sums = np.concatenate([[0], np.cumsum(lasts[mine])])
    usual = length * float(np.median(lasts[mine]))
    best = first[np.abs(sums[first + length] - sums[first] - usual).argmin()]
    return int(mine[best]), int(mine[best + length - 1])
