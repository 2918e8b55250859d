"""CUPTI's PM sampling, through cupti-python: nothing else of the profiler knows it.

Its traps, each met on an H100: a collector serves one configuration only; samples must be decoded before it is stopped,
and often, or its buffer runs over; the first sample holds the past. Samples follow each other without a hole.
"""

from __future__ import annotations

import ctypes
import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from profiler.device.cupti_home import HOW_TO_INSTALL, look_into_folder, why_missing
from profiler.measure.counters.source import Counter, CounterRecording

NOT_ALLOWED = (
    "the driver keeps hardware counters for administrators: load the nvidia module with "
    "NVreg_RestrictProfilingToAdminUsers=0, or give the container CAP_SYS_ADMIN or CAP_PERFMON"
)

_BUFFER_BYTES = 512 << 20  # of host memory; what decoding does not keep up with for half a second must fit
_PERCENT = 0.01
_LIBRARIES = ("libnvperf_host.so", "libnvperf_target.so", "libcupti.so.13")
# Turing and the A100 cannot sample by time. Their samples are as long as the clock makes them: each has its own times.
_SYSTEM_CLOCK_GHZ = 1.4

# What is asked of the device at once (one pass of its counters): CUPTI's name, and its factor to our unit. Only
# `..._realtime` counters can be had together with the rest.
Metrics = dict[Counter, tuple[str, float]]
_DRAM: Metrics = {
    Counter.DRAM_READ: ("dram__bytes_read.sum", 1.0),
    Counter.DRAM_WRITE: ("dram__bytes_write.sum", 1.0),
}
_ALL: Metrics = {
    **_DRAM,
    Counter.TENSOR_ACTIVE: ("sm__pipe_tensor_cycles_active_realtime.avg.pct_of_peak_sustained_elapsed", _PERCENT),
    Counter.ISSUE_ACTIVE: ("sm__inst_executed_realtime.avg.pct_of_peak_sustained_elapsed", _PERCENT),
    Counter.PCIE_READ: ("pcie__read_bytes.sum", 1.0),
    Counter.PCIE_WRITE: ("pcie__write_bytes.sum", 1.0),
}


@dataclass(frozen=True, slots=True)
class Configuration:
    """What is asked for, in which named set of CUPTI's, and how many times as long as wished a sample must be."""

    metrics: Metrics
    set_name: str | None
    interval_factor: float


# Best first. The named set is CUPTI's own for this purpose, but records all of its 131 metrics: 60 KB and 40 to 70 us
# of decoding a sample on an H100, where two metrics take 10 us. Not every one that a device accepts gives samples.
CONFIGURATIONS = (
    Configuration(_ALL, None, 1.0),
    Configuration(_ALL, "TriageCompute", 2.5),
    Configuration(_DRAM, None, 1.0),
)
POLL_S = 0.05
_TRIAL_S = 0.02
# Of the samples that the trial should hold, and of how long each should be.
_ENOUGH = 0.5
_LENGTHS = (0.5, 2.0)


class CountersRefused(Exception):  # noqa: N818 - a refusal is an answer, not an error
    """Why there are no counters, in one line."""


class CuptiSamplers:
    """Makes samplers of the first device that this process sees, and remembers what works there."""

    def __init__(self, sleep: Callable[[float], None] = time.sleep, sampling: Any = None) -> None:
        """`sampling` stands in for the module `cupti.pm_sampling`."""
        self._sleep = sleep
        self._sampling = sampling
        self._works: tuple[Configuration, Any, int] | None = None
        self._given_up: set[int] = set()

    def give_up(self) -> None:
        """The latest sampler lost samples: the next is the next best, if there is one."""
        if self._works is not None:
            self._given_up.add(CONFIGURATIONS.index(self._works[0]))
            self._works = None

    def __call__(self, interval_ns: int) -> CuptiSampler:
        """A sampler every `interval_ns`, or as near as the device allows; nothing is sampled yet.

        Raises `CountersRefused`.
        """
        if self._sampling is None:
            self._sampling = _import()
        if self._works is None:
            self._works = self._find(interval_ns)
        configuration, trigger, interval = self._works
        wished_ns = interval_ns * configuration.interval_factor
        # Each decode sets up an image for as many samples as it may yield, full or not: twice those of a poll.
        at_once = round(2 * POLL_S * 1e9 / wished_ns)
        return CuptiSampler(_opened(self._sampling, configuration, trigger, interval), configuration.metrics, at_once)

    def _find(self, interval_ns: int) -> tuple[Configuration, Any, int]:
        """The best of `CONFIGURATIONS` that the device takes and gives samples for, which a short trial shows."""
        refusals: list[str] = []
        modes = self._sampling.TriggerMode
        for trigger, ticks_a_ns in ((modes.GPU_TIME_INTERVAL, 1.0), (modes.GPU_SYSCLK_INTERVAL, _SYSTEM_CLOCK_GHZ)):
            for configuration in CONFIGURATIONS:
                if CONFIGURATIONS.index(configuration) in self._given_up:
                    continue
                wished_ns = interval_ns * configuration.interval_factor
                interval = round(wished_ns * ticks_a_ns)
                try:
                    self._try(_opened(self._sampling, configuration, trigger, interval), wished_ns)
                except CountersRefused as refusal:
                    refusals.append(str(refusal))
                else:
                    return configuration, trigger, interval
        raise CountersRefused(refusals[0] if refusals else "CUPTI: no way of sampling keeps up on this machine")

    def _try(self, collector: Any, wished_ns: float) -> None:
        try:
            _guarded(collector.start)
            self._sleep(_TRIAL_S)
            data = _guarded(partial(collector.decode, round(2 * _TRIAL_S * 1e9 / wished_ns)))
            _guarded(collector.stop)
        finally:
            _guarded(collector.disable)
        low, high = (length * wished_ns for length in _LENGTHS)
        spans = list(zip(data._start_timestamps, data._end_timestamps, strict=True))[1:]
        whole = sum(low <= end - start <= high for start, end in spans)
        if whole < _ENOUGH * _TRIAL_S * 1e9 / wished_ns:
            raise CountersRefused(f"CUPTI: of {len(spans)} samples in {_TRIAL_S * 1e3:.0f} ms, {whole} have a length")


class CuptiSampler:
    """Samples with one collector. Everything it raises is `CountersRefused`."""

    def __init__(self, collector: Any, metrics: Metrics, at_once: int) -> None:
        self._collector = collector
        self._metrics = metrics
        self._at_once = at_once
        self._decoded: list[Any] = []

    def start(self) -> None:
        """Sample from now on."""
        _guarded(self._collector.start)

    def poll(self) -> None:
        """Take the samples there are out of the buffer; call it every `POLL_S`."""
        while True:
            data = _guarded(partial(self._collector.decode, self._at_once))
            if len(data):
                self._decoded.append(data)
            if len(data) < self._at_once:
                return

    def stop(self, evaluate: Callable[[Any], list[list[float]]] | None = None) -> CounterRecording:
        """No more: all samples but the first, which holds what was before.

        `evaluate` gives the metrics of every sample of a decoded piece, by default as CUPTI does.
        """
        evaluate = evaluate or _evaluated
        failure = None
        try:
            self.poll()
            _guarded(self._collector.stop)
        except CountersRefused as refusal:
            failure = str(refusal)
        start_ns: list[int] = []
        end_ns: list[int] = []
        values: dict[Counter, list[float]] = {counter: [] for counter in self._metrics}
        factors = [factor for _, factor in self._metrics.values()]
        for data in self._decoded:
            start_ns += data._start_timestamps
            end_ns += data._end_timestamps
            rows = evaluate(data)
            for index, column in enumerate(values.values()):
                column += [row[index] * factors[index] for row in rows]
        _guarded(self._collector.disable)
        kept = [row for row in range(1, len(start_ns)) if 0 < start_ns[row] < end_ns[row]]
        if failure is None and len(kept) < len(start_ns) - 1:
            failure = f"CUPTI: {len(start_ns) - 1 - len(kept)} of {len(start_ns) - 1} samples have no length"
        return CounterRecording(
            start_ns=[start_ns[row] for row in kept],
            end_ns=[end_ns[row] for row in kept],
            values={counter: [column[row] for row in kept] for counter, column in values.items()},
            failure=failure,
        )


def _import() -> Any:
    look_into_folder()
    if reason := why_missing():
        raise CountersRefused(f"{reason}: {HOW_TO_INSTALL}")
    _load_library()
    try:
        from cupti import pm_sampling
    except ImportError as error:
        raise CountersRefused(f"cupti-python cannot be imported: {error}") from error
    return pm_sampling


def _load_library() -> None:
    """Load the libcupti that comes first on the path, with its parts, before torch's older one can be found.

    Where the wheel keeps its files elsewhere, cupti-python searches by itself.
    """
    try:
        if code := ctypes.CDLL("libcuda.so.1").cuInit(0):
            raise CountersRefused(f"the CUDA driver did not start (error {code})")
    except OSError as error:
        raise CountersRefused(f"there is no CUDA driver: {error}") from error
    package = importlib.util.find_spec("nvidia")
    for folder in (package.submodule_search_locations if package else None) or ():
        paths = [Path(folder) / "cu13" / "lib" / name for name in _LIBRARIES]
        if paths[-1].exists():
            for path in paths:
                ctypes.CDLL(str(path), ctypes.RTLD_GLOBAL)
            return


def _opened(sampling: Any, configuration: Configuration, trigger: Any, interval: int) -> Any:
    """A collector of its own with this configuration: one serves no second."""
    collector = sampling.Collector(0)
    _guarded(collector.enable)
    try:
        _guarded(
            partial(
                collector.configure,
                metrics=[name for name, _ in configuration.metrics.values()],
                hardware_buffer_size=_BUFFER_BYTES,
                sampling_interval=interval,
                trigger_mode=trigger,
                single_pass_metric_set_name=configuration.set_name,
            )
        )
    except CountersRefused:
        _guarded(collector.disable)
        raise
    return collector


def _evaluated(data: Any) -> list[list[float]]:
    """The metrics of every sample of one decoded piece.

    As `CounterData.__getitem__` does it, but with one block of parameters for all: five times as fast.
    """
    import numpy as np
    from cupti import cupti as api
    from cupti.utils import metrics_to_c_array

    names, pointer = metrics_to_c_array(data.metrics)
    values = np.zeros(len(data.metrics))
    block = api.ProfilerHostEvaluateToGpuValuesParams()
    block.struct_size = api.PROFILER_HOST_EVALUATE_TO_GPU_VALUES_PARAMS_STRUCT_SIZE
    block.p_host_object = data._host._p_host_object
    block.p_counter_data_image = data._image.ctypes.data
    block.counter_data_image_size = len(data._image)
    block.pp_metric_names = pointer
    block.num_metrics = len(data.metrics)
    block.p_metric_values = values.ctypes.data
    rows = []
    for index in range(len(data)):
        block.range_index = index
        api.profiler_host_evaluate_to_gpu_values(block.ptr)
        rows.append(values.tolist())
    del names  # the pointers into it were in use until here
    return rows


def _guarded(call: Callable[[], Any]) -> Any:
    """Whatever cupti-python raises, as one line."""
    try:
        return call()
    except PermissionError as error:
        raise CountersRefused(NOT_ALLOWED) from error
    except Exception as error:
        raise CountersRefused(f"CUPTI: {str(error).splitlines()[0] if str(error) else type(error).__name__}") from error
