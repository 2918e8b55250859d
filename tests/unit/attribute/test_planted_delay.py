"""A host that is busy for 10 ms before each replay of a graph: tracing slows the launch, and not the delay."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from msgspec.structs import replace

from profiler.attribute.scenarios import scenarios_of
from profiler.attribute.shares import Scenario, share_table
from profiler.attribute.step_evidence import StepEvidence
from profiler.attribute.timeline_record import restored
from profiler.report.store import load_report
from profiler.report.vocabulary import Resource

CAPTURED = Path(__file__).parents[2] / "data" / "truth" / "counted_report_h100.json.gz"
DELAY_MS = 10.0


@cache
def captured() -> StepEvidence:
    """A captured decode step of an 8B model on an H100."""
    timeline = next(phase for phase in load_report(CAPTURED).phases if phase.name == "decode").timeline
    assert timeline is not None
    evidence = restored(timeline)
    assert evidence is not None
    return evidence


def delayed() -> StepEvidence:
    graph, clean = captured().graph, captured().clean
    assert clean.host_ms is not None
    assert clean.low_ms is not None
    assert clean.high_ms is not None
    first, *others = graph.gap_us
    later = replace(
        clean,
        wall_ms=clean.wall_ms + DELAY_MS,
        low_ms=clean.low_ms + DELAY_MS,
        high_ms=clean.high_ms + DELAY_MS,
        host_ms=clean.host_ms + DELAY_MS,
    )
    return replace(captured(), graph=replace(graph, gap_us=[first + DELAY_MS * 1e3, *others]), clean=later)


def best(evidence: StepEvidence) -> Scenario:
    return scenarios_of(evidence)[0][0]


def host_ms(evidence: StepEvidence) -> float:
    share = share_table([best(evidence)])[0][Resource.HOST]
    return share * evidence.clean.wall_ms


def test_the_traced_launch_of_a_graph_is_far_slower_than_the_clean_one() -> None:
    calls_us, _ = captured().graph.host_split_us
    assert calls_us > 100 * 1e3 * (captured().clean.host_ms or 0.0)


def test_the_kernels_stay_what_they_were_when_the_host_is_late() -> None:
    found = best(delayed()).calibrated
    assert found.plausible
    assert found.calibration.kernel_scale == pytest.approx(best(captured()).calibration.kernel_scale, abs=0.02)
    assert found.calibration.call_scale < 0.1


def test_the_host_is_charged_with_the_delay() -> None:
    assert host_ms(captured()) == pytest.approx(0.0, abs=0.1)
    assert host_ms(delayed()) == pytest.approx(DELAY_MS, abs=0.5)
