"""Many traces read, by processes here or on a cluster, while progress is told."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from typing import TypeVar

from msgspec.structs import replace

from profiler.printable import printable
from profiler.progress import Progress, SilentProgress
from profiler.session.trace_inputs import TraceInput
from profiler.session.trace_map import Failure, Outcome, Work, map_traces

Result = TypeVar("Result")


def each_outcome(
    inputs: Iterable[TraceInput],
    work: Work[Result],
    *,
    jobs: int | None = None,
    ray: str | None = None,
    progress: Progress | None = None,
    noted: bool = True,
) -> Iterator[Outcome[Result]]:
    """What `work` makes of each input as soon as it is known, here or on a cluster, while progress is told.

    What cannot be read is noted at once; not so with `noted` false, for a caller who tells of it in the end.
    """
    progress = progress or SilentProgress()
    progress.stage("reading traces")
    told = False
    inputs = (replace(each, name=printable(each.name)) for each in inputs)  # for its file, the source has it as it is
    with closing(map_traces(inputs, work, jobs) if ray is None else _on_ray(inputs, work, ray, progress)) as found:
        first: Outcome[Result] | None = None
        for outcome in found:
            # Why a single input could not be read, the error says: notes are from the second one on.
            for each in () if first is None else (outcome,) if told else (first, outcome):
                told = True
                if noted and isinstance(each.result, Failure):
                    progress.note(each.result.reason)
            first = first or outcome
            progress.advance()
            yield outcome


def _on_ray(
    inputs: Iterable[TraceInput], work: Work[Result], address: str, progress: Progress
) -> Generator[Outcome[Result]]:
    from profiler.session.ray_map import map_on_ray

    return map_on_ray(inputs, work, address, progress)
