"""A GPU of the server's machine under the load."""

from __future__ import annotations

from profiler.render.document import Block, Bullets, Footnotes, Heading, Statement
from profiler.render.telemetry_blocks import series_blocks
from profiler.render.words import sentence
from profiler.report.server_gpu import ServerGpu
from profiler.report.vocabulary import VerdictState

_UNSEEN = ", whether the server uses it cannot be seen"


def server_gpu_blocks(gpu: ServerGpu) -> list[Block]:
    """Its series, and what they say of the phase that leads."""
    notes = Footnotes()
    blocks: list[Block] = [Heading(f"GPU {gpu.index} under the load: {gpu.name}{'' if gpu.used else _UNSEEN}", 2)]
    blocks += series_blocks(gpu.series, notes)
    if notes.reasons:
        blocks.append(Bullets(tuple(notes.reasons), mark="[{}]"))
    verdict = gpu.verdict
    if verdict.class_ is None:
        says = "Its counters do not tell what holds the leading phase back"
    elif verdict.state is VerdictState.CLEAR:
        says = f"By its counters the leading phase is held back by {verdict.class_}"
    else:
        says = f"By its counters the leading phase may be held back by {verdict.class_}, which is not sure"
    return [*blocks, Statement(sentence(f"{says}: {'; '.join(verdict.evidence)}"))]
