"""How a decode grows with context: a second context length, where there is one that fits."""

from __future__ import annotations

import math

import pytest
import torch

from profiler.measure.plan import Plan
from profiler.measure.statistics import DEVICE_RUN_TO_RUN
from profiler.progress import SilentProgress
from profiler.report.records import Growth, Phase
from profiler.session.bench import Bench
from profiler.session.growth import measure_growth
from profiler.workload.phase import PhaseShape
from tests.unit.measure.stand_ins import FakeClock, FakeDevice, FakePhase, FakeSampler
from tests.unit.render import sample
from tests.unit.session.machines import ceilings_of

BETWEEN_RUNS = 1.95996 * math.sqrt(2) * DEVICE_RUN_TO_RUN


def shape(context_tokens: int) -> PhaseShape:
    return PhaseShape(1, query_tokens=1, context_tokens=context_tokens, cache_tokens=context_tokens, tokens_out=1)


class Decode(FakePhase):
    """A step takes 10 ms and 2 ms more for each 1,000 tokens; its context is that of its prompt."""

    def __init__(self, clock: FakeClock, context_tokens: int) -> None:
        super().__init__(clock, [], lambda _: 10 + 2 * context_tokens / 1000, iterations_per_reset=1)
        self.shape = shape(context_tokens)


class NoMemory(Decode):
    def reset(self) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.00 GiB. GPU 0")


def growth(longest: int, *, fits: int = 10**9) -> tuple[Growth, FakeDevice]:
    """At 1,000 tokens first, for a model of at most `longest` positions on a device with room for `fits`."""
    clock = FakeClock()
    device = FakeDevice(clock)
    bench = Bench(device, ceilings_of(device.properties), FakeSampler(clock), clock, Plan.quick(), SilentProgress())

    def decode_at(tokens: int) -> Decode | None:
        if tokens > longest:
            return None
        return Decode(clock, tokens) if tokens <= fits else NoMemory(clock, tokens)

    return measure_growth(bench, measured(12.0), decode_at, prompt_tokens=1000), device


def measured(wall_ms: float) -> Phase:
    from msgspec.structs import replace as with_fields

    decode = next(phase for phase in sample.report().phases if phase.name == "decode")
    times = with_fields(decode.clean.wall_ms, median=wall_ms, low=wall_ms - 1, high=wall_ms + 1)
    return with_fields(decode, context_tokens=1000, clean=with_fields(decode.clean, wall_ms=times))


def test_the_slope_is_that_between_two_context_lengths() -> None:
    found, _ = growth(longest=8000)
    assert found.context_tokens == [1000, 4000]
    assert found.wall_ms == [12.0, pytest.approx(18.0)]
    assert found.ms_per_1000_tokens == pytest.approx(2.0)
    # 12 ms were measured to within 1, 18 by equal iterations to what two processes differ by
    assert found.low == pytest.approx((18 * (1 - BETWEEN_RUNS) - 13) / 3)
    assert found.high == pytest.approx((18 * (1 + BETWEEN_RUNS) - 11) / 3)


def test_a_model_of_fewer_positions_is_measured_at_half_the_prompt() -> None:
    found, _ = growth(longest=2000)
    assert found.context_tokens == [1000, 500]
    assert found.ms_per_1000_tokens == pytest.approx(2.0)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 2.0 < found.high


def test_a_context_that_does_not_fit_into_memory_does_not_end_the_run() -> None:
    found, device = growth(longest=8000, fits=600)
    assert found.context_tokens == [1000, 500]
    assert "empty_cache" in device.log


def test_where_no_second_context_fits_the_reason_says_so() -> None:
    found, _ = growth(longest=8000, fits=0)
    assert found.ms_per_1000_tokens is None
    assert found.missing is not None
    assert "no second context length fits" in found.missing
    assert "9.00 GiB" in found.missing


def test_a_model_without_another_context_has_no_slope() -> None:
    found, _ = growth(longest=0)
    assert found.ms_per_1000_tokens is None
    assert found.missing == "the model has no second context length to measure"
