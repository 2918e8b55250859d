"""Compute at another speed without another card: some of the multiprocessors, in a green context.

The same kernels run on all multiprocessors and on fewer; what a profile of the first predicts for the second, compute
slowed by as much, is held against the time there. Bandwidth must hold, or the witness says nothing: a copy is timed
both ways as well. Matrices are zeros, on purpose: random ones run at the power cap, where clocks rise as soon as some
multiprocessors rest.

lgamma runs at the bandwidth's ceiling with its instructions close behind, and without hardware counters nothing shows
how close: only the interval of its prediction says something. Not every kernel that issues suits: erfcx, whose threads
take different branches, took 3.95 times as long on 64 of 132 multiprocessors, so that they share more than each its own
unit that issues.

Pinned against pageable memory and planted delays are the same kind of witness; the zoo and the observer have them.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks._common import stage
from benchmarks._workload import describe, open_bench
from benchmarks.truth.interleaved import time_in_turns
from benchmarks.truth.section import Claim, Section, Table
from profiler.attribute.rates import NeededWork
from profiler.attribute.scenarios import scenarios_of
from profiler.attribute.step_evidence import StepEvidence
from profiler.attribute.timeline_record import restored
from profiler.attribute.whatif import Prediction, predict
from profiler.measure.plan import Plan
from profiler.report.records import Clean
from profiler.report.vocabulary import Resource
from profiler.session.bench import Bench, PhasePlan
from profiler.session.measured_phase import TimedPhase, trace_phase
from profiler.workload.phase import NO_RESET

MULTIPROCESSORS = 64  # Hopper hands them out in groups of 8
TOLERANCE = 0.10
BANDWIDTH_HOLDS = 0.95
PLAN = dataclasses.replace(Plan.standard(), repeat_seconds=0.2, warmup_seconds=0.2)
_CALLS = 8  # kernels an iteration
_COPY = "copy"
_TWO_LIMITS = "lgamma"

Work = Callable[[], object]
Place = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True, slots=True)
class Witnessed:
    """One workload: its time on all multiprocessors, on some, and what was predicted for these."""

    name: str
    all_ms: float
    some_ms: float
    predicted_ms: float
    low_ms: float
    high_ms: float

    @property
    def is_held(self) -> bool:
        """Whether the prediction's interval holds the measured time."""
        return self.low_ms <= self.some_ms <= self.high_ms

    @property
    def error(self) -> float:
        """How far the prediction is off, as a fraction of the measured time."""
        return self.predicted_ms / self.some_ms - 1


class GreenPhase:
    """Some kernels an iteration, until the device is done with them; inside `place`, a context of fewer processors."""

    shape = None
    body = None
    launch = None
    iterations_per_reset = NO_RESET

    def __init__(self, name: str, work: Work, place: Place = nullcontext) -> None:
        self.name = name
        self._work = work
        self._place = place

    def reset(self) -> None:
        """Nothing to prepare."""

    def iterate(self) -> None:
        """The kernels to their end."""
        with self._place():
            for _ in range(_CALLS):
                self._work()
            torch.cuda.current_stream().synchronize()


def run(options: argparse.Namespace) -> Section:
    """The section; nothing is tested where there are no green contexts."""
    with open_bench(options.device, PLAN) as bench:
        environment = describe(bench.device)
        properties = bench.device.properties
        total = properties.sm_count or 0
        green, reason = _green_context(bench)
        if green is None:
            return section_of(environment, total, [], None, reason)
        works = _works(bench.device.torch_device)
        with torch.no_grad():
            return _witness(bench, environment, total, works, green)


def _witness(bench: Bench, environment: dict[str, object], total: int, works: dict[str, Work], green: Place) -> Section:
    places = [(name, work, place) for name, work in works.items() for place in (nullcontext, green)]
    phases = [GreenPhase(name, work, place) for name, work, place in places]
    with stage("timing on all and on some multiprocessors"):
        cleans = time_in_turns(phases, bench.device, bench.clock, bench.plan)
    speed = MULTIPROCESSORS / total
    found = []
    for number, name in enumerate(works):
        whole, part = cleans[2 * number : 2 * number + 2]
        with stage(f"tracing {name}"):
            evidence = _evidence(bench, phases[2 * number], whole)
        if evidence is not None:
            speeds = {Resource.TENSOR: speed, Resource.ISSUE: speed}
            found.append(_witnessed(name, whole, part, predict(scenarios_of(evidence)[0], evidence.clean, speeds)))
    copied = [one for one in found if one.name == _COPY]
    bandwidth = copied[0].all_ms / copied[0].some_ms if copied else None
    return section_of(environment, total, found, bandwidth, None)


def _witnessed(name: str, whole: Clean, part: Clean, predicted: Prediction) -> Witnessed:
    low_ms, high_ms = (predicted.ms if end is None else end for end in (predicted.low_ms, predicted.high_ms))
    return Witnessed(name, whole.wall_ms.median, part.wall_ms.median, predicted.ms, low_ms, high_ms)


def section_of(
    environment: dict[str, object],
    total: int,
    found: Sequence[Witnessed],
    bandwidth: float | None,
    reason: str | None,
) -> Section:
    """The claims on what was found. `bandwidth` is that of fewer multiprocessors over that of all."""
    text = f"time on {MULTIPROCESSORS} of {total} multiprocessors within {TOLERANCE:.0%} of the prediction"
    holds = bandwidth is not None and bandwidth >= BANDWIDTH_HOLDS
    claims = [
        Claim(
            f"{one.name}: {text}",
            abs(one.error) <= TOLERANCE if holds else None,
            f"{one.all_ms:.3f} -> {one.some_ms:.3f} ms, predicted {one.predicted_ms:.3f} ({one.error:+.1%})",
        )
        for one in found
        if one.name != _TWO_LIMITS
    ]
    held = sum(one.is_held for one in found)
    claims.append(
        Claim(
            "the prediction's interval holds the time of every workload",
            held == len(found) if holds else None,
            f"{held} of {len(found)}",
        )
    )
    if not found:
        claims = [Claim(text, None, reason or "no workload could be judged")]
    rows = [
        (
            one.name,
            *(f"{ms:.3f}" for ms in (one.all_ms, one.some_ms, one.predicted_ms)),
            f"{one.low_ms:.3f} .. {one.high_ms:.3f}",
            f"{one.error:+.1%}",
        )
        for one in found
    ]
    notes = [] if bandwidth is None else [f"bandwidth of fewer multiprocessors over that of all: {bandwidth:.3f}"]
    if found and not holds:
        notes.append(f"bandwidth did not hold ({BANDWIDTH_HOLDS} asked for), so nothing was tested")
    return Section(
        name="witness",
        title="Green contexts: compute at another speed on the same card",
        environment=dict(environment),
        claims=claims,
        tables=[Table("Milliseconds", ("workload", "all", "some", "predicted", "interval", "error"), rows)],
        notes=notes,
    )


def _green_context(bench: Bench) -> tuple[Place | None, str | None]:
    if bench.device.properties.kind != "cuda":
        return None, "a CPU has no multiprocessors to take away"
    try:
        from torch.cuda.green_contexts import GreenContext

        context: Any = GreenContext.create(num_sms=MULTIPROCESSORS, device_id=torch.cuda.current_device())
    except (ImportError, RuntimeError) as error:
        return None, f"no green context: {str(error).partition(chr(10))[0]}"

    @contextmanager
    def inside() -> Iterator[None]:
        context.set_context()
        try:
            yield
        finally:
            context.pop_context()

    return inside, None


def _works(device: str) -> dict[str, Work]:
    """Kernels bound by matrix units, by instructions, by two limits alike, and by memory; none allocates."""
    left = torch.zeros(4096, 8192, dtype=torch.bfloat16, device=device)
    right = torch.zeros(8192, 8192, dtype=torch.bfloat16, device=device)
    product = torch.empty(4096, 8192, dtype=torch.bfloat16, device=device)
    numbers = torch.rand(2**26, device=device) + 1
    result = torch.empty_like(numbers)
    halves = numbers.to(torch.bfloat16).repeat(2)
    half_result = torch.empty_like(halves)
    return {
        "matrix products": lambda: torch.mm(left, right, out=product),
        "digamma": lambda: torch.digamma(halves, out=half_result),
        _TWO_LIMITS: lambda: torch.lgamma(numbers, out=result),
        _COPY: lambda: torch.add(numbers, 1.0, out=result),
    }


def _evidence(bench: Bench, phase: GreenPhase, clean: Clean) -> StepEvidence | None:
    plan = PhasePlan(
        phase=phase,
        dtype="bfloat16",
        mode="eager",
        offload="none",
        needed=NeededWork(None, None, None),
        needed_note="a workload of the benchmark",
    )
    record = trace_phase(bench, TimedPhase(plan, clean, None, None)).record
    return None if record.timeline is None else restored(record.timeline)
