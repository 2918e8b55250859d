"""What ran, and how much more of it would fit."""

from __future__ import annotations

from msgspec import Struct, field

from profiler.report.source import Sources


class Workload(Struct, frozen=True, kw_only=True):
    """What ran."""

    model: str
    source: str
    architecture: str | None
    parameters: int | None
    active_parameters: int | None
    weight_bytes: int | None
    kv_bytes_per_token: int | None
    weights: str
    dtype: str
    mode: str
    attention: str
    offload: str
    batch_size: int
    prompt_tokens: int
    new_tokens: int
    seed: int
    trust_remote_code: bool
    command: str | None = None
    sources: Sources = field(default_factory=dict)


class Capacity(Struct, frozen=True, kw_only=True):
    """The largest batch and context that fit in the memory that was free."""

    free_bytes: int | None
    weight_bytes: int | None
    kv_bytes_per_token: int | None
    largest_batch: int | None
    largest_context: int | None
    note: str | None = None
    sources: Sources = field(default_factory=dict)
