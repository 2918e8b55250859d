"""The largest batch and context that fit into the memory that was free beside the weights."""

from __future__ import annotations

from profiler.device.base import Device
from profiler.report.source import Source
from profiler.report.vocabulary import Tier
from profiler.report.workload import Capacity
from profiler.workload.fit import DTYPE_BYTES, Need, largest_batch, largest_context
from profiler.workload.loaded import LoadedModel
from profiler.workload.spec import WorkloadSpec


def capacity_of(spec: WorkloadSpec, loaded: LoadedModel, device: Device) -> Capacity:
    """Capacity after loading, when the weights are in place: what fits into what is free now."""
    device.empty_cache()
    free_bytes = device.free_bytes()
    architecture, size = loaded.architecture, DTYPE_BYTES.get(loaded.dtype)
    if architecture is None or size is None:
        reason = Source(missing="the architecture is not known, so neither is what a token needs")
        sources = dict.fromkeys(("kv_bytes_per_token", "largest_batch", "largest_context"), reason)
        if loaded.weight_bytes is None:
            sources["weight_bytes"] = Source(missing="the factory's object is no torch.nn.Module")
        return Capacity(
            free_bytes=free_bytes,
            weight_bytes=loaded.weight_bytes,
            kv_bytes_per_token=None,
            largest_batch=None,
            largest_context=None,
            sources=sources,
        )
    need = Need(spec, loaded.weight_bytes or 0, loaded.dtype, architecture, loaded.attention)
    return Capacity(
        free_bytes=free_bytes,
        weight_bytes=loaded.weight_bytes,
        kv_bytes_per_token=int(architecture.kv_bytes_per_token(size)),
        largest_batch=largest_batch(need, free_bytes),
        largest_context=largest_context(need, free_bytes),
        note=f"batch at {spec.prompt_tokens + spec.new_tokens} tokens a sequence, context at batch {spec.batch_size}",
        sources={
            "free_bytes": Source(tier=Tier.DRIVER if device.properties.kind == "cuda" else Tier.HOST),
            "largest_batch": Source(tier=Tier.ANALYTIC),
            "largest_context": Source(tier=Tier.ANALYTIC),
        },
    )
