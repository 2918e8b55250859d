"""Reports that keep their evidence, made of the H100 recordings."""

from __future__ import annotations

from functools import cache

from msgspec.structs import replace

from profiler.report import records as r
from profiler.report.ceilings import Ceiling
from tests.unit.attribute.recorded_judgements import index, recorded
from tests.unit.render import sample


@cache
def kept_phase(name: str, recording: str, tokens: int) -> r.Phase:
    """One phase, judged from a recording. Its clean interval is that of the middle half of its samples."""
    found = recorded(recording)
    timeline = found.judgement.timeline
    assert timeline.evidence is not None
    clean = timeline.evidence.clean
    samples = index()[recording]["wall_ms_synchronised"]
    return replace(
        sample.decode() if name == "decode" else sample.prefill(),
        name=name,
        tokens=tokens,
        clean=r.Clean(
            wall_ms=r.Distribution(median=clean.wall_ms, low=clean.low_ms, high=clean.high_ms, samples=samples),
            gpu_ms=None,
            warmup_iterations=3,
            steady=True,
        ),
        parts=found.judgement.parts,
        shares=found.judgement.shares,
        timeline=timeline,
        verdict=found.judgement.verdict,
        copies=[],
        warnings=[],
    )


def kept_report(decode: str = "decode_b1_graph", prefill: str = "prefill_b1_2048") -> r.Report:
    """A report of one request, with the ceilings that were measured on that H100."""
    ceilings = [
        Ceiling(name=name, unit=unit, value=value, low=value, high=value, datasheet=None, tier=r.Tier.TIMELINE)
        for name, unit, value in (
            ("read", "GB/s", 3050.0),
            ("gemm.bfloat16", "TFLOP/s", 790.0),
            ("h2d.pinned", "GB/s", 55.0),
            ("h2d.pageable", "GB/s", 23.0),
            ("kernel", "us", 1.1),
        )
    ]
    phases = [sample.load(), kept_phase("prefill", prefill, 2048), kept_phase("decode", decode, 1)]
    report = sample.report()
    return replace(report, phases=phases, ceilings=replace(report.ceilings, ceilings=ceilings))


def without_evidence(report: r.Report) -> r.Report:
    """As a version before schema 1.1 would have written it."""
    phases = [
        phase if phase.timeline is None else replace(phase, timeline=replace(phase.timeline, evidence=None))
        for phase in report.phases
    ]
    return replace(report, phases=phases)
