"""What to run, as the user asked for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from profiler.errors import UnsupportedError, UsageError
from profiler.workload.effort import NEW_TOKENS

WEIGHTS = ("auto", "pretrained", "random")
DTYPES = ("auto", "bfloat16", "float16", "float32")
MODES = ("eager", "compile", "graph", "paged")
ATTENTIONS = ("auto", "eager", "sdpa", "flash", "efficient", "cudnn", "math")
OFFLOADS = ("none", "cpu")

_ONLY_ON_CUDA = ("efficient", "cudnn")  # torch has no CPU kernel behind these two
_CPU_ATTENTION = "use --attention auto, sdpa, flash or math"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadSpec:
    """One prompt of `prompt_tokens`, `batch_size` times, answered with `new_tokens` greedy tokens each.

    `attention` auto is what the model takes by default in transformers; flash, efficient, cudnn and math force that
    backend of torch's scaled dot product attention. Raises `UsageError` for values that cannot be meant.
    """

    model: str
    weights: str = "auto"
    dtype: str = "auto"
    batch_size: int = 1
    prompt_tokens: int = 512
    new_tokens: int = NEW_TOKENS["standard"]
    mode: str = "eager"
    attention: str = "auto"
    offload: str = "none"
    seed: int = 0
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        for option, value, accepted in (
            ("--weights", self.weights, WEIGHTS),
            ("--dtype", self.dtype, DTYPES),
            ("--mode", self.mode, MODES),
            ("--attention", self.attention, ATTENTIONS),
            ("--offload", self.offload, OFFLOADS),
        ):
            if value not in accepted:
                raise UsageError(f"{option} {value} is not known", f"use one of {', '.join(accepted)}")
        for option, size in (
            ("--batch-size", self.batch_size),
            ("--prompt-tokens", self.prompt_tokens),
            ("--new-tokens", self.new_tokens),
        ):
            if size < 1:
                raise UsageError(f"{option} {size} is not a size", "give a number of at least 1")
        if self.new_tokens < 2:
            raise UsageError(
                "--new-tokens 1 leaves no decode step: the prefill yields the first token", "give at least 2"
            )
        if self.seed < 0:
            raise UsageError(f"--seed {self.seed} is negative", "give 0 or more")
        if self.mode != "eager" and self.offload != "none":
            raise UsageError(
                f"--mode {self.mode} cannot be combined with --offload {self.offload}: streamed weights have no fixed "
                "place in device memory",
                "drop one of the two",
            )

    @property
    def forces_sdpa_backend(self) -> bool:
        """Whether one backend of torch's scaled dot product attention is forced."""
        return self.attention not in ("auto", "eager", "sdpa")

    @property
    def attention_implementation(self) -> str | None:
        """The name that transformers knows the attention by; None leaves it the choice."""
        if self.attention == "auto":
            return None
        return "eager" if self.attention == "eager" else "sdpa"

    def check_device(self, kind: str) -> None:
        """Raise `UnsupportedError` for what a device of this kind ("cuda" or "cpu") cannot run."""
        if kind != "cpu":
            return
        for is_asked, what, instead in (
            (self.mode == "graph", "--mode graph captures a CUDA graph", "use --mode eager"),
            (self.offload == "cpu", "--offload cpu streams weights to a GPU", "drop --offload"),
            (self.attention in _ONLY_ON_CUDA, f"--attention {self.attention} needs a GPU", _CPU_ATTENTION),
        ):
            if is_asked:
                raise UnsupportedError(f"{what}, and the device is the CPU", instead)

    def check_length(self, max_positions: int | None) -> None:
        """Raise `UsageError` if prompt and answer are longer than the model's positions reach."""
        wanted = self.prompt_tokens + self.new_tokens
        if max_positions is None or wanted <= max_positions:
            return
        hint = f"use --prompt-tokens {max_positions - self.new_tokens}"
        if max_positions <= self.new_tokens:
            hint = f"use fewer of both, {max_positions} together"
        raise UsageError(
            f"{self.prompt_tokens} prompt and {self.new_tokens} new tokens are {wanted}; "
            f"the model's maximum is {max_positions}",
            hint,
        )

    def dtype_on(self, device_kind: str, checkpoint_dtype: Any = None) -> str:
        """The dtype's name: as asked, else the checkpoint's own on a GPU, else bfloat16 there and float32 on a CPU."""
        if self.dtype != "auto":
            return self.dtype
        if device_kind == "cpu":
            return "float32"
        own = str(checkpoint_dtype).removeprefix("torch.")
        return own if own in DTYPES else "bfloat16"
