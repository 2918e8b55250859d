"""One function over many traces: here one after the other, or by several processes at once.

What comes of each trace comes as soon as it is known, with the number that the trace had, so that an interrupt costs
only what was not finished. A trace that cannot be read, or that ends the process which reads it, costs nothing but
itself. Archives and pipes are read as they are asked for: here as streams, for other processes through temporary files.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from io import RawIOBase
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from msgspec import Struct

from profiler.errors import UnreadableError, bug
from profiler.session.trace_inputs import TraceInput
from profiler.trace.trace_file import TraceSource

if TYPE_CHECKING:
    from profiler.session.spool import Spool
    from profiler.session.trace_worker import TraceWorker

Result = TypeVar("Result")
Work = Callable[[str, TraceSource], Result]
_Numbered = tuple[int, TraceInput]

# Below, starting processes takes longer than they save: one starts in 0.3 s, in which 3 MB of gzipped trace are judged.
_WORTH_BYTES = 8 << 20
# What a process may take: half a gigabyte was seen for a trace of 1.3 GB of text (ADR 13).
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
    With several, `work` and its results must be picklable. Close what is returned: that ends the processes and removes
    what was unpacked for them.
    """
    numbered = enumerate(inputs)
    if jobs == 1:
        yield from _one_by_one(numbered, work)
        return
    first = next(numbered, None)
    if first is None:
        return
    ready = [first]
    if isinstance(first[1].source, RawIOBase):  # it may be the only one, and then nothing need be unpacked
        yield from _one_by_one(ready, work)
        ready = []
    from profiler.session.spool import Spool  # which a single trace does not need

    with Spool() as spool:
        rest = ((number, spool.kept(each)) for number, each in numbered)
        several = _are_several(ready, rest) if jobs else _are_worth_it(ready, rest)
        wanted = (jobs or _most_jobs()) if several else 1
        if wanted == 1:
            yield from _one_by_one(chain(ready, numbered), work)
        else:
            yield from _by_processes(chain(ready, rest), work, wanted, spool)


def outcome_of(number: int, name: str, source: TraceSource | UnreadableError, work: Work[Result]) -> Outcome[Result]:
    """What `work` makes of one trace, in this process. Lets nothing through but an interrupt."""
    try:
        if isinstance(source, UnreadableError):
            raise source
        return Outcome(number, name, work(name, source))
    except UnreadableError as error:
        return Outcome(number, name, Failure(error.message, error.hint))
    except Exception as error:  # one trace out of a thousand must not cost the others
        return Outcome(number, name, Failure(f"{name}: {bug(error).message}"))


def _one_by_one(numbered: Iterable[_Numbered], work: Work[Result]) -> Iterator[Outcome[Result]]:
    for number, each in numbered:
        yield outcome_of(number, each.name, each.source, work)


def _by_processes(
    numbered: Iterator[_Numbered], work: Work[Result], jobs: int, spool: Spool
) -> Generator[Outcome[Result]]:
    from multiprocessing.connection import wait  # which a single trace does not need, and takes a while

    from profiler.session.trace_worker import TraceWorker

    idle: list[TraceWorker[Result]] = []
    busy: dict[Any, tuple[TraceWorker[Result], int, TraceInput]] = {}
    more = True
    try:
        while more or busy:
            while more and len(busy) < jobs:
                number, each = next(numbered, (-1, None))
                if each is None:
                    more = False
                    continue
                source = each.source
                if isinstance(source, UnreadableError):
                    yield outcome_of(number, each.name, source, work)
                    continue
                try:
                    worker = idle.pop() if idle else TraceWorker(work)
                except OSError:  # the system lets this process start no more, as in a container with few
                    if busy:
                        jobs, numbered = len(busy), chain([(number, each)], numbered)
                    else:
                        yield outcome_of(number, each.name, source, work)
                        spool.drop(each)
                    continue
                busy[worker.connection] = (worker, number, each)
                worker.send(number, each.name, source)
            for connection in wait(list(busy)) if busy else ():  # with none it would wait for ever
                worker, number, each = busy.pop(connection)
                outcome = worker.receive()
                spool.drop(each)
                if outcome is None:
                    reason = f"{each.name}: {worker.obituary()}"
                    yield Outcome(number, each.name, Failure(reason, "--jobs 1, which takes less memory"))
                else:
                    idle.append(worker)
                    yield outcome
    finally:
        for worker in (*idle, *(entry[0] for entry in busy.values())):
            worker.end()


def _are_several(ready: list[_Numbered], rest: Iterator[_Numbered]) -> bool:
    """Whether there are two or more. What that takes is moved from `rest` to `ready`."""
    while len(ready) < 2 and (each := next(rest, None)) is not None:
        ready.append(each)
    return len(ready) == 2


def _are_worth_it(ready: list[_Numbered], rest: Iterator[_Numbered]) -> bool:
    """Whether there are two or more, and enough to read in them. What that takes is moved from `rest` to `ready`."""
    held_bytes = sum(_size_bytes(each.source) for _, each in ready)
    for number, each in rest:
        ready.append((number, each))
        held_bytes += _size_bytes(each.source)
        if len(ready) > 1 and held_bytes >= _WORTH_BYTES:
            return True
    return False


def _size_bytes(source: TraceSource | UnreadableError) -> int:
    if isinstance(source, bytes):
        return len(source)
    try:
        return source.stat().st_size if isinstance(source, Path) else 0
    except OSError:
        return 0


def _most_jobs() -> int:
    from profiler.device.host_memory import host_memory  # which takes psutil, and looks for a container's limits

    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(1, min(cores, host_memory().free_bytes // _MEMORY_EACH_BYTES))
