"""CUPTI's PM sampling, through cupti-python: nothing else of the profiler knows it.

Its traps, each met on an H100: a collector serves one configuration only; samples must be decoded before it is stopped,
and often, or its buffer runs over; the first sample holds the past. Samples follow each other without a hole.
"""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Callable
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
_SAMPLES_A_DECODE = 4_000  # each decode sets up an image for so many, full or not
_PERCENT = 0.01
_LIBRARIES = ("libnvperf_host.so", "libnvperf_target.so", "libcupti.so.13")
# Turing and the A100 cannot sample by time. Their samples are as long as the clock makes them: each has its own times.
_SYSTEM_CLOCK_GHZ = 1.4

# What is asked of the device at once (one pass of its counters), best first: CUPTI's name, and its factor to our unit.
# Only `..._realtime` counters can be had together with the rest. The named set is CUPTI's own for this purpose, but
# records all of its 131 metrics: 60 KB and 40 us of decoding a sample on an H100, where two metrics take 10 us.
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
CONFIGURATIONS: tuple[tuple[Metrics, str | None], ...] = ((_ALL, None), (_ALL, "TriageCompute"), (_DRAM, None))


class CountersRefused(Exception):  # noqa: N818 - a refusal is an answer, not an error
    """Why there are no counters, in one line."""


class CuptiSampler:
    """Samples the first device that this process sees. Everything it raises is `CountersRefused`."""

    def __init__(self, interval_ns: int) -> None:
        """Set up sampling every `interval_ns`; nothing is sampled yet."""
        self._sampling = _import()
        self._collector, self._metrics = _configured(self._sampling, interval_ns)
        self._decoded: list[Any] = []

    def start(self) -> None:
        """Sample from now on."""
        _guarded(self._collector.start)

    def poll(self) -> None:
        """Take the samples there are out of the buffer; call it every few milliseconds."""
        while True:
            data = _guarded(partial(self._collector.decode, _SAMPLES_A_DECODE))
            if len(data):
                self._decoded.append(data)
            if len(data) < _SAMPLES_A_DECODE:
                return

    def stop(self) -> CounterRecording:
        """No more: all samples but the first, which holds what was before."""
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
            rows = _evaluated(data)
            for index, column in enumerate(values.values()):
                column += [row[index] * factors[index] for row in rows]
        _guarded(self._collector.disable)
        return CounterRecording(
            start_ns=start_ns[1:],
            end_ns=end_ns[1:],
            values={counter: column[1:] for counter, column in values.items()},
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


def _configured(sampling: Any, interval_ns: int) -> tuple[Any, Metrics]:
    """A collector with the best of `CONFIGURATIONS` that this device takes."""
    refusals: list[str] = []
    for trigger, interval in (
        (sampling.TriggerMode.GPU_TIME_INTERVAL, interval_ns),
        (sampling.TriggerMode.GPU_SYSCLK_INTERVAL, round(interval_ns * _SYSTEM_CLOCK_GHZ)),
    ):
        for metrics, set_name in CONFIGURATIONS:
            collector = sampling.Collector(0)
            _guarded(collector.enable)
            try:
                _guarded(
                    partial(
                        collector.configure,
                        metrics=[name for name, _ in metrics.values()],
                        hardware_buffer_size=_BUFFER_BYTES,
                        sampling_interval=interval,
                        trigger_mode=trigger,
                        single_pass_metric_set_name=set_name,
                    )
                )
            except CountersRefused as refusal:
                refusals.append(str(refusal))
                _guarded(collector.disable)
            else:
                return collector, metrics
    raise CountersRefused(refusals[0])


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
