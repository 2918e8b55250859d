"""From a spec and a source to a model in its place."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM

from profiler.catalogue.architecture import Architecture
from profiler.catalogue.presets import load_preset
from profiler.clock import Clock
from profiler.device.base import Device
from profiler.device.host_memory import host_memory
from profiler.errors import UsageError
from profiler.progress import Progress
from profiler.workload import checkpoint, factory, fit, hub
from profiler.workload.legs import elapsed_seconds, host_leg, missing_leg
from profiler.workload.loaded import LoadedModel
from profiler.workload.source import ModelSource, SourceKind
from profiler.workload.spec import WorkloadSpec
from profiler.workload.weights import load_weights, randomize


def load(spec: WorkloadSpec, source: ModelSource, device: Device, progress: Progress, clock: Clock) -> LoadedModel:
    """Put the model of `source` where `spec` wants it. `clock` gives monotonic nanoseconds.

    Raises `UsageError` for a spec that this model or device cannot follow, `UnknownModelError`, `WillNotFitError`
    before anything large is allocated, `OutOfMemoryError`, and `UnreadableError` for a broken checkpoint.
    """
    spec.check_device(device.properties.kind)
    if source.kind is SourceKind.FACTORY:
        return _load_factory(spec, source, device, progress, clock)
    with _quiet_transformers(), fit.translating_torch_errors(), torch.no_grad():
        folder = _find(spec, source, progress)
        return _load_transformers(spec, source, folder, device, progress, clock)


def _load_factory(
    spec: WorkloadSpec, source: ModelSource, device: Device, progress: Progress, clock: Clock
) -> LoadedModel:
    for option, value, default in (
        ("--mode", spec.mode, "eager"),
        ("--offload", spec.offload, "none"),
        ("--attention", spec.attention, "auto"),
        ("--weights", spec.weights, "auto"),
        ("--dtype", spec.dtype, "auto"),
    ):
        if value != default:
            raise UsageError(
                f"{option} {value} cannot be applied to {source.name}: a factory decides that itself", f"drop {option}"
            )
    progress.stage(f"Calling {source.name}")
    begin = clock()
    with fit.translating_torch_errors():
        made = factory.make(source.name)
        device.synchronize()
    seconds = elapsed_seconds(clock, begin)
    parameters = list(made.parameters()) if isinstance(made, torch.nn.Module) else []
    return LoadedModel(
        model=made,
        source=source.label,
        source_kind=source.kind,
        config={},
        architecture=None,
        max_positions=None,
        weights="factory",
        dtype=str(parameters[0].dtype).removeprefix("torch.") if parameters else "unknown",
        attention="factory",
        parameters=sum(p.numel() for p in parameters) if parameters else None,
        weight_bytes=sum(p.numel() * p.element_size() for p in parameters) if parameters else None,
        legs=[
            missing_leg("disk", "a factory does not say what it reads"),
            host_leg(seconds),
            missing_leg("device", "a factory does not say what it copies"),
        ],
        load_seconds=seconds,
    )


def _find(spec: WorkloadSpec, source: ModelSource, progress: Progress) -> Path | None:
    """The folder that the config, and the weights if wanted, are in. None for a preset."""
    if source.kind is SourceKind.PRESET:
        if spec.weights == "pretrained":
            raise UsageError(
                f"{source.name} is a preset: an architecture without weights", "name a hub id or a checkpoint folder"
            )
        return None
    if source.kind is SourceKind.FOLDER:
        return Path(source.name)
    progress.stage(f"Fetching {source.name}")
    return hub.fetch(source.name, weights=spec.weights != "random", code=spec.trust_remote_code)


def _pretrained_files(spec: WorkloadSpec, source: ModelSource, folder: Path | None) -> list[Path]:
    """The safetensors files to read; none for random weights."""
    if folder is None or spec.weights == "random":
        return []
    if spec.weights == "auto" and source.kind is SourceKind.FOLDER and not checkpoint.has_weights(folder):
        return []
    return checkpoint.require_safetensors(folder, source.label)


def _load_transformers(
    spec: WorkloadSpec,
    source: ModelSource,
    folder: Path | None,
    device: Device,
    progress: Progress,
    clock: Clock,
) -> LoadedModel:
    files = _pretrained_files(spec, source, folder)
    config = _read_config(spec, source, folder)
    max_positions = getattr(config, "max_position_embeddings", None)
    spec.check_length(max_positions)
    dtype = spec.dtype_on(device.properties.kind, config.dtype if files else None)

    progress.stage(f"Building {source.label}")
    device.synchronize()  # a GPU's first use makes its context, which is no part of loading a model
    begin = clock()
    skeleton = _skeleton(config, spec, source, dtype)
    parameters = sum(p.numel() for p in skeleton.parameters())
    weight_bytes = sum(p.numel() * p.element_size() for p in skeleton.parameters())
    skeleton_seconds = elapsed_seconds(clock, begin)
    architecture = _architecture(config)
    attention = spec.attention if spec.forces_sdpa_backend else str(skeleton.config._attn_implementation)
    device.empty_cache()
    host = host_memory()
    fit.check_fit(
        fit.Need(spec, weight_bytes, dtype, architecture, attention, through_host=bool(files)),
        fit.Room(device.properties.kind, device.free_bytes(), host.free_bytes, host.limit_bytes),
    )
    if files:
        model, legs = load_weights(skeleton, files, spec, source.label, device, progress, clock, skeleton_seconds)
    else:
        model, legs = randomize(skeleton, spec, device, clock, skeleton_seconds)
    return LoadedModel(
        model=model,
        source=source.label,
        source_kind=source.kind,
        config=config.to_dict(),
        architecture=architecture,
        max_positions=max_positions,
        weights="pretrained" if files else "random",
        dtype=dtype,
        attention=attention,
        parameters=parameters,
        weight_bytes=weight_bytes,
        legs=legs,
        load_seconds=elapsed_seconds(clock, begin),
        remote_code_used=type(model).__module__.startswith("transformers_modules"),
    )


def _read_config(spec: WorkloadSpec, source: ModelSource, folder: Path | None) -> Any:
    if folder is None:
        return AutoConfig.for_model(**load_preset(source.name).config)
    config = checkpoint.read_config(folder, source.label, trust_remote_code=spec.trust_remote_code)
    if getattr(config, "quantization_config", None) is not None:
        raise UsageError(f"{source.label} is quantized, which is not supported yet", "name an unquantized checkpoint")
    return config


def _architecture(config: Any) -> Architecture | None:
    try:
        return Architecture.from_config(config.to_dict())
    except ValueError:
        return None


def _skeleton(config: Any, spec: WorkloadSpec, source: ModelSource, dtype: str) -> Any:
    """The module without memory behind it."""
    arguments: dict[str, Any] = {"dtype": getattr(torch, dtype), "trust_remote_code": spec.trust_remote_code}
    if spec.attention_implementation is not None:
        arguments["attn_implementation"] = spec.attention_implementation
    model_class: Any = AutoModelForCausalLM
    try:
        with torch.device("meta"):
            return model_class.from_config(config, **arguments)
    except ValueError as error:
        if "trust_remote_code" in str(error):
            raise checkpoint.remote_code_refused(source.label) from error
        reason = str(error).strip().partition("\n")[0]
        if spec.attention_implementation is not None and "does not support an attention implementation" in reason:
            what = reason.partition(". ")[0]
            raise UsageError(
                f"{source.label} cannot be built with --attention {spec.attention}: {what}",
                "--attention eager or --attention auto",
            ) from error
        raise UsageError(f"{source.label} cannot be built: {reason}", "name a causal language model") from error


@contextlib.contextmanager
def _quiet_transformers() -> Iterator[None]:
    """Without its progress bars and remarks, which would break into ours."""
    logging: Any = transformers.utils.logging
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
