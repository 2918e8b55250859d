"""What an animal of the zoo is: a workload, what holds it back, and a change that relieves only that."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch

from benchmarks.truth.zoo.relief import Relief
from profiler.attribute.operation_work import TokenShape
from profiler.report.vocabulary import BottleneckClass, Cause

MIB = 2**20
GIB = 2**30
Work = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Case:
    """One built entry. An iteration is `launch`, or `relieved`, and then a wait until the device is done.

    `host_waits`: the launches wait for the device themselves, so the host alone cannot be timed. `body` is the same
    work op by op, where `launch` replays a graph.
    """

    launch: Work
    relieved: Work
    host_waits: bool = False
    body: Work | None = None


@dataclass(slots=True)
class Lab:
    """Where entries are built: sizes by device, random data of a fixed seed, and what was tuned on this device.

    An entry is built twice, to be timed and to be traced; `tuned` remembers the first time's numbers for the second.
    """

    device: torch.device
    seed: int = 0
    _tuned: dict[str, int] = field(default_factory=dict)

    @property
    def on_gpu(self) -> bool:
        return self.device.type == "cuda"

    def size(self, gpu: int, cpu: int) -> int:
        """As large as the device: on a CPU only the plumbing is tested."""
        return gpu if self.on_gpu else cpu

    def random(self, *shape: int, dtype: torch.dtype = torch.bfloat16) -> torch.Tensor:
        """Normal numbers: a GEMM of zeros draws less power and runs faster."""
        generator = torch.Generator(self.device).manual_seed(self.seed)
        self.seed += 1
        return torch.empty(shape, dtype=dtype, device=self.device).normal_(generator=generator)

    def host(self, like: torch.Tensor, *, pinned: bool) -> torch.Tensor:
        """The same numbers in host memory."""
        return torch.empty(like.shape, dtype=like.dtype, pin_memory=pinned and self.on_gpu).copy_(like)

    def synchronize(self) -> None:
        if self.on_gpu:
            torch.cuda.synchronize(self.device)

    def seconds(self, work: Work, repeats: int = 20) -> float:
        """Of one `work`, among others of its kind, when nothing else runs."""
        for _ in range(2):
            work()
        self.synchronize()
        begin = time.perf_counter()
        for _ in range(repeats):
            work()
        self.synchronize()
        return (time.perf_counter() - begin) / repeats

    def tuned(self, name: str, find: Callable[[], float]) -> int:
        """A whole number, at least 1, that was found out on this device the first time that it was asked for."""
        if name not in self._tuned:
            self._tuned[name] = max(1, math.floor(find() + 0.5))
        return self._tuned[name]

    def captured(self, work: Work) -> Work:
        """`work` as a CUDA graph. What is returned keeps `work`, and with it the tensors that the graph points to."""
        side = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # what is loaded lazily must not be loaded during the capture
            work()
        torch.cuda.current_stream().wait_stream(side)
        self.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            work()
        return partial(_replay, graph, work)


def _replay(graph: torch.cuda.CUDAGraph, captured: Work) -> None:
    graph.replay()


@dataclass(frozen=True, slots=True)
class Entry:
    """`truth` is the class that holds it back, two where they tie; `causes` are the names that fit it.

    `mode` is what the profiler would call it: a captured graph, or launched op by op; `hint` is what a session knows of
    a model's attention.
    """

    name: str
    truth: frozenset[BottleneckClass]
    causes: frozenset[Cause]
    what: str
    relief: Relief
    build: Callable[[Lab], Case]
    needs_gpu: str | None = None  # why it cannot run on a CPU
    mode: str = "eager"
    dtype: str = "bfloat16"
    hint: TokenShape = field(default_factory=TokenShape)

    @property
    def is_tie(self) -> bool:
        return len(self.truth) > 1


def one(cause: Cause, *others: Cause) -> tuple[frozenset[BottleneckClass], frozenset[Cause]]:
    """Truth and causes of an entry with one bottleneck; `others` name the same thing in other words."""
    return frozenset([cause.bottleneck_class]), frozenset([cause, *others])


def tie(*causes: Cause) -> tuple[frozenset[BottleneckClass], frozenset[Cause]]:
    """Truth and causes of an entry in which either class takes half of the time."""
    return frozenset(cause.bottleneck_class for cause in causes), frozenset(causes)


def each(works: Sequence[Work]) -> Work:
    """One after the other."""

    def run() -> None:
        for work in works:
            work()

    return run


def spin(milliseconds: float) -> None:
    """Keep this thread busy for so long: a sleep would wake up late."""
    until = time.perf_counter_ns() + round(milliseconds * 1e6)
    while time.perf_counter_ns() < until:
        pass
