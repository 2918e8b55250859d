"""Entries in which no unit is short: the host is late, kernels are too small, or streams wait for each other."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch.nn import functional

from benchmarks.truth.zoo.compute import product
from benchmarks.truth.zoo.entry import Case, Entry, Lab, Work, each, one, spin
from benchmarks.truth.zoo.relief import GONE, balanced, faster, without_syncs, without_waits
from profiler.report.vocabulary import Cause

_NO_GRAPHS = "a CPU has no graphs"
_NO_STREAMS = "a CPU has no streams"


def _tiny(lab: Lab, elements: int, count: int) -> Work:
    x = lab.random(elements)
    return each([partial(x.add_, 1.0)] * count)


def _tiny_launched(lab: Lab) -> Case:
    work = _tiny(lab, 1024, 2000)
    return Case(work, lab.captured(work))


def _tiny_captured(lab: Lab) -> Case:
    """Kernels that leave nearly the whole device idle, with no host to wait for."""
    body = _tiny(lab, 4096, 2000)
    return Case(lab.captured(body), lab.captured(_tiny(lab, 8192, 1000)), body=body)


def _eager_decode(lab: Lab) -> Case:
    """The layers of a small decoder for one token, written out op by op as modelling code does."""
    width, layers = 1024, 16
    weights = [[lab.random(width, width) for _ in range(4)] for _ in range(layers)]
    scale, x = lab.random(width), lab.random(1, width)

    def decode() -> None:
        hidden = x
        for query, out, up, down in weights:
            normed = hidden * torch.rsqrt(hidden.pow(2).mean(-1, keepdim=True) + 1e-6) * scale
            hidden = hidden + functional.linear(functional.linear(normed, query), out)
            normed = hidden * torch.rsqrt(hidden.pow(2).mean(-1, keepdim=True) + 1e-6) * scale
            hidden = hidden + functional.linear(functional.silu(functional.linear(normed, up)), down)

    return Case(decode, lab.captured(decode))


def _synced(lab: Lab) -> Case:
    """The kernel outlasts the host's way to the wait, so that the host does wait; and no Python surrounds the wait."""
    work = _long_rows(lab, 2**14)
    wait = torch.cuda.current_stream(lab.device).synchronize

    def run(*, syncs: bool) -> None:
        for _ in range(150):
            work()
            if syncs:
                wait()

    return Case(partial(run, syncs=True), partial(run, syncs=False), host_waits=True)


def _slow_host(lab: Lab) -> Case:
    work, _ = product(lab, torch.bfloat16, 8192)
    return Case(each([partial(spin, lab.size(4, 1)), work]), work)


def _starved(lab: Lab) -> Case:
    """A host that prepares each of many batches for longer than the device needs for it."""
    work, _ = product(lab, torch.bfloat16, 2048)
    prepare = partial(spin, 0.15)
    return Case(each([prepare, work] * 20), each([work] * 20))


def _long_rows(lab: Lab, width: int = 2**17) -> Work:
    """A kernel that keeps few processors busy for long: a softmax takes one block a row, and these rows fit into L2."""
    return partial(torch.softmax, lab.random(16, width, dtype=torch.float64), -1)


def _taking_turns(lab: Lab) -> Case:
    """Two streams whose kernels could run at once, were it not that each waits for the other's."""
    streams = [torch.cuda.Stream(lab.device) for _ in range(2)]  # type: ignore[no-untyped-call]
    works = [_long_rows(lab) for _ in streams]
    begun = torch.cuda.Event()  # type: ignore[no-untyped-call]

    def run(*, waits: bool) -> None:
        begun.record()
        for stream in streams:
            stream.wait_event(begun)
        for _ in range(8):
            for stream, other, work in zip(streams, reversed(streams), works, strict=True):
                if waits:
                    stream.wait_stream(other)
                with torch.cuda.stream(stream):
                    work()

    return Case(partial(run, waits=True), partial(run, waits=False))


def _overloaded_stream(lab: Lab) -> Case:
    """Sixteen independent kernels that could share the device, fourteen of them on one stream."""
    streams = [torch.cuda.Stream(lab.device) for _ in range(2)]  # type: ignore[no-untyped-call]
    work = _long_rows(lab)

    def run(pattern: Sequence[int]) -> None:
        for number in pattern:
            with torch.cuda.stream(streams[number]):
                work()

    return Case(partial(run, [0] * 7 + [1] + [0] * 7 + [1]), partial(run, [0, 1] * 8))


_HOST = one(Cause.SCHEDULING_HOST)
_SMALL = one(Cause.SCHEDULING_SMALL_KERNELS, Cause.SCHEDULING_LAUNCH_GAP)
_STREAMS = one(Cause.SCHEDULING_STREAM_IMBALANCE, Cause.SCHEDULING_SMALL_KERNELS, Cause.SCHEDULING_LAUNCH_GAP)

ENTRIES: Sequence[Entry] = (
    Entry(
        "launches.tiny_kernels",
        *_HOST,
        "2000 kernels of 1024 elements, launched one by one",
        faster("the same kernels in a CUDA graph", host=GONE),
        _tiny_launched,
        needs_gpu=_NO_GRAPHS,
    ),
    Entry(
        "kernels.tiny_in_a_graph",
        *_SMALL,
        "2000 kernels of 4096 elements in a CUDA graph",
        faster("half as many kernels of twice the size", latency=2.0),
        _tiny_captured,
        needs_gpu=_NO_GRAPHS,
        mode="graph",
    ),
    Entry(
        "launches.eager_decode",
        *_HOST,
        "a small decoder's layers for one token, launched op by op",
        faster("the same kernels in a CUDA graph", host=GONE),
        _eager_decode,
        needs_gpu=_NO_GRAPHS,
    ),
    Entry(
        "sync.after_every_op",
        *one(Cause.SCHEDULING_SYNC, Cause.SCHEDULING_HOST, Cause.SCHEDULING_SMALL_KERNELS),
        "150 kernels too small for the device, each waited for before the next is launched",
        without_syncs("one wait at the end"),
        _synced,
        needs_gpu="a CPU has nothing to wait for",
        dtype="float64",
    ),
    Entry(
        "host.slow",
        *_HOST,
        "a host that is busy for 4 ms before it launches a matrix product",
        faster("the host is not busy", host=GONE),
        _slow_host,
    ),
    Entry(
        "host.starves_the_device",
        *_HOST,
        "a host that prepares each of 20 small matrix products for 0.15 ms",
        faster("nothing to prepare", host=GONE),
        _starved,
    ),
    Entry(
        "streams.taking_turns",
        *_STREAMS,
        "two streams of kernels too small for the device, each of which waits for the other stream's",
        without_waits("the streams do not wait"),
        _taking_turns,
        needs_gpu=_NO_STREAMS,
        dtype="float64",
    ),
    Entry(
        "streams.overloaded",
        *_STREAMS,
        "14 of 16 kernels too small for the device on one of two streams",
        balanced("8 on each"),
        _overloaded_stream,
        needs_gpu=_NO_STREAMS,
        dtype="float64",
    ),
)
