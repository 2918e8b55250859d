"""`bottleneck models`: the architectures that are built in."""

from typing import NamedTuple

from profiler.cli.options import DebugOption, Format, FormatOption

_BF16_BYTES = 2


class _Row(NamedTuple):
    name: str
    parameters: int
    active_parameters: int
    weight_bytes_bf16: int
    kv_bytes_per_token_bf16: int
    max_context_tokens: int | None


def models(form: FormatOption = Format.TABLE, debug: DebugOption = False) -> None:
    """List the presets: what they weigh, and what each token of context costs.

    [bold]Examples[/bold]

      bottleneck models

      bottleneck models --format json
    """
    import json

    from profiler.catalogue.architecture import Architecture
    from profiler.catalogue.presets import load_preset, preset_names
    from profiler.cli.output import emit_blocks
    from profiler.render.document import Column, Grid, Statement, Tone
    from profiler.render.numbers import MISSING, compact_count, count, size

    presets = []
    for name in preset_names():
        preset = load_preset(name)
        architecture = Architecture.from_config(preset.config)
        presets.append(
            _Row(
                name=name,
                parameters=preset.total_params,
                active_parameters=preset.active_params,
                weight_bytes_bf16=preset.total_params * _BF16_BYTES,
                kv_bytes_per_token_bf16=round(architecture.kv_bytes_per_token(_BF16_BYTES)),
                max_context_tokens=architecture.max_positions,
            )
        )
    presets.sort(key=lambda row: row.parameters)
    columns = (
        Column("preset"),
        Column("parameters", numeric=True),
        Column("active", numeric=True, drop=2),
        Column("bf16", numeric=True),
        Column("KV/token", numeric=True),
        Column("max context", numeric=True, drop=1),
    )
    cells = tuple(
        (
            row.name,
            count(row.parameters),
            count(row.active_parameters),
            size(row.weight_bytes_bf16),
            size(row.kv_bytes_per_token_bf16),
            compact_count(row.max_context_tokens) if row.max_context_tokens else MISSING,
        )
        for row in presets
    )
    hint = Statement("Profile one without a download: bottleneck profile PRESET --weights random", Tone.FAINT)

    def as_json() -> bytes:
        return json.dumps([row._asdict() for row in presets], indent=2).encode() + b"\n"

    emit_blocks([Grid(columns, cells), hint], form, as_json)
