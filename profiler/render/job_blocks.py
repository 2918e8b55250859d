"""Several traces as one job, as blocks: how many are held back by what, rank by rank, and how far they differ."""

from __future__ import annotations

import re

from profiler.render.collective_blocks import collective_blocks
from profiler.render.document import (
    Block,
    Bullets,
    Column,
    Fact,
    Facts,
    Grid,
    Heading,
    Statement,
    Tone,
)
from profiler.render.numbers import aligned, count, interval, percent, times
from profiler.render.traced_phase_blocks import job_phase_blocks
from profiler.render.traced_verdict import has_parts_only
from profiler.render.words import PARTS, sentence
from profiler.report.analysis import IntegrityFinding, Job, RankAnalysis
from profiler.report.trace_advice import TraceAdvice
from profiler.report.vocabulary import BottleneckClass, VerdictState

_NS_PER_MS = 1e6
_ENDING = re.compile(r"(\.pt)?(\.trace)?\.json(\.gz)?$")
_SHOWN_RANKS = 32  # four machines of eight, and less than a screen
_NAMED_RANKS = 3  # of those with one reason
_MOST_ADVICE = 3  # as a trace has


def job_blocks(ranks: list[RankAnalysis], job: Job) -> list[Block]:
    """What every output for people shows of a job."""
    blocks: list[Block] = [_answer(ranks, job)]
    if job.separate is not None:
        told = f"These are separate traces, and not held against each other as ranks of a job: {job.separate}."
        blocks.append(Statement(told))
    if job.straggler is not None:
        name = _labels(ranks)[[rank.name for rank in ranks].index(job.straggler.name)]
        blocks.append(Statement(f"Straggler: {name}. {sentence(job.straggler.reason)}"))
    if job.span_ns:
        facts = (
            Fact("ranks" if job.separate is None else "traces", count(job.ranks)),
            Fact("busy", percent(job.busy_ns / job.span_ns), "of the spans of all"),
            Fact("idle", percent(job.idle_ns / job.span_ns)),
        )
        by = "Rank by rank" if job.separate is None else "Trace by trace"
        blocks += [Facts(facts), Heading(by, 2), *_ranks(ranks), *_unclear(ranks)]
        blocks += [*job_phase_blocks(ranks), *_spread(job)] if job.separate is None else []
    if job.waits is not None:
        labels = dict(zip((rank.name for rank in ranks), _labels(ranks), strict=True))
        blocks += collective_blocks(job.waits, labels)
    if job.separate is None:
        blocks += _advice(ranks)
    flaws = _flaws(ranks)
    if flaws:
        blocks += [Heading("Are the traces whole?", 2), Bullets(tuple(flaws))]
    notes = [*job.notes, *_common_notes(ranks)]
    if notes:
        blocks += [Heading("What this rests on", 2), Bullets(tuple(sentence(note) for note in notes))]
    return blocks


def _advice(ranks: list[RankAnalysis]) -> list[Block]:
    """What is advised to most ranks, each action once, with what the replays of single ranks predict of it."""
    found: dict[str, list[TraceAdvice]] = {}
    for advice in (each for rank in ranks for each in rank.advice):
        found.setdefault(advice.action, []).append(advice)
    ordered = sorted(found.items(), key=lambda pair: -len(pair[1]))[:_MOST_ADVICE]
    told = []
    for action, advised in ordered:
        ends = [end for each in advised for end in (each.low, each.speedup, each.high) if end is not None]
        spread = interval(min(ends), max(ends), times) if ends else ""
        gain = f": predicted {spread} as fast as traced, each rank by itself" if spread else ""
        told.append(f"{sentence(action)} Advised to {count(len(advised))} of {count(len(ranks))} ranks{gain}.")
    return [Heading("What to do", 2), Bullets(tuple(told), mark="{}.")] if told else []


def _flaws(ranks: list[RankAnalysis]) -> list[str]:
    """Each kind of flaw once: where it is worst, and in how many traces it is."""
    found: dict[str, list[tuple[str, IntegrityFinding]]] = {}
    for label, rank in zip(_labels(ranks), ranks, strict=True):
        for each in rank.integrity:
            found.setdefault(each.code, []).append((label, each))
    told = []
    for traces in found.values():
        label, worst = max(traces, key=lambda pair: pair[1].count / max(pair[1].of, 1))
        more = f" The same of {len(traces) - 1} more." if len(traces) > 1 else ""
        told.append(f"{label}: {worst.message}. Effect: {worst.effect}.{more}")
    return told


def _common_notes(ranks: list[RankAnalysis]) -> list[str]:
    """What at least half of the ranks rest on; what is special to one stands in the JSON."""
    told = [note for rank in ranks for note in rank.notes]
    return [note for note in dict.fromkeys(told) if 2 * told.count(note) >= len(ranks)]


def _labels(ranks: list[RankAnalysis]) -> list[str]:
    """The last piece of each name without its ending, where these differ, else the whole names."""
    names = [rank.name for rank in ranks]
    last = [_ENDING.sub("", name.rpartition("/")[2]) for name in names]
    return last if len(set(last)) == len(last) else names


def _answer(ranks: list[RankAnalysis], job: Job) -> Statement:
    """How many ranks each class holds back."""
    if all(map(has_parts_only, ranks)):
        words = "the parts only, as asked for (--parts-only): without the host's side, no verdicts"
        return Statement(f"{_how_many(ranks)}, {words}.", Tone.ANSWER)
    clear = [rank.verdict.class_ for rank in ranks if rank.verdict.state is VerdictState.CLEAR]
    told = [f"{clear.count(klass)} held back by {klass.value}" for klass in BottleneckClass if klass in clear]
    refused = sum(rank.verdict.state is VerdictState.REFUSED for rank in ranks)
    open_ = len(ranks) - len(clear) - refused
    told += [f"{open_} inconclusive"] if open_ else []
    told += [f"{refused} without verdict"] if refused else []
    return Statement(f"{_how_many(ranks)}: {', '.join(told)}.", Tone.ANSWER)


def _how_many(ranks: list[RankAnalysis]) -> str:
    """`8 traces`, or `2 devices in 1 trace`: each device of a trace is a rank."""
    traces = len({rank.name.partition(" [GPU ")[0] for rank in ranks})
    named = f"{traces} trace{'s' if traces > 1 else ''}"
    return named if traces == len(ranks) else f"{len(ranks)} devices in {named}"


def _ranks(ranks: list[RankAnalysis]) -> list[Block]:
    columns = (
        Column("trace", flexible=True, shortest=20),
        Column("span ms", numeric=True),
        Column("idle %", numeric=True),
        Column("kernels ms", numeric=True, drop=3),
        Column("collectives ms", numeric=True, drop=2),
        Column("exposed", numeric=True, drop=1),
        Column("held back by"),
        Column("verdict"),
    )
    rows = tuple(
        (
            label,
            aligned(rank.span_ns / _NS_PER_MS, 100),
            percent(rank.idle_ns / rank.span_ns) if rank.span_ns else "",
            aligned(rank.kernel_ns / _NS_PER_MS, 100),
            aligned(rank.overlap.collective_ns / _NS_PER_MS, 100) if rank.overlap.collective_ns else "",
            aligned(rank.overlap.exposed_collective_ns / _NS_PER_MS, 100) if rank.overlap.collective_ns else "",
            rank.verdict.class_.value if rank.verdict.class_ is not None else "",
            "not asked for" if has_parts_only(rank) else rank.verdict.state.value,
        )
        for label, rank in list(zip(_labels(ranks), ranks, strict=True))[:_SHOWN_RANKS]
    )
    return [Grid(columns, rows), *_left_out(ranks)]


def _unclear(ranks: list[RankAnalysis]) -> list[Block]:
    """Why verdicts are not clear, each reason once."""
    reasons: dict[str, list[str]] = {}
    for label, rank in zip(_labels(ranks), ranks, strict=True):
        if rank.verdict.state is not VerdictState.CLEAR and not has_parts_only(rank):
            reasons.setdefault(f"{rank.verdict.state.value}; {_reason(rank)}", []).append(label)
    told = (f"{_some(labels)}: {why}" for why, labels in reasons.items())
    return [Heading("Why not clear", 2), Bullets(tuple(told))] if reasons else []


def _reason(rank: RankAnalysis) -> str:
    if rank.verdict.state is VerdictState.REFUSED:
        return rank.verdict.evidence[0] if rank.verdict.evidence else "the trace carries no verdict"
    return rank.doubt or "two classes are too close to call"


def _some(labels: list[str]) -> str:
    more = len(labels) - _NAMED_RANKS
    return ", ".join(labels) if more <= 0 else f"{', '.join(labels[:_NAMED_RANKS])} and {more} more"


def _left_out(ranks: list[RankAnalysis]) -> list[Block]:
    more = len(ranks) - _SHOWN_RANKS
    return [Statement(f"And {more} more, which the JSON has.", Tone.FAINT)] if more > 0 else []


def _spread(job: Job) -> list[Block]:
    columns = (
        Column("part", flexible=True, shortest=32),
        Column("% of all", numeric=True),
        Column("least ms", numeric=True),
        Column("median ms", numeric=True),
        Column("most ms", numeric=True),
    )
    whole = max((part.most_ns for part in job.parts), default=0) / _NS_PER_MS
    rows = tuple(
        (
            PARTS[part.part],
            percent(part.ns / job.span_ns),
            *(aligned(ns / _NS_PER_MS, whole) for ns in (part.least_ns, part.median_ns, part.most_ns)),
        )
        for part in job.parts
    )
    return [Heading("Part by part, over the ranks", 2), Grid(columns, rows)]
