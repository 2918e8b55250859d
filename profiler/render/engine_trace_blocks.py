"""What the engine's own profiler recorded of the load: its phases, and what holds each back."""

from __future__ import annotations

from profiler.render.answer import cause_words, share_words
from profiler.render.document import Block, Bullets, Column, Grid, Heading, Statement, Tone
from profiler.render.numbers import MISSING, count, duration, number, percent
from profiler.render.words import sentence
from profiler.report.engine_trace import EnginePhase, EngineTrace


def engine_trace_blocks(trace: EngineTrace) -> list[Block]:
    """A row a phase; nothing where there is no trace, which a warning says."""
    if not trace.files or trace.verdict is None:
        return []
    blocks: list[Block] = [Heading("Under the engine's profiler", 2)]
    if trace.phases:
        blocks.append(_phases(trace))
    elif trace.verdict.class_ is not None:
        blocks.append(Statement(f"Held back by {trace.verdict.class_}{cause_words(trace.verdict)}."))
    told = [f"{phase.name}: {phase.doubt}" for phase in trace.phases if phase.doubt]
    if trace.verdict.class_ is None and trace.verdict.evidence:
        told.append(trace.verdict.evidence[0])
    if told:
        blocks.append(Bullets(tuple(map(sentence, told))))
    stretch = "" if trace.seconds is None else f"{number(trace.seconds)} s of the same load, after what was measured: "
    more = f"{count(len(trace.files))} files" if len(trace.files) > 1 else trace.files[0]
    blocks.append(Statement(f"{stretch}{more} in {trace.folder}. bottleneck analyze {trace.folder}", Tone.FAINT))
    return blocks


def _phases(trace: EngineTrace) -> Grid:
    columns = (
        Column("rank", flexible=True, shortest=6, drop=1),
        Column("phase", flexible=True, shortest=8),
        Column("kind", drop=3),
        Column("steps", numeric=True),
        Column("a step", numeric=True),
        Column("idle", numeric=True),
        Column("held back by", flexible=True, shortest=18, wraps=True),
        Column("share", numeric=True, drop=2),
        Column("verdict"),
    )
    several = len({phase.rank for phase in trace.phases}) > 1
    shown = columns if several else columns[1:]
    return Grid(shown, tuple(_row(phase)[0 if several else 1 :] for phase in trace.phases))


def _row(phase: EnginePhase) -> tuple[str, ...]:
    verdict = phase.verdict
    return (
        phase.rank,
        phase.name,
        phase.kind.value,
        count(phase.steps),
        duration(phase.step_ms),
        percent(phase.idle_ratio),
        MISSING if verdict.class_ is None else f"{verdict.class_}{cause_words(verdict)}",
        share_words(verdict),
        verdict.state.value,
    )
