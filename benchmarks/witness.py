"""Is the idle part true? It is a rest (wall time less busy time), so it is held against two witnesses.

- The driver's counters (GPM) say how much of the telemetry pass the GPU had work; 1 - idle must agree within 5% of the
  wall time, for an eager decode and for a captured one.
- A delay of known length, planted on the host before each step's launches, must appear in full as `scheduling.host`,
  and no other part may move, each within 5% of the wall time. The delay spins: a sleep would wake up late.
  The host's share of the time must rise by the delay, too, and be nothing where a graph does the launching.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from benchmarks._common import Estimate, Row, arguments, finish, stage
from benchmarks._workload import describe, load_preset_model, open_bench, phase_plan
from benchmarks.truth.interleaved import time_in_turns
from profiler.measure.host_time import measure_host_ms
from profiler.measure.plan import Plan
from profiler.measure.repeat import measure_telemetry
from profiler.report.records import Phase
from profiler.report.vocabulary import Cause, Resource
from profiler.session.bench import Bench
from profiler.session.cross_checks import busy_ms
from profiler.session.measured_phase import TimedPhase, trace_phase
from profiler.workload.engines import Phases
from profiler.workload.phase import PhaseShape, RunnablePhase, ShortenedPhase
from profiler.workload.spec import WorkloadSpec

TOLERANCE = 0.05  # of the wall time
STEPS = 8  # after each reset: few context lengths, so that all have been met when timing begins
PLAN = dataclasses.replace(
    Plan.standard(),
    repeat_seconds=0.2,
    most_iterations=20,
    warmup_seconds=1.0,
    telemetry_seconds=1.1,
    host_iterations=10,
)


def spin(milliseconds: float) -> None:
    """Keep this thread busy for so long."""
    until = time.perf_counter_ns() + round(milliseconds * 1e6)
    while time.perf_counter_ns() < until:
        pass


class DelayedPhase:
    """A phase whose host is busy with something else for `delay_ms` before each iteration's launches."""

    def __init__(self, phase: RunnablePhase, delay_ms: float) -> None:
        self._phase = phase
        self._delay_ms = delay_ms

    @property
    def name(self) -> str:
        return self._phase.name

    @property
    def shape(self) -> PhaseShape | None:
        return self._phase.shape

    @property
    def iterations_per_reset(self) -> int:
        return self._phase.iterations_per_reset

    def reset(self) -> None:
        self._phase.reset()

    def iterate(self) -> None:
        spin(self._delay_ms)
        self._phase.iterate()

    @property
    def launch(self) -> Callable[[], None] | None:
        launch = self._phase.launch
        if launch is None:
            return None

        def delayed() -> None:
            spin(self._delay_ms)
            launch()

        return delayed

    @property
    def body(self) -> Callable[[], None] | None:
        return self._phase.body


def active_row(mode: str, records: list[Phase]) -> Row:
    """The driver's busy time of an iteration against ours, in the run where they differ most."""
    what, claim = f"{mode}: GPU busy, GPM less ours, worst run", f"within {TOLERANCE:.2f}"
    if not all(record.parts for record in records):
        return Row(what, None, "", claim=claim, holds=False, note="a phase could not be judged")
    found = [(busy_ms(record), record.clean.wall_ms.median) for record in records]
    known = [(seen, ours, wall) for busy, wall in found if busy is not None for seen, ours in [busy]]
    if len(known) < len(found):
        return Row(what, None, "", note="the driver did not say")
    difference = max(((seen - ours) / wall for seen, ours, wall in known), key=abs)
    return Row(
        what,
        Estimate(difference),
        "of wall",
        claim=claim,
        holds=abs(difference) <= TOLERANCE,
        note=", ".join(f"{seen:.2f} - {ours:.2f} of {wall:.2f} ms" for seen, ours, wall in known),
    )


def delay_rows(mode: str, plain: list[Phase], delayed: list[Phase], delay_ms: float) -> list[Row]:
    """What the planted delay did to the parts: the median over pairs of neighbouring runs."""
    wall_ms = median(phase.clean.wall_ms.median for phase in delayed)
    pairs = [moved_parts(before, after) for before, after in zip(plain, delayed, strict=True)]
    moved = {cause: median(pair.get(cause, 0.0) for pair in pairs) for cause in set().union(*pairs)}
    host_ms = moved.pop(Cause.SCHEDULING_HOST, 0.0)
    other, other_ms = max(moved.items(), key=lambda item: abs(item[1]), default=(None, 0.0))
    what, claim = f"{mode}: {delay_ms:g} ms planted", f"within {TOLERANCE * wall_ms:.3g} ms"
    known = all(phase.parts for phase in (*plain, *delayed))
    return [
        Row(
            f"{what}: scheduling.host rose by",
            Estimate(host_ms),
            "ms",
            claim=f"{delay_ms:g} {claim}",
            holds=known and abs(host_ms - delay_ms) <= TOLERANCE * wall_ms,
            note=f"wall {median(p.clean.wall_ms.median for p in plain):.3f} -> {wall_ms:.3f} ms",
        ),
        Row(
            f"{what}: the other part that moved most",
            Estimate(other_ms),
            "ms",
            claim=f"0 {claim}",
            holds=known and abs(other_ms) <= TOLERANCE * wall_ms,
            note=str(other or "no other part"),
        ),
    ]


def host_ms(phase: Phase) -> float:
    """How much of an iteration its host's speed decides: its share of the clean time, in ms."""
    share = sum(share.share for share in phase.shares if share.resource is Resource.HOST)
    return share * phase.clean.wall_ms.median


def share_rows(measured: dict[tuple[str, float], list[Phase]], delays_ms: list[float]) -> list[Row]:
    """What the planted delay did to the host's share, and what a graph leaves of it."""
    rows = []
    for mode in dict.fromkeys(mode for mode, _ in measured):
        plain = measured[mode, 0.0]
        for delay_ms in delays_ms:
            delayed = measured[mode, delay_ms]
            rose_ms = median(host_ms(after) - host_ms(before) for before, after in zip(plain, delayed, strict=True))
            allowed_ms = TOLERANCE * median(phase.clean.wall_ms.median for phase in delayed)
            rows.append(
                Row(
                    f"{mode}: {delay_ms:g} ms planted: host's share of the time rose by",
                    Estimate(rose_ms),
                    "ms",
                    claim=f"{delay_ms:g} within {allowed_ms:.3g} ms",
                    holds=all(phase.shares for phase in (*plain, *delayed)) and abs(rose_ms - delay_ms) <= allowed_ms,
                )
            )
        if mode == "graph":
            share = median(host_ms(phase) / phase.clean.wall_ms.median for phase in plain)
            holds = all(phase.shares for phase in plain) and abs(share) <= TOLERANCE
            rows.append(Row("graph: host's share", Estimate(share), "", claim=f"0 within {TOLERANCE}", holds=holds))
    return rows


def moved_parts(plain: Phase, delayed: Phase) -> dict[Cause, float]:
    """By how many ms each part grew."""
    before, after = ({part.cause: part.ms for part in phase.parts} for phase in (plain, delayed))
    return {cause: after.get(cause, 0.0) - before.get(cause, 0.0) for cause in before | after}


def measure(options: argparse.Namespace) -> tuple[str, list[Row], dict[str, Any]]:
    """Title, claims and phases of the witnesses that `options` ask for."""
    rows: list[Row] = []
    with open_bench(options.device, PLAN) as bench:
        measured = measure_delays(bench, options)
        for mode in dict.fromkeys(mode for mode, _ in measured):
            rows.append(active_row(mode, measured[mode, 0.0]))
            for delay_ms in options.delays_ms:
                rows += delay_rows(mode, measured[mode, 0.0], measured[mode, delay_ms], delay_ms)
        rows += share_rows(measured, options.delays_ms)
        records = {
            f"{mode}, {delay_ms:g} ms": [summary(r) for r in found] for (mode, delay_ms), found in measured.items()
        }
        details = {"environment": describe(bench.device), "phases": records}
    return f"The idle part against its witnesses: {options.model} decode", rows, details


def measure_delays(bench: Bench, options: argparse.Namespace) -> dict[tuple[str, float], list[Phase]]:
    """The decode by mode and planted delay: timed in turns, as hosts drift, then traced as often as asked for."""
    spec = WorkloadSpec(
        model=options.model, weights="random", prompt_tokens=options.prompt_tokens, new_tokens=options.new_tokens
    )
    with stage("building"):
        loaded = load_preset_model(spec, bench.device)
    on_gpu = bench.device.properties.kind == "cuda"
    delays_ms = (0.0, *options.delays_ms)
    timed: list[tuple[str, float, TimedPhase]] = []
    for mode in options.modes or (["eager", "graph"] if on_gpu else ["eager"]):
        mode_spec = dataclasses.replace(spec, mode=mode)
        decode = Phases(loaded, mode_spec, bench.device).decode
        steps = min(STEPS, decode.iterations_per_reset)
        phases = [ShortenedPhase(DelayedPhase(decode, delay_ms), steps) for delay_ms in delays_ms]
        with stage(f"{mode}: timing with {', '.join(f'{delay_ms:g}' for delay_ms in delays_ms)} ms planted"):
            cleans = time_in_turns(phases, bench.device, bench.clock, bench.plan)
            hosts = _hosts_in_turns(bench, phases)
        with stage(f"{mode}: telemetry"):
            telemetry = measure_telemetry(
                phases[0], bench.device, bench.sampler, bench.clock, bench.plan, bench.progress
            )
        for delay_ms, phase, clean, host_ms in zip(delays_ms, phases, cleans, hosts, strict=True):
            plan = phase_plan(phase, mode_spec, loaded)
            timed.append((mode, delay_ms, TimedPhase(plan, clean, host_ms, None if delay_ms else telemetry)))
    measured: dict[tuple[str, float], list[Phase]] = {}
    for _ in range(options.pairs):  # a process that has traced is not as before
        for mode, delay_ms, ready in timed:
            with stage(f"{mode}: tracing with {delay_ms:g} ms planted"):
                measured.setdefault((mode, delay_ms), []).append(trace_phase(bench, ready).record)
    return measured


def _hosts_in_turns(bench: Bench, phases: list[ShortenedPhase]) -> list[float | None]:
    """The host alone, for each phase, over as long a time as it takes to meet the host in all its moods."""
    plan = dataclasses.replace(bench.plan, host_iterations=2)
    turns = [
        [measure_host_ms(phase, bench.device, bench.clock, plan) for phase in phases]
        for _ in range(bench.plan.host_iterations)
    ]
    columns = [[value for value in column if value is not None] for column in zip(*turns, strict=True)]
    return [median(column) if column else None for column in columns]


def summary(record: Phase) -> dict[str, Any]:
    """As much of a phase as explains a claim that fails."""
    return {
        "wall_ms": record.clean.wall_ms.median,
        "parts_ms": {str(part.cause): part.ms for part in record.parts},
        "telemetry": {s.name: s.value for s in record.telemetry.series} if record.telemetry else None,
        "scales": [record.timeline.host_scale, record.timeline.kernel_scale] if record.timeline else None,
        "warnings": [warning.message for warning in record.warnings],
        "refused": record.verdict.evidence if not record.parts else None,
    }


def options_parser() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = arguments(__doc__)
    parser.add_argument("--model", default="llama-3.1-8b", help="a preset (default: %(default)s)")
    parser.add_argument("--prompt-tokens", type=int, default=512)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--pairs", type=int, default=2, help="traces of each (default: %(default)s)")
    parser.add_argument("--delays-ms", type=float, nargs="+", default=[10.0])
    parser.add_argument("--modes", nargs="+", choices=["eager", "graph"], help="default: eager, on a GPU graph too")
    return parser


def main() -> int:
    options = options_parser().parse_args()
    title, rows, details = measure(options)
    return finish(title, rows, options.out, details)


if __name__ == "__main__":
    sys.exit(main())
