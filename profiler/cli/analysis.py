"""Analyses traces and writes the answer to stdout, once it is known what was asked for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from profiler.cli.formats import Format

if TYPE_CHECKING:
    from profiler.render.document import Block
    from profiler.report.analysis import Analysis


def analyze_and_show(
    traces: Sequence[str], form: Format = Format.TABLE, output: Path | None = None, **options: Any
) -> None:
    """Analyse `traces` with the options of `profiler.session.analyze.analyze`; keep the JSON in `output`, too.

    What was analysed before an interrupt is shown; then `InterruptedByUser` goes on.
    """
    # Nothing here is worth several threads, and to start them takes longer than to import the rest of numpy.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from profiler.cli.interrupts import whole_or_partial
    from profiler.cli.output import hand_over
    from profiler.cli.progress import progress_on_stderr
    from profiler.report.analysis import Analysis, encode_analysis
    from profiler.session.analyze import analyze

    with progress_on_stderr() as progress:
        answer, interrupted = whole_or_partial(lambda: analyze(*traces, progress=progress, **options), Analysis)
    hand_over(lambda: _blocks(answer), form, lambda: encode_analysis(answer), output)
    if interrupted is not None:
        raise interrupted


def _blocks(answer: Analysis) -> list[Block]:
    from profiler.render.analysis_blocks import analysis_blocks  # which JSON does not need

    return analysis_blocks(answer)
