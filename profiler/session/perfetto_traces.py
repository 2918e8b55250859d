"""The traces in a file for Perfetto that `show` wrote, one for each rank, read one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from profiler.session.trace_inputs import TraceInput
from profiler.session.trace_stream import TraceStream
from profiler.trace.perfetto import perfetto_ranks


def perfetto_traces(path: Path, max_bytes: int) -> Iterator[TraceInput]:
    """Each rank's trace, to be read before the next is asked for. Raises `UnreadableError` for a damaged file."""
    with path.open("rb") as file:
        for rank, text in perfetto_ranks(file, str(path)):
            name = f"{path}:{rank}"
            yield TraceInput(name, TraceStream(name, text, max_bytes))
