"""Steps of the H100 recordings, and what was run in them: a Llama-3.1-8B shape, bf16."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from profiler.attribute.operation_work import TokenShape
from profiler.trace.kineto import read_kineto
from profiler.trace.steps import cut, steps_of
from profiler.trace.timeline import Timeline

RECORDINGS = Path(__file__).parents[2] / "data" / "recordings"

LAYERS, HIDDEN, FFN, VOCABULARY = 32, 4096, 14336, 128256
HEADS, KV_HEADS, HEAD_SIZE = 32, 8, 128
CACHE_SLOTS = 520  # of the static cache in the graph recordings


@cache
def recorded_step(name: str, index: int = 0) -> Timeline:
    """One step of a recording."""
    timeline = read_kineto(RECORDINGS / f"{name}.json.gz")
    return cut(timeline, steps_of(timeline)[index])


def token_shape(name: str) -> TokenShape:
    """What was run in a recording of the model."""
    batch, query, context = 1, 1, 600
    if match := re.fullmatch(r"prefill_b1_(\d+)", name):
        query = context = int(match[1])
    if match := re.match(r"decode_b(\d+)_graph", name):
        batch, context = int(match[1]), CACHE_SLOTS
    return TokenShape(
        batch_size=batch,
        query_tokens=query,
        context_tokens=context,
        kv_heads=KV_HEADS,
        head_size=HEAD_SIZE,
        element_bytes=2,
    )
