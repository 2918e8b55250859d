"""The trace pass: a few iterations under torch.profiler, each in a range of its own, with the model's modules."""

from __future__ import annotations

import gzip
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import msgspec
import torch
from torch.profiler import ProfilerAction, ProfilerActivity, record_function
from torch.utils.hooks import RemovableHandle

from profiler.clock import Clock
from profiler.device.base import Device
from profiler.errors import UnreadableError
from profiler.measure.cycle import Cycle
from profiler.measure.quiet import garbage_collector_off
from profiler.trace.timeline import MODULE_PREFIX, STEP_PREFIX
from profiler.workload.phase import RunnablePhase

# All that is kept of a trace's head: it also names the host and its paths, and may carry its environment.
KEPT_METADATA = (
    "schemaVersion",
    "deviceProperties",
    "cupti_version",
    "cuda_runtime_version",
    "cuda_driver_version",
    "record_shapes",
    "displayTimeUnit",
    "baseTimeNanoseconds",
    "traceEvents",
)
_LOST_EVENTS = "Warning: Profiler clears events"
GZIP_LEVEL = 3  # a third of the default level's time for a tenth more bytes


@dataclass(frozen=True, slots=True)
class RecordedTrace:
    """A gzipped Chrome trace, and how long an iteration took just before it, which nobody traced; None without any."""

    trace: bytes
    untraced_ms: float | None = None


def record_trace(
    phase: RunnablePhase,
    device: Device,
    *,
    iterations: int,
    modules: torch.nn.Module | None = None,
    warmup_seconds: float = 0.0,
    clock: Clock = time.perf_counter_ns,
) -> RecordedTrace:
    """Trace so many iterations of the phase.

    Each iteration lies in a range `STEP_PREFIX + name + "#" + number`, and each forward call of a module of `modules`
    in a range `MODULE_PREFIX + qualified name` (the root's name is its class). Before them one more runs, recorded by
    nobody: in it the tracer allocates its buffers. Before that, as many are timed as take `warmup_seconds`. Resets are
    outside the ranges.

    Raises `UnreadableError` when the profiler writes no trace.
    """
    return _record(phase, phase.iterate, device, iterations, modules, round(warmup_seconds * 1e9), clock)


def trace_body(
    phase: RunnablePhase, body: Callable[[], None], device: Device, *, modules: torch.nn.Module | None = None
) -> bytes:
    """Trace one iteration of `phase.body`, the same work as `phase.iterate` launched op by op, as `record_trace` does.

    Its kernels have operations and modules, which those of a graph's replay lack; its times mean nothing.
    """
    return _record(phase, body, device, 1, modules).trace


def _record(
    phase: RunnablePhase,
    run: Callable[[], None],
    device: Device,
    iterations: int,
    modules: torch.nn.Module | None,
    warmup_ns: int = 0,
    clock: Clock = time.perf_counter_ns,
) -> RecordedTrace:
    profile = _profile(device, torch.profiler.schedule(wait=0, warmup=1, active=1, repeat=1))
    cycle = Cycle(phase, device)
    cycle.prepare()
    with garbage_collector_off(), profile:
        untraced_ms = _warmed_up(cycle, run, device, warmup_ns, clock)
        with _module_ranges(modules):
            run()
            device.synchronize()
            profile.step()  # what follows is recorded, up to the end of the context
            for i in range(iterations):
                cycle.prepare()
                with record_function(f"{STEP_PREFIX}{phase.name}#{i}"):
                    run()
                device.synchronize()  # what the step left running belongs to it
    return RecordedTrace(_export(profile), untraced_ms)


def _warmed_up(cycle: Cycle, run: Callable[[], None], device: Device, warmup_ns: int, clock: Clock) -> float | None:
    """Run for so long, from and to where the next can run: the median of the later half, in ms; None without any."""
    samples_ms: list[float] = []
    end = clock() + warmup_ns
    while clock() < end:
        begin = clock()
        run()
        device.synchronize()
        samples_ms.append((clock() - begin) / 1e6)
        cycle.prepare()
    return median(samples_ms[len(samples_ms) // 2 :]) if samples_ms else None


@contextmanager
def device_trace(device: Device) -> Iterator[Callable[[], bytes]]:
    """Trace what the device does, and nothing of the host: gives what exports the trace, to be called afterwards."""
    _keep_profiler_quiet()
    profile = torch.profiler.profile(activities=[_device_activity(device)])
    with profile:
        yield lambda: _export(profile)
        device.synchronize()


class StepTracer:
    """Traces iterations of a loop that is not ours: `start`, any number of `step` ranges, `stop`."""

    def __init__(self, name: str, device: Device, modules: torch.nn.Module | None = None) -> None:
        self._name = name
        self._steps = 0
        self._profile = _profile(device, None)
        self._ranges = _module_ranges(modules)

    def start(self) -> None:
        """Trace from now on."""
        self._ranges.__enter__()
        self._profile.start()

    def step(self) -> AbstractContextManager[object]:
        """The range of the next iteration."""
        self._steps += 1
        return record_function(f"{STEP_PREFIX}{self._name}#{self._steps - 1}")

    def stop(self) -> bytes:
        """No more: the gzipped trace. Raises `UnreadableError` when the profiler writes none."""
        self._profile.stop()
        self._ranges.__exit__(None, None, None)
        return _export(self._profile)


def _profile(device: Device, schedule: Callable[[int], ProfilerAction] | None) -> torch.profiler.profile:
    _keep_profiler_quiet()
    return torch.profiler.profile(
        activities=list(dict.fromkeys([ProfilerActivity.CPU, _device_activity(device)])),
        schedule=schedule,
        record_shapes=True,
    )


def _device_activity(device: Device) -> ProfilerActivity:
    return ProfilerActivity.CUDA if device.properties.kind == "cuda" else ProfilerActivity.CPU


def _keep_profiler_quiet() -> None:
    """Its words would spoil the progress on stderr: Kineto's own log, whose level it reads when it first starts, and
    up to torch 2.12 a warning that events of earlier cycles are lost, of which there are none.

    Asked to keep them (`acc_events`), it is silent, too, but builds an object for each event: half of the trace pass.
    """
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")
    if not any(_LOST_EVENTS in str(message) for _, message, *_ in warnings.filters):
        # Once: each change of the filters makes Python forget what it has warned of, and do so again.
        warnings.filterwarnings("ignore", message=_LOST_EVENTS)


@contextmanager
def _module_ranges(root: torch.nn.Module | None) -> Iterator[None]:
    """A range around each forward call of each module, until the context ends."""
    handles: list[RemovableHandle] = []
    try:
        for name, module in root.named_modules() if root is not None else ():
            handles += _hook(module, MODULE_PREFIX + (name or type(module).__name__))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _hook(module: torch.nn.Module, label: str) -> list[RemovableHandle]:
    open_ranges: list[torch.Tensor] = []  # several where a module calls itself

    # `record_function` writes the same event, but takes 6 us a call instead of 2: much for hundreds of modules a step.
    def enter(*_: object) -> None:
        open_ranges.append(torch.autograd._record_function_with_args_enter(label))  # type: ignore[attr-defined]

    def leave(*_: object) -> None:
        torch.autograd._record_function_with_args_exit(open_ranges.pop())  # type: ignore[attr-defined]

    return [module.register_forward_pre_hook(enter, prepend=True), module.register_forward_hook(leave)]


def _export(profile: torch.profiler.profile) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profile.export_chrome_trace(str(path))
        trace = path.read_bytes()
    profile.profiler = None  # what it recorded, which its cycles of references would keep until they are collected
    try:
        head = msgspec.json.decode(trace, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError as error:
        raise UnreadableError(f"torch.profiler wrote a trace that cannot be read: {error}") from error
    kept = {key: value for key, value in head.items() if key in KEPT_METADATA}
    return gzip.compress(msgspec.json.encode(kept), GZIP_LEVEL)
