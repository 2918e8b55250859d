"""The command that a report was made with, for typing it again."""

from __future__ import annotations

import shlex

_FILES = ("-o", "--output", "--trace-out")


def without_files(command: str) -> str:
    """The command without the files that it wrote and without `--force`: typed again, it replaces nothing."""
    try:
        words = shlex.split(command)
    except ValueError:  # not as a shell would read it: a report may have been edited
        return command
    kept: list[str] = []
    is_file = False
    for word in words:
        if is_file:
            is_file = False
        elif word in _FILES:
            is_file = True
        elif word != "--force" and not _names_a_file(word):
            kept.append(word)
    return shlex.join(kept)


def _names_a_file(word: str) -> bool:
    """Whether an option and its file are one word: `--output=report.json`, `-oreport.json`."""
    return word.startswith(("--output=", "--trace-out=")) or (word.startswith("-o") and word != "-o")
