"""One trace, or job of ranks, against another: both read, judged and compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path

from profiler import __version__
from profiler.compare.analyses import compare_analyses
from profiler.compare.kernel_times import KernelTime, kernel_times, summed
from profiler.errors import UnreadableError
from profiler.progress import Progress
from profiler.report.analysis import RankAnalysis
from profiler.report.analysis_comparison import AnalysisComparison
from profiler.report.records import Ceilings
from profiler.session.analyze import analyzed_devices
from profiler.session.trace_inputs import TraceInput, trace_inputs
from profiler.session.trace_map import Failure, Outcome
from profiler.session.trace_reading import each_outcome
from profiler.trace.narrowing import Narrowing
from profiler.trace.trace_file import MAX_BYTES, TraceSource

_Contents = list[tuple[RankAnalysis, list[KernelTime]]]


def analyze_against(
    traces: Sequence[str | Path],
    baseline: Sequence[str | Path],
    *,
    ceilings: Ceilings | None = None,
    parts_only: bool = False,
    narrowing: Narrowing | None = None,
    max_bytes: int = MAX_BYTES,
    jobs: int | None = None,
    ray: str | None = None,
    progress: Progress | None = None,
) -> AnalysisComparison:
    """What changed from `baseline` to `traces`, each one trace or the ranks of a job; options are those of `analyze`.

    Raises `UnreadableError` where one of the two sides has no trace that can be read.
    """
    sides = _Sides([str(each) for each in baseline], [str(each) for each in traces], max_bytes)
    work = partial(_contents, measured=ceilings, parts_only=parts_only, narrowing=narrowing, max_bytes=max_bytes)
    outcomes = list(each_outcome(sides.inputs(), work, jobs=jobs, ray=ray, progress=progress))
    outcomes.sort(key=lambda outcome: outcome.number)
    before, after = outcomes[: sides.baseline], outcomes[sides.baseline :]
    old, new = _read(before), _read(after)
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
    parts_only: bool,
    narrowing: Narrowing | None,
    max_bytes: int,
) -> _Contents:
    devices = analyzed_devices(name, source, measured, parts_only, narrowing, max_bytes)
    return [(rank, kernel_times(timeline)) for rank, timeline in devices]


def _read(outcomes: Sequence[Outcome[_Contents]]) -> _Contents:
    """What could be read of one side."""
    failures = [each.result for each in outcomes if isinstance(each.result, Failure)]
    if failures and len(failures) == len(outcomes):
        raise UnreadableError(failures[0].reason, failures[0].hint)
    return [rank for each in outcomes if not isinstance(each.result, Failure) for rank in each.result]
