"""Iterations of transformers' own continuous batching: one packed batch, its paged cache, its scheduler.

An iteration is all that its loop does: schedule, pack, forward, give each sequence its token. With attention other than
flash, every token of the batch is compared with the context of all sequences, and a mask forgets those of others.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import ContinuousBatchingConfig, GenerationConfig
from transformers.generation.continuous_batching.requests import RequestState

from profiler.device.base import Device
from profiler.workload.engines.prompt import decode_shape, prefill_shape, random_prompt
from profiler.workload.loaded import LoadedModel
from profiler.workload.phase import PhaseShape
from profiler.workload.spec import WorkloadSpec

_BLOCK_TOKENS = 256  # as transformers has it


class PagedEngine:
    """Phases of a transformers model as its continuous batching runs them."""

    def __init__(self, loaded: LoadedModel, spec: WorkloadSpec, device: Device) -> None:
        self._loaded = loaded
        self._spec = spec

    def prefill(self) -> PagedPrefill:
        """The prefill of the prompts, all in one iteration."""
        return PagedPrefill(PagedBatch(self._loaded, self._spec, self._spec.prompt_tokens))

    def decode(self, prompt_tokens: int | None = None) -> PagedDecode:
        """The decode steps after a prompt, by default that of the spec."""
        return PagedDecode(PagedBatch(self._loaded, self._spec, prompt_tokens or self._spec.prompt_tokens))

    def decode_filled(self) -> PagedDecode:
        """The decode steps of the spec over a cache that no prefill filled."""
        return PagedDecode(PagedBatch(self._loaded, self._spec, self._spec.prompt_tokens, filled=True))

    def mixed(self, newcomer_tokens: int) -> PagedMixed:
        """One more prompt, of so many tokens, prefilled while the sequences of the spec decode; to be timed only."""
        batch = PagedBatch(self._loaded, self._spec, self._spec.prompt_tokens, filled=True, newcomer=newcomer_tokens)
        return PagedMixed(batch)


class PagedBatch:
    """Sequences in a paged cache. The cache is taken at the first `begin`, and held as long as this.

    `filled`: prompts are one token each, and count as `prompt_tokens` of random numbers afterwards. A `newcomer` of so
    many tokens may join them.
    """

    def __init__(
        self, loaded: LoadedModel, spec: WorkloadSpec, prompt_tokens: int, *, filled: bool = False, newcomer: int = 0
    ) -> None:
        self.spec, self.prompt_tokens = spec, prompt_tokens
        self._model, self._filled = loaded.model, filled
        self._attention = "eager" if loaded.attention == "eager" else "sdpa"
        self._prompts: list[list[int]] = random_prompt(loaded, spec, 1 if filled else prompt_tokens).tolist()
        self._newcomer: list[int] = [0] * newcomer
        self._processor: Any = None

    def begin(self) -> None:
        """An empty cache, and all prompts waiting."""
        if self._processor is None:
            self._processor = self._made()
        self._processor.reset()
        for place, prompt in enumerate(self._prompts):
            state = RequestState(str(place), prompt, max_new_tokens=self.spec.new_tokens)
            self._processor.scheduler.add_waiting_request(state)

    def iterate(self) -> None:
        """One turn of the loop: it ends when the host holds the tokens."""
        processor = self._processor
        with torch.no_grad():
            if not processor.prepare_next_batch():
                raise RuntimeError("continuous batching has nothing to do: every sequence has all its tokens")
            data = processor.inputs_and_outputs.get_model_kwargs(use_padding=processor.model_runner.pad_inputs)
            processor.model_runner.compute_batch(self._model, data)
            processor.inputs_and_outputs.retrieve_device_outputs()
            processor.update_batch()

    def prefilled(self) -> None:
        """Up to the first token of each sequence."""
        self.begin()
        self.iterate()
        if self._filled:
            for state in self._processor.scheduler.active_requests.values():
                state.position_offset = self.prompt_tokens  # blocks for them are taken in the next iteration

    def joined(self) -> None:
        """The newcomer waits."""
        state = RequestState("newcomer", self._newcomer, max_new_tokens=self.spec.new_tokens)
        self._processor.scheduler.add_waiting_request(state)

    def tokens(self) -> list[list[int]]:
        """What each sequence that is not over was given, in the order of the prompts."""
        active = self._processor.scheduler.active_requests
        return [active[str(place)].generated_tokens for place in range(len(self._prompts))]

    def _made(self) -> Any:
        slots, newcomer = self.prompt_tokens + self.spec.new_tokens, len(self._newcomer)
        self._model.set_attn_implementation(f"paged|{self._attention}")  # else transformers would look for another one
        config = ContinuousBatchingConfig(
            block_size=_BLOCK_TOKENS,
            num_blocks=self.spec.batch_size * (slots // _BLOCK_TOKENS + 2) + newcomer // _BLOCK_TOKENS + 2,
            max_batch_tokens=self.spec.batch_size * self.prompt_tokens + newcomer,
            max_requests_per_batch=self.spec.batch_size + 1,
            allow_block_sharing=False,  # the same prompts come again
            safety_margin=0.0,
        )
        greedy = GenerationConfig(do_sample=False, eos_token_id=-1)  # type: ignore[no-untyped-call]
        manager = self._model.init_continuous_batching(generation_config=greedy, continuous_batching_config=config)
        manager.warmup()
        for layer in (*manager.batch_processor.cache.key_cache, *manager.batch_processor.cache.value_cache):
            layer.normal_()
        return manager.batch_processor


class _PagedPhase:
    """What all phases of a batch have in common: an iteration is a turn of the engine's loop, which cannot be split."""

    def __init__(self, batch: PagedBatch) -> None:
        self.batch = batch

    def iterate(self) -> None:
        """One turn."""
        self.batch.iterate()

    @property
    def launch(self) -> None:
        """None: scheduling and packing are the host's, before and after."""
        return

    @property
    def body(self) -> None:
        """None: it is launched op by op already."""
        return


class PagedPrefill(_PagedPhase):
    """All prompts in one iteration, the first token of each back on the host."""

    @property
    def name(self) -> str:
        """`prefill`."""
        return "prefill"

    @property
    def shape(self) -> PhaseShape:
        """Its size."""
        return prefill_shape(self.batch.spec, self.batch.prompt_tokens)

    @property
    def iterations_per_reset(self) -> int:
        """One."""
        return 1

    def reset(self) -> None:
        """All prompts waiting."""
        self.batch.begin()


class PagedDecode(_PagedPhase):
    """A token for each sequence."""

    @property
    def name(self) -> str:
        """`decode`."""
        return "decode"

    @property
    def shape(self) -> PhaseShape:
        """Its size."""
        return decode_shape(self.batch.spec, self.batch.prompt_tokens)

    @property
    def iterations_per_reset(self) -> int:
        """The prefill yields the first of the new tokens, the last would end the sequences."""
        return max(self.batch.spec.new_tokens - 2, 1)

    def reset(self) -> None:
        """After the prompts."""
        self.batch.prefilled()


class PagedMixed(_PagedPhase):
    """A token for each sequence, and the prefill of one more, in one iteration."""

    @property
    def name(self) -> str:
        """`mixed`."""
        return "mixed"

    @property
    def shape(self) -> None:
        """None: it is of two sizes."""
        return

    @property
    def iterations_per_reset(self) -> int:
        """One: the newcomer decodes then."""
        return 1

    def reset(self) -> None:
        """The sequences after their prompts, and the newcomer waiting."""
        self.batch.prefilled()
        self.batch.joined()
