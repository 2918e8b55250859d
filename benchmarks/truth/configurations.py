"""What is run on both cards of a hardware swap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.truth.captured import CapturedPhase, captured_decode, captured_prefill
from profiler.catalogue.architecture import Architecture
from profiler.catalogue.footprint import footprint
from profiler.device.base import Device
from profiler.workload.loaded import LoadedModel
from profiler.workload.spec import WorkloadSpec

MODELS = ("llama-3.1-8b", "qwen3-0.6b")
PROMPTS = (128, 512, 2048, 8192)
BATCHES = (1, 16, 64, 256)
DECODE_CONTEXT = 512
SPARE_SLOTS = 8  # of a decode's static cache, beyond its context
# What a graph keeps beside cache and activations, and what the allocator wastes: room that is not given to a cache.
_GRAPH_BYTES = 2 * 10**9


@dataclass(frozen=True, slots=True)
class Configuration:
    """One phase of one model: a prompt, or a decode step at a context."""

    model: str
    phase: str
    batch_size: int
    context_tokens: int
    attention: str = "auto"

    @property
    def name(self) -> str:
        """As the report's phase is called."""
        size = f"{self.context_tokens}" if self.phase == "prefill" else f"{self.batch_size}x{self.context_tokens}"
        attention = "" if self.attention == "auto" else f", {self.attention} attention"
        return f"{self.model} {self.phase} {size}{attention}"

    @property
    def spec(self) -> WorkloadSpec:
        """The request whose phase it is."""
        return WorkloadSpec(
            model=self.model,
            weights="random",
            batch_size=self.batch_size,
            prompt_tokens=self.context_tokens,
            new_tokens=SPARE_SLOTS,
            attention=self.attention,
        )

    def phase_of(self, loaded: LoadedModel, device: Device) -> CapturedPhase:
        """The phase itself, which holds no memory before it is reset."""
        capture = captured_prefill if self.phase == "prefill" else captured_decode
        return capture(self.name, loaded, self.spec, device)


def configurations(models: Sequence[str] = MODELS, *, small: bool = False) -> list[Configuration]:
    """What is claimed, and for the first model a decode with more cache than weights besides."""
    if small:
        return [Configuration("tiny", "prefill", 1, 16), Configuration("tiny", "decode", 2, 16)]
    found = []
    for model in models:
        found += [Configuration(model, "prefill", 1, tokens) for tokens in PROMPTS]
        found += [Configuration(model, "decode", batch, DECODE_CONTEXT) for batch in BATCHES]
    return [*found, Configuration(models[0], "decode", 128, 2048)]


def device_bytes(configuration: Configuration, shape: Architecture, dtype_bytes: int) -> int:
    """Memory beside the weights, from above. A decode's cache is filled without a prefill, so it needs none's memory.

    A batched decode copies the cache of one layer at a time, each of its heads as often as queries share it.
    """
    batch, tokens = configuration.batch_size, configuration.context_tokens + SPARE_SLOTS
    if configuration.phase == "prefill":
        needed = footprint(
            shape, dtype_bytes=dtype_bytes, batch_size=batch, prompt_tokens=tokens, new_tokens=SPARE_SLOTS
        )
        return int(needed.kv_bytes + needed.activation_bytes) + _GRAPH_BYTES
    cache = batch * tokens * shape.kv_bytes_per_token(dtype_bytes)
    return int(cache * (1 + shape.query_heads / shape.kv_heads / shape.layers)) + _GRAPH_BYTES


def groups(needs: Sequence[tuple[Configuration, int]], room_bytes: int) -> list[list[Configuration]]:
    """Configurations that are in memory together, so that they can be timed in turns; each at least by itself."""
    found: list[list[Configuration]] = []
    left = 0
    for configuration, needed in sorted(needs, key=lambda need: need[1]):
        if not found or needed > left:
            found.append([])
            left = room_bytes
        found[-1].append(configuration)
        left -= needed
    return found
