"""Is the idle part true? It is a rest (wall time less busy time), so it is held against two witnesses.

- The driver's counters (GPM) say how much of the telemetry pass the GPU had work; 1 - idle must agree within 5% of the
  wall time, for an eager decode and for a captured one.
- A delay of known length, planted on the host before each step's launches, must appear in full as `scheduling.host`,
  and no other part may move, each within 5% of the wall time. The delay spins: a sleep would wake up late.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from _common import Estimate, Row, arguments, finish, stage
from _workload import describe, load_preset_model, open_bench, plan_phase

from profiler.attribute.evidence import IDLE_CAUSES
from profiler.measure.plan import Plan
from profiler.report.records import Phase
from profiler.report.vocabulary import Cause
from profiler.session.cross_checks import series
from profiler.session.measured_phase import measure_phase
from profiler.workload.engines import Phases
from profiler.workload.phase import PhaseShape, RunnablePhase
from profiler.workload.spec import WorkloadSpec

TOLERANCE = 0.05  # of the wall time


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


def active_row(mode: str, record: Phase) -> Row:
    """The driver's share of time with work against ours."""
    what, claim = f"{mode}: GPU active, GPM less 1 - idle", f"within {TOLERANCE:.2f}"
    active = series(record.telemetry, "gpu_active")
    if active is None or active.value is None:
        reason = next((s.missing for s in record.telemetry.series if s.name == "gpu_active"), None)  # type: ignore[union-attr]
        return Row(what, None, "", note=reason or "the driver did not say")
    busy = 1 - sum(part.fraction for part in record.parts if part.cause in IDLE_CAUSES)
    difference = active.value - busy
    return Row(
        what,
        Estimate(difference),
        "of wall",
        claim=claim,
        holds=bool(record.parts) and abs(difference) <= TOLERANCE,
        note=f"{active.value:.3f} - {busy:.3f}",
    )


def delay_rows(mode: str, plain: Phase, delayed: Phase, delay_ms: float) -> list[Row]:
    """What the planted delay did to the parts."""
    wall_ms = delayed.clean.wall_ms.median
    moved = moved_parts(plain, delayed)
    host_ms = moved.pop(Cause.SCHEDULING_HOST, 0.0)
    other, other_ms = max(moved.items(), key=lambda item: abs(item[1]), default=(None, 0.0))
    what, claim = f"{mode}: {delay_ms:g} ms planted", f"within {TOLERANCE * wall_ms:.3g} ms"
    known = bool(plain.parts and delayed.parts)
    return [
        Row(
            f"{what}: scheduling.host rose by",
            Estimate(host_ms),
            "ms",
            claim=f"{delay_ms:g} {claim}",
            holds=known and abs(host_ms - delay_ms) <= TOLERANCE * wall_ms,
            note=f"wall {plain.clean.wall_ms.median:.3f} -> {wall_ms:.3f} ms",
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


def moved_parts(plain: Phase, delayed: Phase) -> dict[Cause, float]:
    """By how many ms each part grew."""
    before, after = ({part.cause: part.ms for part in phase.parts} for phase in (plain, delayed))
    return {cause: after.get(cause, 0.0) - before.get(cause, 0.0) for cause in before | after}


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--model", default="llama-3.1-8b", help="a preset (default: %(default)s)")
    parser.add_argument("--prompt-tokens", type=int, default=512)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--delays-ms", type=float, nargs="+", default=[5.0, 10.0])
    parser.add_argument("--modes", nargs="+", choices=["eager", "graph"], help="default: eager, on a GPU graph too")
    options = parser.parse_args()

    rows: list[Row] = []
    records: dict[str, Any] = {}
    with open_bench(options.device, Plan.standard()) as bench:
        kind = bench.device.properties.kind
        spec = WorkloadSpec(
            model=options.model, weights="random", prompt_tokens=options.prompt_tokens, new_tokens=options.new_tokens
        )
        with stage("building"):
            loaded = load_preset_model(spec, bench.device)
        for mode in options.modes or (["eager", "graph"] if kind == "cuda" else ["eager"]):
            mode_spec = dataclasses.replace(spec, mode=mode)
            decode = Phases(loaded, mode_spec, bench.device).decode
            measured: dict[float, Phase] = {}
            for delay_ms in (0.0, *options.delays_ms):
                phase = DelayedPhase(decode, delay_ms) if delay_ms else decode
                with stage(f"{mode}: decode with {delay_ms:g} ms planted"):
                    measured[delay_ms] = measure_phase(
                        bench, phase, partial(plan_phase, spec=mode_spec, loaded=loaded)
                    ).record
            rows.append(active_row(mode, measured[0.0]))
            for delay_ms in options.delays_ms:
                rows += delay_rows(mode, measured[0.0], measured[delay_ms], delay_ms)
            records[mode] = {f"{delay_ms:g}": summary(record) for delay_ms, record in measured.items()}
        details = {"environment": describe(bench.device), "phases": records}
    return finish(f"The idle part against its witnesses: {options.model} decode", rows, options.out, details)


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


if __name__ == "__main__":
    sys.exit(main())
