"""Captured phases and turns on a processor, where they run op by op; the captures themselves need a GPU."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
import torch

from benchmarks._workload import load_preset_model
from benchmarks.truth.captured import FilledRequest, captured_decode, captured_prefill
from benchmarks.truth.interleaved import FEWEST_ITERATIONS, time_in_turns
from profiler.device.cpu import CpuDevice
from profiler.measure.plan import Plan
from profiler.workload.loaded import LoadedModel
from profiler.workload.spec import WorkloadSpec
from tests.unit.measure.stand_ins import FakeClock, FakeDevice, FakePhase

SPEC = WorkloadSpec(model="tiny", weights="random", batch_size=2, prompt_tokens=16, new_tokens=8)


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return load_preset_model(SPEC, CpuDevice())


def test_a_decode_over_a_filled_cache_begins_after_the_prompt_and_may_not_leave_it(loaded: LoadedModel) -> None:
    request = FilledRequest(loaded, SPEC, CpuDevice())
    token = request.rewind()
    assert token.shape == (2, 1)
    layer = request.cache.layers[0]
    assert int(layer.cumulative_length) == 16
    assert layer.keys.shape[2] == 24
    assert float(layer.keys.float().std()) == pytest.approx(1.0, abs=0.1)  # zeros would cost less power

    phase = captured_decode("decode", loaded, SPEC, CpuDevice())
    assert phase.iterations_per_reset == 7
    assert phase.shape.context_tokens == 16 + 3
    assert phase.shape.cache_tokens == 24
    phase.reset()
    for _ in range(phase.iterations_per_reset):
        phase.iterate()


def test_rewinding_goes_back_to_the_same_cache(loaded: LoadedModel) -> None:
    request = FilledRequest(loaded, SPEC, CpuDevice())
    first = request.rewind().clone()
    keys = request.cache.layers[0].keys.clone()
    request.cache.layers[0].cumulative_length.add_(5)
    assert torch.equal(request.rewind(), first)
    assert int(request.cache.layers[0].cumulative_length) == 16
    assert torch.equal(request.cache.layers[0].keys, keys)


def test_a_prefill_says_what_the_model_says(loaded: LoadedModel) -> None:
    phase = captured_prefill("prefill", loaded, SPEC, CpuDevice())
    phase.reset()
    phase.iterate()
    step = phase._step
    assert step is not None
    with torch.no_grad():
        expected = loaded.model(input_ids=step._prompt).logits[:, -1:].argmax(-1)  # type: ignore[attr-defined]
    assert step.token is not None
    assert torch.equal(step.token, expected)
    assert phase.shape.query_tokens == 16


def test_a_phase_holds_memory_only_between_reset_and_release(loaded: LoadedModel) -> None:
    made = []
    phase = captured_decode("decode", loaded, SPEC, CpuDevice())
    make = phase._make_step
    phase._make_step = lambda: made.append(1) or make()  # type: ignore[func-returns-value]
    assert not made
    phase.reset()
    phase.reset()
    assert len(made) == 1
    phase.release()
    assert phase._step is None
    phase.reset()
    phase.iterate()
    assert len(made) == 2


def test_phases_are_timed_in_turns_and_each_turn_settles_first() -> None:
    clock = FakeClock()
    device = FakeDevice(clock)
    order: list[str] = []

    class Named(FakePhase):
        def iterate(self) -> None:
            order.append(self.name)
            super().iterate()

    slow = Named(clock, device.log, iteration_ms=lambda _: 50.0, name="slow", iterations_per_reset=4)
    quick = Named(clock, device.log, iteration_ms=lambda _: 10.0, name="quick")
    plan = replace(Plan.standard(), repeats=3, repeat_seconds=0.1, warmup_seconds=0.0)

    found = time_in_turns([slow, quick], device, clock, plan)

    assert [clean.wall_ms.median for clean in found] == [50.0, 10.0]
    assert [len(clean.wall_ms.samples) for clean in found] == [3 * FEWEST_ITERATIONS, 3 * 10]
    turns = [name for name, before in zip(order, [None, *order], strict=False) if name != before]
    assert turns == ["slow", "quick"] * 4  # a warm-up, then three turns
    assert len(order) > sum(len(clean.wall_ms.samples) for clean in found) + 2 * FEWEST_ITERATIONS


def test_turns_of_a_real_phase_have_an_interval(loaded: LoadedModel) -> None:
    phases = [captured_prefill("prefill", loaded, SPEC, CpuDevice()), captured_decode("d", loaded, SPEC, CpuDevice())]
    plan = replace(Plan.quick(), repeats=2, repeat_seconds=0.001, warmup_seconds=0.0)
    for clean in time_in_turns(phases, CpuDevice(), time.monotonic_ns, plan):
        assert clean.wall_ms.low is not None
        assert clean.gpu_ms is None
