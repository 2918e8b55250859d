"""The H100 recordings, judged as a profile judges its own traces."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from statistics import median
from typing import Any

from profiler.attribute.body_match import match_body, transfer
from profiler.attribute.kernel_work import kernels_work
from profiler.attribute.known_activities import known_activities
from profiler.attribute.phase import Context, Judgement, KnownActivity, judge_phase
from profiler.report.evidence import CleanTimes, Peaks
from profiler.trace.graph import DependencyGraph, build_graph
from profiler.trace.kineto import read_kineto
from profiler.trace.overlap import host_copies
from profiler.trace.steps import Step, cut, representative, steps_of
from tests.unit.attribute.recorded_steps import RECORDINGS, token_shape

# What was measured on that H100: see the ceilings of any report from one.
PEAKS = Peaks(
    dram_bytes_per_s=3.08e12,
    kernel_us=1.1,
    sm_count=132,
    l2_bytes=50 * 2**20,
    threads_per_sm=2048,
    registers_per_sm=65536,
    shared_bytes_per_sm=228 * 2**10,
)
GEMM_FLOPS_PER_S: dict[str, float | None] = {"gemm.bfloat16": 796e12}


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recording: its entry in the index, its step as a graph, and what was made of it."""

    entry: dict[str, Any]
    step: Step
    graph: DependencyGraph
    activities: list[KnownActivity]
    clean_ms: float
    judgement: Judgement


@cache
def index() -> dict[str, dict[str, Any]]:
    """The recordings by name."""
    entries = json.loads((RECORDINGS / "index_h100.json").read_text())["recordings"]
    return {entry["name"]: entry for entry in entries}


@cache
def recorded(name: str) -> Recorded:
    """One recording, judged with its clean samples and without a measured host time, which was not recorded."""
    timeline = read_kineto(RECORDINGS / f"{name}.json.gz")
    chosen = representative(steps_of(timeline), timeline.overhead)
    step = cut(timeline, chosen)
    graph = build_graph(step, chosen.start_ns, chosen.end_ns)
    work = kernels_work(step, token_shape(name))
    if (RECORDINGS / f"{name}_body.json.gz").exists():
        body = read_kineto(RECORDINGS / f"{name}_body.json.gz")
        launched = cut(body, steps_of(body)[-1])
        work = transfer(work, kernels_work(launched, token_shape(name)), match_body(step, launched))
    activities = known_activities(step, graph, work, GEMM_FLOPS_PER_S, compute_capability=(9, 0))
    samples = sorted(index()[name]["wall_ms_synchronised"])
    clean_ms = median(samples)
    quarter = len(samples) // 4
    context = Context(
        phase=name,
        device_kind="cuda",
        mode="graph" if name.endswith("_graph") else "eager",
        offload="none",
        weight_bytes=index()[name].get("weights_bytes"),
        mfu=None,
        pageable_over_pinned=None,
    )
    clean = CleanTimes(clean_ms, samples[quarter], samples[-1 - quarter], None)
    judgement = judge_phase(graph, activities, clean, PEAKS, context, host_copies(step))
    return Recorded(index()[name], chosen, graph, activities, clean_ms, judgement)
