"""Traces in, verdicts out: each trace read, accounted for, judged and let go before the next is read."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from profiler import __version__
from profiler.attribute.collectives import RankCollectives, rank_collectives
from profiler.attribute.job import job_of
from profiler.attribute.trace_ceilings import ceilings_of, device_name
from profiler.attribute.traced_parts import TracedJudgement, parts_of_device
from profiler.attribute.verdict import refuse
from profiler.catalogue.datasheet import Datasheet
from profiler.errors import InterruptedByUser, UnreadableError
from profiler.progress import Progress
from profiler.report.analysis import Analysis, RankAnalysis, Unreadable
from profiler.report.ceilings import Ceilings
from profiler.report.kinds import is_result
from profiler.report.source import Source
from profiler.report.vocabulary import VerdictState
from profiler.session.looked_at import LookedAt, looked_at
from profiler.session.rank_record import rank_record, rank_without_device
from profiler.session.trace_inputs import TraceInput, trace_inputs
from profiler.session.trace_map import Failure, Outcome, Work
from profiler.session.trace_reading import each_outcome
from profiler.trace.accounting import account, exclusive_ns
from profiler.trace.devices import UNKNOWN, per_device, unplaced
from profiler.trace.integrity import check, worst_first
from profiler.trace.kineto import read_kineto
from profiler.trace.narrowing import Narrowing
from profiler.trace.timeline import Timeline
from profiler.trace.trace_file import MAX_BYTES, TraceSource

Ranks = list[tuple[RankAnalysis, RankCollectives]]

AS_TRACED = (
    "judged as traced: without clean times nobody can tell how much the tracer slowed the host, so the interval "
    "reaches to a host that it made four times as slow"
)
_PARTS_ONLY = (
    "only the parts were asked for (--parts-only): without the host's side nobody can tell what was waited for"
)


def analyze(
    *traces: str | Path,
    ceilings: Ceilings | None = None,
    device: Datasheet | None = None,
    parts_only: bool = False,
    narrowing: Narrowing | None = None,
    max_bytes: int = MAX_BYTES,
    jobs: int | None = None,
    ray: str | None = None,
    progress: Progress | None = None,
) -> Analysis:
    """Where the time of traces went, and what holds them back: files, folders, archives or patterns, one rank a file.

    `ceilings` are those of a report (`load_report(path).ceilings`), and count for traces of the same kind of device;
    else its datasheet does, or `device` where the trace does not name its own. With `parts_only` the host's side is not
    read: busy and idle time, overlap and families, no verdict. `narrowing` says which part of each trace to look at.
    `jobs` is how many traces are read at once; None is one a core, where there is enough to read; `ray` is the address
    of a Ray cluster that reads them instead. What cannot be read is named in the answer. Raises `UnreadableError` where
    nothing can, `InterruptedByUser` with what was analysed before.
    """
    inputs = trace_inputs([str(trace) for trace in traces], max_bytes)
    one = partial(
        read_ranks, measured=ceilings, named=device, parts_only=parts_only, narrowing=narrowing, max_bytes=max_bytes
    )
    between_times = narrowing is not None and narrowing.by_time
    return analyze_inputs(
        inputs,
        one,
        jobs=jobs,
        ray=ray,
        progress=progress,
        tool_version=__version__,
        between_times=between_times,
    )


def analyze_inputs(
    inputs: Iterable[TraceInput],
    work: Work[Ranks] | None = None,
    *,
    jobs: int | None = None,
    ray: str | None = None,
    progress: Progress | None = None,
    tool_version: str = "",
    between_times: bool = False,
) -> Analysis:
    """The analysis of all inputs that can be read, in their order, each by `work`; see `analyze` and `job_of`."""
    outcomes: list[Outcome[Ranks]] = []
    try:
        for outcome in each_outcome(inputs, work or read_ranks, jobs=jobs, ray=ray, progress=progress):
            outcomes.append(outcome)  # noqa: PERF402 - what came before an interrupt is kept
    except KeyboardInterrupt as interrupt:
        ranks, unreadable, _ = _sorted(outcomes)
        answer = _analysis(ranks, unreadable, tool_version, between_times, complete=False) if ranks else None
        raise InterruptedByUser(partial=answer) from interrupt
    ranks, unreadable, hints = _sorted(outcomes)
    if not ranks:
        first = unreadable[0].reason if unreadable else "no trace was named"
        hint = hints[0] if hints and hints[0] else "bottleneck analyze trace.json.gz"
        if unreadable and is_result(unreadable[0].name):
            hint = f"bottleneck show {shlex.quote(unreadable[0].name)}"
        more = len(unreadable) - 1
        raise UnreadableError(f"nothing could be read (nor {more} more): {first}" if more > 0 else first, hint)
    return _analysis(ranks, unreadable, tool_version, between_times, complete=True)


def _sorted(outcomes: list[Outcome[Ranks]]) -> tuple[Ranks, list[Unreadable], list[str]]:
    """What was read and what was not, with the hints to that, each in the order of the inputs."""
    outcomes = sorted(outcomes, key=lambda outcome: outcome.number)
    ranks = [rank for each in outcomes if not isinstance(each.result, Failure) for rank in each.result]
    failed = [(each.name, each.result) for each in outcomes if isinstance(each.result, Failure)]
    unreadable = [Unreadable(name=name, reason=failure.reason) for name, failure in failed]
    return ranks, unreadable, [failure.hint for _, failure in failed]


def read_ranks(name: str, source: TraceSource, **options: Any) -> Ranks:
    """The same as `analyze_trace`, each rank with its collectives, by which it is matched with the others."""
    devices = analyzed_devices(name, source, **options)
    found = []
    for rank, timeline in devices:
        first_ns = timeline.device.span_ns[0] - (rank.window.from_ns if rank.window is not None else 0)
        found.append((rank, rank_collectives(rank.name, timeline, name, first_ns)))
    return found


def analyze_trace(
    name: str,
    source: TraceSource,
    measured: Ceilings | None = None,
    *,
    named: Datasheet | None = None,
    parts_only: bool = False,
    narrowing: Narrowing | None = None,
    max_bytes: int = MAX_BYTES,
) -> list[RankAnalysis]:
    """One trace, or a part of it: a rank, or one for each device of a trace that shows several.

    Raises `UnreadableError` where it holds none, or more than `max_bytes` of text.
    """
    devices = analyzed_devices(name, source, measured, named, parts_only, narrowing, max_bytes)
    return [rank for rank, _ in devices]


def analyzed_devices(
    name: str,
    source: TraceSource,
    measured: Ceilings | None = None,
    named: Datasheet | None = None,
    parts_only: bool = False,
    narrowing: Narrowing | None = None,
    max_bytes: int = MAX_BYTES,
) -> Iterator[tuple[RankAnalysis, Timeline]]:
    """The same as `analyze_trace`, each rank with the timeline that it is of."""
    with_steps = not parts_only or (narrowing is not None and narrowing.needs_steps)
    try:
        timeline = read_kineto(source, device_only=not with_steps, max_bytes=max_bytes)
    except UnreadableError as error:
        raise UnreadableError(error.message.replace("the trace", name, 1), error.hint) from error
    findings = check(timeline)
    devices = per_device(timeline)
    for number, each in devices:
        rank_name, flaws = name, findings
        if len(devices) > 1:
            rank_name = f"{name} [GPU {'unknown' if number == UNKNOWN else number}]"
            flaws = worst_first([*findings, *unplaced(timeline, number)])
        part = looked_at(rank_name, each, flaws, narrowing, with_steps=with_steps)
        yield replace(_analyze_device(part, number, measured, named, parts_only), window=part.window), part.timeline


def _analyze_device(
    part: LookedAt, number: int, measured: Ceilings | None, named: Datasheet | None, parts_only: bool
) -> RankAnalysis:
    """What one device did in the part of the trace that is looked at."""
    name, timeline, followed, findings = part.name, part.timeline, part.followed, part.findings
    told = account(timeline.device)
    if not told.span_ns:
        return rank_without_device(name, told, findings)
    own = exclusive_ns(timeline.device)
    if parts_only:
        parts = parts_of_device(timeline.device, told, own)
        judged = TracedJudgement(parts, [], refuse(_PARTS_ONLY))
        device = device_name(timeline.device_properties, number, named)
        rank = rank_record(name, device, told, timeline, own, judged, findings, [])
        not_asked = dict.fromkeys(("verdict", "critical_path"), Source(missing=_PARTS_ONLY))
        return replace(rank, sources={**rank.sources, **not_asked})
    # Only a verdict needs these: they take longer to import than the parts of most traces to read.
    from profiler.attribute.traced import judge_traced
    from profiler.attribute.traced_waits import with_waits
    from profiler.session.traced_phases import phase_notes, phase_records
    from profiler.trace.idle import idle_ns, late_launches
    from profiler.trace.span_graph import span_graph

    graph, late = span_graph(followed, told), late_launches(followed)
    ceilings = ceilings_of(timeline.device_properties, number, measured, named)
    own_followed = own if followed is timeline else exclusive_ns(followed.device)
    idle = idle_ns(followed, graph, late)
    judged = judge_traced(followed, told, own_followed, idle, graph, ceilings, findings)
    notes = [ceilings.note]
    if judged.verdict.state is not VerdictState.REFUSED:
        notes.insert(0, AS_TRACED)
    rank = rank_record(name, ceilings.device, told, timeline, own, judged, findings, notes + phase_notes(part))
    rank = replace(rank, phases=phase_records(part, judged, ceilings))
    return with_waits(rank, followed, graph, late, findings)


def _analysis(
    found: Ranks, unreadable: list[Unreadable], tool_version: str, between_times: bool, *, complete: bool
) -> Analysis:
    ranks, collectives = [rank for rank, _ in found], [each for _, each in found]
    return Analysis(
        tool_version=tool_version,
        ranks=ranks,
        job=job_of(ranks, collectives, between_times=between_times) if len(ranks) > 1 else None,
        unreadable=unreadable,
        complete=complete,
    )
