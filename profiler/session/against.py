"""One trace, or job of ranks, against another: both read, judged and compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path

from profiler import __version__
from profiler.catalogue.datasheet import Datasheet
from profiler.compare.analyses import compare_analyses
from profiler.compare.kernel_times import KernelTime, kernel_times, summed
from profiler.errors import InterruptedByUser, UnreadableError
from profiler.progress import Progress
from profiler.report.analysis import RankAnalysis
from profiler.report.analysis_comparison import AnalysisComparison
from profiler.report.ceilings import Ceilings
from profiler.session.analyze import analyzed_devices
from profiler.session.trace_inputs import TraceInput, trace_inputs
from profiler.session.trace_map import Failure, Outcome
from profiler.session.trace_reading import each_outcome
from profiler.trace.narrowing import Narrowing
from profiler.trace.trace_file import MAX_BYTES, TraceSource

_Contents = list[tuple[RankAnalysis, list[KernelTime]]]

_EXAMPLE = "bottleneck analyze after.json.gz --against before.json.gz"


def analyze_against(
    traces: Sequence[str | Path],
    baseline: Sequence[str | Path],
    *,
    ceilings: Ceilings | None = None,
    device: Datasheet | None = None,
    parts_only: bool = False,
    narrowing: Narrowing | None = None,
    max_bytes: int = MAX_BYTES,
    jobs: int | None = None,
    ray: str | None = None,
    progress: Progress | None = None,
) -> AnalysisComparison:
    """What changed from `baseline` to `traces`, each one trace or the ranks of a job; options are those of `analyze`.

    Raises `UnreadableError` where one of the two sides has no trace that can be read, `InterruptedByUser` with nothing:
    a part of the ranks of one side cannot be compared with all of the other.
    """
    sides = _Sides([str(each) for each in baseline], [str(each) for each in traces], max_bytes)
    work = partial(
        _contents,
        measured=ceilings,
        named=device,
        parts_only=parts_only,
        narrowing=narrowing,
        max_bytes=max_bytes,
    )
    outcomes: list[Outcome[_Contents]] = []
    try:
        for outcome in each_outcome(sides.inputs(), work, jobs=jobs, ray=ray, progress=progress, noted=False):
            outcomes.append(outcome)  # noqa: PERF402 - how many there were is told after an interrupt
    except KeyboardInterrupt as interrupt:
        raise InterruptedByUser(_lost(len(outcomes))) from interrupt
    outcomes.sort(key=lambda outcome: outcome.number)
    before, after = outcomes[: sides.baseline], outcomes[sides.baseline :]
    old, new = _read(before, "of the baseline"), _read(after, "to compare with the baseline")
    answer = compare_analyses(
        [rank for rank, _ in old],
        [rank for rank, _ in new],
        summed(kernels for _, kernels in old),
        summed(kernels for _, kernels in new),
        __version__,
    )
    answer.notes.extend(each.result.reason for each in outcomes if isinstance(each.result, Failure))
    return answer


class _Sides:
    """The inputs of both sides one after the other; `baseline` is how many the first had, once they have been taken."""

    def __init__(self, before: Sequence[str], after: Sequence[str], max_bytes: int) -> None:
        self._before, self._after = trace_inputs(before, max_bytes), trace_inputs(after, max_bytes)
        self.baseline = 0

    def inputs(self) -> Iterator[TraceInput]:
        """All of them."""
        return chain(self._counted(), self._after)

    def _counted(self) -> Iterator[TraceInput]:
        for each in self._before:
            self.baseline += 1
            yield each


def _contents(
    name: str,
    source: TraceSource,
    measured: Ceilings | None,
    named: Datasheet | None,
    parts_only: bool,
    narrowing: Narrowing | None,
    max_bytes: int,
) -> _Contents:
    devices = analyzed_devices(name, source, measured, named, parts_only, narrowing, max_bytes)
    return [(rank, kernel_times(timeline)) for rank, timeline in devices]


def _read(outcomes: Sequence[Outcome[_Contents]], side: str) -> _Contents:
    """What could be read of one side."""
    failures = [each.result for each in outcomes if isinstance(each.result, Failure)]
    if len(failures) == len(outcomes):
        first = failures[0] if failures else Failure("none was named")
        more = f" (nor {len(failures) - 1} more)" if len(failures) > 1 else ""
        raise UnreadableError(f"no trace {side} could be read{more}: {first.reason}", first.hint or _EXAMPLE)
    return [rank for each in outcomes if not isinstance(each.result, Failure) for rank in each.result]


def _lost(traces: int) -> str:
    were_read = "1 trace was read" if traces == 1 else f"{traces} traces were read"
    return f"{were_read}; a comparison takes all of both sides, so nothing is kept"
