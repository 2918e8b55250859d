"""What a budget may limit of a profile: its phases, and the request that they make."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from profiler.compare.measured import Judged, Measured, Scope, inverse, once, weighed
from profiler.compare.quantities import SHARES
from profiler.report.records import Phase, Report, Share
from profiler.report.source import Sources
from profiler.report.vocabulary import Cause

_IDLE = (Cause.SCHEDULING_HOST, Cause.SCHEDULING_SYNC, Cause.SCHEDULING_LAUNCH_GAP, Cause.IO_INPUT)
_ABSENT = "a profile runs one request at a time: it takes a report of `bottleneck simulate` or `bottleneck endpoint`"


def overall(report: Report) -> Scope:
    """The whole request: one prefill, then a decode step for every further token."""
    phases = {phase.name: phase for phase in report.phases}
    on_gpu = report.environment.device_kind == "cuda"

    def time(name: str) -> Measured:
        return _time(phases[name]) if name in phases else _not_measured(report, name)

    def e2e() -> Measured:
        return weighed([(weight, time(name)) for name, weight in _steps(report)])

    def tokens_per_s() -> Measured:
        tokens = report.workload.batch_size * report.workload.new_tokens if report.workload else 0
        return inverse(e2e(), tokens)

    def by_time(number: Callable[[Phase], Measured]) -> Measured:
        steps = _steps(report)
        lacking = next((name for name, weight in steps if weight and name not in phases), None)
        if lacking is not None or not steps:
            return _not_measured(report, lacking or "request")
        spent = {name: weight * phases[name].clean.wall_ms.median for name, weight in steps if weight}
        return weighed([(ms / sum(spent.values()), number(phases[name])) for name, ms in spent.items()])

    return Scope(
        numbers={
            "ttft_ms": lambda: time("prefill"),
            "tpot_ms": lambda: time("decode"),
            "e2e_ms": e2e,
            "load_ms": lambda: time("load"),
            "step_ms": lambda: Measured(None, missing="of a profile that is the ms of a phase, as in [decode]"),
            "tokens_per_s": tokens_per_s,
            "idle_ratio": lambda: by_time(partial(_idle, on_gpu=on_gpu)),
            "memory_gb": lambda: _memory(report.phases, on_gpu),
            **{name: partial(by_time, partial(_class_share, name=name)) for name in SHARES},
        },
        judged=Judged(report.verdict, "request"),
        absent=_ABSENT,
        of="request",
    )


def phase(report: Report, name: str) -> Scope:
    """One phase; of a phase that was not measured, the reason."""
    found = next((each for each in report.phases if each.name == name), None)
    if found is None:
        why = _not_measured(report, name).missing
        return Scope({}, Judged(None, name, why), why, name)
    on_gpu = report.environment.device_kind == "cuda"
    return Scope(
        numbers={
            "ms": lambda: _time(found),
            "tokens_per_s": lambda: _tokens_per_s(found),
            "idle_ratio": lambda: _idle(found, on_gpu),
            "memory_gb": lambda: _memory([found], on_gpu),
            "mfu": lambda: _as_time(found, "mfu", found.mfu),
            "mbu": lambda: _as_time(found, "mbu", found.mbu),
            "joules_per_token": lambda: once(found.joules_per_token, _why(found.sources, "joules_per_token")),
            **{share: partial(_class_share, found, share) for share in SHARES},
        },
        judged=Judged(found.verdict, name),
        absent=_ABSENT,
        of=name,
    )


def _steps(report: Report) -> list[tuple[str, int]]:
    return [] if report.workload is None else [("prefill", 1), ("decode", report.workload.new_tokens - 1)]


def _not_measured(report: Report, name: str) -> Measured:
    if not report.complete:
        return Measured(None, missing=f"the run ended before {name} was measured")
    if report.workload is None:
        return Measured(None, missing="phases that were marked by hand make no request")
    return Measured(None, missing=f"the report has no {name}")


def _time(found: Phase) -> Measured:
    wall = found.clean.wall_ms
    if wall.low is None:
        return once(wall.median, "")
    return Measured(wall.median, wall.low, wall.high)


def _tokens_per_s(found: Phase) -> Measured:
    if not found.tokens or found.tokens_per_s is None:
        return Measured(None, missing=_why(found.sources, "tokens_per_s", f"{found.name} makes no tokens"))
    return inverse(_time(found), found.tokens)


def _as_time(found: Phase, name: str, value: float | None) -> Measured:
    """What goes by as fast as the phase does, so its interval is that of the time."""
    if value is None:
        return Measured(None, missing=_why(found.sources, name))
    return inverse(_time(found), value * found.clean.wall_ms.median / 1e3)


def _idle(found: Phase, on_gpu: bool) -> Measured:
    if not on_gpu:
        return Measured(None, missing="a CPU is host and device at once: nothing tells when it waits for itself")
    if not found.parts:
        return Measured(None, missing=f"{found.name} has no parts")
    idle = [part for part in found.parts if part.cause in _IDLE]
    busy_ms = sum(part.ms for part in found.parts if part.cause not in _IDLE)

    def ends(bounds: Iterable[float | None]) -> float | None:
        """The device is as busy in a step that idles longer."""
        known = [bound for bound in bounds if bound is not None]
        return sum(known) / (sum(known) + busy_ms) if len(known) == len(idle) else None

    return Measured(
        sum(part.fraction for part in idle), ends(part.low_ms for part in idle), ends(part.high_ms for part in idle)
    )


def _class_share(found: Phase, name: str) -> Measured:
    own: list[Share] = [share for share in found.shares if share.class_ is SHARES[name]]
    if not own:
        why = found.verdict.evidence[0] if found.verdict.evidence else "it could not be judged"
        return Measured(None, missing=f"{found.name} has no shares: {why}")
    low, high = sum(share.low for share in own), sum(share.high for share in own)
    return Measured(sum(share.share for share in own), low, high)


def _memory(phases: Sequence[Phase], on_gpu: bool) -> Measured:
    """The most that was taken, by all processes: of the device, or of the host where that is the device."""
    name = "memory_used" if on_gpu else "host_memory_used"
    series = [s for each in phases if each.telemetry for s in each.telemetry.series if s.name == name]
    peaks = [s.peak if s.peak is not None else s.value for s in series]
    known = [peak for peak in peaks if peak is not None]
    if not known:
        why = next((s.missing for s in series if s.missing), "no telemetry of it was kept")
        return Measured(None, missing=why)
    return Measured(max(known) / 1e9, note="all processes on the device" if on_gpu else "all processes on the machine")


def _why(sources: Sources, name: str, otherwise: str = "the report does not say why") -> str:
    source = sources.get(name)
    return source.missing if source is not None and source.missing else otherwise
