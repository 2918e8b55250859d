"""A GPU of the server's machine under the load."""

from __future__ import annotations

from profiler.render.document import Block, Bullets, Footnotes, Heading, Statement
from profiler.render.telemetry_blocks import series_blocks
from profiler.render.words import sentence
from profiler.report.server_gpu import ServerGpu
from profiler.report.vocabulary import VerdictState

_USED = {True: "", False: ", not used by the server", None: ", whether the server uses it is not known"}


def server_gpu_blocks(gpu: ServerGpu) -> list[Block]:
    """Its series, and what they say of the phase that leads."""
    notes = Footnotes()
    blocks: list[Block] = [Heading(f"GPU {gpu.index} under the load: {gpu.name}{_USED[gpu.used]}", 2)]
    blocks += series_blocks(gpu.series, notes)
    if notes.reasons:
        blocks.append(Bullets(tuple(notes.reasons), mark="[{}]"))
    verdict = gpu.verdict
    if verdict.class_ is None:
        says = "no class"
    elif verdict.state is VerdictState.CLEAR:
        says = str(verdict.class_)
    else:
        says = f"{verdict.class_} at most: no class takes more than half of the time whatever the rest is"
    why = "; ".join(verdict.evidence)
    blocks.append(Statement(f"{sentence(f'What its counters say of the phase that leads: {says}')} {sentence(why)}"))
    return blocks
