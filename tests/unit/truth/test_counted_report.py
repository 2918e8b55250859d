"""A report of a captured 8B decode on an H100, with hardware counters, and what an H200 then took for the same step."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from benchmarks.truth.results import read_section
from profiler.attribute.whatif_report import what_if
from profiler.catalogue.datasheet import find_datasheet
from profiler.report.records import Phase, Report
from profiler.report.store import load_report
from profiler.report.vocabulary import BottleneckClass, Cause, Resource, VerdictState
from profiler.report.whatif import Knob

DATA = Path(__file__).parents[2] / "data" / "truth"


@cache
def report() -> Report:
    return load_report(DATA / "counted_report_h100.json.gz")


def decode() -> Phase:
    return next(phase for phase in report().phases if phase.name == "decode")


def h200_ms() -> float:
    timings = read_section(DATA / "swap" / "h200" / "swap.json").details["timings"]
    return float(timings["llama-3.1-8b decode 1x512"]["clean"]["wall_ms"]["median"])


def test_reading_the_weights_holds_the_step_back() -> None:
    verdict = decode().verdict
    assert (verdict.class_, verdict.cause, verdict.state) == (
        BottleneckClass.MEMORY,
        Cause.MEMORY_WEIGHTS,
        VerdictState.CLEAR,
    )


def test_the_bytes_that_were_counted_are_those_that_the_architecture_calls_for() -> None:
    counters, needed = decode().counters, decode().bytes
    assert counters is not None
    assert needed is not None
    assert counters.read_bytes == pytest.approx(needed, rel=0.01)
    assert counters.explained_ratio == pytest.approx(1, abs=0.01)


def test_kernels_are_judged_by_what_was_counted() -> None:
    timeline = decode().timeline
    assert timeline is not None
    assert timeline.evidence is not None
    counted = sum(timeline.evidence.facts[number].counted_bytes or 0.0 for number in timeline.evidence.facts_of)
    assert counted == pytest.approx(decode().bytes, rel=0.05)


def test_a_phase_whose_counters_failed_says_why() -> None:
    prefill = next(phase for phase in report().phases if phase.name == "prefill")
    assert prefill.counters is None
    assert prefill.sources["counters"].missing
    assert "no_counters" in [warning.code for warning in prefill.warnings]


def test_what_it_says_of_an_h200_is_what_one_took() -> None:
    target = find_datasheet("h200-sxm")
    assert target is not None
    phases = what_if(report(), {}, target=target).phases
    predicted = next(phase.time_ms.predicted for phase in phases if phase.name == "decode")
    assert predicted.low is not None
    assert predicted.high is not None
    assert predicted.low < h200_ms() < predicted.high
    assert predicted.value == pytest.approx(h200_ms(), rel=0.03)


def test_bytes_that_the_driver_contradicts_leave_a_larger_gain_open() -> None:
    prefill = next(phase for phase in report().phases if phase.name == "prefill")
    dram = next(share for share in prefill.shares if share.resource is Resource.DRAM)
    assert dram.high > 0.2, "the driver saw a third more traffic than the shapes call for"
    predicted = what_if(report(), {Knob.MEMORY: 4.0}, phase="prefill").phases[0]
    assert predicted.speedup.value < 1.02
    assert predicted.speedup.high is not None
    assert predicted.speedup.high > 1.15
    assert predicted.time_ms.predicted.low is not None
    assert predicted.time_ms.measured.low is not None
    assert predicted.time_ms.predicted.low < 0.9 * predicted.time_ms.measured.low
