"""The prompt, and how a model is called with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from profiler.device.base import Device
from profiler.workload.loaded import LoadedModel
from profiler.workload.phase import PhaseShape
from profiler.workload.spec import WorkloadSpec

Forward = Callable[..., Any]

_SDPA_BACKENDS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "math": SDPBackend.MATH,
}


def random_prompt(loaded: LoadedModel, spec: WorkloadSpec, tokens: int) -> torch.Tensor:
    """Token ids of shape (batch_size, tokens) in pageable host memory, the same for the same seed."""
    generator = torch.Generator().manual_seed(spec.seed)
    return torch.randint(0, loaded.model.config.vocab_size, (spec.batch_size, tokens), generator=generator)


def with_attention(forward: Forward, spec: WorkloadSpec) -> Forward:
    """`forward` under the attention backend that `spec` forces, or as it is."""
    if not spec.forces_sdpa_backend:
        return forward
    backend = _SDPA_BACKENDS[spec.attention]

    def forward_with_backend(**arguments: Any) -> Any:
        with sdpa_kernel(backend):
            return forward(**arguments)

    return forward_with_backend


def waits_only_for_tokens(spec: WorkloadSpec, device: Device) -> bool:
    """Whether an iteration launches all its work before it waits: not on a CPU, nor while weights are streamed."""
    return device.properties.kind == "cuda" and spec.offload == "none"


def prefill_shape(spec: WorkloadSpec, prompt_tokens: int) -> PhaseShape:
    """The size of one prefill."""
    return PhaseShape(
        batch_size=spec.batch_size,
        query_tokens=prompt_tokens,
        context_tokens=0,
        cache_tokens=0,
        tokens_out=spec.batch_size,
    )


def decode_shape(spec: WorkloadSpec, prompt_tokens: int, cache_tokens: int | None = None) -> PhaseShape:
    """The size of one decode step, over the `new_tokens - 1` of them that follow a prompt."""
    context_tokens = prompt_tokens + (spec.new_tokens - 2) // 2
    return PhaseShape(
        batch_size=spec.batch_size,
        query_tokens=1,
        context_tokens=context_tokens,
        cache_tokens=context_tokens if cache_tokens is None else cache_tokens,
        tokens_out=spec.batch_size,
    )
