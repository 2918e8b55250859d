"""Entries of two or three kinds of work, one after the other, in a proportion that is tuned on the device.

Work that follows on work has no other share than its part of the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch

from benchmarks.truth.zoo.compute import product
from benchmarks.truth.zoo.entry import GIB, MIB, Case, Entry, Lab, Work, each, one, spin, tie
from benchmarks.truth.zoo.relief import faster
from profiler.report.vocabulary import Cause

_UNIT_BYTES = 2**20


def _sized(lab: Lab, name: str, whole: torch.Tensor, copy: str, seconds: float) -> tuple[Work, Work]:
    """A copy that takes so many seconds, and one of half the bytes: `device` or `h2d` (pinned)."""
    target = torch.empty_like(whole)
    source = whole if copy == "device" else lab.host(whole, pinned=True)
    unit = _UNIT_BYTES // whole.itemsize

    def work(units: int) -> Work:
        elements = min(units * unit, len(whole))
        return partial(target[:elements].copy_, source[:elements], non_blocking=True)

    units = lab.tuned(name, lambda: seconds / lab.seconds(work(len(whole) // unit)) * (len(whole) // unit))
    return work(units), work(max(1, units // 2))


def _with_copy(lab: Lab, name: str, copy: str, copy_part: float, products: int, halved: str, size: int = 8192) -> Case:
    """Matrix products, and a copy that takes `copy_part` of the whole time. `halved` is what the relief halves."""
    whole, half = product(lab, torch.bfloat16, size)
    products_s = lab.seconds(each([whole] * products))
    buffer = lab.random(lab.size(4 * GIB if copy == "device" else 512 * MIB, 4 * MIB) // 2)
    copied, copied_half = _sized(lab, name, buffer, copy, products_s * copy_part / (1 - copy_part))
    relieved = [half] * products + [copied] if halved == "flops" else [whole] * products + [copied_half]
    return Case(each([whole] * products + [copied]), each(relieved))


def _three_kinds(lab: Lab) -> Case:
    """Half matrix products, 30% copies, 20% host."""
    products = 2
    whole, half = product(lab, torch.bfloat16, 8192)
    products_s = lab.seconds(each([whole] * products))
    buffer = lab.random(lab.size(4 * GIB, 4 * MIB) // 2)
    copied, _ = _sized(lab, "three_kinds.copy", buffer, "device", products_s * 0.6)
    spin_us = lab.tuned("three_kinds.spin", lambda: products_s * 0.4 * 1e6)
    busy = partial(spin, spin_us / 1e3)
    return Case(each([busy, *[whole] * products, copied]), each([busy, *[half] * products, copied]))


_HALF_FLOPS = faster("half the FLOPs of the products", tensor=2.0)
_HALF_BYTES = faster("half the bytes of the copy", dram=2.0)
_HALF_PCIE = faster("half the bytes of the copy", pcie=2.0)
_NO_BUS = "a CPU works in the host's memory: nothing is copied to it"

ENTRIES: Sequence[Entry] = (
    Entry(
        "mixed.compute_70_memory_30",
        *one(Cause.COMPUTE_TENSOR),
        "matrix products for 70% of the time, then a copy within the device",
        _HALF_FLOPS,
        partial(_with_copy, name="c70m30", copy="device", copy_part=0.3, products=2, halved="flops"),
    ),
    Entry(
        "mixed.memory_70_compute_30",
        *one(Cause.MEMORY_COPY),
        "matrix products for 30% of the time, then a copy within the device",
        _HALF_BYTES,
        partial(_with_copy, name="m70c30", copy="device", copy_part=0.7, products=3, halved="bytes", size=4096),
    ),
    Entry(
        "mixed.io_70_compute_30",
        *one(Cause.IO_H2D),
        "matrix products for 30% of the time, then a pinned copy from the host",
        _HALF_PCIE,
        partial(_with_copy, name="i70c30", copy="h2d", copy_part=0.7, products=2, halved="bytes"),
        needs_gpu=_NO_BUS,
    ),
    Entry(
        "mixed.compute_50_memory_30_host_20",
        *one(Cause.COMPUTE_TENSOR),
        "matrix products for half of the time, a copy within the device, and a busy host",
        _HALF_FLOPS,
        _three_kinds,
    ),
    Entry(
        "tie.compute_memory",
        *tie(Cause.COMPUTE_TENSOR, Cause.MEMORY_COPY),
        "matrix products for half of the time, then a copy within the device",
        _HALF_FLOPS,
        partial(_with_copy, name="c50m50", copy="device", copy_part=0.5, products=1, halved="flops"),
    ),
    Entry(
        "tie.io_compute",
        *tie(Cause.IO_H2D, Cause.COMPUTE_TENSOR),
        "matrix products for half of the time, then a pinned copy from the host",
        _HALF_PCIE,
        partial(_with_copy, name="i50c50", copy="h2d", copy_part=0.5, products=2, halved="bytes"),
        needs_gpu=_NO_BUS,
    ),
)
