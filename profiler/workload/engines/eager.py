"""The plain generation loop: a cache that grows, operations launched one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from profiler.device.base import Device
from profiler.workload.engines.filled import fill_dynamic
from profiler.workload.engines.prompt import (
    decode_shape,
    prefill_shape,
    random_prompt,
    waits_only_for_tokens,
    with_attention,
)
from profiler.workload.loaded import LoadedModel
from profiler.workload.phase import PhaseShape
from profiler.workload.spec import WorkloadSpec


class EagerEngine:
    """Phases of a transformers model with a dynamic cache."""

    def __init__(self, loaded: LoadedModel, spec: WorkloadSpec, device: Device) -> None:
        self._loaded = loaded
        self._spec = spec
        self._device = device

    def prefill(self) -> EagerPrefill:
        """The prefill of the prompt."""
        return EagerPrefill(self._loaded, self._spec, self._device, self._spec.prompt_tokens)

    def decode(self, prompt_tokens: int | None = None) -> EagerDecode:
        """The decode steps after a prompt, by default that of the spec."""
        return EagerDecode(
            EagerPrefill(self._loaded, self._spec, self._device, prompt_tokens or self._spec.prompt_tokens)
        )

    def decode_filled(self) -> EagerDecode:
        """The decode steps of the spec over a cache that no prefill filled."""
        return EagerDecode(FilledPrompt(self._loaded, self._spec, self._device, self._spec.prompt_tokens))


class EagerPrefill:
    """Prompt to the device, one forward into a new cache, first token back to the host."""

    def __init__(self, loaded: LoadedModel, spec: WorkloadSpec, device: Device, prompt_tokens: int) -> None:
        self.spec = spec
        self.forward = with_attention(loaded.model, spec)
        self.prompt_tokens = prompt_tokens
        self._prompt = random_prompt(loaded, spec, prompt_tokens)
        self._torch_device = device.torch_device
        self.splittable = waits_only_for_tokens(spec, device)

    @property
    def name(self) -> str:
        """`prefill`."""
        return "prefill"

    @property
    def shape(self) -> PhaseShape:
        """Its size."""
        return prefill_shape(self.spec, self.prompt_tokens)

    @property
    def iterations_per_reset(self) -> int:
        """Each prefill makes a cache of its own; 1 all the same, as a reset costs nothing."""
        return 1

    def reset(self) -> None:
        """Nothing to prepare."""

    def iterate(self) -> None:
        """One prefill; its cache is dropped."""
        with torch.inference_mode():
            self.run()

    def run(self) -> tuple[torch.Tensor, Any]:
        """The first tokens, of shape (batch_size, 1) on the device and read back, and the cache. In inference mode."""
        token, cache = self._forward_prompt()
        token.tolist()
        return token, cache

    def _forward_prompt(self) -> tuple[torch.Tensor, Any]:
        prompt = self._prompt.to(self._torch_device)
        output = self.forward(input_ids=prompt, use_cache=True, logits_to_keep=1)
        return output.logits[:, -1:].argmax(-1), output.past_key_values

    def _launch(self) -> None:
        with torch.inference_mode():
            self._forward_prompt()

    @property
    def launch(self) -> Callable[[], None] | None:
        """`iterate` without the read-back, where that alone waits for the device."""
        return self._launch if self.splittable else None

    @property
    def body(self) -> None:
        """None: it is launched op by op already."""
        return


class FilledPrompt(EagerPrefill):
    """A cache filled without the prefill of its prompt, but for one token; with it where there is no other way."""

    def __init__(self, loaded: LoadedModel, spec: WorkloadSpec, device: Device, prompt_tokens: int) -> None:
        super().__init__(loaded, spec, device, prompt_tokens)
        self._whole_prompt, self._prompt = self._prompt, self._prompt[:, :1]

    def run(self) -> tuple[torch.Tensor, Any]:
        """A token for each sequence, of shape (batch_size, 1), and the filled cache. In inference mode."""
        token, cache = super().run()
        if not fill_dynamic(cache, self.prompt_tokens):
            self._prompt = self._whole_prompt
            return super().run()
        return token, cache


class EagerDecode:
    """One forward of one token a sequence, the next token back to the host."""

    def __init__(self, prefill: EagerPrefill) -> None:
        self._prefill = prefill
        self._forward = prefill.forward
        self._first_token: torch.Tensor | None = None
        self._token: torch.Tensor | None = None
        self._cache: Any = None
        self._steps = 0

    @property
    def name(self) -> str:
        """`decode`."""
        return "decode"

    @property
    def shape(self) -> PhaseShape:
        """Its size."""
        return decode_shape(self._prefill.spec, self._prefill.prompt_tokens)

    @property
    def iterations_per_reset(self) -> int:
        """The prefill yields the first of the new tokens, each step one more."""
        return self._prefill.spec.new_tokens - 1

    def reset(self) -> None:
        """The cache back to the prompt: its end cut off, or where that cannot be, another prefill."""
        with torch.inference_mode():
            if self._cache is not None and self._can_crop():
                if self._steps:
                    self._cache.crop(-self._steps)
                self._token = self._first_token
            else:
                self._cache = None  # frees its memory before the prefill needs as much
                self._first_token, self._cache = self._prefill.run()
                self._token = self._first_token
        self._steps = 0

    def _can_crop(self) -> bool:
        # A windowed layer that has reached its window has dropped what a crop would bring back.
        return all(
            layer.is_croppable and not (layer.is_sliding and layer.get_seq_length() >= layer.sliding_window)
            for layer in self._cache.layers
        )

    def iterate(self) -> None:
        """One step."""
        self._launch()
        self._token.tolist()  # type: ignore[union-attr] # set by the first reset

    def _launch(self) -> None:
        with torch.inference_mode():
            output = self._forward(input_ids=self._token, past_key_values=self._cache, use_cache=True, logits_to_keep=1)
            self._token = output.logits[:, -1:].argmax(-1)
        self._steps += 1

    @property
    def launch(self) -> Callable[[], None] | None:
        """`iterate` without the read-back, where that alone waits for the device."""
        return self._launch if self._prefill.splittable else None

    @property
    def body(self) -> None:
        """None: it is launched op by op already."""
        return
