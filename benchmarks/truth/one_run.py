"""One of several independent runs: a decode step captured and eager, timed, traced and judged in a process of its own.

These are the passes of `bottleneck profile` over its decode, in both modes; telemetry, prefill and other contexts are
left out, so that ten runs take minutes. It times nothing before it reads a line, and writes one when all is timed: so
the next run can load its model while this one judges.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from functools import partial
from pathlib import Path

from msgspec import structs

from benchmarks._common import stage
from benchmarks._workload import load_preset_model, open_bench, phase_plan, report_of
from benchmarks.truth.results import write_report
from profiler.measure.plan import Plan
from profiler.report.records import Phase
from profiler.session.bench import Bench
from profiler.session.measured_phase import time_phase, trace_phase
from profiler.workload.engines import Phases
from profiler.workload.spec import WorkloadSpec

MODES = ("graph", "eager")
TIMED = "timed"
# The clean pass is that of every profile; of what no claim rests on there is less, so that ten runs take five minutes.
PLAN = dataclasses.replace(Plan.standard(), telemetry_seconds=0.05, traced_iterations=2)


def measure(bench: Bench, spec: WorkloadSpec) -> list[Phase]:
    """The decode in every mode that the device has, named by it."""
    modes = MODES if bench.device.properties.kind == "cuda" else MODES[1:]
    with stage(f"building {spec.model}"):
        loaded = load_preset_model(spec, bench.device)
    if not sys.stdin.readline():
        raise SystemExit("nobody waits for this run any more")
    timed = []
    for mode in modes:
        mode_spec = dataclasses.replace(spec, mode=mode)
        with stage(f"timing {mode}"):
            decode = Phases(loaded, mode_spec, bench.device).decode
            timed.append((mode, time_phase(bench, decode, partial(phase_plan, spec=mode_spec, loaded=loaded))))
    print(TIMED, flush=True)
    records = []
    for mode, phase in timed:
        with stage(f"tracing {mode}"):
            records.append(structs.replace(trace_phase(bench, phase).record, name=f"decode {mode}"))
    return records


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--prompt-tokens", type=int, required=True)
    parser.add_argument("--new-tokens", type=int, required=True)
    parser.add_argument("--device", required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--name", required=True, help="of the report: NAME-report.json.gz")
    options = parser.parse_args()
    spec = WorkloadSpec(
        model=options.model, weights="random", prompt_tokens=options.prompt_tokens, new_tokens=options.new_tokens
    )
    with open_bench(options.device, Plan.quick() if options.quick else PLAN) as bench:
        phases = measure(bench, spec)
        no_verdict = "the phases are one decode step in two modes: each has a verdict of its own"
        report = report_of(bench, "repeatability", phases, no_verdict)
    write_report(options.out, options.name, report)


if __name__ == "__main__":
    main()
