from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace

import msgspec
import pytest

from profiler.measure.counters.source import CounterRecording
from profiler.progress import SilentProgress
from profiler.report.counters import Counters
from profiler.report.records import Report
from profiler.session.counted_phase import NOT_ASKED, CountedPhase
from profiler.session.profile import profile_model
from profiler.session.request import ProfileRequest
from tests.unit.attribute.counted_recordings import counted_recording
from tests.unit.session.machines import SHORTEST, cpu_machine


@dataclass
class Refusing:
    reason: str

    def begin(self) -> str | None:
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
