"""The verdict of one trace, how sure it is, and what to do: the first lines and the last words of a rank."""

from __future__ import annotations

from profiler.render.answer import cause_words, share_words, verdict_statements
from profiler.render.document import Block, Bullets, Heading, Statement, Tone
from profiler.render.numbers import duration, interval, percent, ratio, times
from profiler.render.words import listed, sentence
from profiler.report.analysis import RankAnalysis
from profiler.report.trace_advice import TraceAdvice
from profiler.report.vocabulary import BottleneckClass, VerdictState

_NS_PER_MS = 1e6
# What is missing from a trace, by the codes of findings that lower the confidence.
_MISSING = {
    "kernels_without_launch": "launch records are missing",
    "launches_without_activity": "kernels are missing",
    "under_recorded": "work was not recorded",
    "replays_cut_short": "replays were cut short",
}


def traced_verdict_blocks(rank: RankAnalysis) -> list[Block]:
    """What the verdict says, and how sure that is."""
    verdict = rank.verdict
    if has_parts_only(rank):
        busy, idle = (percent(ns / rank.span_ns) for ns in (rank.busy_ns, rank.idle_ns))
        told = f"The device was busy {busy} of {duration(rank.span_ns / _NS_PER_MS)}, and idle {idle}."
        return [Statement(told, Tone.ANSWER), Statement(sentence(rank.sources["verdict"].missing or ""), Tone.FAINT)]
    if verdict.state is VerdictState.REFUSED:
        return list(verdict_statements("This trace", verdict))
    if rank.doubt is None:
        statements: list[Block] = list(verdict_statements("This trace", verdict))
    else:
        first = sentence(verdict.evidence[0]) if verdict.evidence else ""
        text = f"This trace, as traced, is held back by {verdict.class_}{cause_words(verdict)}; {rank.doubt}. {first}"
        statements = [Statement(text.strip(), Tone.INCONCLUSIVE)]
    return [*statements, Statement(_certainty(rank), Tone.FAINT)]


def has_parts_only(rank: RankAnalysis) -> bool:
    """Whether no verdict was asked for, which is no failure to give one."""
    return "verdict" in rank.sources and rank.span_ns > 0


def advice_blocks(advice: list[TraceAdvice]) -> list[Block]:
    """What to do, each with what the replay predicts of it."""
    return [Heading("What to do", 2), Bullets(tuple(map(_advice_text, advice)), mark="{}.")] if advice else []


def _certainty(rank: RankAnalysis) -> str:
    verdict = rank.verdict
    words = [f"Share {share_words(verdict)}"]
    if verdict.runner_up is not None and verdict.runner_up_share is not None:
        words.append(f"then {verdict.runner_up} {ratio(verdict.runner_up_share)}{_reach(rank, verdict.runner_up)}")
    if verdict.confidence is not None:
        lowered = [_MISSING[each.code] for each in rank.integrity if each.code in _MISSING]
        why = f", lowered since {listed(lowered)}" if lowered else ""
        words.append(f"confidence {percent(verdict.confidence)}{why}")
    return f"{'; '.join(words)}."


def _reach(rank: RankAnalysis, rival: BottleneckClass) -> str:
    """How far the rival of an inconclusive verdict may reach: no further than its resources together."""
    if rank.verdict.state is not VerdictState.INCONCLUSIVE:
        return ""
    high = min(sum(share.high for share in rank.shares if share.class_ is rival), 1.0)
    return f", {ratio(high)} at most"


def _advice_text(advice: TraceAdvice) -> str:
    gain = ""
    if advice.speedup is not None:
        spread = interval(advice.low, advice.high, times)
        gain = f" Predicted: {times(advice.speedup)} as fast as traced{f' ({spread})' if spread else ''}."
    return f"{sentence(advice.action)}{gain} {sentence(advice.why)}".strip()
