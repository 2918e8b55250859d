"""Where it ran."""

from __future__ import annotations

from msgspec import Struct, field

from profiler.report.source import Sources


class Environment(Struct, frozen=True, kw_only=True):
    """Where it ran. No environment variables, no host name, no paths."""

    tool_version: str
    python: str
    torch: str
    transformers: str | None
    platform: str
    device: str
    device_kind: str
    device_memory_bytes: int | None
    driver: str | None
    cuda: str | None
    cpu: str | None
    cpu_cores: int | None
    host_memory_bytes: int | None
    other_processes: int | None
    sources: Sources = field(default_factory=dict)
