"""A loaded model at any size: its phases, what they need, and whether there is room."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace

from profiler.catalogue.work import phase_work
from profiler.device.base import Device
from profiler.session.sweep_grid import Size
from profiler.workload.engines import engine_of
from profiler.workload.engines.compile import compiled_for_each_shape
from profiler.workload.engines.paged import PagedEngine
from profiler.workload.fit import DTYPE_BYTES, Need
from profiler.workload.loaded import LoadedModel
from profiler.workload.phase import RunnablePhase
from profiler.workload.spec import WorkloadSpec

NEW_TOKENS = 9
"""Of each point: eight steps between two resets, which is what the warm-up compares."""


@dataclass(frozen=True, slots=True)
class SweptModel:
    """A model that is no factory's object, run as `spec` says but for its sizes."""

    loaded: LoadedModel
    spec: WorkloadSpec
    device: Device

    @property
    def longest(self) -> int | None:
        """Tokens that a point may have by the model's positions."""
        most = self.loaded.max_positions
        return None if most is None else most - NEW_TOKENS

    def phase(self, name: str, size: Size) -> RunnablePhase:
        """`prefill` of a batch of prompts, or the `decode` steps whose mean context is the size's.

        It takes a cache of its own when it is first reset, until it is dropped.
        """
        engine = engine_of(self.loaded, self._spec(name, size), self.device)
        return engine.prefill() if name == "prefill" else engine.decode_filled()

    @property
    def mixes(self) -> bool:
        """Whether prefill and decode run in one iteration."""
        return self.spec.mode == "paged"

    def mixed(self, prompt_tokens: int, size: Size) -> RunnablePhase:
        """An iteration that prefills one prompt beside the decode steps of that size."""
        return PagedEngine(self.loaded, self._spec("decode", size), self.device).mixed(prompt_tokens)

    def lacks_room(self, name: str, size: Size) -> str | None:
        """Why this size cannot be run; None where it can, as far as shapes tell."""
        if self.longest is not None and size.tokens > self.longest:
            return f"is beyond the model's maximum of {self.loaded.max_positions:,} tokens"
        if self.loaded.architecture is None or self.loaded.dtype not in DTYPE_BYTES:
            return None
        need = Need(self._spec(name, size), 0, self.loaded.dtype, self.loaded.architecture, self.loaded.attention)
        needed = need.running_bytes if name == "prefill" else need.decoding_bytes
        self.device.empty_cache()
        free = self.device.free_bytes()
        return f"needs {needed / 1e9:,.1f} GB, {free / 1e9:,.1f} GB are free" if needed > free else None

    def growth(self, name: str, small: Size, large: Size) -> float:
        """How many times as long an iteration of the larger size may take, at most: by FLOPs, bytes, or else tokens."""
        if self.loaded.architecture is None or self.loaded.dtype not in DTYPE_BYTES:
            return large.batch_size * large.tokens / (small.batch_size * small.tokens)
        before, after = self._work(name, small), self._work(name, large)
        return max(new / old for old, new in zip(before, after, strict=True))

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Within, phases of all sizes run as the one that is profiled."""
        with compiled_for_each_shape() if self.spec.mode == "compile" else nullcontext():
            yield

    def _spec(self, name: str, size: Size) -> WorkloadSpec:
        before = (NEW_TOKENS - 2) // 2 if name == "decode" else 0
        tokens = max(size.tokens - before, 1)
        return replace(self.spec, batch_size=size.batch_size, prompt_tokens=tokens, new_tokens=NEW_TOKENS)

    def _work(self, name: str, size: Size) -> tuple[float, float]:
        assert self.loaded.architecture is not None
        context = size.tokens if name == "decode" else 0
        work = phase_work(
            self.loaded.architecture,
            batch_size=size.batch_size,
            query_tokens=1 if name == "decode" else size.tokens,
            context_tokens=context,
            cache_tokens=context,
            weight_dtype_bytes=DTYPE_BYTES[self.loaded.dtype],
            kv_dtype_bytes=DTYPE_BYTES[self.loaded.dtype],
        )
        return work.flops, work.bytes
