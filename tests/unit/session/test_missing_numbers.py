"""A missing number is null with a reason, in every kind of report."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from profiler.errors import InterruptedByUser
from profiler.progress import Progress, SilentProgress
from profiler.report.records import Report
from profiler.session.capture import Capture
from profiler.session.machine import Machine
from profiler.session.profile import profile_model
from profiler.session.request import ProfileRequest
from tests.fakes import FakeDriverLibrary, FakeGpu
from tests.unit.session.machines import SHORTEST, StopAt, cpu_machine, gpu_machine
from tests.unit.session.missing_numbers import numbers_without_reason
from tests.unit.session.recorded import recorded_report

LOOP = ProfileRequest(model="tests.unit.session.machines:SmallLoop", new_tokens=8)
TINY = ProfileRequest(model="tiny", prompt_tokens=8, new_tokens=4)

pytestmark = pytest.mark.filterwarnings("ignore:CUDA is not available")


def profiled(request: ProfileRequest, machine: Machine | None = None) -> Report:
    return profile_model(request, progress=SilentProgress(), machine=machine or cpu_machine(), plan=SHORTEST)


def interrupted(stage: str) -> Report:
    progress: Progress = StopAt(stage)
    with pytest.raises(InterruptedByUser) as raised:
        profile_model(TINY, progress=progress, machine=cpu_machine(), plan=SHORTEST)
    assert isinstance(raised.value.partial, Report)
    return raised.value.partial


def captured(iterations: int) -> Report:
    with Capture(machine=cpu_machine()) as c:
        for _ in range(iterations):
            with c.step("decode"):
                sum(range(100))
    return c.report


def on_gpu(**gpu: bool) -> Report:
    return profiled(LOOP, gpu_machine(FakeDriverLibrary(FakeGpu(**gpu)), time.monotonic_ns))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: profiled(TINY), id="random weights"),
        pytest.param(lambda: profiled(LOOP), id="factory"),
        pytest.param(
            lambda: profiled(replace(LOOP, model="tests.unit.session.machines:PlainLoop")), id="factory of no module"
        ),
        pytest.param(lambda: on_gpu(), id="GPU"),
        pytest.param(lambda: on_gpu(gpm_supported=False), id="GPU without GPM"),
        pytest.param(lambda: captured(10), id="capture"),
        *[
            pytest.param(lambda stage=stage: interrupted(stage), id=f"interrupted at {stage}")
            for stage in ("Building", "prefill: telemetry", "decode: telemetry", "decode: tracing")
        ],
        *[
            pytest.param(lambda name=name: recorded_report(name), id=f"recorded {name}")
            for name in ("decode_b1_eager", "decode_b1_graph", "prefill_b1_512", "h2d_pageable", "stream_imbalance")
        ],
    ],
)
def test_every_null_number_has_its_reason(make: Callable[[], Report]) -> None:
    assert numbers_without_reason(make()) == []


def test_a_null_without_reason_would_be_found() -> None:
    report = profiled(LOOP)
    decode = report.phases[-1]
    from msgspec.structs import replace as with_fields

    bare = with_fields(decode, mfu=None, sources={})
    assert "report.phases[0].mfu" in numbers_without_reason(with_fields(report, phases=[bare]))
