"""Who waits for whom in collectives, as blocks: rank by rank, then the collectives where most was waited."""

from __future__ import annotations

from collections.abc import Mapping

from profiler.render.document import Block, Bullets, Column, Grid, Heading, Statement, Tone
from profiler.render.numbers import aligned, count, duration
from profiler.render.words import sentence
from profiler.report.collectives import CollectiveWaits

_NS_PER_MS = 1e6
_SHOWN_RANKS = 16
_SHOWN = 5


def collective_blocks(waits: CollectiveWaits, labels: Mapping[str, str]) -> list[Block]:
    """What every output for people shows; `labels` are the names of the traces as they are shown."""
    blocks: list[Block] = [Heading("Who waits for whom in collectives", 2)]
    if waits.matched:
        blocks += [_ranks(waits, labels), *_pairs(waits, labels)]
        if waits.worst:
            blocks.append(_worst(waits, labels))
        blocks.append(Statement(_basis(waits), Tone.FAINT))
    if waits.notes:
        blocks.append(Bullets(tuple(sentence(note) for note in waits.notes)))
    return blocks


def _ranks(waits: CollectiveWaits, labels: Mapping[str, str]) -> Grid:
    columns = (
        Column("trace", flexible=True, shortest=20),
        Column("waited ms", numeric=True),
        Column("last at", numeric=True),
        Column("of", numeric=True, drop=1),
        Column("held up the others ms", numeric=True),
    )
    ranked = sorted(waits.ranks, key=lambda rank: (-rank.held_up_ns, -rank.waited_ns))
    whole = max(max(rank.waited_ns, rank.held_up_ns) for rank in ranked) / _NS_PER_MS
    rows = [
        (
            labels[rank.name],
            aligned(rank.waited_ns / _NS_PER_MS, whole),
            count(rank.last),
            count(rank.collectives),
            aligned(rank.held_up_ns / _NS_PER_MS, whole),
        )
        for rank in ranked[:_SHOWN_RANKS]
    ]
    others = ranked[_SHOWN_RANKS:]
    if others:
        rows.append(
            (
                f"{len(others)} others",
                aligned(sum(rank.waited_ns for rank in others) / _NS_PER_MS, whole),
                count(sum(rank.last for rank in others)),
                "",
                aligned(sum(rank.held_up_ns for rank in others) / _NS_PER_MS, whole),
            )
        )
    return Grid(columns, tuple(rows))


def _pairs(waits: CollectiveWaits, labels: Mapping[str, str]) -> list[Block]:
    told = [
        f"{labels[pair.waiting]} waited {duration(pair.ns / _NS_PER_MS)} for {labels[pair.last]}, in "
        f"{count(pair.collectives)} collective{'s' if pair.collectives > 1 else ''}."
        for pair in waits.pairs[:_SHOWN]
    ]
    return [Bullets(tuple(told))] if told else []


def _worst(waits: CollectiveWaits, labels: Mapping[str, str]) -> Grid:
    columns = (
        Column("collective"),
        Column("group", flexible=True, shortest=10, drop=1),
        Column("last to arrive", flexible=True, shortest=20),
        Column("others waited ms", numeric=True),
        Column("longest ms", numeric=True),
    )
    shown = waits.worst[:_SHOWN]
    whole = max(each.waited_ns for each in shown) / _NS_PER_MS
    rows = tuple(
        (
            f"{each.operation} {each.number + 1}",
            each.group,
            labels[each.last],
            aligned(each.waited_ns / _NS_PER_MS, whole),
            aligned(each.longest_ns / _NS_PER_MS, whole),
        )
        for each in shown
    )
    return Grid(columns, rows)


def _basis(waits: CollectiveWaits) -> str:
    matched = f"{count(waits.matched)} of {count(waits.of)} calls were matched by their order in their process group"
    spread = duration(waits.clock_spread_ns / _NS_PER_MS)
    return f"{matched}. Clocks were laid over each other where collectives end; they were up to {spread} apart."
