"""Counters: the bytes that `--counters` attributes to kernels, against Nsight Compute's on the same step.

Nsight Compute runs one kernel at a time and reads its counters around it. Ours are samples of the device every 20 us
while the step runs as it does, most kernels being shorter than that. What is read belongs to the kernel that reads it;
what is written leaves a cache of 50 MB when something else needs the room, which may be in a later kernel, and looked
at one at a time in another one than in the step. So the bytes read are held against each other by themselves as well.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks._common import stage
from benchmarks._workload import describe
from benchmarks.truth.counted_step import LOOKED_AT, steps
from benchmarks.truth.ncu import NcuFailedError, NcuKernel, function_name, run_ncu, steps_of, usual_step
from benchmarks.truth.section import Claim, Section, Table
from profiler.attribute.counted import Counted
from profiler.attribute.kernel_runs import told_apart
from profiler.device.select import open_driver, select_device
from profiler.measure.counters.source import Counter
from profiler.session.counted_phase import count
from profiler.session.machine import counters_of

WHOLE_WITHIN, CLASS_WITHIN = 0.03, 0.10
CLASS_FROM = 0.01  # of the step's bytes
_WHOLE = "DRAM bytes of the step within 3% of Nsight Compute's"
_CLASSES = "each kernel class with over 1% of them within 10%"
_READS = "the bytes that each of these reads within 10%"


@dataclass(frozen=True, slots=True)
class Pair:
    """One class of kernels, counted twice; bytes of one step. A class is a function, its grid, and its size."""

    name: str
    calls: float
    us: float
    our_reads: float
    our_writes: float
    error: float
    their_reads: float
    their_writes: float

    @property
    def ours(self) -> float:
        """Sampled."""
        return self.our_reads + self.our_writes

    @property
    def theirs(self) -> float:
        """Nsight Compute's."""
        return self.their_reads + self.their_writes

    @property
    def off(self) -> float:
        """How far ours are from theirs, as a part of theirs."""
        return self.ours / self.theirs - 1 if self.theirs else 0.0


def run(options: argparse.Namespace) -> Section:
    """The section."""
    device = select_device(options.device, driver=open_driver())
    counted: dict[str, Counted | str] = {}
    notes: list[str] = []
    with counters_of(device) as counters:
        for phase in steps(device, small=options.small):
            with stage(f"counting {phase.name}"):
                found = count(phase, device, counters, time.monotonic_ns)
            counted[phase.name] = found.counted or found.missing
            notes += [f"{phase.name}: {note}" for note in found.notes]
    theirs: list[list[NcuKernel]] = []
    reason = next((one for one in counted.values() if isinstance(one, str)), None)
    if reason is None or any(isinstance(one, Counted) for one in counted.values()):
        try:
            with stage("the same steps under Nsight Compute"):
                theirs = steps_of(run_ncu([sys.executable, "-m", "benchmarks.truth.counted_step", device.torch_device]))
        except NcuFailedError as failure:
            reason = failure.message
    return section_of(describe(device), counted, theirs, reason, notes, looked_at=LOOKED_AT)


def section_of(
    environment: dict[str, Any],
    counted: dict[str, Counted | str],
    theirs: Sequence[Sequence[NcuKernel]],
    reason: str | None,
    notes: Sequence[str] = (),
    *,
    looked_at: int = 1,
) -> Section:
    """Claims and tables. `theirs` are the kernels of each step in its order, each step looked at so many times."""
    claims: list[Claim] = []
    tables: list[Table] = []
    details: dict[str, Any] = {}
    for name, ours in counted.items():
        mine, theirs = usual_step(theirs[:looked_at]), theirs[looked_at:]
        if isinstance(ours, str) or not mine:
            why = ours if isinstance(ours, str) else reason or "Nsight Compute counted nothing"
            claims += [Claim(f"{name}: {text}", None, why) for text in (_WHOLE, _CLASSES, _READS)]
            continue
        pairs = paired(ours, mine)
        claims += claims_of(name, ours.whole[Counter.DRAM_READ] + ours.whole[Counter.DRAM_WRITE], pairs)
        tables.append(_table(name, ours, pairs))
        details[name] = {
            "iterations": ours.iterations,
            "samples": ours.samples,
            "sample_us": ours.sample_us,
            "unit_sample_us": ours.unit_sample_us,
            "explained_ratio": ours.explained_ratio,
            "marker_misfit": ours.misfit,
            "whole": dict(ours.whole),
            "classes": [dataclasses.asdict(pair) for pair in pairs],
        }
    return Section(
        name="counters",
        title="Counters: bytes of each kernel, sampled while the step runs, against Nsight Compute",
        environment=environment,
        claims=claims,
        tables=tables,
        notes=[
            "ncu --cache-control none --clock-control none; a class is a kernel's function, grid and size",
            f"Nsight Compute looks at each step {LOOKED_AT} times; of each kernel the medians count",
            *notes,
        ],
        details=details,
    )


def paired(counted: Counted, theirs: Sequence[NcuKernel]) -> list[Pair]:
    """Every class of kernels on both sides, the one with the most bytes first.

    Kernels of one function and grid are of several sizes where both sides tell as many apart by their durations.
    """
    ours = defaultdict(list)
    for kernel in counted.kernels:
        ours[function_name(kernel.key[0]), kernel.key[1]].append(kernel)
    runs: dict[tuple[str, tuple[int, int, int]], list[NcuKernel]] = defaultdict(list)
    for run_ in theirs:
        runs[function_name(run_.name), run_.grid].append(run_)
    pairs = []
    for key, found in runs.items():
        mine = sorted(ours.get(key, []), key=lambda kernel: kernel.us)
        parts = [[found[i] for i in part.tolist()] for part in told_apart(np.array([one.ns for one in found]))]
        alike = len(parts) == len(mine) and all(
            round(kernel.calls) == len(part) for kernel, part in zip(mine, parts, strict=True)
        )
        sides = [([kernel], part) for kernel, part in zip(mine, parts, strict=True)] if alike else [(mine, found)]
        for kernels, counterparts in sides:
            reads = [kernel.calls * kernel.each[Counter.DRAM_READ].value for kernel in kernels]
            writes = [kernel.calls * kernel.each[Counter.DRAM_WRITE].value for kernel in kernels]
            pairs.append(
                Pair(
                    name=f"{key[0]} {'x'.join(str(size) for size in key[1])}",
                    calls=sum(kernel.calls for kernel in kernels),
                    us=max((kernel.us for kernel in kernels), default=0.0),
                    our_reads=sum(reads),
                    our_writes=sum(writes),
                    error=sum(kernel.calls * kernel.each[Counter.DRAM_READ].error for kernel in kernels),
                    their_reads=sum(one.read_bytes for one in counterparts),
                    their_writes=sum(one.write_bytes for one in counterparts),
                )
            )
    return sorted(pairs, key=lambda pair: -pair.theirs)


def claims_of(name: str, counted_bytes: float, pairs: Sequence[Pair]) -> list[Claim]:
    """What is claimed of one step of `counted_bytes`."""
    truth = sum(pair.theirs for pair in pairs)
    large = [pair for pair in pairs if pair.theirs >= CLASS_FROM * truth]
    return [
        Claim(
            f"{name}: {_WHOLE}",
            abs(counted_bytes / truth - 1) <= WHOLE_WITHIN,
            f"{counted_bytes / 1e6:,.1f} MB against {truth / 1e6:,.1f} MB ({counted_bytes / truth - 1:+.2%})",
        ),
        _claim_of_classes(f"{name}: {_CLASSES}", [(pair.name, pair.ours, pair.theirs) for pair in large]),
        _claim_of_classes(f"{name}: {_READS}", [(pair.name, pair.our_reads, pair.their_reads) for pair in large]),
    ]


def _claim_of_classes(text: str, classes: Sequence[tuple[str, float, float]]) -> Claim:
    off = [(ours / theirs - 1 if theirs else 0.0, name) for name, ours, theirs in classes]
    worst, name = max(off, key=lambda one: abs(one[0]))
    return Claim(text, abs(worst) <= CLASS_WITHIN, f"the worst of {len(off)} is {name}, {worst:+.1%}")


def _table(name: str, counted: Counted, pairs: Sequence[Pair]) -> Table:
    whole = sum(pair.theirs for pair in pairs)
    return Table(
        heading=f"{name}: {counted.samples:,} samples of {counted.sample_us:.0f} us, {counted.iterations} iterations",
        columns=("kernel", "calls", "us", "MB a call, counted", "MB a call, ncu (written)", "off", "of the bytes"),
        rows=[
            (
                pair.name,
                f"{pair.calls:.0f}",
                f"{pair.us:.1f}",
                f"{pair.ours / pair.calls / 1e6:.2f} ± {1.96 * pair.error / pair.calls / 1e6:.2f}",
                f"{pair.theirs / pair.calls / 1e6:.2f} ({pair.their_writes / pair.calls / 1e6:.2f})",
                f"{pair.off:+.1%}",
                f"{pair.theirs / whole:.1%}",
            )
            for pair in pairs
            if pair.calls and pair.theirs >= CLASS_FROM * whole / 10
        ],
    )
