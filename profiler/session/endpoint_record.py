"""The answer of `bottleneck endpoint`, from what was driven."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from profiler import __version__
from profiler.endpoint.baseline import Unloaded, baseline_record
from profiler.endpoint.client import Client
from profiler.endpoint.exchange import Exchange, ended_well
from profiler.endpoint.gpu_verdict import by_all
from profiler.endpoint.knee import Step, knee_record
from profiler.endpoint.load import Sent
from profiler.endpoint.outcome import Latencies, endings, findings, keeps, request_record
from profiler.endpoint.phase_class import phase_class, silent_witnesses
from profiler.endpoint.preflight import Found
from profiler.endpoint.split import BY_SERVER, parts_of, split_of, summed
from profiler.endpoint.verdict import endpoint_verdict, leading_part, of_survivors, part_classes
from profiler.endpoint.watch import Watch, client_health
from profiler.printable import printable
from profiler.report.endpoint import (
    ClientHealth,
    Endpoint,
    EndpointPartName,
    Load,
    ServerTimes,
    Target,
)
from profiler.report.engine_trace import EngineTrace
from profiler.report.records import ReportWarning
from profiler.report.simulation import LogFinding
from profiler.report.source import Source, Sources
from profiler.serving.log import RequestLog
from profiler.serving.outcome import Slo
from profiler.session.endpoint_gpu import GpuSampling
from profiler.session.endpoint_trace import TraceStretch
from profiler.session.endpoint_witnesses import doubt_of, gpus_under_load, missing_looks, witnesses_of

if TYPE_CHECKING:
    from profiler.session.endpoint import Plan

_NS_PER_S = 10**9
_NO_METRICS = "no metrics that are known at /metrics"
# Client and server disagree from here on.
_DISAGREE_RATIO, _DISAGREE_MS = 0.05, 2.0


@dataclass(slots=True)
class Driven:
    """All that a run holds, as far as it came. `sent`, `watch` and `server` are those of its last load.

    `server_missing` says why there is no `server`; `prompts` counts those of all loads.
    """

    plan: Plan
    log: RequestLog
    client: Client
    found: Found
    idle: list[Exchange]
    unloaded: Unloaded
    rate_per_s: float | None = None  # of the last load of a knee
    sent: Sent = field(default_factory=Sent)
    watch: Watch = field(default_factory=Watch)
    server: ServerTimes | None = None
    server_missing: str = _NO_METRICS
    steps: list[Step] = field(default_factory=list)
    knee_slo: Slo = field(default_factory=Slo)
    idle_tpot_ms: float | None = None
    prompts: int = 0
    sampling: GpuSampling | None = None
    stretch: TraceStretch | None = None
    trace: EngineTrace | None = None

    def begin(self, rate_per_s: float | None) -> None:
        """A further load begins, of a knee at that rate."""
        self.rate_per_s = rate_per_s
        self.sent, self.watch, self.server, self.server_missing = Sent(), Watch(), None, _NO_METRICS

    def health(self) -> ClientHealth:
        """Of the client in the last load."""
        capped = self.plan.most_at_once is not None
        return client_health(self.watch.lag_ns, self.watch.cpu_ratio, self.sent.exchanges, capped=capped)


def answer(driven: Driven, *, complete: bool) -> Endpoint:
    """The whole record."""
    plan, sent, server = driven.plan, driven.sent, driven.server
    sent.exchanges.sort(key=lambda each: each.request)
    well = ended_well(sent.exchanges)
    splits = {each.request: split_of(each, driven.unloaded) for each in well}
    how, times = summed(well, list(splits.values()), server)
    health = driven.health()
    gpus = gpus_under_load(driven, well, leading_part(times)) if well else []
    witnesses = witnesses_of(driven, well, by_all(gpus), leading_part(times))
    phases = {name: known for name, told in witnesses.items() if (known := phase_class(name, told)) is not None}
    silent = silent_witnesses(witnesses.get(leading_part(times) or "", {}))
    leader, verdict = endpoint_verdict(times if well else {}, health, server, how, phases, silent)
    verdict = of_survivors(verdict, len(well), len(sent.exchanges) - len(well))
    latencies = Latencies.of(well)
    seconds = max((sent.end_ns - sent.begin_ns) / _NS_PER_S, 1e-9)
    slo = driven.knee_slo if plan.knee else plan.slo
    good = None if slo.empty else sum(keeps(each, slo) for each in well)
    classes = part_classes(verdict.cause, phases)
    told = phases.get(leader.value) if leader is not None else None
    listed = sent.exchanges[: plan.most_listed]
    return Endpoint(
        tool_version=__version__,
        target=_target(driven, server),
        load=_load(driven),
        baseline=baseline_record(driven.idle, driven.unloaded),
        seconds=seconds,
        endings=endings(sent.exchanges),
        split=how,
        parts=parts_of(times, len(well), classes) if well else [],
        verdict=verdict,
        leader=leader,
        ttft_ms=latencies.ttft_ms,
        tpot_ms=latencies.tpot_ms,
        itl_ms=latencies.itl_ms,
        e2e_ms=latencies.e2e_ms,
        requests_per_s=len(well) / seconds,
        output_tokens_per_s=sum(each.output_tokens for each in well) / seconds,
        slo_ttft_ms=slo.ttft_ms,
        slo_tpot_ms=slo.tpot_ms,
        slo_e2e_ms=slo.e2e_ms,
        goodput_requests_per_s=None if good is None else good / seconds,
        goodput_ratio=None if good is None else good / max(len(sent.exchanges), 1),
        server=server,
        client=health,
        knee=knee_record(driven.steps, driven.knee_slo, driven.idle_tpot_ms) if plan.knee else None,
        requests=[request_record(each, splits.get(each.request), sent.begin_ns) for each in listed],
        requests_left_out=len(sent.exchanges) - len(listed),
        warnings=_warnings(driven, well, times, how),
        complete=complete,
        sources=_missing(driven, latencies, slo, leader, bool(well)) | missing_looks(driven, verdict, told),
        phase_class_from=told.told_by if told is not None else None,
        gpus=gpus,
        trace=driven.trace,
        doubt=doubt_of(verdict, told),
    )


def _target(driven: Driven, server: ServerTimes | None) -> Target:
    client, found = driven.client, driven.found
    sources: Sources = {}
    if server is None:
        sources["engine"] = Source(missing=driven.server_missing)
    if found.context_tokens is None:
        sources["context_tokens"] = Source(missing="/v1/models does not say")
    if found.clock_skew_s is None:
        sources["clock_skew_s"] = Source(missing="the server sends no date")
    return Target(
        url=client.address.root,
        api=client.api,
        model=client.model,
        engine=server.engine if server is not None else None,
        context_tokens=found.context_tokens,
        extensions=list(client.extensions),
        clock_skew_s=found.clock_skew_s,
        sources=sources,
    )


def _load(driven: Driven) -> Load:
    plan, log = driven.plan, driven.log
    closed = plan.concurrency is not None and not plan.knee
    span = int(log.arrival_ns[-1])
    rate = driven.rate_per_s or ((len(log) - 1) / span * _NS_PER_S if span else None)
    sources: Sources = {}
    if closed:
        rate, sources["rate_per_s"] = None, Source(missing="a closed loop has none of its own")
    elif rate is None:
        sources["rate_per_s"] = Source(missing="all come at once")
    if not closed and plan.most_at_once is None:
        sources["concurrency"] = Source(missing="an open loop without a limit")
    return Load(
        log=printable(plan.log_name),
        loop="closed" if closed else "open",
        requests=driven.sent.started,
        rate_per_s=rate,
        concurrency=plan.concurrency if closed else plan.most_at_once,
        seed=plan.seed,
        findings=[LogFinding(cause=cause, count=count) for cause, count in log.findings.items()]
        + findings(driven.sent.exchanges),
        sources=sources,
    )


def _missing(driven: Driven, latencies: Latencies, slo: Slo, leader: EndpointPartName | None, well: bool) -> Sources:
    sources: Sources = {}
    none = "every request had a single token" if well else "no request ended well"
    for name in ("ttft_ms", "tpot_ms", "itl_ms", "e2e_ms"):
        if getattr(latencies, name) is None:
            sources[name] = Source(missing=none)
    if slo.empty:
        reason = Source(missing="no SLO was given: --slo-ttft-ms, --slo-tpot-ms, --slo-e2e-ms")
        sources |= dict.fromkeys(("goodput_requests_per_s", "goodput_ratio"), reason)
    for name in ("ttft_ms", "tpot_ms", "e2e_ms"):
        if getattr(slo, name) is None:
            sources[f"slo_{name}"] = Source(missing="not promised")
    if driven.server is None:
        sources["server"] = Source(missing=driven.server_missing)
    if leader is None:
        sources["leader"] = Source(missing="no request ended well")
    if not driven.plan.knee:
        sources["knee"] = Source(missing="not asked for: --knee")
    return sources


def _warnings(
    driven: Driven, well: list[Exchange], times: dict[EndpointPartName, int], how: str
) -> list[ReportWarning]:
    found = []

    def warn(code: str, message: str) -> None:
        found.append(ReportWarning(code=code, message=message))

    sent, server = driven.sent, driven.server
    if sent.stopped:
        warn("stopped", f"the load was stopped: {sent.stopped}")
    failed = len(sent.exchanges) - len(well)
    if failed:
        warn(
            "failures", f"{failed:,} of {len(sent.exchanges):,} requests did not end well; latencies are of the others"
        )
    if driven.log.findings:
        rows = "; ".join(f"{count:,} {cause}" for cause, count in driven.log.findings.items())
        warn("log_rows", f"rows of the log: {rows}")
    for odd in findings(sent.exchanges):
        warn("tokens", f"{odd.count:,} requests {odd.cause}")
    skew = driven.found.clock_skew_s
    if skew:
        warn("clock_skew", f"the date that the server sends is {skew:+.0f} s off; no time here depends on it")
    if driven.client.extensions[-1:] != ("ignore_eos",):
        warn("eos", "the server does not take ignore_eos: outputs end where the model ends them")
    if server is not None and server.requests > sent.started:
        warn("others", f"the server ended {server.requests:,} requests, {sent.started:,} of them ours")
    if driven.sampling is not None and any(gpu.used is None for gpu in driven.sampling.gpus):
        warn("gpus", "which GPUs the server uses cannot be seen: those of this machine count that had work")
    if driven.stretch is not None and driven.stretch.stop_failed:
        warn(
            "profiler", f"the engine's profiler may still run: {driven.stretch.stop_failed}; POST /stop_profile ends it"
        )
    if driven.trace is not None and "verdict" in driven.trace.sources:
        warn("trace", f"there is no trace: {driven.trace.sources['verdict'].missing}")
    if well and min(times.values()) < 0:
        warn("contradiction", "the server's metrics and the client's times contradict one another: a part is negative")
    alike = server is not None and server.requests == len(well)  # else its means are not of the same requests
    if well and how == BY_SERVER and alike and server is not None and server.decode_ms is not None:
        ours = sum(each.e2e_ns - each.ttft_ns for each in well) / len(well) / 1e6
        if abs(ours - server.decode_ms) > _DISAGREE_RATIO * server.decode_ms + _DISAGREE_MS:
            warn(
                "decode",
                f"decode took {server.decode_ms:.4g} ms on average in the engine, {ours:.4g} as tokens came to the "
                "client: the server's front end, or the way, holds tokens back",
            )
    return found
