"""One function over many traces: here one after the other, or by several processes at once.

What comes of each trace comes as soon as it is known, with the number that the trace had, so that an interrupt costs
only what was not finished. A trace that cannot be read, or that ends the process which reads it, costs nothing but
itself. In memory are the traces that are being read and no more: archives are unpacked as they are asked for.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from msgspec import Struct

from profiler.errors import UnreadableError, bug
from profiler.session.trace_inputs import TraceInput

if TYPE_CHECKING:
    from profiler.session.trace_worker import TraceWorker

Result = TypeVar("Result")
Work = Callable[[str, Path | bytes], Result]

# Below, starting processes takes longer than they save: one starts in 0.3 s, in which 3 MB of gzipped trace are judged.
_WORTH_BYTES = 8 << 20
# What a process may take: half a gigabyte was seen for a trace of 1.3 GB of text (ADR 13), beside an archive's member.
_MEMORY_EACH_BYTES = 1 << 30


class Failure(Struct, frozen=True):
    """Why there is nothing of a trace: one line, and what to type next."""

    reason: str
    hint: str = ""


class Outcome(Struct, Generic[Result], frozen=True):
    """What came of the trace with this `number`, counted from 0."""

    number: int
    name: str
    result: Result | Failure


def map_traces(inputs: Iterable[TraceInput], work: Work[Result], jobs: int | None = None) -> Generator[Outcome[Result]]:
    """`work` done to each trace, in no certain order.

    `jobs` is how many are read at once; None is one a core, as far as memory reaches, where there is enough to read.
    With several, `work` and its results must be picklable. Close what is returned: that ends the processes.
    """
    if jobs == 1:
        return _one_by_one(inputs, work)
    ready, rest = _several(inputs) if jobs else _enough(inputs)
    if rest is None:
        return _one_by_one(ready, work)
    wanted = jobs or _most_jobs()
    if wanted == 1:
        return _one_by_one(chain(ready, rest), work)
    return _by_processes(chain(ready, rest), work, wanted)


def outcome_of(number: int, name: str, source: Path | bytes | UnreadableError, work: Work[Result]) -> Outcome[Result]:
    """What `work` makes of one trace, in this process. Lets nothing through but an interrupt."""
    try:
        if isinstance(source, UnreadableError):
            raise source
        return Outcome(number, name, work(name, source))
    except UnreadableError as error:
        return Outcome(number, name, Failure(error.message, error.hint))
    except Exception as error:  # one trace out of a thousand must not cost the others
        return Outcome(number, name, Failure(f"{name}: {bug(error).message}"))


def _one_by_one(inputs: Iterable[TraceInput], work: Work[Result]) -> Generator[Outcome[Result]]:
    for number, each in enumerate(inputs):
        yield outcome_of(number, each.name, each.source, work)


def _by_processes(inputs: Iterable[TraceInput], work: Work[Result], jobs: int) -> Generator[Outcome[Result]]:
    from multiprocessing.connection import wait  # which a single trace does not need, and takes a while

    from profiler.session.trace_worker import TraceWorker

    numbered = enumerate(inputs)
    idle: list[TraceWorker[Result]] = []
    busy: dict[Any, tuple[TraceWorker[Result], int, str]] = {}
    more = True
    try:
        while more or busy:
            while more and len(busy) < jobs:
                number, each = next(numbered, (-1, None))
                if each is None:
                    more = False
                elif isinstance(each.source, UnreadableError):
                    yield outcome_of(number, each.name, each.source, work)
                else:
                    worker = idle.pop() if idle else TraceWorker(work)
                    busy[worker.connection] = (worker, number, each.name)
                    worker.send(number, each.name, each.source)
            for connection in wait(list(busy)) if busy else ():  # with none it would wait for ever
                worker, number, name = busy.pop(connection)
                outcome = worker.receive()
                if outcome is None:
                    yield Outcome(
                        number, name, Failure(f"{name}: {worker.obituary()}", "--jobs 1, which takes less memory")
                    )
                else:
                    idle.append(worker)
                    yield outcome
    finally:
        for worker in (*idle, *(entry[0] for entry in busy.values())):
            worker.end()


def _several(inputs: Iterable[TraceInput]) -> tuple[list[TraceInput], Iterator[TraceInput] | None]:
    """The first of the inputs, and the others; None in their place where there are none."""
    rest = iter(inputs)
    ready = [each for _, each in zip(range(2), rest, strict=False)]
    return ready, rest if len(ready) == 2 else None


def _enough(inputs: Iterable[TraceInput]) -> tuple[list[TraceInput], Iterator[TraceInput] | None]:
    """The first of the inputs, and the others; None in their place where all of them are not worth a process."""
    rest = iter(inputs)
    ready: list[TraceInput] = []
    held_bytes = 0
    for each in rest:
        ready.append(each)
        held_bytes += _size_bytes(each.source)
        if len(ready) > 1 and held_bytes >= _WORTH_BYTES:
            return ready, rest
    return ready, None


def _size_bytes(source: Path | bytes | UnreadableError) -> int:
    if isinstance(source, bytes):
        return len(source)
    try:
        return source.stat().st_size if isinstance(source, Path) else 0
    except OSError:
        return 0


def _most_jobs() -> int:
    import psutil

    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(1, min(cores, psutil.virtual_memory().available // _MEMORY_EACH_BYTES))
