"""A request in a static cache: its slots are allocated once, and a position on the device says how many are filled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from transformers.cache_utils import StaticCache, StaticLayer, StaticSlidingWindowLayer

from profiler.device.base import Device
from profiler.workload.engines.filled import fill_static
from profiler.workload.engines.prompt import (
    prefill_shape,
    random_prompt,
    waits_only_for_tokens,
    with_attention,
)
from profiler.workload.loaded import LoadedModel
from profiler.workload.phase import PhaseShape
from profiler.workload.spec import WorkloadSpec


def static_cache(config: Any, slots: int) -> StaticCache:
    """A static cache whose every attention layer counts its tokens on the device.

    transformers' windowed static layer counts them in Python, which a captured step would freeze at one value. So
    windowed layers get all slots here, too, and their mask keeps them to their window.
    """
    cache = StaticCache(config=config, max_cache_len=slots)
    cache.layers = [
        StaticLayer(max_cache_len=slots) if type(layer) is StaticSlidingWindowLayer else layer for layer in cache.layers
    ]
    return cache


class StaticRequest:
    """A prompt and the static cache that it fills; prefill and decode share it."""

    def __init__(self, loaded: LoadedModel, spec: WorkloadSpec, device: Device, prompt_tokens: int) -> None:
        self.spec = spec
        self.model = loaded.model
        self.prompt_tokens = prompt_tokens
        self.slots = prompt_tokens + spec.new_tokens
        self.cache = static_cache(loaded.model.config, self.slots)
        self.forward = with_attention(loaded.model, spec)
        self._prompt = random_prompt(loaded, spec, prompt_tokens)
        self.torch_device = device.torch_device
        self.splittable = waits_only_for_tokens(spec, device)
        self._first_token: torch.Tensor | None = None

    def prefill(self) -> torch.Tensor:
        """Fill an empty cache; the first tokens, of shape (batch_size, 1) on the device and read back."""
        token = self.launch_prefill()
        token.tolist()
        return token

    def launch_prefill(self) -> torch.Tensor:
        """The same without the read-back."""
        prompt = self._prompt.to(self.torch_device)
        output = self.forward(input_ids=prompt, past_key_values=self.cache, use_cache=True, logits_to_keep=1)
        token: torch.Tensor = output.logits[:, -1:].argmax(-1)
        self._first_token = token
        return token

    def empty(self) -> None:
        """Back to before the prompt."""
        self._first_token = None
        self.cache.reset()  # type: ignore[no-untyped-call]

    def rewind(self) -> torch.Tensor:
        """Back to after the prompt; its first tokens. What lies in slots beyond the position is masked."""
        # Other layers than these, those with a recurrent state among them, hold more than slots and a position.
        lengths: list[Any] = [layer.cumulative_length for layer in self.cache.layers if type(layer) is StaticLayer]
        if self._first_token is None or len(lengths) < len(self.cache.layers):
            self.empty()
            return self.prefill()
        for length in lengths:
            length.fill_(self.prompt_tokens)
        return self._first_token


class FilledRequest(StaticRequest):
    """A cache filled without the prefill of its prompt, but for one token; with it where there is no other way."""

    def __init__(self, loaded: LoadedModel, spec: WorkloadSpec, device: Device, prompt_tokens: int) -> None:
        super().__init__(loaded, spec, device, prompt_tokens)
        self._whole_prompt, self._prompt = self._prompt, self._prompt[:, :1]

    def prefill(self) -> torch.Tensor:
        """A token for each sequence, of shape (batch_size, 1) on the device and read back; the cache is filled."""
        token = super().prefill()
        if not fill_static(self.cache, self.prompt_tokens):
            self._prompt = self._whole_prompt
            self.empty()
            return super().prefill()
        return token


class StaticPrefill:
    """Prompt to the device, one forward into the emptied static cache, first token back to the host; never captured."""

    def __init__(self, request: StaticRequest) -> None:
        self._request = request

    @property
    def name(self) -> str:
        """`prefill`."""
        return "prefill"

    @property
    def shape(self) -> PhaseShape:
        """Its size."""
        return prefill_shape(self._request.spec, self._request.prompt_tokens)

    @property
    def iterations_per_reset(self) -> int:
        """One: the cache is full of the prompt then."""
        return 1

    def reset(self) -> None:
        """Empty the cache."""
        with torch.no_grad():
            self._request.empty()

    def iterate(self) -> None:
        """One prefill."""
        with torch.no_grad():
            self._request.prefill()

    def _launch(self) -> None:
        with torch.no_grad():
            self._request.launch_prefill()

    @property
    def launch(self) -> Callable[[], None] | None:
        """`iterate` without the read-back, where that alone waits for the device."""
        return self._launch if self._request.splittable else None

    @property
    def body(self) -> None:
        """None: it is launched op by op already."""
        return
