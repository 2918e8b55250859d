"""Entries that wait for the bus between host and device, or for their input."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial

import torch
from torch.nn import functional
from torch.utils.data import DataLoader, IterableDataset

from benchmarks.truth.zoo.compute import product
from benchmarks.truth.zoo.entry import MIB, Case, Entry, Lab, each, one
from benchmarks.truth.zoo.relief import GONE, faster, pinned, without_copies
from profiler.report.vocabulary import Cause

_NO_BUS = "a CPU works in the host's memory: nothing is copied to it"


def _inputs(lab: Lab, mebibytes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A tensor on the device, and pageable host memory for as much."""
    there = lab.random(mebibytes * MIB // 2)
    return there, lab.host(there, pinned=False)


def _pageable_input(lab: Lab) -> Case:
    there, pageable = _inputs(lab, 128)
    fast = lab.host(there, pinned=True)
    return Case(
        launch=each([partial(there.copy_, pageable), there.sum]),
        relieved=each([partial(there.copy_, fast, non_blocking=True), there.sum]),
        host_waits=True,
    )


def _pinned_input(lab: Lab) -> Case:
    there, pageable = _inputs(lab, 256)
    host = lab.host(pageable, pinned=True)
    half = len(host) // 2
    return Case(
        launch=each([partial(there.copy_, host, non_blocking=True), there.sum]),
        relieved=each([partial(there[:half].copy_, host[:half], non_blocking=True), there.sum]),
    )


def _pageable_output(lab: Lab) -> Case:
    there, pageable = _inputs(lab, 128)
    fast = lab.host(there, pinned=True)
    return Case(
        launch=each([there.neg_, partial(pageable.copy_, there)]),
        relieved=each([there.neg_, partial(fast.copy_, there, non_blocking=True)]),
        host_waits=True,
    )


def _pinned_output(lab: Lab) -> Case:
    there, pageable = _inputs(lab, 256)
    host = lab.host(pageable, pinned=True)
    half = len(host) // 2
    return Case(
        launch=each([there.neg_, partial(host.copy_, there, non_blocking=True)]),
        relieved=each([there.neg_, partial(host[:half].copy_, there[:half], non_blocking=True)]),
    )


def _offloaded(lab: Lab, *, pinned: bool) -> Case:
    """Layers whose weights are on the host and are copied when their turn comes."""
    width, layers = 4096, 8 if pinned else 4
    resident = [lab.random(width, width) for _ in range(layers)]
    away = [lab.host(weight, pinned=pinned) for weight in resident]
    landing = torch.empty_like(resident[0])
    x = lab.random(8, width)

    def offloaded() -> None:
        hidden = x
        for weight in away:
            landing.copy_(weight, non_blocking=pinned)
            hidden = functional.linear(hidden, landing)

    def at_hand() -> None:
        hidden = x
        for weight in resident:
            hidden = functional.linear(hidden, weight)

    return Case(offloaded, at_hand, host_waits=not pinned)


class _Slow(IterableDataset[torch.Tensor]):
    """Batches from a storage that takes `delay_s` for each: a wait, no work of the host."""

    def __init__(self, batch: torch.Tensor, delay_s: float) -> None:
        super().__init__()
        self._batch = batch
        self._delay_s = delay_s

    def __iter__(self) -> Iterator[torch.Tensor]:
        while True:
            if self._delay_s:
                time.sleep(self._delay_s)
            yield self._batch


def _late_input(lab: Lab) -> Case:
    work, _ = product(lab, torch.bfloat16, 8192)
    batch = torch.zeros(1024)

    def step(delay_s: float) -> partial[None]:
        batches = iter(DataLoader(_Slow(batch, delay_s), batch_size=None))

        def run() -> None:
            next(batches)
            work()

        return partial(run)

    return Case(step(lab.size(4, 1) / 1e3), step(0.0), host_waits=True)


_H2D, _D2H = one(Cause.IO_H2D), one(Cause.IO_D2H)

ENTRIES: Sequence[Entry] = (
    Entry(
        "h2d.pageable",
        *_H2D,
        "128 MiB from pageable memory before each step",
        pinned("the same from pinned memory"),
        _pageable_input,
        needs_gpu=_NO_BUS,
    ),
    Entry(
        "h2d.pinned",
        *_H2D,
        "256 MiB from pinned memory before each step",
        faster("half as many bytes", pcie=2.0),
        _pinned_input,
        needs_gpu=_NO_BUS,
    ),
    Entry(
        "d2h.pageable",
        *_D2H,
        "128 MiB into pageable memory after each step",
        pinned("the same into pinned memory"),
        _pageable_output,
        needs_gpu=_NO_BUS,
    ),
    Entry(
        "d2h.pinned",
        *_D2H,
        "256 MiB into pinned memory after each step",
        faster("half as many bytes", pcie=2.0),
        _pinned_output,
        needs_gpu=_NO_BUS,
    ),
    Entry(
        "offload.pageable",
        *_H2D,
        "layers whose weights come from pageable memory, each in its turn",
        without_copies("the weights stay on the device"),
        partial(_offloaded, pinned=False),
        needs_gpu=_NO_BUS,
    ),
    Entry(
        "offload.pinned",
        *_H2D,
        "layers whose weights come from pinned memory, each in its turn",
        without_copies("the weights stay on the device"),
        partial(_offloaded, pinned=True),
        needs_gpu=_NO_BUS,
    ),
    Entry(
        "input.late",
        *one(Cause.IO_INPUT),
        "a DataLoader that waits 4 ms for its storage before each matrix product",
        faster("a storage that does not wait", disk=GONE),
        _late_input,
    ),
)
