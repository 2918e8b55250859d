"""The traces of a run's phases as one file that Perfetto and chrome://tracing open."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from typing import Any

import msgspec


def trace_file(traces: Mapping[str, bytes], *, plain: bool) -> bytes:
    """One Chrome trace of all phases, gzipped unless `plain`. Their steps carry the names of their phases."""
    whole: dict[str, Any] = {}
    events: list[msgspec.Raw] = []
    for trace in traces.values():
        head = msgspec.json.decode(gzip.decompress(trace), type=dict[str, msgspec.Raw])
        events += msgspec.json.decode(head.pop("traceEvents"), type=list[msgspec.Raw])
        whole = {**head, **whole}
    data = msgspec.json.encode({**whole, "traceEvents": events})
    return data if plain else gzip.compress(data, compresslevel=6, mtime=0)
