"""What changed between two sides of kept results, as blocks: whether, by how much, why, then part by part."""

from __future__ import annotations

import math
from collections.abc import Sequence

from profiler.render.document import Block, Bullets, Cell, Column, Fact, Facts, Grid, Heading, Mark, Statement, Tone
from profiler.render.kernel_blocks import inside_layer
from profiler.render.kernel_name import short_kernel_name
from profiler.render.numbers import MISSING, aligned, count, duration
from profiler.render.serving_words import ENDPOINT_PARTS, SERVING_PARTS
from profiler.render.words import CAUSES, PARTS, listed, sentence
from profiler.report.comparison import (
    Basis,
    CauseChange,
    ChangeState,
    ComparedSide,
    Comparison,
    TimeChange,
    WorkChange,
)
from profiler.report.source import Source

_MOST_WORK, _MOST_NAMES = 8, 3
_MANY = 4  # results of both sides: with more, their own spread is known
_LEAST_PART = 0.002  # of the time: what never was more is shown in the JSON alone

_NAMES: dict[str, str] = {
    **{part.value: text for part, text in ENDPOINT_PARTS.items()},
    **{part.value: text for part, text in SERVING_PARTS.items()},
    **{part.value: text for part, text in PARTS.items()},
    **{cause.value: text for cause, text in CAUSES.items()},
}
_BASES = {
    Basis.TURNS: "by pairs of results that were taken in turn",
    Basis.RESULTS: "by how far the results of a side differ",
    Basis.REPEATS: "by the repeats within each result and how far processes were seen to differ",
    Basis.EXACT: "calculated, so exact",
    Basis.NONE: "a single measurement, so none",
}
_MORE = "More runs of both, each a process of its own and taken in turn, tell more: bottleneck compare A... vs B..."


def change_blocks(answer: Comparison) -> list[Block]:
    """What every output for people shows."""
    tone = Tone.INCONCLUSIVE if answer.state is ChangeState.INCONCLUSIVE else Tone.ANSWER
    blocks: list[Block] = [Statement(text, tone) for text in _answers(answer)]
    blocks += [Facts((_fact("before", answer.before), _fact("after", answer.after)))]
    blocks += [Heading("What changed", 2), _times(answer), Statement(_how(answer), Tone.FAINT)]
    for title, prevents in (("Not alike, and compared all the same", True), ("What else differs", False)):
        differs = tuple(
            f"{each.what}: {each.before} before, {each.after} after"
            for each in answer.unlike
            if each.prevents is prevents
        )
        if differs:
            blocks += [Heading(title, 2), Bullets(differs)]
    notes = (*answer.notes, *(f"{each.name} could not be read: {each.reason}" for each in answer.unread))
    if notes:
        blocks += [Heading("Warnings", 2), Bullets(notes)]
    for time in answer.times:
        blocks += _detail(time)
    return blocks


def _answers(answer: Comparison) -> list[str]:
    changed = [_changed(time) for time in answer.times if time.state is ChangeState.CHANGED]
    return changed or [_none_changed(answer)]


def _none_changed(answer: Comparison) -> str:
    if answer.state is ChangeState.UNCHANGED:
        return f"Nothing changed by more than {answer.margin_ratio:.0%}."
    least = f"No change can be told from how far runs differ, and one of {answer.margin_ratio:.0%} cannot be ruled out."
    return least if len(answer.before.names) + len(answer.after.names) > _MANY else f"{least} {_MORE}"


def _changed(time: TimeChange) -> str:
    how = "longer" if time.change_ms > 0 else "less"
    text = sentence(
        f"{time.name} takes {_percent(abs(time.change_ratio))} {how} ({_interval(time)}): "
        f"{duration(time.after_ms)} instead of {duration(time.before_ms)}"
    )
    if time.because:
        return f"{text} What changed it: {listed([_named(name, time) for name in time.because[:_MOST_NAMES]])}."
    if time.leading is not None:
        changed, probability = _named(time.leading.name, time), _at_most(time.leading.probability)
        return f"{text} What changed it most is likely {changed}, with a probability of {probability}."
    if time.parts:
        return f"{text} Which cause changed it cannot be told: its parts differ as much from run to run."
    return text


def _named(name: str, time: TimeChange) -> str:
    """A cause with its change; without it in a file from elsewhere that names what it does not list."""
    change_ms = next((part.change_ms for part in time.parts if part.name == name), None)
    return cause_name(name) if change_ms is None else f"{cause_name(name)} ({_signed(change_ms)})"


def cause_name(name: str) -> str:
    """A part's name as people read it."""
    return _NAMES.get(name, name)


def _at_most(probability: float) -> str:
    """As a percentage that never rounds to certainty."""
    return f"{min(math.floor(probability * 100), 99)}%"


def _percent(ratio: float) -> str:
    value = abs(ratio) * 100
    return f"{value:.0f}%" if value >= 9.95 else f"{value:.1f}%"


def _signed(change_ms: float) -> str:
    return f"{'+' if change_ms > 0 else '-'}{duration(abs(change_ms))}"


def signed_percent(ratio: float) -> str:
    """A change, with its sign."""
    return f"{'+' if ratio >= 0 else '-'}{_percent(ratio)}"


def _interval(time: TimeChange) -> str:
    if time.low_ratio is None or time.high_ratio is None:
        return MISSING
    if time.basis is Basis.EXACT:
        return "exact"
    return f"{signed_percent(time.low_ratio)} to {signed_percent(time.high_ratio)}"


def _fact(label: str, side: ComparedSide) -> Fact:
    shown = side.names[:_MOST_NAMES]
    more = len(side.names) - len(shown)
    held = list(dict.fromkeys(each.value for each in side.held_back_by if each is not None))
    return Fact(
        label, ", ".join(shown) + (f" and {more} more" if more else ""), f"held back by {listed(held)}" if held else ""
    )


def _times(answer: Comparison) -> Grid:
    columns = (
        Column("time"),
        Column("before", numeric=True),
        Column("after", numeric=True),
        Column("change", numeric=True),
        Column("low to high", numeric=True),
        Column("verdict"),
        Column("host", numeric=True, drop=2),
        Column("device", numeric=True, drop=3),
    )
    return Grid(columns, tuple(_row(time) for time in answer.times))


def _row(time: TimeChange) -> tuple[str, ...]:
    def part(change_ms: float | None) -> str:
        return MISSING if change_ms is None else _signed(change_ms) if change_ms else "0"

    return (
        time.name,
        duration(time.before_ms),
        duration(time.after_ms),
        signed_percent(time.change_ratio),
        _interval(time),
        time.state.value,
        part(time.host_change_ms),
        part(time.device_change_ms),
    )


def _how(answer: Comparison) -> str:
    bases = dict.fromkeys(time.basis for time in answer.times)
    found = [f"{listed(time.name for time in answer.times if time.basis is basis)} {_BASES[basis]}" for basis in bases]
    return (
        f"Intervals of {answer.confidence:.0%} for all of them together: {'; '.join(found)}. "
        f"Unchanged is what surely lies within {answer.margin_ratio:.0%}."
    )


def _detail(time: TimeChange) -> list[Block]:
    """Part by part, and what ran beneath."""
    blocks: list[Block] = []
    largest = max(time.before_ms, time.after_ms)
    parts = [part for part in time.parts if max(abs(part.before_ms), abs(part.after_ms)) >= _LEAST_PART * largest]
    work = [each for each in time.work if each.change_ms][:_MOST_WORK]
    if len(time.parts) > 1 and parts:
        blocks += [Heading(f"{time.name}, part by part", 2), _parts(time, parts, largest)]
    if work:
        blocks += [Heading(f"{time.name}: what ran beneath", 2), _work(work)]
    missing = time.sources.get("parts", Source()).missing
    if missing and not time.parts and time.clock in ("wall_ms", "full_speed_ms"):
        blocks.append(Statement(sentence(missing), Tone.FAINT))
    return blocks


def _parts(time: TimeChange, parts: Sequence[CauseChange], largest: float) -> Grid:
    columns = (
        Column(""),
        Column("cause", flexible=True, shortest=24),
        Column("before ms", numeric=True),
        Column("after ms", numeric=True),
        Column("change", numeric=True),
        Column("low to high", numeric=True, drop=1),
    )
    rows: list[tuple[Cell, ...]] = [
        (
            Mark(part.class_.value) if part.class_ else "",
            cause_name(part.name),
            aligned(part.before_ms, largest),
            aligned(part.after_ms, largest),
            _aligned_change(part.change_ms, largest),
            ""
            if part.low_ms is None or part.high_ms is None
            else f"{_aligned_change(part.low_ms, largest)} to {_aligned_change(part.high_ms, largest)}",
        )
        for part in parts
    ]
    left = len(time.parts) - len(parts)
    name = f"sum, with {left} small ones" if left else "sum"
    changes = (
        aligned(time.before_ms, largest),
        aligned(time.after_ms, largest),
        _aligned_change(time.change_ms, largest),
    )
    return Grid(columns, (*rows, ("", name, *changes, "")), total=True)


def _aligned_change(change: float, largest: float) -> str:
    text = aligned(change, largest)
    return f"+{text}" if change > 0 and not text.startswith("<") else text


def _work(work: Sequence[WorkChange]) -> Grid:
    columns = (
        Column("operation, kernel or family", flexible=True, shortest=20),
        Column("module", flexible=True, shortest=12, drop=2),
        Column("calls", numeric=True, drop=3),
        Column("before ms", numeric=True),
        Column("after ms", numeric=True),
        Column("change", numeric=True),
    )
    largest = max(max(each.before_ms or 0.0, each.after_ms or 0.0) for each in work)
    rows = [
        (
            short_kernel_name(each.name),
            inside_layer(each.module) if each.module else "",
            _calls(each),
            aligned(each.before_ms or 0.0, largest),
            aligned(each.after_ms or 0.0, largest),
            _aligned_change(each.change_ms or 0.0, largest),
        )
        for each in work
    ]
    return Grid(columns, tuple(rows))


def _calls(each: WorkChange) -> str:
    before, after = each.before_calls or 0.0, each.after_calls or 0.0
    return count(before) if before == after else f"{count(before)} to {count(after)}"
