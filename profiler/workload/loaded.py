"""A model that is ready to run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from profiler.catalogue.architecture import Architecture
from profiler.report.records import LoadLeg


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model in its place, and what loading it cost.

    `model` is the module (whatever a factory returned, for a factory), `config` the architecture's config as a dict
    (empty for a factory), `architecture` None where nobody knows how to count its bytes and FLOPs. `parameters` and
    `weight_bytes` count tied weights once; None where there is no module to count. `load_seconds` is the whole load,
    with what lies between its legs.
    """

    model: Any
    source: str
    source_kind: str
    config: dict[str, Any]
    architecture: Architecture | None
    max_positions: int | None
    weights: str
    dtype: str
    attention: str
    parameters: int | None
    weight_bytes: int | None
    legs: list[LoadLeg] = field(default_factory=list)
    load_seconds: float | None = None
    remote_code_used: bool = False
