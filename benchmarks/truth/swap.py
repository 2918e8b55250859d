"""Hardware swap: what a profile on one card predicts for another, held against that other card.

Prefill and decode are both replays of a CUDA graph, so the host has no part in them. On the first card all
configurations are timed, then all are traced and judged. On the second they are only timed.
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from benchmarks._common import stage
from benchmarks._workload import describe, load_preset_model, open_bench, phase_plan, report_of
from benchmarks.truth.captured import CapturedPhase
from benchmarks.truth.configurations import Configuration, configurations, device_bytes, groups
from benchmarks.truth.interleaved import time_in_turns
from benchmarks.truth.results import write_report, write_section
from benchmarks.truth.section import Section, Table
from benchmarks.truth.swap_records import Measured, Timing
from profiler.device.select import open_driver, select_device
from profiler.measure.host_time import measure_host_ms
from profiler.measure.plan import Plan
from profiler.report.records import Clean, Phase
from profiler.session.bench import Bench
from profiler.session.measured_phase import TimedPhase, trace_phase
from profiler.workload.fit import DTYPE_BYTES
from profiler.workload.loaded import LoadedModel

PLAN = dataclasses.replace(
    Plan.standard(), repeats=5, repeat_seconds=0.2, most_iterations=20, warmup_seconds=0.15, traced_iterations=2
)
SMALL_PLAN = dataclasses.replace(PLAN, repeats=2, repeat_seconds=0.01, warmup_seconds=0.0, traced_iterations=2)

_NO_VERDICT = "the phases are of many requests: each has a verdict of its own"


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A configuration ready to be run."""

    configuration: Configuration
    loaded: LoadedModel
    phase: CapturedPhase


def run(options: argparse.Namespace) -> Section:
    """What `options` ask for: this card's part, or the comparison of two cards."""
    if options.compare is not None:
        from benchmarks.truth.swap_comparison import compare

        return compare(*options.compare)
    if options.recorded_only:
        device = select_device(options.device, driver=open_driver())
        if device.properties.kind != "cuda":
            from benchmarks.truth.swap_recorded import section_of

            return section_of([], describe(device))
    with open_bench(options.device, SMALL_PLAN if options.small else PLAN) as bench:
        return _run_recorded(bench, options) if options.recorded_only else _run_here(bench, options)


def _run_recorded(bench: Bench, options: argparse.Namespace) -> Section:
    """The one phase of the recorded truth that has no recording, run as it was then, and all its rows."""
    from benchmarks.truth.swap_recorded import UNRECORDED, section_of

    candidates = _candidates(bench, configurations(small=True)[1:] if options.small else [UNRECORDED])
    phases, failures = _trace_all(bench, candidates, _time_all(bench, candidates))
    write_report(options.out, "swap-recorded", report_of(bench, "swap", phases, _NO_VERDICT))
    section = section_of(phases, describe(bench.device))
    return dataclasses.replace(section, notes=[*failures, *section.notes])


def _run_here(bench: Bench, options: argparse.Namespace) -> Section:
    candidates = _candidates(bench, configurations(small=options.small))
    timings = _time_all(bench, candidates)
    environment = describe(bench.device)
    section = _section(environment, bench, timings)
    write_section(options.out, section)  # a run that is killed while it traces keeps what it timed
    if options.measure_only:
        return section
    phases, failures = _trace_all(bench, candidates, timings)
    write_report(options.out, section.name, report_of(bench, "swap", phases, _NO_VERDICT))
    return dataclasses.replace(section, notes=failures)


def _candidates(bench: Bench, wanted: Sequence[Configuration]) -> list[_Candidate]:
    loaded: dict[str, LoadedModel] = {}
    for configuration in wanted:
        if configuration.model not in loaded:
            with stage(f"building {configuration.model}"):
                # The weights alone: what a phase needs besides is asked for when it is run.
                small = dataclasses.replace(configuration.spec, batch_size=1, prompt_tokens=1)
                loaded[configuration.model] = load_preset_model(small, bench.device)
    return [_Candidate(one, loaded[one.model], one.phase_of(loaded[one.model], bench.device)) for one in wanted]


def _time_all(bench: Bench, candidates: Sequence[_Candidate]) -> dict[str, Timing]:
    by_name = {one.configuration: one for one in candidates}
    needs = [(one.configuration, _bytes_of(one)) for one in candidates]
    bench.device.empty_cache()
    found: dict[str, Timing] = {}
    for group in groups(needs, bench.device.free_bytes()):
        found |= _time_group(bench, [by_name[configuration] for configuration in group])
    return {one.configuration.name: found[one.configuration.name] for one in candidates}


def _bytes_of(candidate: _Candidate) -> int:
    shape = candidate.loaded.architecture
    assert shape is not None  # a preset's is known
    return device_bytes(candidate.configuration, shape, DTYPE_BYTES[candidate.loaded.dtype])


def _time_group(bench: Bench, group: Sequence[_Candidate]) -> dict[str, Timing]:
    """Time them in turns; where they do not fit together after all, one by one."""
    import torch

    phases = [one.phase for one in group]
    try:
        with stage(f"timing {', '.join(phase.name for phase in phases)}"):
            cleans: list[Clean] = time_in_turns(phases, bench.device, bench.clock, bench.plan)
            hosts = [measure_host_ms(phase, bench.device, bench.clock, bench.plan) for phase in phases]
    except torch.OutOfMemoryError as error:
        _release(bench, phases)
        if len(group) == 1:
            return {phases[0].name: Timing(None, None, f"out of memory: {str(error).partition('. ')[0]}")}
        return {name: timing for one in group for name, timing in _time_group(bench, [one]).items()}
    _release(bench, phases)
    return {phase.name: Timing(clean, host_ms) for phase, clean, host_ms in zip(phases, cleans, hosts, strict=True)}


def _trace_all(
    bench: Bench, candidates: Sequence[_Candidate], timings: dict[str, Timing]
) -> tuple[list[Phase], list[str]]:
    """The records of all that was timed, and what could not be traced: one that fails must not cost the others."""
    found: list[Phase] = []
    failures: list[str] = []
    for one in candidates:
        timing, name = timings[one.phase.name], one.phase.name
        if timing.clean is None:
            continue
        plan = phase_plan(one.phase, dataclasses.replace(one.configuration.spec, mode="graph"), one.loaded)
        try:
            with stage(f"tracing {name}"):
                found.append(trace_phase(bench, TimedPhase(plan, timing.clean, timing.host_ms, None)).record)
        except Exception as error:
            failures.append(f"{name} could not be traced: {error!r}")
        _release(bench, [one.phase])
    return found, failures


def _release(bench: Bench, phases: Sequence[CapturedPhase]) -> None:
    for phase in phases:
        phase.release()
    gc.collect()
    bench.device.empty_cache()


def _section(environment: dict[str, Any], bench: Bench, timings: dict[str, Timing]) -> Section:
    ceilings = {ceiling.name: ceiling.value for ceiling in bench.ceilings.ceilings}
    rows = [
        (
            name,
            timing.missing or f"{timing.wall_ms:.3f}",
            "-" if timing.clean is None else f"{timing.clean.wall_ms.low:.3f} .. {timing.clean.wall_ms.high:.3f}",
        )
        for name, timing in timings.items()
    ]
    return Section(
        name="swap",
        title=f"Hardware swap: the times on {environment['device']}",
        environment=environment,
        claims=[],
        tables=[Table("Clean times of captured phases", ("configuration", "ms", "95% interval"), rows)],
        details=msgspec.to_builtins(Measured(ceilings=ceilings, timings=timings)),
    )
