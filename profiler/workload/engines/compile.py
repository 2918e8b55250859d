"""A decode step compiled as transformers compiles it for static caches: fused kernels, replayed from CUDA graphs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from profiler.device.base import Device
from profiler.workload.engines.prompt import Forward, decode_shape, with_attention
from profiler.workload.engines.static import FilledRequest, StaticPrefill, StaticRequest
from profiler.workload.loaded import LoadedModel
from profiler.workload.phase import PhaseShape
from profiler.workload.spec import WorkloadSpec

_MOST_SHAPES = 256


@contextmanager
def compiled_for_each_shape() -> Iterator[None]:
    """Within, every batch size and length gets a step compiled for it alone, as the one that is profiled is.

    torch makes the second shape one step for all, and gives up compiling after eight.
    """
    with torch._dynamo.config.patch(automatic_dynamic_shapes=False, recompile_limit=_MOST_SHAPES):
        yield


class CompileEngine:
    """Phases of a transformers model with a static cache and a compiled decode step; the prefill is not compiled."""

    def __init__(self, loaded: LoadedModel, spec: WorkloadSpec, device: Device) -> None:
        self._loaded = loaded
        self._spec = spec
        self._device = device
        self._request = StaticRequest(loaded, spec, device, spec.prompt_tokens)
        # `generate` compiles with these settings: `CompileConfig` of transformers.
        self._compiled = with_attention(torch.compile(loaded.model.__call__, mode="reduce-overhead"), spec)
        # The same kernels without CUDA graphs. Compiled when it is first called, if ever.
        self._without_graphs = with_attention(torch.compile(loaded.model.__call__), spec)

    def prefill(self) -> StaticPrefill:
        """The prefill of the prompt, launched op by op."""
        return StaticPrefill(self._request)

    def decode(self, prompt_tokens: int | None = None) -> CompileDecode:
        """The decode steps after a prompt, by default that of the spec; another one has a cache of its own."""
        request = self._request
        if prompt_tokens is not None and prompt_tokens != self._spec.prompt_tokens:
            request = StaticRequest(self._loaded, self._spec, self._device, prompt_tokens)
        replays_graphs = self._device.properties.kind == "cuda"
        return CompileDecode(request, self._compiled, self._without_graphs if replays_graphs else None)

    def decode_filled(self) -> CompileDecode:
        """The decode steps of the spec over a cache that no prefill filled."""
        request = FilledRequest(self._loaded, self._spec, self._device, self._spec.prompt_tokens)
        return CompileDecode(request, self._compiled, None)


class CompileDecode:
    """One compiled forward of one token a sequence, the next token back to the host; compiled when it first runs."""

    def __init__(self, request: StaticRequest, compiled: Forward, without_graphs: Forward | None) -> None:
        self._request = request
        self._compiled = compiled
        self._without_graphs = without_graphs
        self._token: torch.Tensor | None = None

    @property
    def name(self) -> str:
        """`decode`."""
        return "decode"

    @property
    def shape(self) -> PhaseShape:
        """Its size; attention reads all slots of the cache."""
        return decode_shape(self._request.spec, self._request.prompt_tokens, self._request.slots)

    @property
    def iterations_per_reset(self) -> int:
        """The prefill yields the first of the new tokens, each step one more."""
        return self._request.spec.new_tokens - 1

    def reset(self) -> None:
        """Position and tokens back to after the prompt."""
        with torch.no_grad():
            self._token = self._request.rewind()

    def iterate(self) -> None:
        """One step."""
        self._launch()
        self._token.tolist()  # type: ignore[union-attr] # set by the first reset

    def _launch(self) -> None:
        self._forward(self._compiled)

    @property
    def launch(self) -> Callable[[], None] | None:
        """`iterate` without the read-back, where that alone waits for the device."""
        return self._launch if self._request.splittable else None

    @property
    def body(self) -> Callable[[], None] | None:
        """The same kernels launched one by one; None where `iterate` does so itself, on a CPU."""
        return None if self._without_graphs is None else self._run_body

    def _run_body(self) -> None:
        assert self._without_graphs is not None
        self._forward(self._without_graphs)
        self._token.tolist()  # type: ignore[union-attr]

    def _forward(self, forward: Forward) -> None:
        with torch.no_grad():
            output = forward(
                input_ids=self._token, past_key_values=self._request.cache, use_cache=True, logits_to_keep=1
            )
            self._token = output.logits[:, -1:].argmax(-1)
