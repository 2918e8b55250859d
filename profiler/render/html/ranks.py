"""The ranks of a job, or one trace: parts of the span, and how busy each stream was."""

from __future__ import annotations

from profiler.render.html.figure import Figure, rounded
from profiler.render.numbers import count
from profiler.render.words import PARTS
from profiler.report.analysis import Analysis, RankAnalysis

_MOST_RANKS = 64
_NS_PER_MS = 1e6


def rank_parts(answer: Analysis) -> Figure | None:
    """A stacked bar for each rank; None where there is none with parts."""
    ranks = [rank for rank in answer.ranks if rank.parts]
    if not ranks:
        return None
    shown = sorted(ranks, key=lambda rank: -rank.span_ns)[:_MOST_RANKS]
    rows = [(rank.name, part) for rank in shown for part in rank.parts if part.ns > 0]
    most = f" Drawn are the {_MOST_RANKS} longest." if len(ranks) > len(shown) else ""
    return Figure(
        "stacks",
        "Where the span of each trace went",
        f"{count(len(ranks))} trace{'s' if len(ranks) > 1 else ''}, each part of its span in milliseconds.{most}",
        {
            "row": [name for name, _ in rows],
            "part": [PARTS[part.part] for _, part in rows],
            "class": [part.class_ or "unknown" for _, part in rows],
            "ms": rounded([part.ns / _NS_PER_MS for _, part in rows]),
            "unit": "ms",
        },
    )


def rank_streams(rank: RankAnalysis) -> Figure | None:
    """How long each stream was busy; None with fewer than two."""
    if len(rank.streams) < 2:
        return None
    ranked = sorted(rank.streams, key=lambda stream: -stream.busy_ns)[:_MOST_RANKS]
    return Figure(
        "stacks",
        f"Streams of {rank.name}",
        f"Busy time of {count(len(rank.streams))} streams, of a span of {count(rank.span_ns / _NS_PER_MS)} ms.",
        {
            "row": [f"device {stream.device}, stream {stream.stream}" for stream in ranked],
            "part": ["busy"] * len(ranked),
            "class": ["compute" if stream.kernels else "io" for stream in ranked],
            "ms": rounded([stream.busy_ns / _NS_PER_MS for stream in ranked]),
            "unit": "ms",
        },
    )
