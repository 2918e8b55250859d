"""Many results over time, as blocks: what changed when, then a table and a plot of each group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile

from msgspec.structs import replace

from profiler.render.change_blocks import cause_name, signed_percent
from profiler.render.document import Block, Bullets, Cell, Column, Gauge, Grid, Heading, Statement, Tone
from profiler.render.numbers import MISSING, aligned, duration
from profiler.render.words import listed
from profiler.report.history import ChangePoint, History, HistoryEntry, HistoryGroup, TimeHistory

_SHOWN = 40  # of a group, the latest; the JSON has all
_PLOTTED = ("request", "decode", "e2e latency")  # what the plot shows if it is there, else the first time
_NEW_LEVEL = "*"
_NOTHING = "Nothing here has times to follow."


def history_blocks(answer: History) -> list[Block]:
    """What every output for people shows."""
    blocks: list[Block] = []
    several = len(answer.groups) > 1
    folder = _common_folder([entry.name for group in answer.groups for entry in group.entries])
    common = _common_facts(answer.groups) if several else {}
    if common:
        blocks.append(Statement(f"All of {listed(_facts(common))}.", Tone.FAINT))
    for group in answer.groups:
        entries = [replace(entry, name=entry.name.removeprefix(folder)) for entry in group.entries]
        apart = {what: value for what, value in group.alike.items() if what not in common}
        name = f"{group.results}: {', '.join(_facts(apart))}" if apart else group.results
        blocks += _group(replace(group, entries=entries), name, several=several)
    if not answer.groups:  # a file from elsewhere: there is no history of nothing
        blocks.append(Statement(_NOTHING, Tone.ANSWER))
    notes = (*answer.notes, *(f"{each.name} is left out: {each.reason}" for each in answer.unread))
    if notes:
        blocks += [Heading("Warnings", 2), Bullets(notes)]
    return blocks


def _common_folder(names: Sequence[str]) -> str:
    """With its last slash: where all files lie, which says nothing of any."""
    levels = zip(*(name.split("/")[:-1] for name in names), strict=False)
    return "".join(f"{level[0]}/" for level in takewhile(lambda level: len(set(level)) == 1, levels))


def _common_facts(groups: Sequence[HistoryGroup]) -> dict[str, str]:
    """In what all results are alike."""
    first, *others = (group.alike for group in groups)
    return {what: value for what, value in first.items() if all(each.get(what) == value for each in others)}


def _facts(alike: Mapping[str, str]) -> list[str]:
    return [f"{what} {value}" if value.isdigit() else value for what, value in alike.items() if value != "none"]


def _group(group: HistoryGroup, name: str, *, several: bool) -> list[Block]:
    blocks: list[Block] = [Heading(name)] if several else []
    blocks += [Statement(text, Tone.ANSWER) for text in _answers(group)]
    if not several:
        blocks.append(Statement(name, Tone.FAINT))
    first = max(len(group.entries) - _SHOWN, 0)
    blocks += [Heading("Over time", 2), _table(group, first)]
    if first:
        blocks.append(Statement(f"The {_SHOWN} latest of {len(group.entries)}; --format json has all.", Tone.FAINT))
    if not group.times:
        return blocks
    plotted = next((time for name in _PLOTTED for time in group.times if time.name == name), group.times[0])
    blocks += [Heading(f"{plotted.name}, result by result", 2), _plot(group, plotted, first)]
    return blocks


def _answers(group: HistoryGroup) -> list[str]:
    count = len(group.entries)
    if not group.times:
        return [_NOTHING]
    points = [(point, time) for time in group.times for point in time.change_points]
    if points:
        return [_said(point, time, group.entries) for point, time in sorted(points, key=lambda each: each[0].at)]
    missing = [time.sources["change_points"].missing for time in group.times if "change_points" in time.sources]
    if len(missing) == len(group.times):
        return [f"Whether a time changed for good cannot be told: {missing[0]}."]
    return [f"No time changed for good in {count} results."]


def _said(point: ChangePoint, time: TimeHistory, entries: list[HistoryEntry]) -> str:
    entry = entries[point.at]
    because = f", by {listed(map(cause_name, point.because))}" if point.because else ""
    return (
        f"{time.name[0].upper()}{time.name[1:]} went from {duration(point.before_ms)} to {duration(point.after_ms)} "
        f"({signed_percent(point.change_ratio)}){because} with {_when(entry)} ({entry.name})."
    )


def _when(entry: HistoryEntry) -> str:
    return entry.created_at[:16].replace("T", " ") if entry.created_at else "no date"


def _table(group: HistoryGroup, first: int) -> Grid:
    versions = list(dict.fromkeys(what for entry in group.entries for what in entry.versions))
    columns = (
        Column("created"),
        *(Column(f"{time.name} ms", numeric=True, drop=0 if i > 0 else 1) for i, time in enumerate(group.times)),
        Column("held back by", drop=2),
        *(Column(what, drop=3 + i) for i, what in enumerate(versions)),
        Column("result", flexible=True, shortest=12, wraps=True),
    )
    rows = []
    for i, entry in list(enumerate(group.entries))[first:]:
        rows.append(
            (
                _when(entry),
                *(_time(time, i) for time in group.times),
                entry.held_back_by.value if entry.held_back_by else MISSING,
                *(entry.versions.get(what, MISSING) for what in versions),
                entry.name,
            )
        )
    return Grid(columns, tuple(rows))


def _time(time: TimeHistory, i: int) -> str:
    """One time, with a mark where a new level begins."""
    ms = time.ms[i]
    if ms is None:
        return MISSING
    text = aligned(ms, max(value for value in time.ms if value is not None))
    return f"{_NEW_LEVEL} {text}" if any(point.at == i for point in time.change_points) else text


def _plot(group: HistoryGroup, time: TimeHistory, first: int) -> Grid:
    """A bar for each result; time goes down, so that as many fit as there are."""
    ends = [value for values in (time.ms, time.high_ms) for value in values[first:] if value is not None]
    known = [value for value in time.ms[first:] if value is not None]
    # An interval that knows nothing must not press all bars together.
    most = min(max(ends), 2 * max(known)) if known else 1.0
    columns = (Column("created"), Column(f"0 to {duration(most)}"), Column("ms", numeric=True), Column("", drop=1))
    rows: list[tuple[Cell, ...]] = []
    for i, entry in list(enumerate(group.entries))[first:]:
        ms, low, high = time.ms[i], time.low_ms[i], time.high_ms[i]
        point = next((point for point in time.change_points if point.at == i), None)
        if ms is None:
            rows.append((_when(entry), "", MISSING, ""))
            continue
        bar = Gauge(ms / most, (ms if low is None else low) / most, min((ms if high is None else high) / most, 1.0))
        rows.append(
            (_when(entry), bar, _time(time, i), f"{signed_percent(point.change_ratio)} from here" if point else "")
        )
    return Grid(columns, tuple(rows))
