"""A trace from anywhere, judged as it was traced: there are no clean times to bring it to.

The method is that of a profiled phase (the dependency graph replayed with one resource faster), over the whole span of
the trace. What tracing did to it is left open: a reading in which the tracer slowed the host as much as was ever seen
stands beside the one in which it did nothing, and a verdict that hinges on it is not clear.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np

from profiler.attribute.activities import Limited
from profiler.attribute.fact_columns import fact_columns
from profiler.attribute.kernel_groups import JudgedRows, slowest_groups
from profiler.attribute.kernel_table import MOST_KERNELS
from profiler.attribute.kernel_work import kernels_work
from profiler.attribute.parts import split
from profiler.attribute.recording_advice import (
    for_ceilings,
    for_doubt,
    for_findings,
    for_pauses,
    for_replay,
    for_unknown,
)
from profiler.attribute.roofline import rooflines
from profiler.attribute.shares import class_shares, inside_window, share_records, share_table
from profiler.attribute.trace_ceilings import TraceCeilings
from profiler.attribute.traced_advice import traced_advice
from profiler.attribute.traced_evidence import traced_sentences
from profiler.attribute.traced_parts import OTHER_PARTS, TracedJudgement, traced_parts
from profiler.attribute.traced_scenarios import hinges_on_unknown, leader, traced_limits, traced_scenarios, tracer_doubt
from profiler.attribute.unknown_kernels import Reason, reasons
from profiler.attribute.verdict import judge, nearest_rival, refuse, trusted
from profiler.numerals import three_digits
from profiler.report.analysis import PartName
from profiler.report.vocabulary import Resource, VerdictState
from profiler.trace.accounting import Accounting
from profiler.trace.graph import DependencyGraph
from profiler.trace.integrity import Finding, Severity
from profiler.trace.timeline import Activity, Ints, Timeline

# A replay that misses the traced span by more does not know what waited for what.
_MOST_OFF = 0.1
# Of the busy time: from here on, what nobody knows outweighs what is known.
_MOST_UNKNOWN = 0.5

# Of the span: a host that was elsewhere for longer is no matter of its speed.
_MOST_PAUSED = 0.5
# Of the busy time: what nobody knows of more makes a verdict unclear.
_WORTH_KNOWING = 0.1

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
    *,
    in_full: bool = True,
) -> TracedJudgement:
    """The judgement of a trace with device activities.

    `own_ns` is the exclusive time of each device row, `idle_ns` the idle time by cause, `graph` that of the whole span.
    Unless it is wanted `in_full`, kernels and advice are left out.
    """
    facts = fact_columns(
        timeline, graph, kernels_work(timeline), ceilings.gemm_flops_per_s, ceilings.compute_capability
    )
    limited = traced_limits(facts, ceilings.peaks)
    rows = np.array(graph.source_row, np.int64)
    own = own_ns[rows]
    kernels = []
    if in_full:
        slowest = slowest_groups(timeline, JudgedRows.of(rows, facts, limited), own, MOST_KERNELS)
        kernels = rooflines(slowest, ceilings.peaks, told.span_ns)
    names = part_names(graph, limited)
    is_unknown = np.array([name is PartName.KERNEL_UNKNOWN for name in names], np.bool_)
    parts = traced_parts(names, own, idle_ns, told.span_ns)
    fatal = [finding.message for finding in findings if finding.severity is Severity.FATAL]
    if fatal:
        return TracedJudgement(parts, [], refuse(*fatal), kernels, for_findings(findings))

    inside_ratio = timeline.device.inside_ratio[rows]
    unknown_ns = int(own[is_unknown].sum())
    if ceilings.peaks.dram_bytes_per_s:
        has_work = facts.flags(lambda kernel: kernel.bytes is not None)
        found = reasons(timeline, rows[is_unknown], own[is_unknown], has_work[is_unknown])
        why, to_record = _reasons_words(found, unknown_ns), for_unknown(found, told.busy_ns)
    else:
        why, to_record = ceilings.missing, [for_ceilings(ceilings.missing)]
    is_much = unknown_ns > _MOST_UNKNOWN * told.busy_ns
    if is_much and hinges_on_unknown(graph, limited, facts, ceilings.peaks, inside_ratio):
        spent = f"{unknown_ns / told.busy_ns:.0%} of the busy time"
        reason = f"{spent} is in kernels of which nobody knows what limits them: {why}"
        return TracedJudgement(parts, [], refuse(reason), kernels, to_record)
    scenarios = inside_window(traced_scenarios(graph, limited, facts, ceilings.peaks), inside_ratio)
    replayed = scenarios[0].run()
    off = abs(replayed.period_us * 1e3 / told.span_ns - 1)
    if off > _MOST_OFF:
        reason = (
            f"a replay of its dependencies takes {three_digits(replayed.period_us / 1e3)} ms instead of "
            f"{three_digits(told.span_ns / 1e6)}"
        )
        reason = f"{reason} ms: what waited for what cannot be told from this trace"
        return TracedJudgement(parts, [], refuse(reason), kernels, [for_replay()])
    table = share_table(scenarios)
    by_class, shares = class_shares(table), share_records(table)
    causes = split(graph, replayed, limited.causes, limited.tiers)
    leading = leader(by_class[0])
    resource = max((each for each in shares if each.class_ is leading), key=lambda each: each.share).resource
    verdict = judge(
        by_class,
        shares,
        causes,
        evidence=traced_sentences(leading, resource, parts, told, why),
        trust=(1 - unknown_ns / told.span_ns) * (1 - off),
    )
    whole_ratio = prod(1 - finding.lost_ratio for finding in findings if finding.severity is Severity.WARNING)
    verdict = nearest_rival(trusted(verdict, whole_ratio), by_class)
    advice = traced_advice(scenarios, shares, causes, limited.causes) if in_full else []
    paused_ratio = idle_ns.get(PartName.IDLE_NOTHING_ASKED, 0) / told.span_ns
    if paused_ratio > _MOST_PAUSED:
        advice = [for_pauses(paused_ratio)]
    if verdict.state is not VerdictState.INCONCLUSIVE:
        return TracedJudgement(parts, shares, verdict, kernels, advice)
    doubt = tracer_doubt(scenarios, by_class)
    if doubt is not None:
        advice = [for_doubt(told.span_ns), *advice]
    elif unknown_ns > _WORTH_KNOWING * told.busy_ns:
        advice = [*to_record[:1], *advice]
    return TracedJudgement(parts, shares, verdict, kernels, advice, doubt)


def part_names(graph: DependencyGraph, limited: Limited) -> list[PartName]:
    """The part that each device row of the graph belongs to."""
    of_kernels = {(limiter, True): part for limiter, part in _KERNEL_PARTS.items()}
    of_kernels |= {(limiter, False): PartName.KERNEL_UNKNOWN for limiter in _KERNEL_PARTS}
    of_kernels[Resource.LATENCY, False] = PartName.KERNEL_LATENCY
    of_others = [OTHER_PARTS.get(kind) for kind in Activity]
    return [
        of_others[kind] or of_kernels[limiter, known]
        for kind, limiter, known in zip(graph.activity, limited.limiters, limited.known, strict=True)
    ]


def _reasons_words(found: Sequence[Reason], unknown_ns: int) -> str:
    """`they are replayed ...`, or how much of the unknown time each reason makes."""
    if len(found) == 1:
        return f"they are {found[0].why}"
    return ", ".join(f"{reason.ns / unknown_ns:.0%} of that {reason.why}" for reason in found)
