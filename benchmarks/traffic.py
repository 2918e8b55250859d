"""Do the counters, the timeline and the arithmetic tell one story? The DRAM traffic of a captured decode step.

Claimed: what the driver's counters (GPM) saw per step is within 10% of the bytes that the model's shapes call for.
Beside it: the bytes of the traced kernels' operations, and how busy NVML, GPM and the timeline say the GPU was.
"""

from __future__ import annotations

import sys

from benchmarks._common import Estimate, Row, arguments, finish, stage
from benchmarks._workload import describe, load_preset_model, open_bench, phase_plan
from profiler.measure.plan import Plan
from profiler.report.records import Phase
from profiler.session.cross_checks import SEEN_AS_IDLE, series
from profiler.session.measured_phase import measure_phase
from profiler.workload.engines import Phases
from profiler.workload.spec import WorkloadSpec

TOLERANCE = 0.10


def measured_bytes(record: Phase) -> float | None:
    """DRAM bytes of one iteration, as GPM saw them in the telemetry pass."""
    bandwidth = series(record.telemetry, "dram_bandwidth")
    if record.telemetry is None or bandwidth is None or bandwidth.value is None or not record.telemetry.iterations:
        return None
    return bandwidth.value * 1e9 * record.telemetry.seconds / record.telemetry.iterations


def rows_of(record: Phase) -> list[Row]:
    """Traffic first, then how busy the GPU was."""
    counted, needed = measured_bytes(record), record.bytes
    known = [kernel.bytes for kernel in record.kernels if kernel.bytes is not None]
    claim = f"{1 - TOLERANCE:.2f} .. {1 + TOLERANCE:.2f}"
    rows = [
        _row("DRAM traffic a step: GPM", counted and counted / 1e9, "GB"),
        _row("DRAM traffic a step: the model's shapes", needed and needed / 1e9, "GB"),
        _row("DRAM traffic a step: operations of the slowest kernels", sum(known) / 1e9 if known else None, "GB"),
    ]
    if counted is None or needed is None:
        rows.append(Row("GPM / shapes", None, "", note=_reason(record)))
    else:
        ratio = counted / needed
        rows.append(Row("GPM / shapes", Estimate(ratio), "", claim=claim, holds=abs(ratio - 1) <= TOLERANCE))
    idle = sum(part.fraction for part in record.parts if part.cause in SEEN_AS_IDLE)
    rows += [
        _row("GPU busy: timeline and clean time", 1 - idle if record.parts else None, ""),
        *(_row(f"GPU busy: {name}", _value(record, name), "") for name in ("gpu_active", "sm_utilization")),
        _row("GPU busy: nvml_gpu_busy", _value(record, "nvml_gpu_busy"), ""),
        _row("DRAM utilization of the theoretical peak: GPM", _value(record, "dram_utilization"), ""),
        _row("clean wall time a step", record.clean.wall_ms.median, "ms"),
        _row("time at the ceilings (ideal)", record.ideal_ms, "ms"),
    ]
    return [*rows, *(Row(f"warning: {warning.message}", None, "") for warning in record.warnings)]


def _row(what: str, value: float | None, unit: str) -> Row:
    return Row(what, None if value is None else Estimate(value), unit)


def _value(record: Phase, name: str) -> float | None:
    found = series(record.telemetry, name)
    return found.value if found else None


def _reason(record: Phase) -> str:
    all_series = record.telemetry.series if record.telemetry else []
    found = next((one.missing for one in all_series if one.name == "dram_bandwidth"), None)
    return found or "not measured"


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--model", default="llama-3.1-8b", help="a preset (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--prompt-tokens", type=int, default=512)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--mode", choices=["eager", "graph"], help="default: graph, on a CPU eager")
    options = parser.parse_args()
    with open_bench(options.device, Plan.standard()) as bench:
        on_gpu = bench.device.properties.kind == "cuda"
        spec = WorkloadSpec(
            model=options.model,
            weights="random",
            batch_size=options.batch_size,
            prompt_tokens=options.prompt_tokens,
            new_tokens=options.new_tokens,
            mode=options.mode or ("graph" if on_gpu else "eager"),
        )
        with stage("building"):
            loaded = load_preset_model(spec, bench.device)
        with stage(f"{spec.mode}: measuring the decode"):
            decode = Phases(loaded, spec, bench.device).decode
            record = measure_phase(bench, decode, lambda phase: phase_plan(phase, spec, loaded)).record
        details = {"environment": describe(bench.device), "options": vars(options) | {"out": None}}
    title = f"DRAM traffic of a {spec.mode} decode step: {spec.model}, batch {spec.batch_size}"
    return finish(title, rows_of(record), options.out, details)


if __name__ == "__main__":
    sys.exit(main())
