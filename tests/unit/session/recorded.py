"""The H100 recordings through the session's judgement: reports of a GPU, made without one."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from profiler.attribute.rates import NeededWork
from profiler.attribute.verdict import judge_request
from profiler.measure.clean import clean_of
from profiler.measure.plan import Plan
from profiler.measure.telemetry.sampler import QUANTITIES
from profiler.measure.telemetry.source import Recording, Sample
from profiler.measure.telemetry.summary import summarize
from profiler.progress import SilentProgress
from profiler.report.records import Phase, Report
from profiler.report.telemetry import Telemetry
from profiler.session.bench import Bench, PhasePlan
from profiler.session.environment import describe
from profiler.session.judged_trace import judge_trace
from profiler.session.marked import NamedPhase
from profiler.session.paced_trace import PacedTrace
from profiler.session.phase_record import phase_record
from tests.unit.attribute.recorded_steps import RECORDINGS, token_shape
from tests.unit.measure.stand_ins import FakeClock, FakeSampler
from tests.unit.session.machines import FakeGpuDevice, ceilings_of

_PERCENT = {
    "GRAPHICS_UTIL": "gpu_active",
    "SM_UTIL": "sm_utilization",
    "SM_OCCUPANCY": "sm_occupancy",
    "ANY_TENSOR_UTIL": "tensor_utilization",
    "DRAM_BW_UTIL": "dram_utilization",
}
_DRAM_PEAK_GB_PER_S = 3352.3  # 2 x 2619 MHz x 5120 bit / 8


@cache
def _index() -> dict[str, dict[str, Any]]:
    entries = json.loads((RECORDINGS / "index_h100.json").read_text())["recordings"]
    return {entry["name"]: entry for entry in entries}


def recorded_telemetry(name: str, clock_event_reasons: int | None = None) -> Telemetry:
    """What GPM and NVML said while the recorded phase was repeated; the reasons are as recorded unless given."""
    entry = _index()[name]["telemetry"]
    samples: list[Sample] = []
    for row in entry["series"]:
        values = {ours: row[theirs] / 100 for theirs, ours in _PERCENT.items() if theirs in row}
        if "dram_utilization" in values:
            values["dram_bandwidth"] = values["dram_utilization"] * _DRAM_PEAK_GB_PER_S
        samples.append(Sample(source="gpm", start_ns=row["start_ns"], end_ns=row["end_ns"], values=values))
        reasons = row["clock_reasons"] if clock_event_reasons is None else clock_event_reasons
        moment = {
            "sm_clock": row["sm_mhz"],
            "power": row["power_w"],
            "energy": row["energy_mj"] / 1e3,
            "clock_event_reasons": reasons,
        }
        samples.append(Sample(source="nvml", start_ns=row["end_ns"], end_ns=row["end_ns"], values=moment))
    span = (entry["series"][0]["start_ns"], entry["series"][-1]["end_ns"])
    return Telemetry(
        seconds=entry["seconds"],
        iterations=entry["iterations"],
        series=summarize(Recording(samples=samples), QUANTITIES, [span]),
    )


def recorded_phase(
    name: str,
    *,
    clock_event_reasons: int | None = None,
    edited: Callable[[bytes], bytes] = lambda trace: trace,
    edited_body: Callable[[bytes], bytes] = lambda trace: trace,
) -> Phase:
    """The record of a recorded phase, its trace and the trace of its body as edited."""
    entry = _index()[name]
    device = FakeGpuDevice()
    bench = Bench(
        device,
        ceilings_of(device.properties),
        FakeSampler(FakeClock()),
        time.monotonic_ns,
        Plan.standard(),
        SilentProgress(),
    )
    weights = entry.get("weights_bytes")
    plan = PhasePlan(
        phase=NamedPhase("decode" if name.startswith("decode") else "prefill"),
        dtype="bfloat16",
        mode="graph" if name.endswith("graph") else "eager",
        offload="none",
        needed=NeededWork(None, weights, None) if weights else None,
        needed_note="the recording says its weights alone",
        hint=token_shape(name),
    )
    samples, gpu_ms = entry["wall_ms_synchronised"], entry["gpu_ms"]
    half = len(samples) // 2
    clean = clean_of([samples[:half], samples[half:]], [gpu_ms[:half], gpu_ms[half:]], warmup_iterations=3, steady=True)
    telemetry = recorded_telemetry(name, clock_event_reasons)
    body = RECORDINGS / f"{name}_body.json.gz"
    traced = judge_trace(
        bench,
        plan,
        clean,
        None,
        telemetry,
        PacedTrace(edited((RECORDINGS / f"{name}.json.gz").read_bytes())),
        edited_body(body.read_bytes()) if body.exists() else None,
    )
    return phase_record(bench, plan, clean, telemetry, traced, traced.refusal)


def recorded_report(name: str) -> Report:
    """A report of that phase alone."""
    device = FakeGpuDevice()
    phase = recorded_phase(name)
    environment, warnings = describe(device, None, "a recording asks no driver")
    return Report(
        kind="profile",
        complete=True,
        environment=environment,
        workload=None,
        ceilings=ceilings_of(device.properties),
        phases=[phase],
        verdict=judge_request([(phase.name, phase.clean.wall_ms.median, phase.verdict, phase.shares)]),
        warnings=warnings,
    )
