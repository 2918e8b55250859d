"""The parent's side of the counters' process."""

from __future__ import annotations

import sys

import msgspec

from profiler.measure.counters.collector import SAMPLE, SAMPLING, STOP
from profiler.measure.counters.source import CounterConfig, CounterGroup, CounterRecording
from profiler.measure.worker import START_TIMEOUT_S, WorkerProcess

_COMMAND = [sys.executable, "-P", "-m", "profiler.measure.counters.collector"]
BEGIN_TIMEOUT_S = 15.0  # the first time, CUPTI builds its tables of the chip's counters
END_TIMEOUT_S = 60.0  # evaluating takes about 0.1 ms a sample
INTERVAL_NS = 20_000  # of traffic: decoding keeps up with that; an H100 keeps to it within a part in ten thousand


class CounterProcess(WorkerProcess):
    """Counts between `begin` and `end` what happens on one GPU, whichever process does it. Nothing here raises."""

    def __init__(
        self,
        gpu_uuid: str,
        *,
        interval_ns: int = INTERVAL_NS,
        command: list[str] | None = None,
        start_timeout_s: float = START_TIMEOUT_S,
        begin_timeout_s: float = BEGIN_TIMEOUT_S,
        end_timeout_s: float = END_TIMEOUT_S,
    ) -> None:
        """`gpu_uuid` as torch gives it: the driver's, without `GPU-` before it."""
        super().__init__(
            "the counters' process",
            command or _COMMAND,
            msgspec.json.encode(CounterConfig(interval_ns=interval_ns)),
            start_timeout_s=start_timeout_s,
            environment={"CUDA_VISIBLE_DEVICES": gpu_uuid if gpu_uuid.startswith("GPU-") else f"GPU-{gpu_uuid}"},
        )
        self._begin_timeout_s = begin_timeout_s
        self._end_timeout_s = end_timeout_s
        self._is_sampling = False

    def begin(self, group: CounterGroup) -> str | None:
        """Count this from now on: None once it does, else why it cannot."""
        self.wait_until_ready()
        self._send(f"{SAMPLE} {group}".encode())
        line = self._receive(self._begin_timeout_s)
        self._is_sampling = line == SAMPLING.encode()
        if self._is_sampling:
            return None
        return self._recording(line).failure

    def end(self) -> CounterRecording:
        """Stop counting: what was counted since `begin`, or why there is nothing."""
        if not self._is_sampling:
            return CounterRecording(failure=self._failure or "nothing was being counted")
        self._is_sampling = False
        self._send(STOP.encode())
        return self._recording(self._receive(self._end_timeout_s))

    def _recording(self, line: bytes | None) -> CounterRecording:
        if line is not None:
            try:
                return msgspec.json.decode(line, type=CounterRecording)
            except msgspec.DecodeError:
                self._fail(f"{self._what} answered nonsense")
        return CounterRecording(failure=self._failure)
