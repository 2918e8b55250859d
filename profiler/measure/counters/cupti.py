"""CUPTI's PM sampling, through cupti-python: nothing else of the profiler knows it.

Its traps, each met on an H100: a collector serves one configuration only; samples must be decoded before it is stopped,
and often, or its buffer runs over; the first sample holds the past. Samples follow each other without a hole.
"""

from __future__ import annotations

import ctypes
import importlib.util
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from profiler.device.cupti_home import HOW_TO_INSTALL, look_into_folder, why_missing
from profiler.measure.counters.sample_times import mend
from profiler.measure.counters.source import Counter, CounterGroup, CounterRecording
from profiler.measure.counters.ways import WAYS, Way

NOT_ALLOWED = (
    "the driver keeps hardware counters for administrators: load the nvidia module with "
    "NVreg_RestrictProfilingToAdminUsers=0, or give the container CAP_SYS_ADMIN or CAP_PERFMON"
)

_BUFFER_BYTES = 512 << 20  # of host memory; what decoding does not keep up with for half a second must fit
_LIBRARIES = ("libnvperf_host.so", "libnvperf_target.so", "libcupti.so.13")
# Turing and the A100 cannot sample by time. Their samples are as long as the clock makes them: each has its own times.
_SYSTEM_CLOCK_GHZ = 1.4

POLL_S = 0.05
_TRIAL_S = 0.02
# Of the samples that the trial should hold, and of how long each should be.
_ENOUGH = 0.5
_LENGTHS = (0.5, 2.0)
# Undecoded samples that may wait in the buffer: while they are decoded, as many more come. 17,000 were too many.
_MOST_WAITING = 7_000
# More than should have come since: an interval is only near the one asked for.
_SPARE_RATIO, _SPARE = 0.1, 200


class CountersRefused(Exception):  # noqa: N818 - a refusal is an answer, not an error
    """Why there are no counters, in one line."""


class CuptiSamplers:
    """Makes samplers of the first device that this process sees, and remembers what works there."""

    def __init__(
        self,
        sleep: Callable[[float], None] = time.sleep,
        sampling: Any = None,
        clock: Callable[[], int] = time.monotonic_ns,
        ways: Mapping[CounterGroup, tuple[Way, ...]] = WAYS,
    ) -> None:
        """`sampling` stands in for the module `cupti.pm_sampling`."""
        self._ways = ways
        self._sleep = sleep
        self._sampling = sampling
        self._clock = clock
        self._works: dict[CounterGroup, tuple[Way, Any]] = {}
        self._given_up: dict[CounterGroup, dict[int, str]] = defaultdict(dict)
        self._latest: tuple[CounterGroup, Way, int] | None = None

    def give_up(self, reason: str) -> None:
        """The latest sampler lost samples: the next of its group is the next best, if there is one."""
        if self._latest is not None:
            group, way, interval_ns = self._latest
            self._given_up[group][self._ways[group].index(way)] = f"{way.described(interval_ns)}: {reason}"
            self._works.pop(group, None)

    def __call__(self, group: CounterGroup, interval_ns: int) -> CuptiSampler:
        """A sampler every `interval_ns`, or as near as the device allows; nothing is sampled yet.

        Raises `CountersRefused`.
        """
        if self._sampling is None:
            self._sampling = import_pm_sampling()
        if group not in self._works:
            self._works[group] = self._find(group, interval_ns)
        way, trigger = self._works[group]
        self._latest = (group, way, interval_ns)
        collector = self._opened(way, trigger, interval_ns)
        return CuptiSampler(collector, way, way.wished_ns(interval_ns), self._clock, [*self._given_up[group].values()])

    def _find(self, group: CounterGroup, interval_ns: int) -> tuple[Way, Any]:
        """The best way that the device takes and gives samples for, which a short trial shows."""
        given_up = self._given_up[group]
        refused: dict[int, str] = {}
        modes = self._sampling.TriggerMode
        for trigger in (modes.GPU_TIME_INTERVAL, modes.GPU_SYSCLK_INTERVAL):
            for index, way in enumerate(self._ways[group]):
                if index in given_up:
                    continue
                try:
                    self._try(self._opened(way, trigger, interval_ns), way.wished_ns(interval_ns))
                except CountersRefused as refusal:
                    refused.setdefault(index, str(refusal))
                else:
                    for worse, reason in refused.items():
                        given_up[worse] = f"{self._ways[group][worse].described(interval_ns)}: {reason}"
                    given_up.pop(index, None)  # where only the other trigger was refused
                    return way, trigger
        if refused:
            raise CountersRefused(next(iter(refused.values())))
        raise CountersRefused("; ".join(given_up.values()) or "CUPTI: no way of sampling is known")

    def _opened(self, way: Way, trigger: Any, interval_ns: int) -> Any:
        """A collector of its own with this configuration: one serves no second."""
        ticks_a_ns = _SYSTEM_CLOCK_GHZ if trigger == self._sampling.TriggerMode.GPU_SYSCLK_INTERVAL else 1.0
        collector = self._sampling.Collector(0)
        _guarded(collector.enable)
        try:
            _guarded(
                partial(
                    collector.configure,
                    metrics=[name for name, _ in way.metrics.values()],
                    hardware_buffer_size=_BUFFER_BYTES,
                    sampling_interval=round(way.wished_ns(interval_ns) * ticks_a_ns),
                    trigger_mode=trigger,
                    single_pass_metric_set_name=way.set_name,
                )
            )
        except CountersRefused:
            _guarded(collector.disable)
            raise
        return collector

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

    def __init__(
        self, collector: Any, way: Way, interval_ns: float, clock: Callable[[], int], given_up: list[str]
    ) -> None:
        """`interval_ns` is how long a sample should be; `given_up` says what was tried before this way."""
        self._collector = collector
        self._way = way
        self._interval_ns = interval_ns
        self._clock = clock
        self._given_up = given_up
        self._begun_ns = 0
        self._decoded: list[Any] = []

    def start(self) -> None:
        """Sample from now on."""
        self._begun_ns = self._clock()
        _guarded(self._collector.start)

    def poll(self) -> None:
        """Take out of the buffer what must not wait; call it every `POLL_S`."""
        if not self._way.keeps_up:
            while self._waiting() >= _MOST_WAITING and self._decode(_MOST_WAITING):
                pass
            return
        # Each decoding sets up an image for as many samples as it may yield, full or not: twice those of a poll.
        at_once = round(2 * POLL_S * 1e9 / self._interval_ns)
        while self._decode(at_once) >= at_once:
            pass

    def stop(self, evaluate: Callable[[Any], list[list[float]]] | None = None) -> CounterRecording:
        """No more: all samples but the first, which holds what was before.

        `evaluate` gives the metrics of every sample of a decoded piece, by default as CUPTI does.
        """
        failure = None
        try:
            self.poll()
            if not self._way.keeps_up:
                self._decode(round(self._waiting() * (1 + _SPARE_RATIO)) + _SPARE)
            _guarded(self._collector.stop)
        except CountersRefused as refusal:
            failure = str(refusal)
        start_ns: list[int] = []
        end_ns: list[int] = []
        values: dict[Counter, list[float]] = {counter: [] for counter in self._way.metrics}
        factors = [factor for _, factor in self._way.metrics.values()]
        for data in self._decoded:
            start_ns += data._start_timestamps
            end_ns += data._end_timestamps
            rows = (evaluate or _evaluated)(data)
            for index, column in enumerate(values.values()):
                column += [row[index] * factors[index] for row in rows]
        _guarded(self._collector.disable)
        times = mend(start_ns[1:], end_ns[1:])
        if failure is None and times.lost:
            failure = f"CUPTI: {times.lost} of {len(start_ns) - 1} samples have no length"
        return CounterRecording(
            start_ns=times.start_ns,
            end_ns=times.end_ns,
            values={counter: [column[1 + row] for row in times.kept] for counter, column in values.items()},
            failure=failure,
            given_up=self._given_up,
        )

    def _waiting(self) -> int:
        """How many samples should lie in the buffer."""
        due = (self._clock() - self._begun_ns) / self._interval_ns
        return max(0, round(due) - sum(len(data) for data in self._decoded))

    def _decode(self, most: int) -> int:
        """Take so many samples out, or as many as there are: how many there were."""
        data = _guarded(partial(self._collector.decode, most))
        if len(data):
            self._decoded.append(data)
        return len(data)


def import_pm_sampling() -> Any:
    """The module `cupti.pm_sampling`, with its libraries. Raises `CountersRefused`."""
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
