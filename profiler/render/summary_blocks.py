"""A report on one screen: the verdict, the split of each phase, why, and what to do. What is left out is said."""

from __future__ import annotations

from profiler.render.advice_words import advice_words, ranked
from profiler.render.answer import answer, certainty, leading_phase, request_fractions
from profiler.render.cost_blocks import cost_blocks
from profiler.render.document import (
    Bar,
    Block,
    Bullets,
    Cell,
    Column,
    Footnotes,
    Grid,
    Heading,
    Roomy,
    Statement,
    Tone,
)
from profiler.render.kernel_blocks import kernel_blocks
from profiler.render.numbers import compact_count, count, percent
from profiler.render.phase_blocks import class_fractions, part_blocks, segments, share_blocks, side_by_side
from profiler.render.report_blocks import footnote_blocks, verdict_grid, warning_words
from profiler.render.words import listed, sentence
from profiler.report.records import Phase, Report
from profiler.report.vocabulary import BottleneckClass

_MOST_PHASES = 4
_MOST_EVIDENCE = 3
_MOST_ADVICE = 2


def summary_blocks(report: Report, rest: str) -> list[Block]:
    """The report in less than 40 lines of 80 columns, and what a sweep measured; `rest` says how to see all of it."""
    fractions = request_fractions(report)
    said = answer(report)
    blocks: list[Block] = [*said, Statement(_what_ran(report), Tone.FAINT)]
    phases = _longest(report.phases)
    if phases:
        blocks += split_blocks(phases)
        blocks += [Heading("Verdicts", 2), verdict_grid(report, phases, fractions)]
    leading = leading_phase(report)
    if leading is not None:
        blocks += _why(leading, " ".join(statement.text for statement in said))
    advice = ranked(report.advice, fractions)
    if advice:
        shown = advice[:_MOST_ADVICE]
        items = tuple(advice_words(item, fractions, with_reason=False) for item in shown)
        blocks += [Heading("What to do", 2), Bullets(items, "{}.", tuple(item.command or "" for item in shown))]
    if leading is not None:
        more = side_by_side(part_blocks(leading), share_blocks(leading.shares))
        blocks.append(Roomy((Heading(leading.name), *more, *kernel_blocks(leading.kernels, Footnotes()))))
    if report.costs is not None:  # which are there only where they were asked for
        blocks += cost_blocks(report.costs, notes := Footnotes())
        blocks += footnote_blocks(notes)
    left_out = (
        _number(len(report.phases) - len(phases), "phase"),
        _number(len(advice) - _MOST_ADVICE, "piece of advice", "pieces of advice"),
        _number(len(warning_words(report)), "warning"),
        "all that was measured",
    )
    told = f"Left out: {listed(words for words in left_out if words)}. {rest}"
    return [*blocks, Heading("", 2), Statement(told, Tone.FAINT)]


def _number(number: int, one: str, many: str = "") -> str:
    if number <= 0:
        return ""
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def _what_ran(report: Report) -> str:
    device, workload = report.environment.device, report.workload
    if workload is None:
        return f"On {device}."
    size = f" ({count(workload.parameters)} parameters)" if workload.parameters is not None else ""
    offload = f", offloaded to {workload.offload}" if workload.offload != "none" else ""
    lengths = f"{compact_count(workload.prompt_tokens)} + {compact_count(workload.new_tokens)} tokens"
    how = f"{workload.dtype}, {workload.mode}{offload}, batch {workload.batch_size}, {lengths}"
    return f"{workload.model}{size}, {how}, on {device}."


def _longest(phases: list[Phase]) -> list[Phase]:
    """The phases that take longest, in the order in which they ran."""
    kept = sorted(phases, key=lambda phase: -phase.clean.wall_ms.median)[:_MOST_PHASES]
    return [phase for phase in phases if phase in kept]


def split_blocks(phases: list[Phase]) -> list[Block]:
    """Which class takes how much of each phase, as a bar and in numbers."""
    shares = (Column(kind.value, numeric=True, kind=kind.value) for kind in BottleneckClass)
    columns = (Column("phase", flexible=True, shortest=8), Column(""), *shares)
    return [Heading("Where the time goes", 2), Grid(columns, tuple(_split_row(phase) for phase in phases))]


def _split_row(phase: Phase) -> tuple[Cell, ...]:
    classes = class_fractions(phase)
    bar = Bar(segments(phase)) if classes else "not known"
    return phase.name, bar, *(percent(classes[kind]) if kind in classes else "" for kind in BottleneckClass)


def _why(phase: Phase, said: str) -> list[Block]:
    """The evidence that `said` has not given, and how sure it makes."""
    told = [sentence(text) for text in phase.verdict.evidence]
    more = [text for text in told if text not in said]
    if phase.verdict.class_ is None or not more:  # a refusal has said all its reasons
        return []
    items = [text for text in (*more[:_MOST_EVIDENCE], certainty(phase.verdict)) if text]
    return [Heading(f"Why {phase.name}", 2), Bullets(tuple(items[:_MOST_EVIDENCE]))]
