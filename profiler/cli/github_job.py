"""A job of GitHub Actions: its runner reads annotations from stdout, and the summary from a file that it names."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from profiler.cli.streams import answering
from profiler.errors import FailedError

if TYPE_CHECKING:
    from profiler.render.document import Block
    from profiler.render.github import Annotation

_SUMMARY_FILE = "GITHUB_STEP_SUMMARY"


def emit_to_github(annotations: Sequence[Annotation], blocks: list[Block]) -> None:
    """Annotate, and add the blocks to the job's summary, if there is one.

    The summary never goes to stdout, where its lines could be taken for commands. Raises `FailedError` where its file
    cannot be written.
    """
    from profiler.render.github import annotation_lines, summary

    path = os.environ.get(_SUMMARY_FILE)
    if path:
        try:
            with Path(path).open("a", encoding="utf-8") as file:
                file.write(summary(blocks))
        except OSError as error:
            raise FailedError(f"cannot write the job's summary: {error.strerror}", f"unset {_SUMMARY_FILE}") from error
    else:
        sys.stderr.write(f"this is no job of GitHub: {_SUMMARY_FILE} names no file, so the summary is left out\n")
    with answering():
        sys.stdout.write(annotation_lines(annotations))
