"""Two recordings as one trace of two devices."""

from __future__ import annotations

import gzip
import json
from typing import Any

from tests.unit.trace.trace_events import RECORDINGS

APART = 10_000_000  # between the numbers of correlations, External ids and threads of two programs


def recording(name: str) -> dict[str, Any]:
    return json.loads(gzip.decompress((RECORDINGS / f"{name}.json.gz").read_bytes()))


def side_by_side(*names: str) -> bytes:
    """One program with a thread for each recording, each with a device of its own."""
    traces = [recording(name) for name in names]
    events = []
    for number, trace in enumerate(traces):
        for event in trace["traceEvents"]:
            args = dict(event.get("args", {}))
            for key in ("correlation", "External id"):
                if key in args:
                    args[key] += number * APART
            if "device" in args:
                args["device"] = number
            tid = event.get("tid")
            events.append({**event, "args": args, "tid": tid + number * APART if isinstance(tid, int) else tid})
    properties = [{**traces[0]["deviceProperties"][0], "id": number} for number in range(len(traces))]
    return json.dumps({**traces[0], "deviceProperties": properties, "traceEvents": events}).encode()
