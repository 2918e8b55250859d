from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import psutil
import pytest

from profiler.measure.plan import Plan
from profiler.measure.repeat import measure_telemetry
from profiler.measure.telemetry.process import SamplerProcess
from profiler.measure.telemetry.sampler import SamplerConfig, record
from profiler.measure.telemetry.source import Sample
from profiler.progress import SilentProgress
from tests.unit.measure.stand_ins import FakeClock, FakeDevice, FakePhase

CONFIG = SamplerConfig(pid=os.getpid(), gpu_uuid=None)


@dataclass
class FakeSource:
    name: str
    interval_ns: int
    refused: dict[str, str] = field(default_factory=dict)
    begun_ns: int = -1

    def begin(self, now_ns: int) -> None:
        self.begun_ns = now_ns

    def sample(self, now_ns: int) -> list[Sample]:
        start_ns, self.begun_ns = self.begun_ns, now_ns
        return [Sample(source=self.name, start_ns=start_ns, end_ns=now_ns, values={"x": 1.0})]

    def close(self) -> None: ...


def test_every_source_is_sampled_at_its_own_interval() -> None:
    clock = FakeClock()

    def wait(ns: int) -> bool:
        clock.now_ns += ns
        return clock.now_ns > 2_000_000_000

    sources = [FakeSource("fast", 50_000_000), FakeSource("slow", 500_000_000, refused={"y": "no such counter"})]
    recording = record(sources, clock, wait)
    windows = [(s.start_ns, s.end_ns) for s in recording.samples if s.source == "slow"]
    assert windows == [(i * 500_000_000, (i + 1) * 500_000_000) for i in range(4)]
    assert sum(s.source == "fast" for s in recording.samples) == 40
    assert recording.refused == {"slow": {"y": "no such counter"}}


def test_a_window_is_never_shorter_than_its_interval_although_the_process_wakes_late() -> None:
    clock = FakeClock()

    def wait(ns: int) -> bool:
        clock.now_ns += ns + 30_000_000
        return clock.now_ns > 3_000_000_000

    recording = record([FakeSource("slow", 500_000_000)], clock, wait)
    assert min(s.end_ns - s.start_ns for s in recording.samples) >= 500_000_000
    assert len(recording.samples) == 5


def test_the_telemetry_process_imports_no_torch() -> None:
    code = "import profiler.measure.telemetry.sampler, sys; print([m for m in ('torch', 'numpy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.fixture
def sampler() -> Iterator[SamplerProcess]:
    with SamplerProcess(CONFIG) as process:
        yield process


@dataclass
class BusyPhase(FakePhase):
    """Really takes its time; kills the process `victim` in its fifth iteration."""

    victim: int | None = None

    def iterate(self) -> None:
        self.left -= 1
        self.iterations += 1
        if self.iterations == 5 and self.victim is not None:
            os.kill(self.victim, signal.SIGKILL)
        sum(range(200_000))


def measure(sampler: SamplerProcess, *, seconds: float, victim: int | None = None) -> dict[str, float | str | None]:
    phase = BusyPhase(FakeClock(), [], victim=victim, iterations_per_reset=10**9)
    plan = replace(Plan.standard(), telemetry_seconds=seconds)
    device = FakeDevice(FakeClock())
    telemetry = measure_telemetry(phase, device, sampler, time.monotonic_ns, plan, SilentProgress())
    assert telemetry.iterations > 5
    return {s.name: s.missing if s.value is None else s.value for s in telemetry.series}


def test_a_real_process_samples_a_real_phase(sampler: SamplerProcess) -> None:
    values = measure(sampler, seconds=1.2)
    assert isinstance(values["cpu_process"], float)
    assert values["cpu_process"] > 0.1  # this process summed numbers all the while
    assert isinstance(values["host_memory_used"], float)
    assert values["power"] == "the phase did not run on a GPU"


def test_a_killed_telemetry_process_leaves_null_series_and_the_next_pass_gets_a_new_one(
    sampler: SamplerProcess,
) -> None:
    sampler.wait_until_ready()
    first = sampler.pid
    values = measure(sampler, seconds=0.05, victim=first)
    assert set(values.values()) == {"the telemetry process was killed (signal 9)"}
    assert isinstance(measure(sampler, seconds=1.2)["host_memory_used"], float)
    assert sampler.pid != first


def test_a_process_killed_before_the_pass_is_replaced(sampler: SamplerProcess) -> None:
    sampler.wait_until_ready()
    assert sampler.pid is not None
    os.kill(sampler.pid, signal.SIGKILL)
    psutil.Process(sampler.pid).wait()
    assert isinstance(measure(sampler, seconds=1.2)["host_memory_used"], float)


def failure_of(code: str) -> str | None:
    command = [sys.executable, "-c", code]
    with SamplerProcess(CONFIG, command=command, start_timeout_s=0.3, answer_timeout_s=0.3) as process:
        process.wait_until_ready()
        process.begin()
        return process.end().failure


def test_a_process_that_never_answers_is_given_up() -> None:
    assert failure_of("import sys; sys.stdin.read()") == "the telemetry process did not answer within 0.3 s"


def test_a_process_that_fails_says_why_in_its_last_line() -> None:
    with SamplerProcess(CONFIG, command=[sys.executable, "-c", "raise RuntimeError('no luck')"]) as process:
        process.wait_until_ready()
        failure = process.end().failure
    assert failure == "the telemetry process failed (exit code 1): RuntimeError: no luck"


def test_a_process_that_talks_nonsense_is_given_up() -> None:
    with SamplerProcess(CONFIG, command=[sys.executable, "-c", "print('hello'); input()"]) as process:
        process.wait_until_ready()
        assert process.end().failure == "the telemetry process answered nonsense"


def test_a_process_that_cannot_be_started_is_a_reason() -> None:
    with SamplerProcess(CONFIG, command=["/no/such/interpreter"]) as process:
        process.wait_until_ready()
        process.begin()
        failure = process.end().failure
    assert failure == "the telemetry process could not be started: No such file or directory"


def test_the_process_ends_with_its_parent() -> None:
    parent = """
import os
from profiler.measure.telemetry.process import SamplerProcess
from profiler.measure.telemetry.sampler import SamplerConfig
sampler = SamplerProcess(SamplerConfig(pid=os.getpid(), gpu_uuid=None))
sampler.wait_until_ready()
sampler.begin()
print(sampler.pid, flush=True)
os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", parent], capture_output=True, text=True, check=True)
    try:
        orphan = psutil.Process(int(done.stdout))
    except psutil.NoSuchProcess:
        return
    assert psutil.wait_procs([orphan], timeout=30)[1] == []


def test_closing_twice_is_no_error(sampler: SamplerProcess) -> None:
    sampler.close()
    sampler.close()
    assert sampler.pid is None
