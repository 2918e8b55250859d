"""How a model's phases run: one file an engine, one line each in `_ENGINES`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from profiler.device.base import Device
from profiler.workload.engines.compile import CompileEngine
from profiler.workload.engines.eager import EagerEngine
from profiler.workload.engines.graph import GraphEngine
from profiler.workload.engines.paged import PagedEngine
from profiler.workload.factory import FactoryPhase
from profiler.workload.loaded import LoadedModel
from profiler.workload.phase import RunnablePhase
from profiler.workload.source import SourceKind
from profiler.workload.spec import WorkloadSpec


class Engine(Protocol):
    """A way to run prefill and decode of one loaded model."""

    def prefill(self) -> RunnablePhase:
        """The prefill of the spec's prompt."""

    def decode(self, prompt_tokens: int | None = None) -> RunnablePhase:
        """The decode steps after a prompt, by default that of the spec."""

    def decode_filled(self) -> RunnablePhase:
        """The decode steps of the spec over a cache that no prefill filled, to be timed only."""


_ENGINES: dict[str, Callable[[LoadedModel, WorkloadSpec, Device], Engine]] = {
    "eager": EagerEngine,
    "compile": CompileEngine,
    "graph": GraphEngine,
    "paged": PagedEngine,
}


def engine_of(loaded: LoadedModel, spec: WorkloadSpec, device: Device) -> Engine:
    """The engine that the spec names, for a model that is no factory's object."""
    return _ENGINES[spec.mode](loaded, spec, device)


class Phases:
    """The phases of a loaded model: `prefill`, `decode`, and `decode_at` another context length."""

    def __init__(self, loaded: LoadedModel, spec: WorkloadSpec, device: Device) -> None:
        self._loaded = loaded
        self._spec = spec
        self.prefill: RunnablePhase
        self.decode: RunnablePhase
        if loaded.source_kind == SourceKind.FACTORY:
            self._engine: Engine | None = None
            self.prefill = FactoryPhase(loaded.model, "prefill", spec.new_tokens, device)
            self.decode = FactoryPhase(loaded.model, "decode", spec.new_tokens, device)
        else:
            self._engine = engine_of(loaded, spec, device)
            self.prefill = self._engine.prefill()
            self.decode = self._engine.decode()

    def decode_at(self, prompt_tokens: int) -> RunnablePhase | None:
        """The decode after a prompt of another length, no longer than the model's positions allow.

        It takes a cache of its own, beside that of `decode`, until it is dropped. None for a factory's object, whose
        context is its own, and where the model has no positions for another length.
        """
        if self._engine is None:
            return None
        if self._loaded.max_positions is not None:
            prompt_tokens = min(prompt_tokens, self._loaded.max_positions - self._spec.new_tokens)
        if prompt_tokens < 1 or prompt_tokens == self._spec.prompt_tokens:
            return None
        return self._engine.decode(prompt_tokens)
