"""A clock, a device, a phase and a sampler that take no time and need no GPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from profiler.device.base import DeviceProperties
from profiler.measure.telemetry.source import Recording
from profiler.workload.phase import PhaseShape

CPU = DeviceProperties(
    name="a CPU",
    kind="cpu",
    uuid="cpu",
    driver=None,
    cuda=None,
    memory_bytes=2**34,
    sm_count=None,
    l2_bytes=None,
    max_threads_per_sm=None,
    compute_capability=None,
)


@dataclass
class FakeClock:
    now_ns: int = 0
    readings: int = 0

    def __call__(self) -> int:
        self.readings += 1
        return self.now_ns

    def advance_ms(self, ms: float) -> None:
        self.now_ns += round(ms * 1e6)


@dataclass
class FakeStopwatch:
    """Reads the same clock, as a GPU's span would; `read_ms` says when it may be read."""

    device: FakeDevice
    began_ns: int | None = None
    ended_ns: int | None = None

    def start(self) -> None:
        self.device.log.append("start")
        self.began_ns, self.ended_ns = self.device.clock.now_ns, None

    def stop(self) -> None:
        self.device.log.append("stop")
        self.ended_ns = self.device.clock.now_ns

    def elapsed_ms(self) -> float:
        assert self.began_ns is not None
        assert self.ended_ns is not None, "read before it was stopped"
        assert self.device.log[-1] == "synchronize", "read before the device had passed it"
        return (self.ended_ns - self.began_ns) / 1e6


@dataclass
class FakeDevice:
    clock: FakeClock
    has_stopwatch: bool = False
    log: list[str] = field(default_factory=list)
    properties: DeviceProperties = CPU
    torch_device: str = "cpu"
    stopwatches_made: int = 0

    def synchronize(self) -> None:
        self.log.append("synchronize")

    def stopwatch(self) -> FakeStopwatch | None:
        self.stopwatches_made += 1
        return FakeStopwatch(self) if self.has_stopwatch else None

    def free_bytes(self) -> int:
        return 2**34

    def empty_cache(self) -> None:
        self.log.append("empty_cache")


@dataclass
class FakePhase:
    """Iterations take what `iteration_ms(number)` says, resets 1000 ms; both move the clock."""

    clock: FakeClock
    log: list[str]
    iteration_ms: Callable[[int], float] = lambda number: 10.0
    reset_ms: float = 1000.0
    iterations_per_reset: int = 1000
    name: str = "decode"
    shape: PhaseShape | None = None
    body: Callable[[], None] | None = None
    launch: Callable[[], None] | None = None
    iterations: int = 0
    resets: int = 0
    left: int = 0

    def reset(self) -> None:
        self.log.append("reset")
        self.resets += 1
        self.left = self.iterations_per_reset
        self.clock.advance_ms(self.reset_ms)

    def iterate(self) -> None:
        assert self.left > 0, "iterated beyond what a reset allows"
        self.left -= 1
        self.log.append("iterate")
        self.clock.advance_ms(self.iteration_ms(self.iterations))
        self.iterations += 1


@dataclass
class FakeSampler:
    """Answers with `recording`, and logs when it was asked for what."""

    clock: FakeClock
    recording: Recording = field(default_factory=Recording)
    asked: list[tuple[str, int]] = field(default_factory=list)

    def wait_until_ready(self) -> None:
        self.asked.append(("wait", self.clock.now_ns))

    def begin(self) -> None:
        self.asked.append(("begin", self.clock.now_ns))

    def end(self) -> Recording:
        self.asked.append(("end", self.clock.now_ns))
        return self.recording
