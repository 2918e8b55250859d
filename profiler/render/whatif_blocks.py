"""What another speed or another device would bring, as blocks: the answer first, then each phase's curves."""

from __future__ import annotations

from profiler.render.answer import share_words
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
from profiler.render.numbers import duration, interval, number, times
from profiler.render.phase_blocks import share_blocks
from profiler.render.speed_blocks import ms_at, speed_blocks, until
from profiler.render.whatif_answer import KNOBS, SAME, asked_answer, factor, nothing
from profiler.render.words import RESOURCES, listed, sentence
from profiler.report.vocabulary import VerdictState
from profiler.report.whatif import (
    Change,
    Estimate,
    PhasePrediction,
    SpeedChange,
    WhatIf,
)


def whatif_blocks(answer: WhatIf) -> list[Block]:
    """What every output for people shows."""
    asked = bool(answer.speeds)
    blocks: list[Block] = [*_in_doubt(answer), asked_answer(answer) if asked else _overview(answer)]
    blocks.append(_what_ran(answer))
    if asked and answer.phases:
        blocks += [Heading("Predicted", 2), _predicted(answer), *_inconclusive(answer)]
    if answer.request is not None and asked:
        blocks.append(_throughput(answer.request.tokens_per_s))
    if answer.other_device is not None:
        blocks += [Heading(f"{answer.other_device} against the device of the report", 2), _speeds(answer.speeds)]
    if answer.not_predicted:
        reasons = (sentence(f"{left_out.name}: {left_out.reason}") for left_out in answer.not_predicted)
        blocks += [Heading("Not predicted", 2), Bullets(tuple(reasons))]
    if answer.doubts:
        blocks += [Heading("What this leaves out", 2), Bullets(tuple(sentence(doubt) for doubt in answer.doubts))]
    if answer.warnings:
        told = (f"{warning.phase}: {warning.message}" for warning in answer.warnings)
        blocks += [Heading("Warnings of the report", 2), Bullets(tuple(dict.fromkeys(told)))]
    for phase in answer.phases:
        blocks += _phase(phase, asked=asked)
    return blocks


def _in_doubt(answer: WhatIf) -> list[Statement]:
    """The phases of which the report itself does not know what holds them back."""
    doubted = [phase.name for phase in answer.phases if phase.before.state is not VerdictState.CLEAR]
    if not doubted:
        return []
    what = f"the report's own verdict of {listed(doubted)} is inconclusive, and what is predicted rests on it."
    return [Statement(what, Tone.INCONCLUSIVE)]


def _overview(answer: WhatIf) -> Statement:
    """Without a question: what brings the longest phase most."""
    weight = {"decode": answer.request.new_tokens - 1} if answer.request is not None else {}
    phase = max(answer.phases, key=lambda phase: phase.time_ms.measured.value * weight.get(phase.name, 1), default=None)
    if phase is None:
        return nothing(answer)
    best = min(phase.curves, key=lambda curve: ms_at(curve, 2.0), default=None)
    if best is None or phase.time_ms.measured.value / ms_at(best, 2.0) < 1 + SAME:
        return Statement(f"{phase.name} gains from no single speed.", Tone.ANSWER)
    gain = times(phase.time_ms.measured.value / ms_at(best, 2.0))
    return Statement(
        f"{phase.name} gains most from {KNOBS[best.knob]}: {gain} faster with that at 2x. It {until(best)}.",
        Tone.ANSWER,
    )


def _what_ran(answer: WhatIf) -> Facts:
    when = f"measured {answer.report_created_at}" if answer.report_created_at else ""
    facts = [Fact("model", answer.model)] if answer.model else []
    return Facts((*facts, Fact("device", answer.device, when)))


def _predicted(answer: WhatIf) -> Grid:
    columns = (
        Column("phase"),
        Column("now", numeric=True),
        Column("then", numeric=True),
        Column("low–high", numeric=True, drop=1),
        Column("speedup", numeric=True),
        Column("tokens/s", numeric=True, drop=5),
        Column("held back by"),
        Column("share", numeric=True, drop=4),
        Column("verdict", drop=3),
        Column("now by", drop=2),
    )
    named = {"prefill": "prefill, TTFT", "decode": "decode, TPOT"} if answer.request is not None else {}
    rows = []
    for phase in answer.phases:
        rate = number(phase.tokens_per_s.predicted.value) if phase.tokens_per_s is not None else ""
        then = phase.after
        held = (then.class_.value, share_words(then), then.state.value)
        name = named.get(phase.name, phase.name)
        rows.append((name, *_times(phase.time_ms, phase.speedup), rate, *held, phase.before.class_.value))
    if answer.request is not None:
        rate = number(answer.request.tokens_per_s.predicted.value)
        times_ = _times(answer.request.e2e_ms, answer.request.speedup)
        rows.append(("request, e2e", *times_, rate, "", "", "", ""))
    return Grid(columns, tuple(rows))


def _inconclusive(answer: WhatIf) -> list[Statement]:
    """The phases whose bottleneck then is not clear: a narrow table has no room for that."""
    open_ = [phase.name for phase in answer.phases if phase.after.state is not VerdictState.CLEAR]
    return [Statement(f"What holds {listed(open_)} back then is inconclusive.")] if open_ else []


def _times(change: Change, speedup: Estimate) -> tuple[str, str, str, str]:
    then = change.predicted
    spread = interval(then.low, then.high, duration)
    return duration(change.measured.value), duration(then.value), spread, times(speedup.value)


def _throughput(rate: Change) -> Facts:
    then = rate.predicted
    spread = f"{interval(then.low, then.high)}, " if then.low is not None and then.high is not None else ""
    value = f"{number(then.value)} tokens/s"
    return Facts((Fact("throughput", value, f"{spread}now {number(rate.measured.value)}"),))


def _speeds(speeds: list[SpeedChange]) -> Grid:
    columns = (
        Column("speed"),
        Column("factor", numeric=True),
        Column("measured", numeric=True),
        Column("expected", numeric=True),
        Column("unit"),
        Column("tier", drop=2),
        Column("from", flexible=True, shortest=12, drop=1, wraps=True),
    )
    rows = tuple(
        (
            RESOURCES[change.resource],
            factor(change.factor),
            number(change.measured) if change.measured is not None else "",
            number(change.expected) if change.expected is not None else "",
            change.unit or "",
            change.tier.value if change.tier is not None else "as asked",
            change.note or "",
        )
        for change in speeds
    )
    return Grid(columns, rows)


def _phase(phase: PhasePrediction, *, asked: bool) -> list[Block]:
    blocks: list[Block] = [Heading(phase.name)]
    if asked:
        blocks += share_blocks(phase.shares_after, title="What would help then")
    return [*blocks, *speed_blocks(phase.curves, phase.time_ms.measured.value)]
