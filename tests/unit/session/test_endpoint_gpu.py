"""GPUs under a load: which are sampled, what the report says of them, and what that makes of the verdict."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import partial

import pytest
from msgspec.structs import replace

from profiler.device.driver import Driver, DriverUnavailable
from profiler.endpoint import watch
from profiler.endpoint.address import Address
from profiler.errors import NoDeviceError, UsageError
from profiler.measure.repeat import Sampler
from profiler.measure.telemetry.sampler import SamplerConfig
from profiler.measure.telemetry.source import Recording
from profiler.report.endpoint import Endpoint, PhaseClassFrom
from profiler.report.vocabulary import BottleneckClass, VerdictState
from profiler.serving.generated import inline_requests
from profiler.session.endpoint import Plan, drive_endpoint
from profiler.session.endpoint_gpu import GpuSampling, gpu_sampling, is_elsewhere
from tests.fake_endpoint import FakeServer
from tests.fakes import FakeDriverLibrary, FakeGpu
from tests.unit.endpoint.recorded_counters import recording

HERE = Address.parsed("http://localhost:8000")
SECOND_UUID = "6f0f3d6c-1b2e-4a6d-9c8b-7e6f5a4b3c2d"


class RecordedSampler:
    """Plays a recording's first window for as long as the load lasts, in windows of a twentieth of it."""

    def __init__(self, config: SamplerConfig, name: str) -> None:
        self.config, self._name, self._began_ns = config, name, 0

    def wait_until_ready(self) -> None:
        """At once."""

    def begin(self) -> None:
        self._began_ns = time.monotonic_ns()

    def end(self) -> Recording:
        template, length = recording(self._name).samples[0], (time.monotonic_ns() - self._began_ns) // 20
        starts = [self._began_ns + place * length for place in range(20)]
        return Recording(samples=[replace(template, start_ns=start, end_ns=start + length) for start in starts])


def recorded(name: str, config: SamplerConfig) -> AbstractContextManager[Sampler]:
    return nullcontext(RecordedSampler(config, name))


@pytest.fixture
def unwatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that shares its core with the server, as here, comes late: that is not what is tested."""
    monkeypatch.setattr(watch, "_GRAIN_MS", 1e6)
    monkeypatch.setattr(watch, "_BUSY_RATIO", 1e6)


def sampling(*gpus: FakeGpu, used_by: frozenset[int] = frozenset()) -> GpuSampling:
    return gpu_sampling(
        HERE,
        ExitStack(),
        driver=Driver.open(FakeDriverLibrary(*gpus)),
        sampler=partial(recorded, "decode_b1_eager"),
        used_by=lambda port: set(used_by),
    )


def driven(name: str) -> Endpoint:
    """Of a server whose decode leads, while the GPU does what was recorded."""
    find = partial(
        gpu_sampling, driver=Driver.open(FakeDriverLibrary()), sampler=partial(recorded, name), used_by=lambda port: {1}
    )
    with FakeServer(decode_s=0.03).running() as server:
        plan = Plan(server.url, inline_requests(",".join(["40:8"] * 12)), "twelve", concurrency=4, baseline=2, gpu=True)
        return drive_endpoint(plan, gpus=find)


@pytest.mark.usefixtures("unwatched")
def test_a_decode_that_leads_is_held_back_by_what_the_counters_show() -> None:
    answer = driven("copy_stream")
    assert answer.phase_class_from is PhaseClassFrom.GPU
    assert answer.verdict.class_ is BottleneckClass.MEMORY
    assert "the GPU's counters say memory" in answer.verdict.evidence[0]
    (gpu,) = answer.gpus
    series = {each.name: each for each in gpu.series}
    assert series["dram_utilization"].value == pytest.approx(0.84, abs=0.06)
    assert series["power"].value is None
    assert series["power"].missing
    assert not {"cpu_process", "host_memory_used"} & series.keys()


@pytest.mark.usefixtures("unwatched")
def test_counters_that_leave_it_open_make_the_verdict_so() -> None:
    answer = driven("decode_b1_graph")
    assert (answer.verdict.class_, answer.verdict.state) == (BottleneckClass.MEMORY, VerdictState.INCONCLUSIVE)
    assert answer.doubt == "the GPU's counters cannot tell that for sure"


def test_the_only_gpu_is_the_servers_where_one_of_its_processes_is_on_it() -> None:
    (gpu,) = sampling(FakeGpu(processes=[(4711, None)]), used_by=frozenset({4711})).gpus
    assert (gpu.index, gpu.name, gpu.used) == (0, "NVIDIA H100 80GB HBM3", True)
    (unseen,) = sampling(FakeGpu(), used_by=frozenset({4711})).gpus
    assert unseen.used is None


@pytest.mark.usefixtures("unwatched")
def test_a_server_whose_gpu_never_worked_is_not_said_to_wait_for_its_host() -> None:
    answer = driven("decode_offload_4layers")
    assert answer.verdict.class_ is None
    assert "no GPU of this machine had work under the load" in answer.verdict.evidence[0]
    assert {warning.code for warning in answer.warnings} >= {"gpus"}


def test_of_several_gpus_those_are_sampled_on_which_the_server_has_a_process() -> None:
    gpus = FakeGpu(processes=[(11, None)]), FakeGpu(uuid=SECOND_UUID, processes=[(4711, None)])
    (gpu,) = sampling(*gpus, used_by=frozenset({4711, 4712})).gpus
    assert (gpu.index, gpu.used) == (1, True)


def test_where_its_processes_cannot_be_seen_all_are_sampled_and_that_is_not_known() -> None:
    gpus = sampling(FakeGpu(), FakeGpu(uuid=SECOND_UUID), used_by=frozenset({4711})).gpus
    assert [(gpu.index, gpu.used) for gpu in gpus] == [(0, None), (1, None)]


def test_without_a_driver_one_line_says_so() -> None:
    with pytest.raises(NoDeviceError, match="Library Not Found"):
        gpu_sampling(HERE, ExitStack(), driver=DriverUnavailable("Library Not Found"))


def test_a_server_elsewhere_has_no_gpu_here() -> None:
    with pytest.raises(UsageError, match="another machine"):
        gpu_sampling(Address.parsed("http://203.0.113.7"), ExitStack(), driver=DriverUnavailable("none"))


def test_this_machine_is_known_by_its_loopback_names_and_a_name_that_nobody_knows_is_left_to_the_client() -> None:
    assert not any(map(is_elsewhere, ("localhost", "127.0.0.1", "::1", "127.1.2.3", "no-such-host.invalid")))
    assert is_elsewhere("203.0.113.7")
