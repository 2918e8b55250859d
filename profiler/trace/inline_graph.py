"""The dependency graph of a device that works inside the host's calls: a CPU runs each operation where it is called."""

from __future__ import annotations

from profiler.trace.graph import DependencyGraph
from profiler.trace.input_waits import InputWaits
from profiler.trace.timeline import Timeline


def build_inline_graph(step: Timeline, start_ns: int, end_ns: int) -> DependencyGraph:
    """One host row an operation: the host works, calls it, and goes on when it is done."""
    device = step.device
    rows = range(len(device))
    waits = InputWaits(step)
    inputs: list[float] = []
    gap: list[float] = []
    free_at = start_ns
    for row in rows:
        begin = max(int(device.start_ns[row]), free_at)
        inputs.append(waits.within_us(free_at, begin))
        gap.append((begin - free_at) / 1e3 - inputs[-1])
        free_at = max(int(device.end_ns[row]), free_at)
    zeros = [0.0] * len(device)
    start_us = [(int(device.start_ns[row]) - start_ns) / 1e3 for row in rows]
    return DependencyGraph(
        thread=[0] * len(device),
        call_start_us=start_us,
        input_us=inputs,
        gap_us=gap,
        call_us=zeros,
        wake_us=zeros,
        kind=["operation"] * len(device),
        waits_for=[[row] for row in rows],
        tail_us=[max(end_ns - free_at, 0) / 1e3],
        launched_by=list(rows),
        stream=[0] * len(device),
        start_us=start_us,
        duration_us=[(int(device.end_ns[row]) - int(device.start_ns[row])) / 1e3 for row in rows],
        activity=[int(kind) for kind in device.kind],
        source_row=list(rows),
        issue_delay_us=zeros,
        stream_gap_us=zeros,
        held_by=[[] for _ in rows],
        wall_us=(end_ns - start_ns) / 1e3,
    )
