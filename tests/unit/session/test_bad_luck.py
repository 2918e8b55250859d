"""What a machine may lack or refuse: one clear line where nothing can be done, a reason in the report where it can."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pynvml
import pytest

from profiler.device.driver import DriverUnavailable
from profiler.errors import NoDeviceError, UnknownModelError, UsageError, WillNotFitError
from profiler.measure.telemetry.process import SamplerProcess
from profiler.measure.telemetry.sampler import SamplerConfig
from profiler.progress import SilentProgress
from profiler.report.records import Phase, Report, ReportWarning
from profiler.report.telemetry import Series
from profiler.report.vocabulary import VerdictState
from profiler.session.machine import Machine
from profiler.session.profile import profile_model
from profiler.session.request import ProfileRequest
from tests.fakes import FakeDriverLibrary, FakeGpu
from tests.unit.session.machines import SHORTEST, FakeGpuDevice, cpu_machine, gpu_machine

LOOP = ProfileRequest(model="tests.unit.session.machines:SmallLoop", new_tokens=8)
SOME_SAMPLES = 0.25  # of NVML, which is read every 50 ms
ONE_WINDOW = 0.6  # of GPM's half second

# torch says so wherever it has no GPU to trace; on a machine that has one there is nothing to say.
pytestmark = pytest.mark.filterwarnings("ignore:CUDA is not available")


def profile(request: ProfileRequest, machine: Machine | None = None, *, telemetry_seconds: float = 0.05) -> Report:
    plan = replace(SHORTEST, telemetry_seconds=telemetry_seconds)
    return profile_model(request, progress=SilentProgress(), machine=machine, plan=plan)


def on_gpu(library: FakeDriverLibrary, *, telemetry_seconds: float = 0.05) -> Report:
    """With steps that take long enough for samples to fall into them."""
    request = replace(LOOP, model="tests.unit.session.machines:LongStep")
    return profile(request, gpu_machine(library, time.monotonic_ns), telemetry_seconds=telemetry_seconds)


def decode_of(report: Report) -> Phase:
    return next(phase for phase in report.phases if phase.name == "decode")


def series(report: Report) -> dict[str, Series]:
    telemetry = decode_of(report).telemetry
    assert telemetry is not None
    return {found.name: found for found in telemetry.series}


def warning(report: Report, code: str) -> ReportWarning | None:
    phases = [found for phase in report.phases for found in phase.warnings]
    return next((found for found in [*report.warnings, *phases] if found.code == code), None)


# Before any work


def test_an_unknown_model_offers_the_nearest_names() -> None:
    with pytest.raises(UnknownModelError) as raised:
        profile(ProfileRequest(model="lama-3.1-8b"))
    assert "did you mean llama-3.1-8b" in raised.value.hint


def test_a_gpu_that_is_not_there_is_said_with_a_way_out() -> None:
    with pytest.raises(NoDeviceError) as raised:
        profile(ProfileRequest(model="tiny", device="cuda:99"))
    assert raised.value.exit_code == 4
    assert "GPU" in raised.value.message
    assert raised.value.hint


@pytest.mark.parametrize("sizes", [{"batch_size": 0}, {"prompt_tokens": -1}, {"new_tokens": 0}, {"new_tokens": 1}])
def test_sizes_that_are_none_are_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        profile(ProfileRequest(model="tiny", **sizes))  # type: ignore[arg-type]


def test_a_prompt_longer_than_the_models_maximum_is_refused_with_the_longest_that_is_not() -> None:
    with pytest.raises(UsageError) as raised:
        profile(ProfileRequest(model="tiny", prompt_tokens=5000), cpu_machine())
    assert "5000 prompt and 64 new tokens are 5064; the model's maximum is 4096" in raised.value.message
    assert raised.value.hint == "use --prompt-tokens 4032"


def test_a_model_that_will_not_fit_is_refused_before_it_is_built() -> None:
    machine = gpu_machine(FakeDriverLibrary(), time.monotonic_ns, free_bytes=10 * 10**9)
    with pytest.raises(WillNotFitError) as raised:
        profile(ProfileRequest(model="llama-3.1-8b", weights="random"), machine)
    assert raised.value.exit_code == 4
    assert "needs 16." in raised.value.message
    assert "10.0 GB are free" in raised.value.message
    assert "a smaller model: " in raised.value.hint


# The driver


def test_a_gpu_whose_driver_answers_has_all_its_series() -> None:
    found = series(on_gpu(FakeDriverLibrary(FakeGpu(energy_mj_per_read=500)), telemetry_seconds=ONE_WINDOW))
    for name in ("dram_bandwidth", "gpu_active", "sm_clock", "power", "energy", "memory_used", "clock_event_reasons"):
        assert found[name].value is not None, found[name].missing
    assert found["gpu_active"].value == pytest.approx(0.99)
    assert found["gpu_active"].window_ms == 500


def test_without_nvml_the_run_goes_on_and_every_series_says_why() -> None:
    reason = "NVML does not start: NVML Shared Library Not Found"
    machine = replace(cpu_machine(), device=FakeGpuDevice(), driver=DriverUnavailable(reason))
    report = profile(LOOP, machine)
    assert report.complete
    assert report.environment.other_processes is None
    assert report.environment.sources["other_processes"].missing == reason
    power = series(report)["power"]  # asked of the machine that this test runs on, which has no such GPU
    assert power.value is None
    assert power.missing


def test_a_query_refused_in_the_middle_of_a_run_ends_that_series_and_nothing_else() -> None:
    library = FakeDriverLibrary()
    library.refuse("nvmlDeviceGetPowerUsage", pynvml.NVML_ERROR_UNKNOWN, after=3)
    report = on_gpu(library, telemetry_seconds=ONE_WINDOW)
    assert report.complete
    found = series(report)
    assert (found["power"].value, found["power"].missing) == (None, "Unknown Error")
    assert found["sm_clock"].value == 1980
    assert found["dram_bandwidth"].value is not None


def test_a_gpu_that_is_lost_in_the_middle_of_a_run_leaves_reasons() -> None:
    library = FakeDriverLibrary()

    class LostGpu(FakeGpuDevice):
        def empty_cache(self) -> None:  # after loading
            library.refuse_everything()

    machine = replace(gpu_machine(library, time.monotonic_ns), device=LostGpu())
    report = profile(LOOP, machine)
    assert report.complete
    assert {found.missing for found in series(report).values() if found.tier == "driver"} == {"GPU is lost"}
    assert decode_of(report).joules_per_token is None
    assert decode_of(report).sources["joules_per_token"].missing == "GPU is lost"


def test_a_gpu_without_gpm_has_nvmls_series_all_the_same() -> None:
    found = series(on_gpu(FakeDriverLibrary(FakeGpu(gpm_supported=False)), telemetry_seconds=SOME_SAMPLES))
    assert found["dram_bandwidth"].missing == "this GPU has no GPM counters (Hopper and newer have)"
    assert found["sm_clock"].value == 1980


def test_another_process_on_the_gpu_is_named_and_warned_about() -> None:
    parent = os.getppid()
    report = on_gpu(FakeDriverLibrary(FakeGpu(processes=[(os.getpid(), 10**9), (parent, 3 * 10**9)])))
    assert report.environment.other_processes == 1
    found = warning(report, "gpu_shared")
    assert found is not None
    assert f"(pid {parent}, 3.0 GB)" in found.message


def test_processes_that_cannot_be_listed_are_null_with_the_reason() -> None:
    library = FakeDriverLibrary()
    library.refuse("nvmlDeviceGetComputeRunningProcesses", pynvml.NVML_ERROR_NO_PERMISSION)
    environment = on_gpu(library).environment
    assert environment.other_processes is None
    assert environment.sources["other_processes"].missing == "Insufficient Permissions"


@pytest.mark.parametrize(("bits", "throttled"), [(0x40, True), (0x8, True), (0x80, True), (0x4, False), (0x0, False)])
def test_a_throttled_gpu_is_flagged_beside_the_verdict(bits: int, throttled: bool) -> None:
    report = on_gpu(FakeDriverLibrary(FakeGpu(clock_event_reasons=bits)), telemetry_seconds=SOME_SAMPLES)
    assert report.phases[0].verdict.throttled is throttled  # the load
    assert decode_of(report).verdict.throttled is throttled
    assert report.verdict.throttled is throttled
    assert (warning(report, "throttled") is not None) is throttled
    assert (warning(report, "power_cap") is not None) is (bits == 0x4)


def test_a_trace_that_shows_no_kernel_refuses_the_verdict_and_keeps_the_times() -> None:
    report = on_gpu(FakeDriverLibrary())
    decode = decode_of(report)
    assert decode.verdict.state is VerdictState.REFUSED
    assert "nothing of the GPU" in decode.verdict.evidence[0]
    assert decode.clean.wall_ms.median > 0
    assert report.verdict.state is VerdictState.REFUSED


# The telemetry process


class Killed(SamplerProcess):
    """A real one, which is killed as soon as it samples."""

    def begin(self) -> None:
        super().begin()
        assert self.pid is not None
        os.kill(self.pid, signal.SIGKILL)


def test_a_killed_telemetry_process_costs_its_series_and_nothing_else() -> None:
    report = profile(LOOP, cpu_machine(Killed))
    assert report.complete
    for phase in report.phases[1:]:
        assert phase.telemetry is not None
        assert {found.missing for found in phase.telemetry.series} == {"the telemetry process was killed (signal 9)"}
        assert phase.parts
    assert decode_of(report).sources["joules_per_token"].missing == "the telemetry process was killed (signal 9)"


@pytest.fixture
def processes() -> Iterator[list[SamplerProcess]]:
    made: list[SamplerProcess] = []
    yield made
    for process in made:
        process.close()


def test_the_telemetry_process_ends_with_the_run_however_it_ends(processes: list[SamplerProcess]) -> None:
    def start(config: SamplerConfig, **options: Any) -> SamplerProcess:
        processes.append(SamplerProcess(config, **options))
        return processes[-1]

    profile(LOOP, cpu_machine(start))
    with pytest.raises(Exception, match="ValueError"):
        profile(replace(LOOP, model="tests.unit.session.machines:Faulty"), cpu_machine(start))
    assert [process.pid for process in processes] == [None, None]
