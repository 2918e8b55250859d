"""Whether a model fits: the bytes it needs against the bytes that are free, and what would fit instead."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from profiler.catalogue.architecture import Architecture
from profiler.catalogue.footprint import WORKSPACE_BYTES, footprint, largest
from profiler.catalogue.presets import load_preset, preset_names
from profiler.errors import OutOfMemoryError, UnsupportedError, WillNotFitError
from profiler.workload.spec import WorkloadSpec

DTYPE_BYTES = {"bfloat16": 2, "float16": 2, "float32": 4}

# A sequence longer than this fits nowhere; it bounds the search where a model has no maximum of its own.
_LONGEST_CONTEXT = 2**27
_LARGEST_BATCH = 2**20
_FEWEST_NEW_TOKENS = 2  # one of the prefill, one of a decode step


@dataclass(frozen=True, slots=True)
class Need:
    """What is to be loaded and run. `through_host`: the weights are in host memory, if only on their way."""

    spec: WorkloadSpec
    weight_bytes: int
    dtype: str
    architecture: Architecture | None
    attention: str
    through_host: bool = False

    @property
    def running_bytes(self) -> int:
        """Device memory at the peak beside weights that stay there: cache and activations, from the catalogue.

        Without an architecture only a workspace is known. A static cache keeps windowed layers in full. Streamed
        weights need the largest module that is copied at once.
        """
        if (shape := self.architecture) is None:
            return WORKSPACE_BYTES
        size = DTYPE_BYTES[self.dtype]
        windowed = shape if self.spec.mode == "eager" else replace(shape, windows=(None,) * shape.layers)
        needed = footprint(
            windowed,
            dtype_bytes=size,
            batch_size=self.spec.batch_size,
            prompt_tokens=self.spec.prompt_tokens,
            new_tokens=self.spec.new_tokens,
            eager_attention=self.attention in ("eager", "math"),
        )
        experts = shape.experts.experts * shape.expert_parameters if shape.experts else 0
        streamed = max(shape.head_parameters, experts) * size if self.spec.offload == "cpu" else 0
        return int(needed.total - needed.weight_bytes) + streamed

    @property
    def decoding_bytes(self) -> int:
        """Device memory of decode steps alone beside weights that stay there, over a cache that no prefill filled.

        The cache, the activations of one token a sequence, and of one layer its keys and values once more: copied as
        they grow, and expanded to all query heads.
        """
        if (shape := self.architecture) is None:
            return WORKSPACE_BYTES
        one_token = self.sized(prompt_tokens=1)
        tokens, size = self.spec.batch_size * self.spec.prompt_tokens, DTYPE_BYTES[self.dtype]
        expanded = shape.query_heads * (shape.query_key_size + shape.value_size)
        layer = tokens * size * (shape.kv_elements_per_token + expanded)
        windows = shape.windows if self.spec.mode == "eager" else (None,) * shape.layers
        kept = sum(self.spec.prompt_tokens if w is None else min(self.spec.prompt_tokens, w) for w in windows)
        cache = self.spec.batch_size * kept * shape.kv_elements_per_token * size
        return one_token.running_bytes + cache + layer

    @property
    def device_bytes(self) -> int:
        """Device memory at the peak, with the weights as counted where they stay there."""
        return self.running_bytes + (0 if self.spec.offload == "cpu" else self.weight_bytes)

    @property
    def host_bytes(self) -> int:
        """Host memory for weights."""
        return self.weight_bytes if self.through_host or self.spec.offload == "cpu" else 0

    def sized(self, **sizes: Any) -> Need:
        """The same at other `batch_size`, `prompt_tokens` or `new_tokens`."""
        return replace(self, spec=replace(self.spec, **sizes))


@dataclass(frozen=True, slots=True)
class Room:
    """Memory that is free now. On a CPU the device's is the host's.

    `host_limit_bytes` is the limit that a container puts on the host's, where that is what leaves so little.
    """

    device_kind: str
    device_bytes: int
    host_bytes: int
    host_limit_bytes: int | None = None

    def holds(self, need: Need) -> bool:
        """Whether it is enough."""
        return need.device_bytes <= self.device_bytes and need.host_bytes <= self.host_bytes


def largest_batch(need: Need, free_bytes: int) -> int:
    """Sequences of this length that fit beside weights that are in place; 0 if not even one does."""
    return largest(lambda size: need.sized(batch_size=size).running_bytes <= free_bytes, _LARGEST_BATCH)


def largest_context(need: Need, free_bytes: int) -> int:
    """Tokens a sequence that fit beside weights in place, and that the model has positions for; 0 if none do.

    All but the fewest new tokens are the prompt's, whose activations are the most.
    """
    positions = need.architecture.max_positions if need.architecture else None

    def fits(prompt_tokens: int) -> bool:
        return need.sized(prompt_tokens=prompt_tokens, new_tokens=_FEWEST_NEW_TOKENS).running_bytes <= free_bytes

    prompt_tokens = largest(fits, (positions or _LONGEST_CONTEXT) - _FEWEST_NEW_TOKENS)
    return prompt_tokens + _FEWEST_NEW_TOKENS if prompt_tokens else 0


def check_fit(need: Need, room: Room) -> None:
    """Raise `WillNotFitError`, before anything is loaded, if there is too little memory; its hint says what fits."""
    if room.holds(need):
        return
    place, needed, free = "", need.device_bytes, room.device_bytes
    if needed <= free:
        place, needed, free = " of host memory", need.host_bytes, room.host_bytes
    limit = ""
    if room.host_limit_bytes is not None and (place or room.device_kind == "cpu"):
        limit = f" (this container may use {_gigabytes(room.host_limit_bytes)})"
    ways = _what_fits(need, room)
    raise WillNotFitError(
        f"{need.spec.model} needs {_gigabytes(needed)}{place}, {_gigabytes(free)} are free{limit}",
        f"would fit: {', '.join(ways)}" if ways else "free some memory, or take a larger device",
    )


def _what_fits(need: Need, room: Room) -> list[str]:
    """Changes that would each be enough by themselves, the mildest first."""
    ways = []
    if need.dtype == "float32" and room.holds(replace(need, dtype="bfloat16", weight_bytes=need.weight_bytes // 2)):
        ways.append("--dtype bfloat16")
    if batch_size := largest(lambda size: room.holds(need.sized(batch_size=size)), need.spec.batch_size - 1):
        ways.append(f"--batch-size {batch_size}")
    if room.device_kind == "cuda" and need.spec.offload == "none" and need.spec.mode == "eager":
        streamed = replace(need, spec=replace(need.spec, offload="cpu"))
        if room.holds(streamed):
            ways.append("--offload cpu")
    if smaller := _largest_preset(need, room):
        ways.append(f"a smaller model: {smaller}")
    return ways


def _largest_preset(need: Need, room: Room) -> str | None:
    """The largest preset smaller than the model that fits as it was to be run."""
    size = DTYPE_BYTES[need.dtype]
    smaller = [p for p in map(load_preset, preset_names()) if p.total_params * size < need.weight_bytes]
    for preset in sorted(smaller, key=lambda preset: -preset.total_params):
        shape = Architecture.from_config(preset.config)
        if room.holds(replace(need, architecture=shape, weight_bytes=preset.total_params * size)):
            return preset.name
    return None


@contextmanager
def translating_torch_errors() -> Iterator[None]:
    """Turn what torch raises, when memory runs out or a forced attention backend refuses, into one line and a way out.

    Raises `OutOfMemoryError` or `UnsupportedError`; everything else passes through.
    """
    import torch

    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise _out_of_memory(error) from error
    except RuntimeError as error:
        text = str(error)
        if "can't allocate memory" in text or "not enough memory" in text:
            raise _out_of_memory(error) from error
        if "No available kernel" in text or "No viable backend" in text:
            raise UnsupportedError(
                "the forced attention backend cannot run this model's shapes, mask or dtype here",
                "use --attention auto",
            ) from error
        raise


def _out_of_memory(error: BaseException) -> OutOfMemoryError:
    reason = str(error).strip().partition("\n")[0]
    wanted = reason.partition("Tried to allocate ")[2].partition(". ")[0]
    what = f"; the last allocation asked for {wanted}" if wanted else ""
    return OutOfMemoryError(
        f"the device ran out of memory{what}",
        "lower --batch-size or --prompt-tokens, use --dtype bfloat16, --offload cpu, or a smaller model",
    )


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e8 else f"{count / 1e6:,.1f} MB"
