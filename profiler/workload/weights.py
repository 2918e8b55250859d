"""Filling a model that has no memory behind it yet: with random numbers, or from a checkpoint."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import torch

from profiler.clock import Clock
from profiler.device.base import Device
from profiler.errors import UnreadableError
from profiler.progress import Progress
from profiler.report.records import LoadLeg
from profiler.workload.checkpoint import read_tensors
from profiler.workload.legs import elapsed_seconds, host_leg, missing_leg, moving_leg
from profiler.workload.offload import RandomNumbersFrom, stream_from_host
from profiler.workload.spec import WorkloadSpec


def randomize(
    skeleton: Any, spec: WorkloadSpec, device: Device, clock: Clock, skeleton_seconds: float
) -> tuple[Any, list[LoadLeg]]:
    """Give a model on `meta` memory and the random weights of its own initialization; the same for the same seed.

    Returns the model and its legs; `skeleton_seconds` are added to the host's.
    """
    begin = clock()
    streamed = spec.offload == "cpu"
    skeleton.to_empty(device="cpu" if streamed else device.torch_device)
    generators = [torch.device(device.torch_device)] if device.properties.kind == "cuda" else []
    drawing = RandomNumbersFrom(device.torch_device) if streamed else contextlib.nullcontext()
    with torch.random.fork_rng(devices=generators), drawing:
        torch.manual_seed(spec.seed)
        skeleton.init_weights()  # computes the rotary buffers and ties the weights, too
    model = skeleton.eval()
    if streamed:
        model = stream_from_host(model, device.torch_device)
    device.synchronize()
    no_copy = _no_copy_reason(spec, device) or "random weights are made on the device: nothing is copied to it"
    return model, [
        missing_leg("disk", "random weights: nothing is read"),
        host_leg(skeleton_seconds + elapsed_seconds(clock, begin)),
        missing_leg("device", no_copy),
    ]


def load_weights(
    skeleton: Any,
    files: list[Path],
    spec: WorkloadSpec,
    label: str,
    device: Device,
    progress: Progress,
    clock: Clock,
    skeleton_seconds: float,
) -> tuple[Any, list[LoadLeg]]:
    """A model like `skeleton` with the weights of `files`, and its legs; `skeleton_seconds` are added to the host's.

    Disk to host memory, then into a module, then to the device: one after the other, so that each has its own time.
    Whether the files were in the page cache is not known here. Raises `UnreadableError` if they do not hold the
    model's weights.
    """
    progress.stage(f"Reading {label}", total=len(files))
    tensors: dict[str, torch.Tensor] = {}
    begin = clock()
    for path in files:
        tensors.update(read_tensors(path))
        progress.advance()
    read = moving_leg("disk", sum(t.nbytes for t in tensors.values()), elapsed_seconds(clock, begin))

    progress.stage(f"Building {label}")
    begin = clock()
    model = _fill(skeleton, tensors, label)
    legs = [read, host_leg(skeleton_seconds + elapsed_seconds(clock, begin))]
    del tensors

    if spec.offload == "cpu":
        model = stream_from_host(model, device.torch_device)
    if reason := _no_copy_reason(spec, device):
        return model, [*legs, missing_leg("device", reason)]
    progress.stage(f"Copying {label} to the device")
    copied_bytes = sum(p.nbytes for p in model.parameters())
    begin = clock()
    model = model.to(device.torch_device)
    device.synchronize()
    return model, [*legs, moving_leg("device", copied_bytes, elapsed_seconds(clock, begin))]


def _fill(skeleton: Any, tensors: dict[str, torch.Tensor], label: str) -> Any:
    # transformers renames and fuses the tensors of many checkpoints on the way (the experts of a Mixtral, for one).
    try:
        model, found = type(skeleton).from_pretrained(
            None, config=skeleton.config, state_dict=tensors, dtype=skeleton.dtype, output_loading_info=True
        )
    except (RuntimeError, ValueError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        reason = str(error).strip().partition("\n")[0]
        raise UnreadableError(f"the weights of {label} do not fit its config: {reason}", "fetch it again") from error
    if missing := sorted(found["missing_keys"]):
        raise UnreadableError(f"{label} lacks {len(missing)} of its weights, {missing[0]} for one", "fetch it again")
    return model


def _no_copy_reason(spec: WorkloadSpec, device: Device) -> str | None:
    if spec.offload == "cpu":
        return "offloaded weights are copied in every forward instead"
    return "the CPU is the device" if device.properties.kind == "cpu" else None
