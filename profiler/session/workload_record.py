"""What ran, as the report has it."""

from __future__ import annotations

from profiler.catalogue.architecture import Architecture
from profiler.printable import printable
from profiler.report.source import Source
from profiler.report.workload import Workload
from profiler.workload.fit import DTYPE_BYTES
from profiler.workload.loaded import LoadedModel
from profiler.workload.spec import WorkloadSpec


def workload_record(spec: WorkloadSpec, loaded: LoadedModel, command: str | None) -> Workload:
    """The record of a loaded model; `command` is what was typed, if it was."""
    architecture: Architecture | None = loaded.architecture
    size = DTYPE_BYTES.get(loaded.dtype)
    missing = {}
    if architecture is None or size is None:
        unknown = Source(missing="the architecture is not known, or not in this number format")
        missing = dict.fromkeys(("active_parameters", "kv_bytes_per_token"), unknown)
    if loaded.parameters is None:
        uncounted = Source(missing="the factory's object is no torch.nn.Module whose parameters could be counted")
        missing |= dict.fromkeys(("parameters", "weight_bytes"), uncounted)
    return Workload(
        model=printable(loaded.source),
        source=loaded.source_kind,
        architecture=architecture.model_type if architecture else None,
        parameters=loaded.parameters,
        active_parameters=architecture.active_parameters if architecture else None,
        weight_bytes=loaded.weight_bytes,
        kv_bytes_per_token=int(architecture.kv_bytes_per_token(size)) if architecture and size else None,
        weights=loaded.weights,
        dtype=loaded.dtype,
        mode=spec.mode,
        attention=loaded.attention,
        offload=spec.offload,
        batch_size=spec.batch_size,
        prompt_tokens=spec.prompt_tokens,
        new_tokens=spec.new_tokens,
        seed=spec.seed,
        trust_remote_code=loaded.remote_code_used,
        command=command,
        sources=missing,
    )
