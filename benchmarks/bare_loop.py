"""Greedy generation as anybody would write it with torch and transformers, timed with `time.perf_counter`.

This file imports nothing of the profiler, on purpose: it is the witness of how long a token takes with no tool near.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, DynamicCache, StaticCache


@dataclass(frozen=True, slots=True)
class Timings:
    """One request: seconds to the first token, and the gap before each later one. `tokens` are what it generated."""

    ttft_s: float
    gaps_s: list[float]
    tokens: list[int]

    @property
    def tpot_s(self) -> float:
        """(e2e - TTFT) / (n - 1)."""
        return sum(self.gaps_s) / len(self.gaps_s)


def build_model(config: dict[str, Any], device: str, seed: int = 0) -> Any:
    """A causal language model with random weights: bfloat16 on a GPU, float32 on a CPU."""
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    with torch.no_grad():
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**config), dtype=dtype)
        model.to_empty(device=device)
        torch.manual_seed(seed)
        model.init_weights()
    return model.eval()


def make_prompt(model: Any, tokens: int, seed: int = 0) -> torch.Tensor:
    """Random token ids of shape (1, tokens) in the host's memory."""
    return torch.randint(0, model.config.vocab_size, (1, tokens), generator=torch.Generator().manual_seed(seed))


@torch.inference_mode()
def generate_eager(model: Any, prompt: torch.Tensor, new_tokens: int) -> Timings:
    """A cache that grows, operations launched one by one, each token read back."""
    begin = time.perf_counter()
    cache = DynamicCache(config=model.config)
    output = model(input_ids=prompt.to(model.device), past_key_values=cache, use_cache=True, logits_to_keep=1)
    token = output.logits[:, -1:].argmax(-1)
    tokens = [token.item()]
    before = time.perf_counter()
    ttft_s = before - begin
    gaps_s = []
    for _ in range(new_tokens - 1):
        output = model(input_ids=token, past_key_values=cache, use_cache=True, logits_to_keep=1)
        token = output.logits[:, -1:].argmax(-1)
        tokens.append(token.item())
        now = time.perf_counter()
        gaps_s.append(now - before)
        before = now
    return Timings(ttft_s, gaps_s, tokens)


class GraphLoop:
    """A static cache, and one decode step captured into a CUDA graph that is replayed for every token."""

    @torch.no_grad()
    def __init__(self, model: Any, prompt: torch.Tensor, new_tokens: int) -> None:
        """Capture the step. The cache has a slot for every token of prompt and answer."""
        self._model = model
        self._prompt = prompt
        self._new_tokens = new_tokens
        self._cache = StaticCache(config=model.config, max_cache_len=prompt.shape[1] + new_tokens)
        self._token = torch.zeros(1, 1, dtype=torch.long, device=model.device)
        self._prefill()
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # a capture needs a warm-up on a stream of its own
            for _ in range(min(3, new_tokens)):
                self._step()
        torch.cuda.current_stream().wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._step()

    def _prefill(self) -> None:
        self._cache.reset()
        output = self._model(
            input_ids=self._prompt.to(self._model.device),
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        self._token.copy_(output.logits[:, -1:].argmax(-1))

    def _step(self) -> None:
        output = self._model(input_ids=self._token, past_key_values=self._cache, use_cache=True, logits_to_keep=1)
        self._token.copy_(output.logits[:, -1:].argmax(-1))

    @torch.no_grad()
    def generate(self) -> Timings:
        """One request. Its prefill is launched op by op."""
        begin = time.perf_counter()
        self._prefill()
        tokens = [self._token.item()]
        before = time.perf_counter()
        ttft_s = before - begin
        gaps_s = []
        for _ in range(self._new_tokens - 1):
            self._graph.replay()
            tokens.append(self._token.item())
            now = time.perf_counter()
            gaps_s.append(now - before)
            before = now
        return Timings(ttft_s, gaps_s, tokens)
