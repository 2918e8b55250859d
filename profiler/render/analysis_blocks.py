"""What traces say, as blocks: the verdict first, then where the time of the span went."""

from __future__ import annotations

from profiler.render.document import (
    Bar,
    Beside,
    Block,
    Bullets,
    Column,
    Fact,
    Facts,
    Grid,
    Heading,
    Mark,
    Segment,
    Statement,
    Tone,
)
from profiler.render.job_blocks import job_blocks
from profiler.render.numbers import aligned, count, duration, percent
from profiler.render.phase_blocks import share_blocks
from profiler.render.roofline_blocks import roofline_blocks
from profiler.render.traced_phase_blocks import traced_phase_blocks
from profiler.render.traced_verdict import advice_blocks, traced_verdict_blocks
from profiler.render.waits_blocks import waits_blocks
from profiler.render.words import PARTS, RESOURCES, sentence
from profiler.report.analysis import Analysis, Overlap, RankAnalysis
from profiler.report.records import Share
from profiler.report.vocabulary import BottleneckClass, Resource, VerdictState

_NS_PER_MS = 1e6
_UNKNOWN = "unknown"
# A trace tells only waits for input of this resource, whatever made it late: reading, decoding or resizing.
_RESOURCES = {**RESOURCES, Resource.DISK: "the input pipeline"}
_TOGETHER = 0.8  # shares of one resource at a time that sum to less leave much that none of them gains


def analysis_blocks(answer: Analysis) -> list[Block]:
    """What every output for people shows."""
    blocks: list[Block] = []
    if not answer.complete:
        blocks.append(Statement("Interrupted: only what was read before is here.", Tone.INCOMPLETE))
    if answer.job is not None:
        blocks += job_blocks(answer.ranks, answer.job)
    else:
        for rank in answer.ranks:
            blocks += _rank(rank)
    if answer.unreadable:
        told = tuple(each.reason for each in answer.unreadable)  # most begin with the name of a file
        blocks += [Heading("Not read", 2), Bullets(told)]
    return blocks


def _rank(rank: RankAnalysis) -> list[Block]:
    blocks = traced_verdict_blocks(rank)
    blocks.append(Facts(tuple(_facts(rank))))
    blocks += traced_phase_blocks(rank.phases, rank.span_ns)
    if rank.parts:
        parts = _parts(rank)
        blocks.append(Heading("The span, part by part", 2))
        blocks.append(_bar(rank))
        shares = _shares(rank.shares)
        blocks += [Beside(tuple(parts), tuple(shares))] if shares else parts
        families, streams = _families(rank), _streams(rank)
        blocks += [Beside(tuple(families), tuple(streams))] if families and streams else [*families, *streams]
        blocks += waits_blocks(rank)
        blocks += roofline_blocks(rank.kernels)
    evidence = rank.verdict.evidence[1:] if rank.verdict.state is not VerdictState.REFUSED else []
    if evidence:
        blocks += [Heading("Why", 2), Bullets(tuple(sentence(text) for text in evidence))]
    blocks += advice_blocks(rank.advice)
    if rank.integrity:
        told = (f"{sentence(each.message)} Effect: {each.effect}." for each in rank.integrity)
        blocks += [Heading("Is the trace whole?", 2), Bullets(tuple(told))]
    if rank.notes:
        blocks += [Heading("What this rests on", 2), Bullets(tuple(sentence(note) for note in rank.notes))]
    return blocks


def _facts(rank: RankAnalysis) -> list[Fact]:
    missing = rank.sources.get("device")
    facts = [
        Fact("trace", rank.name),
        Fact("device", rank.device or "not known", (missing.missing or "") if missing is not None else ""),
        Fact("span", _time(rank.span_ns), _window_words(rank)),
    ]
    if not rank.span_ns:
        return facts[:2]
    facts.append(Fact("busy", _time(rank.busy_ns), percent(rank.busy_ns / rank.span_ns)))
    facts.append(Fact("idle", _time(rank.idle_ns), percent(rank.idle_ns / rank.span_ns)))
    facts.append(Fact("kernels", _time(rank.kernel_ns), "sum of their durations"))
    return facts


def _window_words(rank: RankAnalysis) -> str:
    """Which part of the trace the span is."""
    if rank.window is None:
        return "from the first start to the last end on the device"
    start, end = _time(rank.window.from_ns), _time(rank.window.to_ns)
    return f"only from {start} to {end} after the first start on the device"


def _bar(rank: RankAnalysis) -> Bar:
    totals: dict[str, float] = {}
    for part in rank.parts:
        kind = part.class_.value if part.class_ is not None else _UNKNOWN
        totals[kind] = totals.get(kind, 0.0) + part.fraction
    return Bar(tuple(Segment(kind, totals[kind]) for kind in _order() if kind in totals))


def _parts(rank: RankAnalysis) -> list[Block]:
    columns = (
        Column(""),
        Column("class"),
        Column("part", flexible=True, shortest=32),
        Column("ms", numeric=True),
        Column("%", numeric=True),
    )
    order, whole = _order(), rank.span_ns / _NS_PER_MS
    kinds = [(part.class_.value if part.class_ is not None else _UNKNOWN, part) for part in rank.parts]
    rows = tuple(
        (Mark(kind), kind, PARTS[part.part], aligned(part.ns / _NS_PER_MS, whole), percent(part.fraction))
        for kind, part in sorted(kinds, key=lambda pair: (order.index(pair[0]), -pair[1].ns))
    )
    total = ("", "sum", "(the span)", aligned(whole, whole), percent(sum(part.fraction for part in rank.parts)))
    return [Grid(columns, (*rows, total), total=True)]


def _shares(shares: list[Share]) -> list[Block]:
    blocks = share_blocks(shares, names=_RESOURCES)
    gained = sum(share.share for share in shares)
    if blocks and gained < _TOGETHER:
        told = f"{percent(1 - gained)} of the time depends on several of them at once: no single one gains it."
        blocks.append(Statement(told))
    return blocks


def _families(rank: RankAnalysis) -> list[Block]:
    if not rank.families:
        return []
    columns = (
        Column("family"),
        Column("kernels", numeric=True),
        Column("ms", numeric=True),
        Column("%", numeric=True),
        Column("sum of durations", numeric=True, drop=1),
    )
    whole = max(family.sum_ns for family in rank.families) / _NS_PER_MS
    rows = tuple(
        (
            family.family.value.replace("_", "-"),
            count(family.kernels),
            aligned(family.ns / _NS_PER_MS, whole),
            percent(family.ns / rank.span_ns),
            aligned(family.sum_ns / _NS_PER_MS, whole),
        )
        for family in rank.families
    )
    return [Heading("Kernels by family", 2), Grid(columns, rows)]


def _streams(rank: RankAnalysis) -> list[Block]:
    columns = (
        Column("stream"),
        Column("busy ms", numeric=True),
        Column("kernels", numeric=True),
        Column("copies", numeric=True),
    )
    several = len({stream.device for stream in rank.streams}) > 1
    ranked = sorted(rank.streams, key=lambda stream: -stream.busy_ns)
    whole = ranked[0].busy_ns / _NS_PER_MS
    rows = tuple(
        (
            f"{stream.device}:{stream.stream}" if several else str(stream.stream),
            aligned(stream.busy_ns / _NS_PER_MS, whole),
            count(stream.kernels),
            count(stream.copies),
        )
        for stream in ranked
    )
    words = _overlap_words(rank.overlap)
    told = [Statement(f"{'; '.join(words)}.", Tone.FAINT)] if words else []
    return [Heading("Streams", 2), Grid(columns, rows), *told]


def _overlap_words(overlap: Overlap) -> list[str]:
    words = []
    for what, time, hidden in (
        ("copies to and from the device", overlap.copy_ns, overlap.copy_compute_ns),
        ("collectives", overlap.collective_ns, overlap.collective_compute_ns),
    ):
        if time:
            words.append(f"{percent(hidden / time)} of the {what} run under kernels")
    if overlap.imbalance_ratio is not None:
        words.append(f"imbalance {percent(overlap.imbalance_ratio)}")
    return words


def _order() -> list[str]:
    return [*(klass.value for klass in BottleneckClass), _UNKNOWN]


def _time(ns: int) -> str:
    return duration(ns / _NS_PER_MS)
