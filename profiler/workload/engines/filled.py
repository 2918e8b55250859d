"""Filling a cache with a context that no prefill made: what a decode step costs depends on no value in it.

After a prefill of one token each layer's keys and values have their shape; here they get their length, and random
numbers. Layers can be filled whose length is that of their keys; those that keep a state of fixed size need not be.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer, StaticLayer


def fill_dynamic(cache: Any, tokens: int) -> bool:
    """Make a growing cache hold `tokens` a sequence; False, and nothing done, where it has layers of another kind."""
    if not _all_known(cache, DynamicLayer, DynamicSlidingWindowLayer):
        return False
    for layer in cache.layers:
        if layer.keys is None:
            continue
        kept = tokens
        if layer.is_sliding:
            kept = min(tokens, layer.sliding_window - 1)
            layer.cumulative_length = tokens
        layer.keys, layer.values = _random(layer.keys, kept), _random(layer.values, kept)
    return True


def fill_static(cache: Any, tokens: int) -> bool:
    """Fill `tokens` slots a sequence; False, and nothing done, where the cache has layers of another kind."""
    if not _all_known(cache, StaticLayer):
        return False
    for layer in cache.layers:
        if isinstance(layer, StaticLayer):
            assert layer.keys is not None  # the prefill allocated both
            assert layer.values is not None
            layer.keys.normal_()
            layer.values.normal_()
            layer.cumulative_length.fill_(tokens)  # type: ignore[attr-defined]
    return True


def _all_known(cache: Any, *known: type) -> bool:
    return all(type(layer) in known or getattr(layer, "keys", None) is None for layer in cache.layers)


def _random(one: torch.Tensor, tokens: int) -> torch.Tensor:
    """Like a tensor of shape (batch_size, heads, 1, size), with so many tokens."""
    return one.new_empty((*one.shape[:-2], tokens, one.shape[-1])).normal_()
