from __future__ import annotations

import gzip
import itertools
import json
import warnings
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from profiler.measure.tracing import KEPT_METADATA, record_trace, trace_body
from profiler.trace.kineto import read_kineto
from profiler.trace.timeline import MODULE_PREFIX, STEP_PREFIX, Timeline
from profiler.workload.phase import PhaseShape
from tests.unit.measure.stand_ins import FakeClock, FakeDevice


class Block(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = torch.nn.LayerNorm(8)
        self.up = torch.nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.up(self.norm(x))


class Model(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList([Block(), Block()])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x)
        return torch.relu(x)


@dataclass
class TorchPhase:
    """Runs a model; a reset takes a cosine, which no iteration does."""

    model: torch.nn.Module = field(default_factory=Model)
    name: str = "decode"
    shape: PhaseShape | None = None
    iterations_per_reset: int = 2
    iterations: int = 0

    def reset(self) -> None:
        torch.cos(torch.ones(8))

    def iterate(self) -> None:
        self.iterations += 1
        with torch.inference_mode():
            self.model(torch.ones(1, 8)).sum().item()

    def body(self) -> None:
        with torch.inference_mode():
            torch.tanh(self.model(torch.ones(1, 8)))


def device() -> FakeDevice:
    return FakeDevice(FakeClock())


@pytest.fixture(scope="module")
def trace() -> bytes:
    phase = TorchPhase()
    return record_trace(phase, device(), iterations=3, modules=phase.model).trace


@pytest.fixture(scope="module")
def timeline(trace: bytes) -> Timeline:
    return read_kineto(trace)


def steps(timeline: Timeline) -> list[int]:
    ranges = timeline.ranges
    return [row for row in range(len(ranges)) if timeline.name_of(ranges.name, row).startswith(STEP_PREFIX)]


def test_each_iteration_has_a_range_of_its_own(timeline: Timeline) -> None:
    names = [timeline.name_of(timeline.ranges.name, row) for row in steps(timeline)]
    assert names == [f"{STEP_PREFIX}decode#{i}" for i in range(3)]


def test_the_first_iteration_is_not_recorded() -> None:
    phase = TorchPhase()
    data = record_trace(phase, device(), iterations=2).trace
    assert phase.iterations == 3
    operations = read_kineto(data)
    relu = [
        row
        for row in range(len(operations.operations))
        if operations.name_of(operations.operations.name, row) == "aten::relu"
    ]
    assert len(relu) == 2


def test_iterations_of_the_warm_up_are_timed_and_not_recorded() -> None:
    phase = TorchPhase()
    clock = itertools.count(0, 10_000_000).__next__  # each look at it is 10 ms later, and an iteration needs three
    recorded = record_trace(phase, device(), iterations=2, warmup_seconds=0.045, clock=clock)
    assert phase.iterations == 2 + 1 + 2
    assert len(steps(read_kineto(recorded.trace))) == 2
    assert recorded.untraced_ms == 10.0


def test_without_a_warm_up_nothing_is_known_of_an_untraced_iteration() -> None:
    assert record_trace(TorchPhase(), device(), iterations=1).untraced_ms is None


def test_a_step_holds_each_modules_range_once_and_nested_as_the_modules_are(timeline: Timeline) -> None:
    ranges = timeline.ranges
    first = steps(timeline)[0]
    inside = [
        row
        for row in range(len(ranges))
        if timeline.name_of(ranges.name, row).startswith(MODULE_PREFIX)
        and ranges.start_ns[first] <= ranges.start_ns[row] <= ranges.end_ns[row] <= ranges.end_ns[first]
    ]
    parent = {
        timeline.name_of(ranges.name, row).removeprefix(MODULE_PREFIX): timeline.name_of(
            ranges.name, int(ranges.parent[row])
        ).removeprefix(MODULE_PREFIX)
        for row in inside
    }
    assert parent == {
        "Model": f"{STEP_PREFIX}decode#0",
        **{f"layers.{i}": "Model" for i in range(2)},
        **{f"layers.{i}.{child}": f"layers.{i}" for i in range(2) for child in ("norm", "up")},
    }
    assert len(inside) == 7


def test_an_operation_belongs_to_the_module_that_called_it(timeline: Timeline) -> None:
    operations = timeline.operations
    owner = {
        timeline.name_of(timeline.ranges.name, int(operations.module[row])).removeprefix(MODULE_PREFIX)
        for row in range(len(operations))
        if timeline.name_of(operations.name, row) == "aten::linear"
    }
    assert owner == {"layers.0.up", "layers.1.up"}


def test_resets_are_outside_the_steps(timeline: Timeline) -> None:
    operations, ranges = timeline.operations, timeline.ranges
    resets = [r for r in range(len(operations)) if timeline.name_of(operations.name, r) == "aten::cos"]
    assert resets
    for reset in resets:
        start = operations.start_ns[reset]
        assert not any(ranges.start_ns[step] <= start <= ranges.end_ns[step] for step in steps(timeline))


def test_operations_carry_their_shapes(timeline: Timeline) -> None:
    operations = timeline.operations
    linear = next(r for r in range(len(operations)) if timeline.name_of(operations.name, r) == "aten::linear")
    assert operations.shapes[linear][:2] == [[1, 8], [8, 8]]


def test_nothing_of_the_machine_but_its_devices_is_in_the_trace(trace: bytes) -> None:
    content: dict[str, Any] = json.loads(gzip.decompress(trace))
    assert set(content) <= set(KEPT_METADATA)
    assert "host_name" not in content
    assert "traceName" not in content


def test_the_model_is_left_without_hooks_even_when_an_iteration_fails() -> None:
    phase = TorchPhase()

    def fail(*_: object) -> None:
        raise RuntimeError("out of luck")

    phase.model.layers[1].norm.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="out of luck"):
        record_trace(phase, device(), iterations=1, modules=phase.model)
    hooks = [len(m._forward_pre_hooks) + len(m._forward_hooks) for m in phase.model.modules()]
    assert sum(hooks) == 1  # the failing one of this test


def test_torch_makes_no_objects_of_the_events_which_takes_as_long_as_to_record_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[object] = []
    monkeypatch.setattr(torch.autograd.profiler.profile, "_ensure_function_events", lambda self: made.append(self))
    record_trace(TorchPhase(), FakeDevice(FakeClock()), iterations=2)
    assert not made


def test_what_torch_says_of_lost_events_is_not_said() -> None:
    record_trace(TorchPhase(), FakeDevice(FakeClock()), iterations=2)
    warnings.warn("Warning: Profiler clears events at the end of each cycle.", UserWarning, stacklevel=1)


def test_without_modules_there_are_only_steps() -> None:
    timeline = read_kineto(record_trace(TorchPhase(), device(), iterations=1).trace)
    names = {timeline.name_of(timeline.ranges.name, row) for row in range(len(timeline.ranges))}
    assert not any(name.startswith(MODULE_PREFIX) for name in names)


def test_the_body_of_a_graph_is_traced_in_place_of_its_replay() -> None:
    phase = TorchPhase()
    timeline = read_kineto(trace_body(phase, phase.body, device(), modules=phase.model))
    operations = [timeline.name_of(timeline.operations.name, row) for row in range(len(timeline.operations))]
    assert "aten::tanh" in operations
    assert phase.iterations == 0
    assert len(steps(timeline)) == 1
