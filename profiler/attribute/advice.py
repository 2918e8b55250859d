"""What to do about a phase's bottleneck, each piece with the gain that the replay predicts for it.

A prediction changes exactly what the action changes, in every scenario, and runs the step again. Advice whose gain
would not be noticed is not given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from profiler.attribute.replay import ActivityCosts, Floats
from profiler.attribute.shares import Scenario
from profiler.report.records import Advice, Part
from profiler.report.vocabulary import Cause, Resource

# Below this, a gain drowns in the noise between two runs.
_WORTH_SAYING = 1.03
_MOST_ADVICE = 3
# Something that no longer takes time: fast enough for its rest not to show.
_GONE = 1e6


class Setting(Struct, frozen=True):
    """What advice must know of how the phase ran."""

    phase: str
    mode: str
    offload: str
    device_kind: str
    copies_pageable: bool
    pageable_over_pinned: float | None  # seconds of a pageable copy over those of a pinned one
    cudnn_attention_ratio: float  # of the host's work: cuDNN's attention
    causes: list[Cause]  # of the device rows


class _Remedy(Struct, frozen=True):
    action: str
    why: str
    command: str | None
    speeds: Mapping[Resource, float]
    change: Callable[[ActivityCosts], ActivityCosts] | None = None


def advise(scenarios: Sequence[Scenario], parts: Sequence[Part], setting: Setting) -> list[Advice]:
    """Advice for one phase, largest gain first."""
    ms = {part.cause: part.ms for part in parts}
    found = []
    for remedy in _remedies(ms, setting):
        gains = [_gain(scenario, remedy) for scenario in scenarios]
        speedup = gains[0]
        if speedup < _WORTH_SAYING:
            continue
        found.append(
            Advice(
                phase=setting.phase,
                action=remedy.action,
                why=remedy.why,
                command=remedy.command,
                predicted_ms=scenarios[0].run().period_us / 1e3 / speedup,
                speedup=speedup,
                low=min(gains),
                high=max(gains),
            )
        )
    return sorted(found, key=lambda advice: -(advice.speedup or 0.0))[:_MOST_ADVICE]


def _gain(scenario: Scenario, remedy: _Remedy) -> float:
    before = scenario.run().period_us
    changed = replace(scenario, costs=remedy.change(scenario.costs)) if remedy.change else scenario
    after = changed.run(remedy.speeds).period_us
    return before / after if after > 0 else 1.0


def _remedies(ms: Mapping[Cause, float], setting: Setting) -> list[_Remedy]:
    found: list[_Remedy] = []
    host = ms.get(Cause.SCHEDULING_HOST, 0.0) + ms.get(Cause.SCHEDULING_SYNC, 0.0)
    small = ms.get(Cause.SCHEDULING_SMALL_KERNELS, 0.0) + ms.get(Cause.SCHEDULING_LAUNCH_GAP, 0.0)
    on_gpu = setting.device_kind == "cuda"
    if host > 0 and on_gpu and setting.mode == "eager" and setting.offload == "none" and setting.phase != "prefill":
        found.append(
            _Remedy(
                "capture the step into a CUDA graph",
                f"the host takes {host:.1f} ms of each step; a graph launches all kernels in one call. "
                "The prediction is that of the same kernels without their launches",
                "--mode graph",
                {Resource.HOST: _GONE},
            )
        )
    if host > 0 and on_gpu and 0 < setting.cudnn_attention_ratio < 1 and setting.mode == "eager":
        found.append(
            _Remedy(
                "do not let attention go to cuDNN",
                f"it takes {setting.cudnn_attention_ratio:.0%} of the host's work, and far more at each context length "
                "that the process has not met, for which cuDNN plans anew. The prediction is that of attention which "
                "costs the host nothing",
                "--attention flash",
                {Resource.HOST: 1 / (1 - setting.cudnn_attention_ratio)},
            )
        )
    if small > 0 and on_gpu and setting.mode != "compile" and setting.offload == "none":
        found.append(
            _Remedy(
                "fuse small kernels with torch.compile",
                f"{small:.1f} ms of each step are the fixed cost of kernels too small to fill the GPU. "
                "The prediction is that of half as many",
                "--mode compile",
                {Resource.LATENCY: 2.0},
            )
        )
    if ms.get(Cause.COMPUTE_ISSUE, 0.0) > 0 and on_gpu and setting.mode != "compile" and setting.offload == "none":
        found.append(
            _Remedy(
                "fuse elementwise kernels with torch.compile",
                "kernels that do little but issue instructions; one that does the work of two issues half as many",
                "--mode compile",
                {Resource.ISSUE: 2.0},
            )
        )
    found += _memory_remedies(ms, setting) + _io_remedies(ms, setting) + _compute_remedies(ms, setting)
    return found


def _memory_remedies(ms: Mapping[Cause, float], setting: Setting) -> list[_Remedy]:
    found = []
    if ms.get(Cause.MEMORY_WEIGHTS, 0.0) > 0:
        found.append(
            _Remedy(
                "halve the bytes of the weights (8-bit quantisation), or serve more sequences a batch",
                "each step reads every weight once, whatever the batch",
                None,
                {},
                lambda costs: halve_dram(costs, setting.causes, Cause.MEMORY_WEIGHTS),
            )
        )
    if ms.get(Cause.MEMORY_KV_CACHE, 0.0) > 0:
        found.append(
            _Remedy(
                "halve the bytes of the KV cache (8-bit cache), or shorten the context",
                "each step reads the whole cache of each sequence",
                None,
                {},
                lambda costs: halve_dram(costs, setting.causes, Cause.MEMORY_KV_CACHE),
            )
        )
    return found


def _io_remedies(ms: Mapping[Cause, float], setting: Setting) -> list[_Remedy]:
    found = []
    copies = ms.get(Cause.IO_H2D, 0.0) + ms.get(Cause.IO_D2H, 0.0)
    if copies > 0 and setting.offload != "none":
        found.append(
            _Remedy(
                "keep the weights on the GPU: a smaller dtype, a smaller model, or a GPU with more memory",
                f"copies from the host take {copies:.0f} ms of each step",
                "--offload none",
                {Resource.PCIE: _GONE},
            )
        )
    if copies > 0 and setting.copies_pageable and setting.pageable_over_pinned:
        found.append(
            _Remedy(
                "copy from pinned memory",
                "pageable memory is staged by the host; pinned memory goes straight over the bus",
                None,
                {Resource.PCIE: setting.pageable_over_pinned},
            )
        )
    return found


def _compute_remedies(ms: Mapping[Cause, float], setting: Setting) -> list[_Remedy]:
    if ms.get(Cause.COMPUTE_TENSOR, 0.0) <= 0 or setting.device_kind != "cuda":
        return []
    prefix = ", or keep the cache of prompts that begin alike" if setting.phase == "prefill" else ""
    return [
        _Remedy(
            f"compute in 8 bit (fp8 or int8 matrix multiplication){prefix}",
            "the matrix units are what the step waits for; 8-bit operands run at twice their rate",
            None,
            {Resource.TENSOR: 2.0},
        )
    ]


def halve_dram(costs: ActivityCosts, causes: Sequence[Cause], cause: Cause) -> ActivityCosts:
    """The same costs with half of the memory's time of the rows that `cause` names."""
    chosen = np.array([row_cause is cause for row_cause in causes], np.bool_)

    def halved(column: Floats) -> Floats:
        return np.where(chosen, column / 2, column)

    needs = {**costs.needs_us, Resource.DRAM: halved(costs.needs_us[Resource.DRAM])}
    return replace(
        costs, needs_us=needs, exposed_us=halved(costs.exposed_us) if len(costs.exposed_us) else costs.exposed_us
    )
