"""Compares traces and writes the answer to stdout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from profiler.cli.formats import Format


def compare_and_show(
    baseline: Sequence[str],
    traces: Sequence[str],
    form: Format = Format.TABLE,
    output: Path | None = None,
    **options: Any,
) -> None:
    """What changed from `baseline` to `traces`, with the options of `analyze_against`; keep the JSON in `output`."""
    from rich.console import Console

    from profiler.cli.output import hand_over
    from profiler.cli.progress import progress_on
    from profiler.render.comparison_blocks import comparison_blocks
    from profiler.report.analysis_comparison import encode_comparison
    from profiler.session.against import analyze_against

    with progress_on(Console(stderr=True)) as progress:
        answer = analyze_against(traces, baseline, progress=progress, **options)
    hand_over(lambda: comparison_blocks(answer), form, lambda: encode_comparison(answer), output)
