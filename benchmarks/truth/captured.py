"""Phases that are one CUDA graph an iteration, the prefill too: what they take, the host has no part in.

A phase holds memory only from its first reset to `release`, so many of them can be tried one after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch

from profiler.device.base import Device
from profiler.workload.engines.graph import StaticStep
from profiler.workload.engines.prompt import decode_shape, prefill_shape, random_prompt
from profiler.workload.engines.static import StaticRequest
from profiler.workload.loaded import LoadedModel
from profiler.workload.phase import NO_RESET, PhaseShape
from profiler.workload.spec import WorkloadSpec

_WARMUPS = 3  # libraries allocate and choose kernels in the first ones


class Step(Protocol):
    """Work that a graph can hold: the same memory each time, no synchronisation."""

    token: torch.Tensor | None

    def rewind(self) -> None:
        """Ready for the next `iterations_per_reset` runs."""

    def run(self) -> None:
        """Launch the work op by op, its result into `token`."""


class PrefillStep:
    """The forward of a prompt that lies on the device, into a cache of its own that grows by it."""

    def __init__(self, loaded: LoadedModel, spec: WorkloadSpec, device: Device) -> None:
        self._model = loaded.model
        self._prompt = random_prompt(loaded, spec, spec.prompt_tokens).to(device.torch_device)
        self.token: torch.Tensor | None = torch.zeros(spec.batch_size, 1, dtype=torch.long, device=device.torch_device)

    def rewind(self) -> None:
        """Nothing: each run makes its cache anew."""

    def run(self) -> None:
        """One forward."""
        output = self._model(input_ids=self._prompt, use_cache=True, logits_to_keep=1)
        assert self.token is not None
        self.token.copy_(output.logits[:, -1:].argmax(-1))


class FilledRequest(StaticRequest):
    """A static cache full of random keys and values, as after a prompt that would itself not fit at once.

    Attention takes the same time over any numbers but zeros, which cost less power.
    """

    def __init__(self, loaded: LoadedModel, spec: WorkloadSpec, device: Device) -> None:
        super().__init__(loaded, spec, device, spec.prompt_tokens)
        assert loaded.architecture is not None
        self._heads = loaded.architecture.kv_heads
        self._head_size = loaded.architecture.head_size

    def prefill(self) -> torch.Tensor:
        """Fill the cache; random first tokens, of shape (batch_size, 1)."""
        self.cache.early_initialization(
            self.spec.batch_size, self._heads, self._head_size, self.model.dtype, torch.device(self.torch_device)
        )
        layers: list[Any] = self.cache.layers
        for layer in layers:
            layer.keys.normal_()
            layer.values.normal_()
            layer.cumulative_length.fill_(self.prompt_tokens)
        vocabulary = self.model.config.vocab_size
        self._first_token = torch.randint(vocabulary, (self.spec.batch_size, 1), device=self.torch_device)
        return self._first_token


class CapturedPhase:
    """Replays of a step, the token back to the host after each; launched op by op where there are no graphs."""

    def __init__(
        self,
        name: str,
        shape: PhaseShape,
        make_step: Callable[[], Step],
        device: Device,
        iterations_per_reset: int = NO_RESET,
    ) -> None:
        self._name = name
        self._shape = shape
        self._make_step = make_step
        self._on_gpu = device.properties.kind == "cuda"
        self._iterations_per_reset = iterations_per_reset
        self._step: Step | None = None
        self._graph: torch.cuda.CUDAGraph | None = None

    @property
    def name(self) -> str:
        """Which configuration it is."""
        return self._name

    @property
    def shape(self) -> PhaseShape:
        """Its size."""
        return self._shape

    @property
    def iterations_per_reset(self) -> int:
        """As many as the step has room for."""
        return self._iterations_per_reset

    @torch.no_grad()
    def reset(self) -> None:
        """Rewind; the first time, allocate and capture."""
        if self._step is None:
            self._step = self._make_step()
            if self._on_gpu:
                self._graph = self._capture(self._step)
        self._step.rewind()

    def iterate(self) -> None:
        """One replay to its end."""
        self._launch()
        self._read_back()

    def release(self) -> None:
        """Give the memory back. The next reset allocates and captures again."""
        self._step = self._graph = None

    @property
    def launch(self) -> Callable[[], None] | None:
        """The replay without the read-back; None where the work runs as it is launched."""
        return self._launch if self._on_gpu else None

    @property
    def body(self) -> Callable[[], None] | None:
        """The captured step, launched op by op; None where `iterate` does so itself."""
        return self._run_body if self._on_gpu else None

    def _launch(self) -> None:
        if self._graph is not None:
            self._graph.replay()
        else:
            self._run()

    @torch.no_grad()
    def _run(self) -> None:
        assert self._step is not None
        self._step.run()

    def _run_body(self) -> None:
        self._run()
        self._read_back()

    def _read_back(self) -> None:
        assert self._step is not None
        assert self._step.token is not None
        self._step.token.tolist()

    def _capture(self, step: Step) -> torch.cuda.CUDAGraph:
        # On a side stream, as torch's notes on CUDA graphs say: nothing may be captured that belongs to first calls.
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARMUPS):
                step.rewind()
                step.run()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step.run()
        return graph


def captured_prefill(name: str, loaded: LoadedModel, spec: WorkloadSpec, device: Device) -> CapturedPhase:
    """The prefill of the spec's prompt."""
    return CapturedPhase(
        name, prefill_shape(spec, spec.prompt_tokens), lambda: PrefillStep(loaded, spec, device), device
    )


def captured_decode(name: str, loaded: LoadedModel, spec: WorkloadSpec, device: Device) -> CapturedPhase:
    """A decode step at the spec's context; the cache has `new_tokens` slots more than that."""
    shape = decode_shape(spec, spec.prompt_tokens, spec.prompt_tokens + spec.new_tokens)
    return CapturedPhase(
        name, shape, lambda: StaticStep(FilledRequest(loaded, spec, device)), device, spec.new_tokens - 1
    )
