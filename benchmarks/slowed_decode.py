"""The preset `tiny` as a factory, with host work planted in each decode step: what `benchmarks.compare` must find.

It runs as a model of the user's own (`bottleneck profile benchmarks.slowed_decode:make`), so that nothing in the
profiler knows of it. How much is planted is read from the environment: with and without it, the model has one name.
`python -m benchmarks.slowed_decode` prints what a step and a round of the planted work take, taken in turn.
"""

from __future__ import annotations

import json
import os
import time
from statistics import median

import torch

from benchmarks._workload import load_preset_model
from profiler.device.select import select_device
from profiler.workload.engines.eager import EagerEngine
from profiler.workload.spec import WorkloadSpec

ROUNDS_VARIABLE = "BOTTLENECK_BENCHMARK_ROUNDS"
PROMPT_TOKENS, NEW_TOKENS = 64, 32
_REPEATS, _ROUNDS = 10, 10_000


class SlowedDecode(torch.nn.Module):
    """The engine of `bottleneck profile tiny`, whose decode steps do so many rounds of Python besides."""

    batch_size, prompt_tokens = 1, PROMPT_TOKENS

    def __init__(self, rounds: int) -> None:
        super().__init__()
        device = select_device("cpu")
        spec = WorkloadSpec(model="tiny", prompt_tokens=PROMPT_TOKENS, new_tokens=NEW_TOKENS)
        loaded = load_preset_model(spec, device)
        self.model = loaded.model
        engine = EagerEngine(loaded, spec, device)
        self._prefill, self._decode = engine.prefill(), engine.decode()
        self._rounds = rounds

    def reset(self) -> None:
        self._decode.reset()

    def prefill(self) -> int:
        self._prefill.iterate()
        return 0  # the engine has read the token back

    def decode(self) -> int:
        python_work(self._rounds)
        self._decode.iterate()
        return 0


def python_work(rounds: int) -> int:
    """So many rounds of nothing but the interpreter, which need neither memory nor a library."""
    total = 0
    for number in range(rounds):
        total += number & 7
    return total


def make() -> SlowedDecode:
    """What `bottleneck profile` calls."""
    return SlowedDecode(int(os.environ.get(ROUNDS_VARIABLE, "0")))


def _main() -> None:
    model = SlowedDecode(0)
    steps_ms: list[float] = []
    rounds_ms: list[float] = []
    for _ in range(_REPEATS):
        model.reset()
        for _ in range(NEW_TOKENS - 1):
            begin = time.perf_counter_ns()
            model.decode()
            between = time.perf_counter_ns()
            python_work(_ROUNDS)
            steps_ms.append((between - begin) / 1e6)
            rounds_ms.append((time.perf_counter_ns() - between) / 1e6 / _ROUNDS)
    print(json.dumps({"step_ms": median(steps_ms), "round_ms": median(rounds_ms)}))


if __name__ == "__main__":
    _main()
