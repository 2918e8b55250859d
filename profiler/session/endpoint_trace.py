"""A stretch of a load under the engine's own profiler, the traces that it writes, and what `analyze` says of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from profiler.endpoint.engine_profiler import EngineProfiler
from profiler.errors import BottleneckError, InterruptedByUser
from profiler.report.analysis import PhaseAnalysis, RankAnalysis
from profiler.report.ceilings import Ceilings
from profiler.report.engine_trace import EnginePhase, EngineTrace
from profiler.report.records import Verdict
from profiler.report.source import Source
from profiler.report.trace_phases import PhaseKind
from profiler.report.vocabulary import VerdictState
from profiler.session.trace_inputs import named_files

# A stretch takes about one request, within these: fewer steps say nothing, and more fill the disk.
_SHORTEST_S, _LONGEST_S = 0.5, 2.0
_APPEAR_S, _LOOK_S = 10.0, 0.25
_MIXED = "steps that prefill and decode at once"


@dataclass(slots=True)
class TraceStretch:
    """What became of it so far. `missing` says why there is no trace."""

    folder: Path
    seconds: float | None = None
    files: list[Path] = field(default_factory=list)
    missing: str = ""
    stop_failed: str = ""


async def traced_stretch(
    stretch: TraceStretch,
    profiler: EngineProfiler,
    load: Callable[[], Awaitable[None]],
    request_s: float,
    now_ns: Callable[[], int],
) -> None:
    """Start the profiler beside `load`, stop both again whatever happens, and wait for the files.

    `load` is repeated until then; `request_s` is how long a request took on average.
    """
    before = _seen(stretch.folder)
    beside = asyncio.create_task(_forever(load))
    began_ns = now_ns()
    try:
        await asyncio.sleep(min(request_s, _LONGEST_S))  # until the server is as busy as under the load measured
        stretch.missing = await profiler.start() or ""
        if stretch.missing:
            return
        began_ns = now_ns()
        await asyncio.sleep(min(max(request_s, _SHORTEST_S), _LONGEST_S))
        stretch.seconds = (now_ns() - began_ns) / 1e9
    finally:
        beside.cancel()  # first: a server may take minutes to write its trace
        stretch.stop_failed = await profiler.stop() or ""
        with suppress(asyncio.CancelledError):
            await beside
    stretch.files = await _appeared(stretch.folder, before)
    if not stretch.files:
        stretch.missing = (
            f"no trace appeared in {stretch.folder} on this machine: the server writes where it runs, and there "
            f"`bottleneck analyze {stretch.folder}` reads them"
        )


def engine_trace(stretch: TraceStretch, ceilings: Ceilings | None = None) -> EngineTrace:
    """The traces of the stretch, analysed. Raises `InterruptedByUser`; what cannot be read is said in the record."""
    from profiler.session.analyze import analyze  # only a run with a trace needs it

    ranks: list[RankAnalysis] = []
    missing = stretch.missing
    if stretch.files:
        try:
            ranks = analyze(*stretch.files, ceilings=ceilings).ranks
        except InterruptedByUser:
            raise
        except BottleneckError as error:
            missing = error.message
    ranks = [rank for rank in ranks if rank.span_ns] or ranks  # a frontend's own trace shows no GPU
    busiest = max(ranks, key=lambda rank: rank.busy_ns, default=None)
    sources = {}
    if busiest is None:
        sources["verdict"] = Source(missing=missing)
    if stretch.seconds is None:
        sources["seconds"] = Source(missing=missing)
    return EngineTrace(
        folder=str(stretch.folder),
        files=[path.name for path in stretch.files],
        seconds=stretch.seconds,
        phases=[_phase(rank, phase) for rank in ranks for phase in rank.phases],
        verdict=None if busiest is None else busiest.verdict,
        sources=sources,
    )


def trace_verdicts(trace: EngineTrace) -> Mapping[str, Verdict]:
    """What it says of prefill and of decode.

    Of several such phases the one that took longest counts. Where no steps are of one kind alone, those of both stand
    for it, and where the trace tells none, the whole trace: an inconclusive verdict then.
    """
    return {
        kind.value: verdict
        for kind in (PhaseKind.PREFILL, PhaseKind.DECODE)
        if (verdict := _verdict_of(trace, kind)) is not None
    }


def _verdict_of(trace: EngineTrace, kind: PhaseKind) -> Verdict | None:
    for wanted, stands_in in ((kind, ""), (PhaseKind.MIXED, _MIXED)):
        phases = [phase for phase in trace.phases if phase.kind is wanted]
        if phases:
            longest = max(phases, key=lambda phase: phase.steps * phase.step_ms)
            return _standing_in(longest.verdict, f"of {stands_in}") if stands_in else longest.verdict
    if trace.verdict is None or any(phase.kind is not PhaseKind.UNKNOWN for phase in trace.phases):
        return None
    return _standing_in(trace.verdict, f"of the whole trace, which does not tell {kind} from the rest")


def _standing_in(verdict: Verdict, of_what: str) -> Verdict:
    if verdict.class_ is None:
        return verdict
    first = f"{verdict.evidence[0].rstrip('.')} ({of_what})" if verdict.evidence else of_what
    return replace(verdict, state=VerdictState.INCONCLUSIVE, evidence=[first, *verdict.evidence[1:]])


def _phase(rank: RankAnalysis, phase: PhaseAnalysis) -> EnginePhase:
    return EnginePhase(
        rank=Path(rank.name).name,
        name=phase.name,
        kind=phase.kind,
        steps=phase.count,
        step_ms=phase.step_ns.median_ns / 1e6,
        idle_ratio=phase.idle_ns / phase.span_ns if phase.span_ns else 0.0,
        verdict=phase.verdict,
        doubt=phase.doubt,
    )


async def _forever(load: Callable[[], Awaitable[None]]) -> None:
    while True:
        await load()
        await asyncio.sleep(0)


Seen = dict[Path, tuple[int, int]]


def _seen(folder: Path) -> Seen:
    """Every trace in the folder, with its time and size."""
    found: Seen = {}
    for path in named_files([str(folder)]):
        with suppress(OSError):  # gone again meanwhile
            stat = path.stat()
            found[path] = (stat.st_mtime_ns, stat.st_size)
    return found


async def _appeared(folder: Path, before: Seen) -> list[Path]:
    """The traces that are new or changed, once none of them grows any more."""
    last: Seen = {}
    for _ in range(round(_APPEAR_S / _LOOK_S)):
        now = _seen(folder)
        new = {path: stat for path, stat in now.items() if before.get(path) != stat}
        if new and new == last:
            return sorted(new)
        last = new
        await asyncio.sleep(_LOOK_S)
    return sorted(last)
