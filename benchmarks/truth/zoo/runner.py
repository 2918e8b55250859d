"""The zoo, run: all entries are timed with their reliefs, then all are traced and judged."""

from __future__ import annotations

import dataclasses
import gc
import time
import traceback
from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import torch
from msgspec import to_builtins
from msgspec.structs import replace

from benchmarks._common import stage
from benchmarks._workload import describe, open_bench, report_of
from benchmarks.truth.results import write_report, write_section
from benchmarks.truth.section import Section
from benchmarks.truth.zoo.animal import Animal
from benchmarks.truth.zoo.entries import ENTRIES
from benchmarks.truth.zoo.entry import Entry, Lab
from benchmarks.truth.zoo.kept import GAINS
from benchmarks.truth.zoo.outcome import MeasuredGain, Outcome, outcome_of
from benchmarks.truth.zoo.presentation import section_of
from benchmarks.truth.zoo.timing import PLAN, SMALL_PLAN, Timed, time_pair
from profiler.report.records import Phase
from profiler.report.source import Source
from profiler.session.bench import Bench
from profiler.session.machine import counters_of
from profiler.session.measured_phase import TimedPhase, trace_phase

_WRITE_EVERY = 14


@dataclass(slots=True)
class _SoFar:
    """What there is until the end; `not_run` and `failed` say why an entry has no outcome."""

    timed: dict[str, Timed] = field(default_factory=dict)
    phases: list[Phase] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    not_run: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    seconds: float | None = None


def run_zoo(options: Namespace) -> Section:
    """Run the entries that `options` ask for on the device that they name, judged with `--counters` if asked."""
    with open_bench(options.device, SMALL_PLAN if options.small else PLAN) as bench, ExitStack() as stack:
        if getattr(options, "counters", False):
            bench = dataclasses.replace(bench, counters=stack.enter_context(counters_of(bench.device)))
        return run_entries(_wanted(options), bench, options.out)


@torch.inference_mode()
def run_entries(entries: Sequence[Entry], bench: Bench, folder: Path) -> Section:
    """Run these. What there is so far is written now and then, so that a run that is killed keeps it."""
    lab = Lab(torch.device(bench.device.torch_device))
    so_far = _SoFar()
    animals = _those_that_can_run(entries, lab, so_far)
    begin = time.perf_counter()
    for animal in animals:
        with stage(f"timing {animal.name}"):
            _do(animal, bench, so_far, _time)
    _write(bench, so_far, folder)
    traceable = [animal for animal in animals if animal.name in so_far.timed]
    for number, animal in enumerate(traceable):  # only now: a process that has traced is not as before
        with stage(f"tracing {animal.name}"):
            _do(animal, bench, so_far, _trace)
        if number % _WRITE_EVERY == _WRITE_EVERY - 1:
            _write(bench, so_far, folder)
    so_far.seconds = time.perf_counter() - begin
    return _write(bench, so_far, folder)


def _wanted(options: Namespace) -> list[Entry]:
    only: list[str] = getattr(options, "only", None) or []
    return [entry for entry in ENTRIES if not only or any(entry.name.startswith(name) for name in only)]


def _those_that_can_run(entries: Sequence[Entry], lab: Lab, so_far: _SoFar) -> list[Animal]:
    for entry in entries:
        if entry.needs_gpu and not lab.on_gpu:
            so_far.not_run[entry.name] = entry.needs_gpu
    return [Animal(entry, lab) for entry in entries if entry.name not in so_far.not_run]


def _do(animal: Animal, bench: Bench, so_far: _SoFar, action: Callable[[Animal, Bench, _SoFar], None]) -> None:
    """Build it, act, and free it; an entry that fails leaves the others alone."""
    try:
        animal.build()
        action(animal, bench, so_far)
    except Exception as error:  # whatever it is, it is one entry's, and is said in the section
        traceback.print_exc()
        so_far.failed[animal.name] = f"{type(error).__name__}: {error}".splitlines()[0]
    finally:
        animal.free()
        gc.collect()
        bench.device.empty_cache()


def _time(animal: Animal, bench: Bench, so_far: _SoFar) -> None:
    so_far.timed[animal.name] = time_pair(animal, bench.device, bench.clock, bench.plan)


def _trace(animal: Animal, bench: Bench, so_far: _SoFar) -> None:
    timed = so_far.timed[animal.name]
    record = trace_phase(bench, TimedPhase(animal.plan, timed.clean, timed.host_ms, None)).record
    no_telemetry = Source(missing="the zoo takes no telemetry: it would take longer than all the rest")
    record = replace(record, sources={**record.sources, "telemetry": no_telemetry})
    so_far.phases.append(record)
    so_far.outcomes.append(outcome_of(animal.entry, record, bench.ceilings, MeasuredGain.of(timed.gain)))


def _write(bench: Bench, so_far: _SoFar, folder: Path) -> Section:
    section = section_of(
        so_far.outcomes,
        not_run=so_far.not_run,
        failed=so_far.failed,
        environment=describe(bench.device),
        on_gpu=bench.device.properties.kind == "cuda",
        details={
            "seconds": so_far.seconds,
            GAINS: {name: to_builtins(MeasuredGain.of(timed.gain)) for name, timed in so_far.timed.items()},
            "times_ms": {
                name: [timed.clean.wall_ms.median, timed.relieved.wall_ms.median]
                for name, timed in so_far.timed.items()
            },
        },
    )
    write_section(folder, section)
    write_report(
        folder,
        section.name,
        report_of(bench, "zoo", so_far.phases, "the phases are workloads of their own: each has its verdict"),
    )
    return section
