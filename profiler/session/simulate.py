"""`bottleneck simulate`: a log of requests, costs and policies put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from msgspec import structs

from profiler import __version__
from profiler.attribute.verdict import undermined
from profiler.catalogue.presets import nearest_names
from profiler.errors import InterruptedByUser, UnreadableError, UsageError
from profiler.numerals import percent, three_digits
from profiler.printable import printable
from profiler.progress import Progress, SilentProgress
from profiler.report.cost_surface import CostSurface
from profiler.report.records import Report, ReportWarning
from profiler.report.simulation import CostBasis, HeldOut, LogFinding, ServingSetup, SimulatedPolicy, Simulation
from profiler.report.source import Source, Sources
from profiler.report.store import load_report
from profiler.serving.carried import carried_load
from profiler.serving.costs import ConstantCosts, Costs
from profiler.serving.fit import MeasuredLog, held_out
from profiler.serving.fleet import serve
from profiler.serving.log import RequestLog
from profiler.serving.outcome import Outcome, Slo
from profiler.serving.policies import POLICIES, USUAL
from profiler.serving.policies.policy import Limits
from profiler.serving.profiled_phase import ProfiledPhase, profiled_phases
from profiler.serving.surface import SurfaceCosts

_NS_PER_MS = 1e6
# Integer nanoseconds have 63 bits; a policy may take longer than all requests one after the other, as by padding.
_LONGEST_NS = (1 << 62) // 64
# Policies that never hold more sequences at once than a batch that was sized by hand.
_WITHIN_FEW_SEQUENCES = ("serial", "static")
_UNLIKE = "the simulation does not hold for the server of this log"
_NEVER_FITS = "longer than the KV memory, left out"
# A record of each request takes some 600 bytes of JSON.
MOST_LISTED = 10_000


@dataclass(frozen=True, slots=True)
class FittedTo:
    """The log that costs were fitted to, and to how many requests of it."""

    measured: MeasuredLog
    requests: int


@dataclass(frozen=True, slots=True)
class Basis:
    """Costs, what the report shall say of them, and what else their report knew."""

    costs: Costs
    record: CostBasis
    profiled: Mapping[str, ProfiledPhase] = field(default_factory=dict)
    kv_tokens: int | None = None
    fitted_to: FittedTo | None = None


def constant_basis(prefill_tokens_per_s: float, decode_tokens_per_s: float, weight_bytes: int | None = None) -> Basis:
    """Constant speeds of each stream."""
    record = CostBasis(
        kind="constant",
        prefill_tokens_per_s=prefill_tokens_per_s,
        decode_tokens_per_s=decode_tokens_per_s,
        surface=None,
        weight_bytes=weight_bytes,
        sources={"surface": Source(missing="constant speeds were given")} | _weights(weight_bytes),
    )
    return Basis(ConstantCosts(prefill_tokens_per_s, decode_tokens_per_s), record)


def surface_basis(surface: CostSurface, kind: str, weight_bytes: int | None = None) -> Basis:
    """A surface: `kind` says where it comes from, `report` or `fitted`."""
    reason = Source(missing="times are those of the surface")
    record = CostBasis(
        kind=kind,
        prefill_tokens_per_s=None,
        decode_tokens_per_s=None,
        surface=surface,
        weight_bytes=weight_bytes,
        sources={"prefill_tokens_per_s": reason, "decode_tokens_per_s": reason} | _weights(weight_bytes),
    )
    return Basis(SurfaceCosts(surface), record)


def report_basis(path: Path, weight_bytes: int | None = None) -> Basis:
    """The surface of a report, with its verdicts of both phases, its weights, and the KV cache that fitted.

    Raises `UnreadableError` where there is no report, or none with a surface.
    """
    report = load_report(path)
    if report.costs is None:
        raise UnreadableError(f"{path} holds no cost surface", "bottleneck profile MODEL --sweep -o report.json")
    if weight_bytes is None and report.workload is not None:
        weight_bytes = report.workload.weight_bytes
    found = surface_basis(report.costs, "report", weight_bytes)
    return replace(
        found,
        profiled=profiled_phases(report),
        kv_tokens=_kv_tokens(report),
    )


def simulate(
    log: RequestLog,
    basis: Basis,
    *,
    name: str,
    policies: Sequence[str] = USUAL,
    limits: Limits | None = None,
    replicas: int = 1,
    slo: Slo | None = None,
    seed: int | None = None,
    most_listed: int = MOST_LISTED,
    progress: Progress | None = None,
) -> Simulation:
    """Serve the log under each policy.

    Raises `UsageError` for what cannot be simulated, `InterruptedByUser` with what was done before a Ctrl-C.
    """
    limits, slo, progress = limits or Limits(), slo or Slo(), progress or SilentProgress()
    sources: Sources = {}
    if limits.kv_tokens is None and basis.kv_tokens is not None:
        limits = replace(limits, kv_tokens=basis.kv_tokens)
        sources["kv_tokens"] = Source(note="what the report found free, at its bytes a token")
    elif limits.kv_tokens is None:
        sources["kv_tokens"] = Source(missing="the KV memory is taken to be endless: --kv-tokens")
    check_server(policies, limits)
    log = that_fit(log, limits)
    alone_ns = basis.costs.alone_ns(log.prompt_tokens, log.output_tokens)
    if float(alone_ns.sum()) + float(log.arrival_ns[-1]) > _LONGEST_NS:
        raise UsageError("these requests would take over two years, one after the other", "fewer tokens, higher speeds")
    found: list[SimulatedPolicy] = []
    against: list[HeldOut] = []

    def answer(*, complete: bool) -> Simulation:
        return Simulation(
            tool_version=__version__,
            log=printable(name),
            requests=len(log),
            prompt_tokens=int(log.prompt_tokens.sum()),
            output_tokens=int(log.output_tokens.sum()),
            span_ms=int(log.arrival_ns[-1]) / _NS_PER_MS,
            seed=seed,
            findings=[LogFinding(cause=cause, count=count) for cause, count in log.findings.items()],
            costs=basis.record,
            setup=_setup(limits, replicas, slo, sources),
            policies=found,
            warnings=_warnings(basis, log, limits, found, against),
            held_out=next(iter(against), None),
            complete=complete,
        )

    try:
        for policy in policies:
            progress.stage(f"simulate {policy}", total=len(log))
            ledger = serve(policy, log, basis.costs, limits, replicas, progress.advance)
            progress.stage(f"{policy}: latencies and verdict")
            outcome = Outcome(policy, log, ledger, alone_ns)
            load = carried_load(policy, log, basis.costs, limits, replicas, ledger.slots, alone_ns)
            weight_bytes = basis.record.weight_bytes
            record = outcome.record(load, slo, weight_bytes, basis.profiled, most_listed)
            if basis.fitted_to is not None:
                measured = basis.fitted_to.measured.that_fit(limits.kv_tokens)
                held = held_out(measured, policy, ledger, basis.fitted_to.requests)
                if held is not None:
                    against.append(held)
                    doubts = [] if held.holds else [_UNLIKE]
                    record = structs.replace(record, verdict=undermined(record.verdict, doubts))
            found.append(record)
    except KeyboardInterrupt as interrupt:
        raise InterruptedByUser(partial=answer(complete=False) if found else None) from interrupt
    return answer(complete=True)


def check_server(policies: Sequence[str], limits: Limits) -> None:
    """Raises `UsageError` for policies that there are not or that come twice, and for limits that contradict."""
    unknown = [policy for policy in policies if policy not in POLICIES]
    if unknown or not policies:
        wrong = unknown[0] if unknown else ""
        near = nearest_names(wrong, POLICIES, count=1)
        meant = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"there is no policy called {wrong}", f"{meant}--policy with one of {', '.join(POLICIES)}")
    twice = [policy for place, policy in enumerate(policies) if policy in policies[:place]]
    if twice:
        raise UsageError(f"--policy {twice[0]} is there twice", "each policy once")
    if limits.token_budget < limits.slots:
        raise UsageError(
            f"an iteration of {limits.token_budget} tokens cannot decode for {limits.slots} slots",
            f"--token-budget {limits.slots} or more, or fewer --slots",
        )


def that_fit(log: RequestLog, limits: Limits) -> RequestLog:
    """Without those that would never find room. Raises `UsageError` where that leaves none."""
    if limits.kv_tokens is None:
        return log
    fits = log.prompt_tokens + log.output_tokens <= limits.kv_tokens
    if fits.all():
        return log
    if not fits.any():
        raise UsageError(f"no request fits into a KV memory of {limits.kv_tokens:,} tokens", "more --kv-tokens")
    places = np.flatnonzero(fits)
    kept = log.taken(places, log.arrival_ns[places] - log.arrival_ns[places[0]])
    return replace(kept, findings=log.findings | {_NEVER_FITS: len(log) - len(places)})


def _kv_tokens(report: Report) -> int | None:
    capacity = report.capacity
    if capacity is None or not capacity.free_bytes or not capacity.kv_bytes_per_token:
        return None
    return capacity.free_bytes // capacity.kv_bytes_per_token


def _setup(limits: Limits, replicas: int, slo: Slo, sources: Sources) -> ServingSetup:
    return ServingSetup(
        replicas=replicas,
        slots=limits.slots,
        token_budget=limits.token_budget,
        kv_tokens=limits.kv_tokens,
        batch_size=limits.batch_size,
        batch_window_ms=limits.window_ns / _NS_PER_MS,
        padded=limits.padded,
        slo_ttft_ms=slo.ttft_ms,
        slo_tpot_ms=slo.tpot_ms,
        slo_e2e_ms=slo.e2e_ms,
        sources=sources
        | {
            f"slo_{name}": Source(missing="not promised")
            for name in ("ttft_ms", "tpot_ms", "e2e_ms")
            if getattr(slo, name) is None
        },
    )


def _weights(weight_bytes: int | None) -> Sources:
    return {} if weight_bytes is not None else {"weight_bytes": Source(missing="nobody said: --weights-gb")}


def _warnings(
    basis: Basis, log: RequestLog, limits: Limits, policies: Sequence[SimulatedPolicy], against: Sequence[HeldOut]
) -> list[ReportWarning]:
    costs, found = basis.costs, []
    for held in against:
        if not held.holds:
            text = (
                f"{_UNLIKE}: the {held.requests:,} requests that were "
                f"not fitted queue for {percent(held.simulated.queue_share)} of their time, and there for "
                f"{percent(held.measured.queue_share)}; their mean e2e is "
                f"{three_digits(held.simulated.mean_e2e_ms / held.measured.mean_e2e_ms)} times what it was. "
                "--kv-tokens, --slots, --token-budget and --replicas should be that server's"
            )
            found.append(ReportWarning(code="unlike_measured", message=text))
    if limits.kv_tokens is None and any(each.policy not in _WITHIN_FEW_SEQUENCES for each in policies):
        text = "the KV memory is taken to be endless, so no request waits for it: --kv-tokens says what the server has"
        found.append(ReportWarning(code="endless_kv", message=text))
    if isinstance(costs, ConstantCosts):
        text = "constant speeds are those of each stream: a batch slows nobody, so batching looks better than it is"
        found.append(ReportWarning(code="constant_speeds", message=text))
    if isinstance(costs, SurfaceCosts) and basis.record.kind != "fitted":  # which is straight by its making
        beyond = costs.beyond(int(log.prompt_tokens.max()))
        if beyond:
            text = (
                "the simulation, or that of the load it carries, went beyond what was measured, along straight lines: "
                f"{'; '.join(beyond)}"
            )
            found.append(ReportWarning(code="beyond_surface", message=text))
    if log.findings:
        rows = "; ".join(f"{count:,} {cause}" for cause, count in log.findings.items())
        found.append(ReportWarning(code="log_rows", message=f"rows of the log: {rows}"))
    return found
