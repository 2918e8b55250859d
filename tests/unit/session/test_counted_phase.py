from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import msgspec
import pytest

from profiler.measure.counted_pass import CountedPass
from profiler.measure.counters.source import Counter, CounterGroup, CounterRecording
from profiler.progress import SilentProgress
from profiler.report.counters import Counters
from profiler.report.records import Report
from profiler.session import counted_phase
from profiler.session.counted_phase import NOT_ASKED, CountedPhase
from profiler.session.profile import profile_model
from profiler.session.request import ProfileRequest
from profiler.trace.timeline import Timeline
from tests.unit.attribute.counted_recordings import counted_recording
from tests.unit.attribute.counter_samples import MARKER_COPIES, counted_run
from tests.unit.session.machines import SHORTEST, cpu_machine


@dataclass
class Refusing:
    reason: str

    def begin(self, group: CounterGroup) -> str | None:
        return self.reason

    def end(self) -> CounterRecording:
        return CounterRecording(failure=self.reason)


def test_what_was_counted_stands_in_the_report_with_its_errors() -> None:
    record = CountedPhase(counted_recording("decode_4_layers_eager").count()).record()
    assert record is not None
    assert record.read_bytes == pytest.approx(2.805e9, rel=0.001)
    first = record.kernels[0]
    assert first.read_bytes.value / first.read_bytes.error > 20
    assert (record.tensor_active_ratio, first.tensor_active_ratio) == (None, None)  # these samples lack it
    step_us = sum(kernel.calls * kernel.us for kernel in record.kernels)
    assert len(record.series.start_us) == pytest.approx(step_us / record.sample_us, rel=0.6)
    assert max(record.series.read_gb_per_s) < 3400  # the card's memory does no more
    assert msgspec.json.decode(msgspec.json.encode(record), type=Counters) == record


@dataclass
class Passes:
    """Stands in for the counted pass: what each group's recordings are, one after the other."""

    traffic: list[CountedPass]
    units: list[CountedPass]
    asked: list[CounterGroup] = field(default_factory=list)

    def __call__(self, phase: Any, device: Any, counters: Any, clock: Any, group: CounterGroup) -> CountedPass:
        self.asked.append(group)
        return (self.traffic if group is CounterGroup.TRAFFIC else self.units).pop(0)


def recorded(group: CounterGroup, **changes: Any) -> CountedPass:
    """A good pass; its trace is read by `counting`."""
    _, recording = traced()
    values = dict(recording.values)
    if group is CounterGroup.TRAFFIC:
        del values[Counter.TENSOR_ACTIVE]
    return CountedPass(b"traced", msgspec.structs.replace(recording, values=values, **changes), [150])


def lost(group: CounterGroup, reason: str) -> CountedPass:
    """A pass whose samples ended early."""
    whole = recorded(group).recording
    half = len(whole) // 2
    values = {counter: column[:half] for counter, column in whole.values.items()}
    recording = CounterRecording(
        start_ns=whole.start_ns[:half], end_ns=whole.end_ns[:half], values=values, failure=reason
    )
    return CountedPass(b"traced", recording, [150])


def refused(reason: str) -> CountedPass:
    return CountedPass(None, CounterRecording(failure=reason), failure=reason)


@cache
def traced() -> tuple[Timeline, CounterRecording]:
    return counted_run(iterations=(150,))


def counting(
    monkeypatch: pytest.MonkeyPatch, traffic: list[CountedPass], units: list[CountedPass]
) -> tuple[CountedPhase, list[CounterGroup]]:
    passes = Passes(traffic, units)
    monkeypatch.setattr(counted_phase, "record_counted", passes)
    monkeypatch.setattr(counted_phase, "read_kineto", lambda trace: traced()[0])
    monkeypatch.setattr(counted_phase, "MARKER_COPIES", MARKER_COPIES)
    nothing: Any = None
    return counted_phase.count(nothing, nothing, nothing, nothing), passes.asked


TRAFFIC, UNITS = CounterGroup.TRAFFIC, CounterGroup.UNITS


def test_traffic_and_units_come_from_a_recording_each(monkeypatch: pytest.MonkeyPatch) -> None:
    found, asked = counting(monkeypatch, [recorded(TRAFFIC)], [recorded(UNITS)])
    assert asked == [TRAFFIC, UNITS]
    assert found.counted is not None
    assert Counter.TENSOR_ACTIVE in found.counted.whole
    assert found.warnings("decode") == []


def test_lost_units_cost_no_bytes_and_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = lost(UNITS, "the buffer ran over")
    found, asked = counting(monkeypatch, [recorded(TRAFFIC)], [ended, ended, ended])
    assert asked == [TRAFFIC, UNITS, UNITS, UNITS]
    record = found.record()
    assert record is not None
    assert (record.read_bytes > 0, record.tensor_active_ratio, record.unit_sample_us) == (True, None, None)
    assert [warning.message for warning in found.warnings("decode")] == [
        "no counters of matrix pipes, instructions and PCIe: the buffer ran over"
    ]


def test_lost_traffic_is_had_from_the_units(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = lost(TRAFFIC, "the buffer ran over")
    found, _ = counting(monkeypatch, [ended, ended, ended], [recorded(UNITS)])
    assert found.counted is not None
    assert found.counted.whole[Counter.DRAM_READ] > 0
    assert found.notes == ("bytes are counted less finely: the buffer ran over",)


def test_a_recording_is_made_again_and_what_was_given_up_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    again = recorded(UNITS, given_up=["the set A every 50 us: it ran over"])
    found, asked = counting(monkeypatch, [recorded(TRAFFIC)], [lost(UNITS, "it ran over"), again])
    assert asked == [TRAFFIC, UNITS, UNITS]
    assert found.counted is not None
    assert found.notes == ("sampling given up: the set A every 50 us: it ran over",)
    assert [warning.code for warning in found.warnings("decode")] == ["counters_limited"]


def test_units_are_not_asked_for_where_counting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    found, asked = counting(monkeypatch, [refused("only administrators may")], [])
    assert asked == [TRAFFIC]
    assert (found.counted, found.missing) == (None, "only administrators may")


def report(*, counters: bool) -> Report:
    """Of a machine whose counters are for administrators."""
    machine = replace(cpu_machine(), counters=lambda device: nullcontext(Refusing("only administrators may")))
    request = ProfileRequest(model="tiny", prompt_tokens=8, new_tokens=4, counters=counters)
    return profile_model(request, progress=SilentProgress(), machine=machine, plan=SHORTEST)


def test_refused_counters_are_a_warning_and_the_phase_is_judged_all_the_same() -> None:
    for phase in report(counters=True).phases[-2:]:
        assert phase.counters is None
        assert phase.sources["counters"].missing == "only administrators may"
        assert [warning.message for warning in phase.warnings if warning.code == "no_counters"] == [
            "no hardware counters, so bytes are those of the operations' shapes: only administrators may"
        ]
        assert phase.kernels


def test_counters_that_nobody_asked_for_are_no_warning() -> None:
    for phase in report(counters=False).phases[-2:]:
        assert phase.counters is None
        assert phase.sources["counters"].missing == NOT_ASKED
        assert not [warning for warning in phase.warnings if warning.code == "no_counters"]
