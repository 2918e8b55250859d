"""Engines on a real GPU: captured and compiled steps yield the tokens of a plain loop, and offload streams weights."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig

from profiler.device.base import Device
from profiler.errors import OutOfMemoryError
from profiler.progress import SilentProgress
from profiler.workload.build import load
from profiler.workload.engines import Phases
from profiler.workload.fit import translating_torch_errors
from profiler.workload.loaded import LoadedModel
from profiler.workload.source import resolve
from profiler.workload.spec import WorkloadSpec
from tests.gpu.compiling import compiles
from tests.unit.workload.models import FAMILIES

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here"),
]

PROMPT, NEW = 11, 9


@pytest.fixture(scope="module")
def device() -> Device:
    from profiler.device.cuda import CudaDevice

    return CudaDevice(0)


def build(folder: Path, device: Device, family: str = "llama", **changes: Any) -> tuple[LoadedModel, WorkloadSpec]:
    """A small model in float32, whose greedy tokens no rounding of another kernel changes.

    Not so the experts: their grouped product takes bfloat16 only.
    """
    AutoConfig.for_model(family, **FAMILIES[family] | {"initializer_range": 0.1}).save_pretrained(folder)
    dtype = "bfloat16" if "num_local_experts" in FAMILIES[family] else "float32"
    arguments = {"dtype": dtype, "batch_size": 2, "prompt_tokens": PROMPT, "new_tokens": NEW} | changes
    spec = WorkloadSpec(model=str(folder), **arguments)
    return load(spec, resolve(spec.model), device, SilentProgress(), time.monotonic_ns), spec


def plain_loop(loaded: LoadedModel, spec: WorkloadSpec) -> list[list[list[int]]]:
    generator = torch.Generator().manual_seed(spec.seed)
    shape = (spec.batch_size, spec.prompt_tokens)
    prompt = torch.randint(0, loaded.model.config.vocab_size, shape, generator=generator)
    tokens = []
    with torch.no_grad():
        output = loaded.model(prompt.cuda())
        for _ in range(spec.new_tokens - 1):
            token = output.logits[:, -1:].argmax(-1)
            tokens.append(token.tolist())
            output = loaded.model(token, past_key_values=output.past_key_values)
        tokens.append(output.logits[:, -1:].argmax(-1).tolist())
    return tokens


def tokens_of(phases: Phases) -> list[list[list[int]]]:
    decode: Any = phases.decode

    def token() -> list[list[int]]:
        return (decode._step.token if hasattr(decode, "_step") else decode._token).tolist()

    decode.reset()
    tokens = [token()]
    for _ in range(decode.iterations_per_reset):
        decode.iterate()
        tokens.append(token())
    return tokens


@pytest.mark.parametrize("family", FAMILIES)
def test_a_captured_step_yields_the_tokens_of_a_plain_loop(family: str, device: Device, tmp_path: Path) -> None:
    loaded, spec = build(tmp_path, device, family, mode="graph")
    expected = plain_loop(loaded, spec)
    phases = Phases(loaded, spec, device)
    phases.prefill.reset()
    phases.prefill.iterate()
    if spec.dtype == "float32":
        assert tokens_of(phases) == expected
    assert tokens_of(phases) == tokens_of(phases)


def test_the_body_of_a_captured_step_does_the_same_work(device: Device, tmp_path: Path) -> None:
    phases = Phases(*build(tmp_path, device, mode="graph"), device)
    replayed = tokens_of(phases)
    phases.decode.reset()
    for expected in replayed[1:]:
        phases.decode.body()
        assert phases.decode._step.token.tolist() == expected


def test_attention_that_masks_with_a_number_can_be_captured(device: Device, tmp_path: Path) -> None:
    loaded, spec = build(tmp_path, device, mode="graph", attention="eager")
    assert tokens_of(Phases(loaded, spec, device)) == plain_loop(loaded, spec)


def test_graphs_of_two_context_lengths_live_beside_each_other(device: Device, tmp_path: Path) -> None:
    phases = Phases(*build(tmp_path, device, mode="graph"), device)
    before = tokens_of(phases)
    longer = phases.decode_at(100)
    assert longer is not None
    longer.reset()
    longer.iterate()
    assert tokens_of(phases) == before


@compiles
def test_a_compiled_step_yields_the_tokens_of_a_plain_loop(device: Device, tmp_path: Path) -> None:
    loaded, spec = build(tmp_path, device, mode="compile")
    phases = Phases(loaded, spec, device)
    expected = plain_loop(loaded, spec)
    assert [tokens_of(phases) for _ in range(3)] == [expected] * 3
    phases.decode.reset()
    for token in expected[1:]:
        phases.decode.body()
        assert phases.decode._token.tolist() == token


def test_streamed_weights_stay_in_host_memory(device: Device, tmp_path: Path) -> None:
    loaded, spec = build(tmp_path, device, offload="cpu")
    before = torch.cuda.memory_allocated()
    first = tokens_of(Phases(loaded, spec, device))
    assert first == tokens_of(Phases(loaded, spec, device))
    assert len({str(token) for token in first}) > 1
    assert torch.cuda.memory_allocated() - before < loaded.weight_bytes / 2


def test_random_weights_of_a_billion_parameters_are_there_and_are_no_zeros(device: Device) -> None:
    spec = WorkloadSpec(model="llama-3.2-1b")
    loaded = load(spec, resolve(spec.model), device, SilentProgress(), time.monotonic_ns)
    assert {parameter.device.type for parameter in loaded.model.parameters()} == {"cuda"}
    assert loaded.dtype == "bfloat16"
    for parameter in loaded.model.parameters():
        assert parameter.isfinite().all()
        assert parameter.std() > 0 or (parameter == 1).all()  # norms are ones


def test_running_out_of_device_memory_is_translated(device: Device) -> None:
    with pytest.raises(OutOfMemoryError), translating_torch_errors():
        torch.empty(2**50, dtype=torch.uint8, device=device.torch_device)
