"""A run that ends early loses nothing: Ctrl-C in each of its stages, memory that runs out, a bug, a full disk."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from profiler.errors import BottleneckError, FailedError, InterruptedByUser, OutOfMemoryError, UsageError
from profiler.progress import Progress, SilentProgress
from profiler.report.records import Report
from profiler.report.store import decode, encode
from profiler.report.vocabulary import VerdictState
from profiler.session.machine import Machine
from profiler.session.profile import profile_model
from profiler.session.request import ProfileRequest
from tests.unit.measure.stand_ins import FakeClock, FakeSampler
from tests.unit.session import machines
from tests.unit.session.machines import SHORTEST, StopAt, cpu_machine

LOOP = ProfileRequest(model="tests.unit.session.machines:SmallLoop", new_tokens=8)
TINY = ProfileRequest(model="tiny", prompt_tokens=8, new_tokens=4)


@contextmanager
def no_sampler(_: Any) -> Iterator[FakeSampler]:
    yield FakeSampler(FakeClock())


def profile(request: ProfileRequest, progress: Progress | None = None, machine: Machine | None = None) -> Report:
    machine = machine or cpu_machine(no_sampler)
    return profile_model(request, progress=progress or SilentProgress(), machine=machine, plan=SHORTEST)


def partial_of(error: type[BottleneckError], request: ProfileRequest, progress: Progress | None = None) -> Report:
    with pytest.raises(error) as raised:
        profile(request, progress)
    report = raised.value.partial
    assert isinstance(report, Report)
    assert not report.complete
    assert decode(encode(report)) == report
    return report


def test_a_whole_run_is_complete() -> None:
    report = profile(LOOP)
    assert report.complete
    assert [phase.name for phase in report.phases] == ["load", "prefill", "decode"]
    assert all(phase.parts for phase in report.phases)


@pytest.mark.parametrize(
    ("stage", "phases", "judged"),
    [
        ("Calling", [], []),
        ("prefill: warming up", ["load"], ["load"]),
        ("prefill: measuring", ["load"], ["load"]),
        ("prefill: telemetry", ["load", "prefill"], ["load"]),
        ("decode: warming up", ["load", "prefill"], ["load"]),
        ("decode: measuring", ["load", "prefill"], ["load"]),
        ("decode: telemetry", ["load", "prefill", "decode"], ["load"]),
        ("prefill: tracing", ["load", "prefill", "decode"], ["load"]),
        ("prefill: judging", ["load", "prefill", "decode"], ["load"]),
        ("decode: tracing", ["load", "prefill", "decode"], ["load", "prefill"]),
        ("decode: judging", ["load", "prefill", "decode"], ["load", "prefill"]),
    ],
)
def test_ctrl_c_keeps_every_phase_with_what_it_had(stage: str, phases: list[str], judged: list[str]) -> None:
    report = partial_of(InterruptedByUser, LOOP, StopAt(stage))
    assert [phase.name for phase in report.phases] == phases
    assert [phase.name for phase in report.phases if phase.parts] == judged
    assert report.warnings[-1].code == "interrupted"


@pytest.mark.parametrize(("stage", "has_telemetry"), [("decode: telemetry", False), ("prefill: tracing", True)])
def test_a_phase_without_its_trace_has_its_times_and_no_verdict(stage: str, has_telemetry: bool) -> None:
    decode = partial_of(InterruptedByUser, LOOP, StopAt(stage)).phases[-1]
    assert len(decode.clean.wall_ms.samples) == 8  # two repeats of four iterations
    assert decode.tokens_per_s is not None
    assert (decode.telemetry is not None) is has_telemetry
    assert decode.verdict.state is VerdictState.REFUSED
    assert decode.verdict.evidence == ["the run ended before the phase was traced"]


def test_ctrl_c_between_two_repeats_keeps_the_first() -> None:
    decode = partial_of(InterruptedByUser, LOOP, StopAt("decode: measuring", after_steps=1)).phases[-1]
    assert decode.name == "decode"
    assert len(decode.clean.wall_ms.samples) == 4
    assert decode.clean.wall_ms.low is None  # one repeat has no interval
    assert decode.verdict.evidence == ["interrupted while it was timed"]


def test_ctrl_c_while_the_ceilings_are_measured_keeps_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    report = partial_of(InterruptedByUser, LOOP, StopAt("measuring what this device can reach"))
    assert report.phases == []
    assert report.ceilings.device == report.environment.device
    assert report.verdict.state is VerdictState.REFUSED
    assert not (tmp_path / "empty").exists()


def test_ctrl_c_before_anything_is_measured_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(model: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("profiler.session.profile.resolve", interrupted)
    with pytest.raises(InterruptedByUser) as raised:
        profile(LOOP)
    assert raised.value.partial is None


def test_a_second_ctrl_c_costs_the_traces_and_not_the_report(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("profiler.session.profile.write_atomically", interrupted)
    request = replace(LOOP, trace_out=tmp_path / "trace.json")
    report = partial_of(InterruptedByUser, request, StopAt("decode: judging"))
    assert [phase.name for phase in report.phases] == ["load", "prefill", "decode"]
    assert [warning.code for warning in report.warnings[-2:]] == ["interrupted", "trace_not_written"]


def test_the_second_context_length_is_told_apart_from_the_first() -> None:
    stages = StopAt("nowhere")
    profile(replace(TINY, prompt_tokens=16), stages)
    assert stages.stages.count("decode: warming up") == 1
    assert "decode: warming up after a prompt of 64 tokens" in stages.stages


def test_ctrl_c_while_a_model_is_built_says_so() -> None:
    report = partial_of(InterruptedByUser, TINY, StopAt("Building tiny"))
    assert report.workload is None
    assert "interrupted while loading the model" in report.warnings[-1].message


@pytest.mark.parametrize("stage", ["decode: warming up", "decode: measuring"])
def test_ctrl_c_at_the_second_context_length_keeps_the_decode(stage: str) -> None:
    report = partial_of(InterruptedByUser, TINY, StopAt(stage, occurrence=2))
    assert [phase.name for phase in report.phases] == ["load", "prefill", "decode"]
    assert report.phases[-1].telemetry is not None
    assert report.phases[-1].growth is None
    assert "another context length" in report.warnings[-1].message


def test_a_second_ctrl_c_while_the_telemetry_process_ends_loses_nothing() -> None:
    @contextmanager
    def interrupted_at_its_end(_: Any) -> Iterator[FakeSampler]:
        try:
            yield FakeSampler(FakeClock())
        finally:
            raise KeyboardInterrupt

    with pytest.raises(InterruptedByUser) as raised:
        profile(LOOP, StopAt("decode: tracing"), cpu_machine(interrupted_at_its_end))
    assert isinstance(raised.value.partial, Report)
    assert len(raised.value.partial.phases) == 3


def test_memory_that_runs_out_in_a_phase_keeps_the_phases_before_it() -> None:
    request = replace(LOOP, model="tests.unit.session.machines:ShortOfMemory")
    report = partial_of(OutOfMemoryError, request)
    assert [phase.name for phase in report.phases] == ["load", "prefill"]
    assert "failed while measuring decode" in report.warnings[-1].message


def test_memory_that_runs_out_while_loading_is_one_line_and_a_way_out() -> None:
    with pytest.raises(OutOfMemoryError) as raised:
        profile(replace(LOOP, model="tests.unit.session.machines:Unbuilt"))
    assert raised.value.message == "the device ran out of memory; the last allocation asked for 2.50 GiB"
    assert "--batch-size" in raised.value.hint
    assert raised.value.partial is None


def test_a_users_own_exception_keeps_what_was_measured_before_it() -> None:
    request = replace(LOOP, model="tests.unit.session.machines:Faulty")
    assert [phase.name for phase in partial_of(FailedError, request).phases] == ["load", "prefill"]


def test_a_bug_keeps_what_was_measured_before_it() -> None:
    report = partial_of(FailedError, LOOP, StopAt("decode: judging", error=ZeroDivisionError("by zero")))
    assert [phase.name for phase in report.phases] == ["load", "prefill", "decode"]


def test_the_traces_of_the_phases_before_are_kept_too(tmp_path: Path) -> None:
    request = replace(LOOP, trace_out=tmp_path / "trace.json.gz")
    partial_of(InterruptedByUser, request, StopAt("decode: tracing"))
    names = {event["name"] for event in json.loads(gzip.decompress(request.trace_out.read_bytes()))["traceEvents"]}
    assert any("prefill#0" in name for name in names)
    assert not any("decode#0" in name for name in names)


def test_an_interrupt_before_the_first_trace_leaves_no_trace_file(tmp_path: Path) -> None:
    request = replace(LOOP, trace_out=tmp_path / "trace.json.gz")
    partial_of(InterruptedByUser, request, StopAt("prefill: telemetry"))
    assert list(tmp_path.glob("trace*")) == []


def test_a_trace_that_cannot_be_written_in_the_end_costs_no_measurement(tmp_path: Path) -> None:
    request = replace(LOOP, trace_out=tmp_path / "gone" / "trace.json")
    with pytest.raises(UsageError, match="cannot write") as raised:
        profile(request)
    report = raised.value.partial
    assert isinstance(report, Report)
    assert report.complete


def test_a_trace_that_cannot_be_written_after_ctrl_c_is_a_warning(tmp_path: Path) -> None:
    request = replace(LOOP, trace_out=tmp_path / "gone" / "trace.json")
    report = partial_of(InterruptedByUser, request, StopAt("decode: tracing"))
    assert [warning.code for warning in report.warnings][-2:] == ["interrupted", "trace_not_written"]


def test_no_range_of_the_tracer_is_left_on_the_model_after_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[machines.SmallLoop] = []

    class Interrupted(machines.SmallLoop):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

        def decode(self) -> float:
            if self.layer._forward_pre_hooks:  # the trace pass has begun
                raise KeyboardInterrupt
            return super().decode()

    monkeypatch.setattr(machines, "Interrupted", Interrupted, raising=False)
    partial_of(InterruptedByUser, replace(LOOP, model="tests.unit.session.machines:Interrupted"))
    assert not made[0].layer._forward_pre_hooks
    assert profile(LOOP).complete  # nor is the tracer itself left running
