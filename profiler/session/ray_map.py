"""One function over many traces, on a Ray cluster that is there already.

A file that a node finds under the same path, of the same size and age, is read there, as on a shared file system. Any
other is sent from here, as are an archive's members and what came through a pipe. Every node needs this package; what
one runs there is its own, so all must have the version that asks.
"""

from __future__ import annotations

import socket
import warnings
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from profiler import __version__
from profiler.errors import FailedError, UnreadableError, UnsupportedError
from profiler.progress import Progress, SilentProgress
from profiler.session.spool import Spool
from profiler.session.trace_inputs import TraceInput
from profiler.session.trace_map import Failure, Outcome, Work, outcome_of
from profiler.trace.trace_file import TraceSource

Result = TypeVar("Result")

# Beyond one for each core, so that none of them waits for this machine to send the next.
_AHEAD = 2
# A node that goes away takes its traces with it, and they are read again elsewhere: once, as a trace may be the reason.
_RETRIES = 1
_KNOCK_S = 5.0
# A node may need seconds to start a process and import this package; a cluster that grows on demand, much longer.
_SOON_S = 5.0
_FREE_CPU_S = 60.0
_Stamp = tuple[int, int]


def map_on_ray(
    inputs: Iterable[TraceInput], work: Work[Result], address: str, progress: Progress | None = None
) -> Generator[Outcome[Result]]:
    """`work` done to each trace by the cluster at `address`, in no certain order. `work` must be picklable.

    `address` is what Ray takes: `HOST:PORT`, `ray://HOST:PORT`, `auto` for the one that this machine is in, or `local`
    for one of its own. Raises `UnsupportedError` without Ray, or where the cluster lacks this package, `FailedError`
    where no cluster answers, or none of its CPUs becomes free.
    """
    ray = _ray()
    with Spool() as spool, _connected(ray, address):
        at_once = _cores(ray, address, progress or SilentProgress()) + _AHEAD
        remote = ray.remote(num_cpus=1, max_retries=_RETRIES)(_read)
        numbered = enumerate(inputs)
        pending: dict[Any, tuple[int, TraceInput, Path | None]] = {}
        more = True
        try:
            while more or pending:
                while more and len(pending) < at_once:
                    number, given = next(numbered, (-1, None))
                    if given is None:
                        more = False
                        continue
                    each = spool.kept(given)
                    if isinstance(each.source, UnreadableError):
                        yield outcome_of(number, each.name, each.source, work)
                        continue
                    task = remote.remote(number, each.name, *_where(each.source), work)
                    pending[task] = (number, each, each.source if isinstance(each.source, Path) else None)
                if not pending:
                    break
                (task,), _ = ray.wait(list(pending))
                number, each, path = pending.pop(task)
                outcome: Outcome[Result] | None = _answer(ray, task, number, each.name)
                if outcome is None and path is not None:  # not to be found there
                    try:
                        task = remote.remote(number, each.name, path.read_bytes(), None, work)
                    except OSError as error:
                        outcome = Outcome(number, each.name, Failure(f"cannot read {each.name}: {error.strerror}"))
                    else:
                        pending[task] = (number, each, None)
                        continue
                spool.drop(each)
                if outcome is not None:
                    yield outcome
        finally:
            for task in pending:
                with suppress(Exception):  # it may be done by now, or the cluster gone
                    ray.cancel(task, force=True)


def _read(
    number: int, name: str, source: TraceSource | UnreadableError, stamp: _Stamp | None, work: Work[Result]
) -> Outcome[Result] | None:
    """On a node: what `work` makes of the trace; None where the file is not to be found there."""
    if isinstance(source, Path) and stamp is not None:
        with suppress(OSError):
            if _stamp(source) == stamp:
                return outcome_of(number, name, source, work)
        return None
    return outcome_of(number, name, source, work)


def _where(source: TraceSource) -> tuple[TraceSource | UnreadableError, _Stamp | None]:
    if not isinstance(source, Path):
        return source, None
    try:
        return source.absolute(), _stamp(source)
    except OSError as error:
        return UnreadableError(f"cannot read {source}: {error.strerror}"), None


def _stamp(path: Path) -> _Stamp:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _answer(ray: Any, task: Any, number: int, name: str) -> Outcome[Result] | None:
    try:
        outcome: Outcome[Result] | None = ray.get(task)
    except ray.exceptions.RayError as error:
        first = next(iter(str(error).strip().splitlines()), "")
        return Outcome(number, name, Failure(f"{name}: lost on the Ray cluster: {type(error).__name__}: {first}"))
    return outcome


def _cores(ray: Any, address: str, progress: Progress) -> int:
    """How many traces the cluster can read at once; made sure that it can read any."""
    asked = ray.remote(num_cpus=1)(_version).remote()
    try:
        if not ray.wait([asked], timeout=_SOON_S)[0]:
            progress.note(f"waiting for a free CPU of the Ray cluster, {_FREE_CPU_S:.0f} s at most")
        theirs = ray.get(asked, timeout=_FREE_CPU_S)
    except ray.exceptions.GetTimeoutError as error:
        ray.cancel(asked, force=True)
        reason = f"the Ray cluster at {address} has had no free CPU for {_FREE_CPU_S:.0f} s"
        raise FailedError(reason, "ray status, which says what it has and who uses it") from error
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[-1]
        raise UnsupportedError(f"the Ray cluster at {address} cannot run this package: {reason}", _install()) from error
    if theirs != __version__:
        raise UnsupportedError(f"the Ray cluster at {address} has version {theirs}, this is {__version__}", _install())
    return max(1, int(ray.cluster_resources().get("CPU", 1)))


def _version() -> str:
    return __version__


def _install() -> str:
    return f"pip install bottleneck-profiler=={__version__} on each of its nodes"


def _ray() -> Any:
    try:
        return import_module("ray")
    except ImportError as error:
        raise UnsupportedError(
            "--ray needs Ray, which is not installed", "pip install 'bottleneck-profiler[ray]'"
        ) from error


@contextmanager
def _connected(ray: Any, address: str) -> Iterator[None]:
    """Connected to the cluster, unless the process is already, and then that counts."""
    if ray.is_initialized():
        yield
        return
    _knock(address)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what later versions of Ray will do
            ray.init(address, logging_level="ERROR", log_to_driver=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise _nobody(address, reason) from error
    try:
        yield
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Make sure that somebody listens at HOST:PORT: Ray itself tries for ten minutes and more."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return  # `auto` and `local`, which Ray looks up
    try:
        socket.create_connection((host.strip("[]"), int(port)), _KNOCK_S).close()
    except (OSError, OverflowError) as error:
        raise _nobody(address, getattr(error, "strerror", None) or str(error)) from error


def _nobody(address: str, reason: str) -> FailedError:
    return FailedError(
        f"no Ray cluster answers at {address}: {reason}", "ray status --address HOST:PORT, and then --ray HOST:PORT"
    )
