"""What is compared of a profile: its phases, and the request that they make."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from statistics import NormalDist

from profiler.compare.result_times import ComparedResult, OneTime, PartOfTime, Work
from profiler.measure.statistics import CONFIDENCE, HOST_RUN_TO_RUN
from profiler.report.comparison import Side
from profiler.report.records import Distribution, Part, Phase, Report
from profiler.report.vocabulary import Cause, Resource

REQUEST = "request"
PHASES = ("load", "prefill", "decode")
WALL, FULL_SPEED = "wall_ms", "full_speed_ms"
_NORMAL = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
_ON_HOST = {Cause.SCHEDULING_HOST, Cause.SCHEDULING_SYNC, Cause.IO_INPUT, Cause.IO_DISK}
_SLOWED = (Cause.SCHEDULING_HOST, Cause.SCHEDULING_LAUNCH_GAP)  # by a slow host, the first most
_MOST_KERNELS = 40  # that a report lists of a phase
# A host that others kept busy meanwhile, as its report warns: medians of twelve processes in a row had, four times,
# standard deviations of 5 to 14% (decode of `tiny`, ADR 32).
_SHARED, _SHARED_HOST_RUN_TO_RUN = "cpu_shared", 0.1
_HOST_BOUND = 0.5  # of a slower host reaches the phase: from here on the neighbours may have made all the difference
_BUSY = "other processes kept the host's CPU busy"
_ONE_RUN = f"{_BUSY}, so one run tells too little"
_NOT_KNOWN = "not known"


def at_full_speed(reports: Iterable[Report]) -> set[str]:
    """The phases whose time at the host's full speed all of them know: the neighbours of a run are no change of it."""
    known = [{phase.name for phase in report.phases if phase.clean.full_speed_ms} for report in reports]
    return set.intersection(*known) if known else set()


def profiled_times(report: Report, full_speed: Collection[str]) -> ComparedResult:
    """Its times; those of the phases in `full_speed` at the host's full speed."""
    on_cpu = report.environment.device_kind == "cpu"
    shared = _is_shared(report)
    phases = [_phase(phase, phase.name in full_speed, on_cpu, shared) for phase in report.phases]
    request = _request(report, phases)
    return ComparedResult(
        kind="profile" if report.kind in ("profile", "") else report.kind,
        created_at=report.created_at,
        held_back_by=report.verdict.clear_class,
        fixed=_fixed(report),
        chosen=_chosen(report),
        noted=_noted(report),
        times=[*phases, *([request] if request else [])],
        notes=list(_notes(report)),
    )


def _phase(phase: Phase, full_speed: bool, on_cpu: bool, shared: bool) -> OneTime:
    clean = phase.clean
    wall = clean.wall_ms
    time = clean.full_speed_ms if full_speed and clean.full_speed_ms else wall
    reach = _reach(time)
    # Of the time at the host's full speed nothing depends on the host.
    dependence = _dependence(phase, on_cpu) if time is wall else 0.0
    if reach is not None:
        # Its interval knows how far processes on a quiet device differ, not how far hosts do.
        run_to_run = _SHARED_HOST_RUN_TO_RUN if shared else HOST_RUN_TO_RUN
        reach = math.hypot(reach, _NORMAL * math.sqrt(2) * run_to_run * dependence)
    return OneTime(
        name=phase.name,
        clock=WALL if time is wall else FULL_SPEED,
        ms=time.median,
        reach=reach,
        repeats=len(time.repeat_medians),
        parts=_parts(phase.parts, time.median - wall.median),
        work=[
            Work(kernel.operation or kernel.name, kernel.module, kernel.calls, kernel.ms) for kernel in phase.kernels
        ],
        work_is_cut=len(phase.kernels) >= _MOST_KERNELS,
        no_parts=None if phase.parts else f"{phase.name} was not taken apart: {_why(phase)}",
        disturbed=_ONE_RUN if shared and dependence >= _HOST_BOUND else None,
    )


def _why(phase: Phase) -> str:
    return phase.verdict.evidence[0] if phase.verdict.evidence else "its report does not say why"


def _reach(time: Distribution) -> float | None:
    if time.low is None or time.high is None or time.median <= 0:
        return None
    return max(time.high - time.median, time.median - time.low) / time.median


def _is_shared(report: Report) -> bool:
    """Whether others kept the host busy in any phase: who comes and goes does so between the phases, too."""
    return any(warning.code == _SHARED for phase in report.phases for warning in phase.warnings)


def _dependence(phase: Phase, on_cpu: bool) -> float:
    """How much of a slower host reaches the phase: 0 to 1, and 1 where nobody knows."""
    if on_cpu:
        return 1.0
    if phase.clean.host_dependence is not None:
        return min(phase.clean.host_dependence, 1.0)
    return next((min(max(each.share, 0.0), 1.0) for each in phase.shares if each.resource is Resource.HOST), 1.0)


def _parts(parts: Sequence[Part], slower_ms: float) -> list[PartOfTime]:
    """The parts, with so much more time: below zero where what the host's slowness took is not compared."""
    own = {part.cause: part for part in parts}
    ms = {part.cause: part.ms for part in parts}
    if slower_ms and sum(ms.values()) + slower_ms > 0:  # else they are not the parts of this time
        ms = _slower(ms, slower_ms)
    return [
        PartOfTime(cause.value, cause.bottleneck_class, side_of(cause), each, *_interval(own.get(cause), each))
        for cause, each in ms.items()
    ]


def _slower(ms: dict[Cause, float], slower_ms: float) -> dict[Cause, float]:
    """Time is taken from the host's part, what that lacks from the gaps after launches, then from all in proportion."""
    for cause in _SLOWED:
        more = max(slower_ms, -ms.get(cause, 0.0))
        if more:
            ms = ms | {cause: ms.get(cause, 0.0) + more}
            slower_ms -= more
    scale = 1 + slower_ms / sum(ms.values())
    return {cause: each * scale for cause, each in ms.items()}


def _interval(part: Part | None, ms: float) -> tuple[float | None, float | None]:
    """That of the part, which is as wide where it was moved."""
    if part is None or part.low_ms is None or part.high_ms is None:
        return None, None
    return part.low_ms + ms - part.ms, part.high_ms + ms - part.ms


def side_of(cause: Cause) -> Side:
    """Where a cause lies."""
    return Side.HOST if cause in _ON_HOST else Side.DEVICE


def _request(report: Report, phases: Sequence[OneTime]) -> OneTime | None:
    """One prefill, then a decode step for every further token."""
    steps = {"prefill": 1, "decode": max(report.workload.new_tokens - 1, 0)} if report.workload else {}
    found = {time.name: time for time in phases if time.name in steps}
    ms = sum(steps[name] * time.ms for name, time in found.items())
    if len(found) < len(steps) or not ms > 0:
        return None
    reaches = [found[name].reach for name in steps]
    squares = sum((count * found[name].ms * (found[name].reach or 0.0)) ** 2 for name, count in steps.items())
    parts: dict[str, PartOfTime] = {}
    for name, count in steps.items():
        for part in found[name].parts:
            before = parts[part.name].ms if part.name in parts else 0.0
            parts[part.name] = PartOfTime(part.name, part.class_, part.side, before + count * part.ms)
    apart = all(found[name].parts for name in steps)
    clocks = {found[name].clock for name in steps}
    return OneTime(
        name=REQUEST,
        clock=FULL_SPEED if clocks == {FULL_SPEED} else WALL,
        ms=ms,
        reach=None if None in reaches else math.sqrt(squares) / ms,
        repeats=min(found[name].repeats for name in steps),
        parts=list(parts.values()) if apart else [],
        no_parts=None if apart else next(found[name].no_parts for name in steps if found[name].no_parts),
        disturbed=next((found[name].disturbed for name in steps if found[name].disturbed), None),
    )


def _fixed(report: Report) -> dict[str, str]:
    fixed = {"device": report.environment.device}
    work = report.workload
    if work is not None:
        fixed |= {
            "model": work.model,
            "dtype": work.dtype,
            "batch size": str(work.batch_size),
            "prompt tokens": str(work.prompt_tokens),
            "new tokens": str(work.new_tokens),
        }
    return fixed


def _chosen(report: Report) -> dict[str, str]:
    """What advice changes: whether it helped is what people compare for."""
    work = report.workload
    return {} if work is None else {"mode": work.mode, "attention": work.attention, "offload": work.offload}


def _noted(report: Report) -> dict[str, str]:
    here = report.environment
    noted = {
        "bottleneck": here.tool_version,
        "torch": here.torch,
        "transformers": here.transformers or _NOT_KNOWN,
        "python": here.python,
        "driver": here.driver or _NOT_KNOWN,
        "CUDA": here.cuda or _NOT_KNOWN,
        "CPU": here.cpu or _NOT_KNOWN,
        "CPU cores": _NOT_KNOWN if here.cpu_cores is None else str(here.cpu_cores),
    }
    if report.workload is not None:
        noted |= {"weights": report.workload.weights, "seed": str(report.workload.seed)}
    return noted


def _notes(report: Report) -> Iterable[str]:
    if not report.complete:
        yield "was interrupted"
    if _is_shared(report):
        yield f"{_BUSY}, which makes one run differ from the next"
    for phase in report.phases:
        if phase.verdict.throttled:
            yield f"{phase.name}: the device was slowed down while it was measured"
        if not phase.clean.steady:
            yield f"{phase.name}: the warm-up never became steady"
