"""A kept result and the traces that it is of, as one file for Perfetto: the events, and what was found in them."""

from __future__ import annotations

from pathlib import Path

from profiler.errors import UnreadableError, UsageError
from profiler.progress import Progress, SilentProgress
from profiler.render.perfetto import PerfettoFile
from profiler.render.perfetto_events import write_events
from profiler.render.perfetto_tracks import Found, write_tracks
from profiler.report.analysis import Analysis
from profiler.report.atomic_file import replacing
from profiler.report.endpoint import Endpoint
from profiler.report.kinds import Result
from profiler.report.records import Report
from profiler.report.simulation import Simulation
from profiler.session.found_in_trace import FoundRanks, found_phases
from profiler.session.spool import Spool
from profiler.session.trace_inputs import TraceInput, trace_inputs
from profiler.trace.event_copy import EventCopy
from profiler.trace.trace_file import TraceSource


def write_perfetto(result: Result, traces: str, path: Path, progress: Progress | None = None) -> None:
    """Write `path`, whole or not at all; `traces` is the file, folder, archive or pattern that `result` is of.

    Each trace becomes a process, and is let go before the next is read. Raises `UsageError` for a result that is of no
    trace, `UnreadableError` for another trace, and for what is none where a rank of the result is then missing.
    """
    progress = progress or SilentProgress()
    progress.stage("writing the trace")
    match result:
        case Analysis():
            ranks = FoundRanks(result)
            with replacing(path) as file, Spool() as spool:
                out = PerfettoFile(file)
                for each in trace_inputs([traces]):
                    kept = spool.kept(each)
                    found = ranks.of(each.name, kept.source)
                    if found:
                        _write(out, kept, found)
                    spool.drop(kept)
                    progress.advance()
                ranks.check_complete()
        case Report():
            with replacing(path) as file, Spool() as spool:
                inputs = [spool.kept(each) for each in trace_inputs([traces])]
                if len(inputs) != 1:
                    raise UsageError(
                        f"a report is of one trace, and {traces} holds {len(inputs)}",
                        "--trace with the file that `profile --trace-out` wrote",
                    )
                _write(PerfettoFile(file), inputs[0], [found_phases(result, inputs[0].name, _source(inputs[0]))])
        case _:
            drawn = isinstance(result, Simulation | Endpoint)
            hint = "no --trace" if drawn else "show what profile or analyze kept"
            raise UsageError(f"what `bottleneck {result.kind}` kept is of no trace", hint)


def _write(out: PerfettoFile, each: TraceInput, found: list[Found]) -> None:
    process = out.process(each.name)
    with EventCopy() as copy:
        copied = copy.of(_source(each), each.name)
        for order, one in enumerate(found):
            write_tracks(process, one, zero_ns=copied.zero_ns, order=order)
        write_events(process, copied)


def _source(each: TraceInput) -> TraceSource:
    if isinstance(each.source, UnreadableError):
        raise each.source
    return each.source
