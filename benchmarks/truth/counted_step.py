"""The steps whose bytes are counted twice: two layers as wide as Llama-3.1-8B's, each step a CUDA graph.

As a program it runs each `LOOKED_AT` times, for Nsight Compute to look at: `ncu --profile-from-start off python -m
benchmarks.truth.counted_step`. Nsight Compute stops at each kernel, which takes it some hundredths of a second: two
layers have every kernel that more have, in half the time. When each step was ready and done goes to stderr.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks._workload import load_preset_model
from benchmarks.truth.captured import CapturedPhase, captured_decode, captured_prefill
from profiler.catalogue.presets import load_preset
from profiler.device.base import Device
from profiler.workload.loaded import LoadedModel
from profiler.workload.spec import WorkloadSpec

PRESET, SMALL_PRESET = "llama-3.1-8b", "tiny"
LAYERS = 2
LOOKED_AT = 5
_WARMUPS = 3


@dataclass(frozen=True, slots=True)
class CountedStep:
    """One step: a prompt, or a decode step of so many sequences."""

    phase: str
    batch_size: int
    context_tokens: int

    @property
    def name(self) -> str:
        """As a table calls it."""
        return f"{self.phase}, batch {self.batch_size}, {self.context_tokens} tokens"

    def phase_of(self, loaded: LoadedModel, model: str, device: Device) -> CapturedPhase:
        """The step, ready to be reset and run."""
        spec = spec_of(model, self.batch_size, self.context_tokens)
        capture = captured_prefill if self.phase == "prefill" else captured_decode
        return capture(self.name, loaded, spec, device)


STEPS = (CountedStep("decode", 1, 512), CountedStep("decode", 64, 512), CountedStep("prefill", 1, 512))
SMALL_STEPS = (CountedStep("decode", 1, 16),)


def spec_of(model: str, batch_size: int, context_tokens: int) -> WorkloadSpec:
    """The request: a decode has room for 128 steps, so that few resets lie between those counted."""
    return WorkloadSpec(
        model=model, weights="random", batch_size=batch_size, prompt_tokens=context_tokens, new_tokens=129
    )


def load_layers(device: Device, *, small: bool = False) -> tuple[LoadedModel, str]:
    """The model, and the folder or preset that it is from."""
    if small:
        return load_preset_model(spec_of(SMALL_PRESET, 1, 16), device), SMALL_PRESET
    config = {**load_preset(PRESET).config, "num_hidden_layers": LAYERS}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(config), encoding="utf-8")
        return load_preset_model(spec_of(folder, 1, 16), device), folder


def steps(device: Device, *, small: bool = False) -> Iterator[CapturedPhase]:
    """Each step, warm; its memory is given back before the next one."""
    loaded, model = load_layers(device, small=small)
    for step in SMALL_STEPS if small else STEPS:
        phase = step.phase_of(loaded, model, device)
        phase.reset()
        for _ in range(_WARMUPS):
            phase.iterate()
        device.synchronize()
        yield phase
        phase.release()
        device.empty_cache()


def main() -> None:
    """Run each step where a profiler sees it."""
    import torch

    from profiler.device.select import open_driver, select_device

    begun_s = time.monotonic()

    def say(what: str) -> None:
        print(f"  {time.monotonic() - begun_s:5.1f} s after its imports: {what}", file=sys.stderr, flush=True)

    runtime = torch.cuda.cudart()
    for phase in steps(select_device(sys.argv[1] if len(sys.argv) > 1 else "cuda", driver=open_driver())):
        say(f"{phase.name} is captured")
        runtime.cudaProfilerStart()
        for _ in range(LOOKED_AT):
            phase.iterate()
            torch.cuda._sleep(1)  # ends a step: a kernel that no step has
            torch.cuda.synchronize()
        runtime.cudaProfilerStop()
        say(f"{phase.name} was looked at")


if __name__ == "__main__":
    main()
