"""A trace from anywhere, judged as it was traced: there are no clean times to bring it to.

The method is that of a profiled phase (the dependency graph replayed with one resource faster), over the whole span of
the trace. What tracing did to it is left open: a reading in which the tracer slowed the host as much as was ever seen
stands beside the one in which it did nothing, and a verdict that hinges on it is not clear.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np

from profiler.attribute.activities import Limited, limit
from profiler.attribute.calibration import Calibrated
from profiler.attribute.fact_columns import fact_columns
from profiler.attribute.kernel_groups import JudgedRows, slowest_groups
from profiler.attribute.kernel_table import MOST_KERNELS
from profiler.attribute.kernel_work import kernels_work
from profiler.attribute.parts import split
from profiler.attribute.replay import Calibration
from profiler.attribute.roofline import rooflines
from profiler.attribute.scenarios import UNKNOWN_AS_MEMORY, kernel_readings
from profiler.attribute.shares import Scenario, class_shares, share_records, share_table
from profiler.attribute.trace_ceilings import TraceCeilings
from profiler.attribute.traced_evidence import traced_sentences
from profiler.attribute.traced_parts import OTHER_PARTS, TracedJudgement, traced_parts
from profiler.attribute.verdict import judge, refuse, trusted
from profiler.report.analysis import PartName
from profiler.report.vocabulary import Resource
from profiler.trace.accounting import Accounting
from profiler.trace.graph import DependencyGraph
from profiler.trace.integrity import Finding, Severity
from profiler.trace.timeline import Activity, Ints, Timeline

# Untraced over traced time of the host, and of the gaps between queued kernels, where tracing cost the most that was
# seen: an eager decode step took 84 ms traced with shapes and 27 ms untraced; gaps of a captured one 0.9 and 0.2 ms.
_MOST_SLOWED = Calibration(host_scale=0.25, gap_scale=0.25)
_AS_TRACED = Calibrated(Calibration(), host_known=True, plausible=True)
# A replay that misses the traced span by more does not know what waited for what.
_MOST_OFF = 0.1
# From here on, what nobody knows outweighs what is known.
_MOST_UNKNOWN = 0.5

_KERNEL_PARTS = {
    Resource.DRAM: PartName.KERNEL_DRAM,
    Resource.TENSOR: PartName.KERNEL_TENSOR,
    Resource.ISSUE: PartName.KERNEL_ISSUE,
    Resource.LATENCY: PartName.KERNEL_LATENCY,
}


def judge_traced(
    timeline: Timeline,
    told: Accounting,
    own_ns: Ints,
    idle_ns: Mapping[PartName, int],
    graph: DependencyGraph,
    ceilings: TraceCeilings,
    findings: Sequence[Finding],
) -> TracedJudgement:
    """The judgement of a trace with device activities.

    `own_ns` is the exclusive time of each device row, `idle_ns` the idle time by cause, `graph` that of the whole span.
    """
    facts = fact_columns(
        timeline, graph, kernels_work(timeline), ceilings.gemm_flops_per_s, ceilings.compute_capability
    )
    limited = limit(facts, ceilings.peaks)
    rows = np.array(graph.source_row, np.int64)
    own = own_ns[rows]
    slowest = slowest_groups(timeline, JudgedRows.of(rows, facts, limited), own, MOST_KERNELS)
    kernels = rooflines(slowest, ceilings.peaks, told.span_ns)
    names = _part_names(graph, limited)
    parts = traced_parts(names, own, idle_ns, told.span_ns)
    fatal = [finding.message for finding in findings if finding.severity is Severity.FATAL]
    if fatal:
        return TracedJudgement(parts, [], refuse(*fatal), kernels)

    scenarios = [Scenario("as traced", graph, limited.costs, _AS_TRACED)]
    readings = kernel_readings(facts, ceilings.peaks, limited)
    scenarios += [Scenario(label, graph, reading.costs, _AS_TRACED) for label, reading in readings]
    slowed = Calibrated(_MOST_SLOWED, host_known=False, plausible=True)
    scenarios.append(Scenario("tracing slowed the host a lot", graph, limited.costs, slowed))
    replayed = scenarios[0].run()
    off = abs(replayed.period_us * 1e3 / told.span_ns - 1)
    if off > _MOST_OFF:
        reason = (
            f"a replay of its dependencies takes {replayed.period_us / 1e3:.3g} ms instead of {told.span_ns / 1e6:.3g}"
        )
        reason = f"{reason} ms: what waited for what cannot be told from this trace"
        return TracedJudgement(parts, [], refuse(reason), kernels)

    table = share_table(scenarios)
    by_class = class_shares(table)
    unknown_ns = int(own[[name is PartName.KERNEL_UNKNOWN for name in names]].sum())
    leaders = {
        max(shares, key=lambda klass: shares[klass])
        for scenario, shares in zip(scenarios, by_class, strict=True)
        if scenario.label in (scenarios[0].label, UNKNOWN_AS_MEMORY)
    }
    if unknown_ns > _MOST_UNKNOWN * told.span_ns and len(leaders) > 1:
        return TracedJudgement(parts, [], refuse(_unknown(unknown_ns, told, ceilings)), kernels)
    shares = share_records(table)
    leader = max(by_class[0], key=lambda klass: by_class[0][klass])
    verdict = judge(
        by_class,
        shares,
        split(graph, replayed, limited.causes, limited.tiers),
        evidence=traced_sentences(leader, parts, told),
        trust=(1 - unknown_ns / told.span_ns) * (1 - off),
    )
    whole_ratio = prod(1 - finding.lost_ratio for finding in findings if finding.severity is Severity.WARNING)
    return TracedJudgement(parts, shares, trusted(verdict, whole_ratio), kernels)


def _part_names(graph: DependencyGraph, limited: Limited) -> list[PartName]:
    """The part that each device row of the graph belongs to."""
    of_kernels = {(limiter, True): part for limiter, part in _KERNEL_PARTS.items()}
    of_kernels |= {(limiter, False): PartName.KERNEL_UNKNOWN for limiter in _KERNEL_PARTS}
    of_kernels[Resource.LATENCY, False] = PartName.KERNEL_LATENCY
    of_others = [OTHER_PARTS.get(kind) for kind in Activity]
    return [
        of_others[kind] or of_kernels[limiter, known]
        for kind, limiter, known in zip(graph.activity, limited.limiters, limited.known, strict=True)
    ]


def _unknown(unknown_ns: int, told: Accounting, ceilings: TraceCeilings) -> str:
    why = (
        "the trace has no shapes of their operations (profile with record_shapes=True)"
        if ceilings.peaks.dram_bytes_per_s
        else ceilings.note
    )
    return f"{unknown_ns / told.span_ns:.0%} of the time is in kernels of which nobody knows what limits them: {why}"
