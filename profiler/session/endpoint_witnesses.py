"""Who tells what holds the phases of a live server back: the engine's trace, a report of the model, GPUs under load."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from profiler.endpoint.exchange import Exchange
from profiler.endpoint.gpu_verdict import served_spans
from profiler.endpoint.phase_class import PhaseClass
from profiler.endpoint.verdict import TOO_CLOSE
from profiler.report.endpoint import EndpointPartName, PhaseClassFrom
from profiler.report.records import Verdict
from profiler.report.server_gpu import ServerGpu
from profiler.report.source import Source, Sources
from profiler.report.vocabulary import VerdictState
from profiler.serving.profiled_phase import profiled_phases
from profiler.session.endpoint_trace import trace_verdicts

if TYPE_CHECKING:
    from profiler.session.endpoint_record import Driven

_NS_PER_MS = 1e6
Witnesses = dict[PhaseClassFrom, Verdict]


def doubt_of(verdict: Verdict, told: PhaseClass | None) -> str | None:
    """What makes the class of the leading phase doubtful.

    None, too, where the parts are too close: then it is not the class of the phase that is in doubt.
    """
    if verdict.state is not VerdictState.INCONCLUSIVE or told is None or verdict.share is None:
        return None
    return None if verdict.share - (verdict.runner_up_share or 0.0) < TOO_CLOSE else told.doubt


def gpus_under_load(driven: Driven, well: list[Exchange], leader: EndpointPartName | None) -> list[ServerGpu]:
    """The GPUs under the last load. How much of it may have been prefill's is told by the idle server's times."""
    if driven.sampling is None or leader is None:
        return []
    begin, end = driven.sent.begin_ns, driven.sent.end_ns
    served = sum(until - since for since, until in served_spans(well))
    prefill = min(sum(driven.unloaded.prefill_ns(each.input_tokens) for each in well) / max(served, 1), 1.0)
    others = 1 - prefill if leader is EndpointPartName.PREFILL else prefill
    return driven.sampling.records(begin, end, well, leader.value, others)


def witnesses_of(
    driven: Driven, well: list[Exchange], by_gpu: Verdict | None, leader: EndpointPartName | None
) -> dict[str, Witnesses]:
    """Who tells what of prefill and of decode; the GPU's counters tell of the part that leads alone."""
    by_trace = trace_verdicts(driven.trace) if driven.trace is not None else {}
    by_costs = _by_costs(driven, well)
    found = {}
    for name in (EndpointPartName.PREFILL.value, EndpointPartName.DECODE.value):
        told = {
            PhaseClassFrom.TRACE: by_trace.get(name),
            PhaseClassFrom.COSTS: by_costs.get(name),
            PhaseClassFrom.GPU: by_gpu if leader == name else None,
        }
        found[name] = {who: verdict for who, verdict in told.items() if verdict is not None}
    return found


def _by_costs(driven: Driven, well: list[Exchange]) -> dict[str, Verdict]:
    """What the report of the model says, at the times that the phases took here."""
    if driven.plan.costs is None:
        return {}
    gaps = [each.tpot_ns for each in well if each.tpot_ns is not None]
    prompts = [driven.unloaded.prefill_ns(each.input_tokens) for each in well]
    times = {name: fmean(found) / _NS_PER_MS for name, found in (("prefill", prompts), ("decode", gaps)) if found}
    profiled = profiled_phases(driven.plan.costs)
    return {name: profiled[name].served(ms) for name, ms in times.items() if name in profiled}


def missing_looks(driven: Driven, verdict: Verdict, told: PhaseClass | None) -> Sources:
    """Why none of these is there."""
    sources: Sources = {}
    if doubt_of(verdict, told) is None:
        unclear = verdict.state is VerdictState.INCONCLUSIVE
        sources["doubt"] = Source(
            missing="two parts are too close to call" if unclear else "the verdict is not in doubt"
        )
    if told is None:
        sources["phase_class_from"] = Source(missing="no phase leads, or nothing told what holds it back")
    if driven.trace is None:
        asked = driven.plan.trace_folder is not None
        sources["trace"] = Source(missing="the run ended before it" if asked else "not asked for: --trace")
    return sources
