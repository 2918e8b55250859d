"""The parent's side of the telemetry process."""

from __future__ import annotations

import sys

import msgspec

from profiler.measure.telemetry.sampler import SAMPLE, STOP, SamplerConfig
from profiler.measure.telemetry.source import Recording
from profiler.measure.worker import START_TIMEOUT_S, WorkerProcess

_COMMAND = [sys.executable, "-P", "-m", "profiler.measure.telemetry.sampler"]
ANSWER_TIMEOUT_S = 5.0


class SamplerProcess(WorkerProcess):
    """Samples driver and host between `begin` and `end`. What goes wrong in it is said by `end`."""

    def __init__(
        self,
        config: SamplerConfig,
        *,
        command: list[str] | None = None,
        start_timeout_s: float = START_TIMEOUT_S,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> None:
        super().__init__(
            "the telemetry process",
            command or _COMMAND,
            msgspec.json.encode(config),
            start_timeout_s=start_timeout_s,
        )
        self._answer_timeout_s = answer_timeout_s

    def begin(self) -> None:
        """Sample from now on."""
        self._send(SAMPLE.encode())

    def end(self) -> Recording:
        """Stop sampling: what was sampled since `begin`, or why there is nothing."""
        self._send(STOP.encode())
        line = self._receive(self._answer_timeout_s)
        if line is not None:
            try:
                return msgspec.json.decode(line, type=Recording)
            except msgspec.DecodeError:
                self._fail("the telemetry process answered nonsense")
        return Recording(failure=self._failure)
