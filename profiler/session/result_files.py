"""Kept results that a command line names: files, folders and patterns."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path

from profiler.errors import UnreadableError
from profiler.printable import printable
from profiler.report.comparison import Unread
from profiler.report.kinds import Result, load_result

_ENDINGS = (".json", ".json.gz")


def load_results(arguments: Sequence[str]) -> tuple[list[tuple[str, Result]], list[Unread]]:
    """What could be read, each with its name, and what could not, with the reason.

    In folders what ends in .json or .json.gz is taken, sorted by name. Raises `UnreadableError` where nothing is left.
    """
    results: list[tuple[str, Result]] = []
    unread: list[Unread] = []
    for path in result_paths(arguments):
        try:
            results.append((printable(str(path)), load_result(path)))
        except UnreadableError as error:
            unread.append(Unread(name=printable(str(path)), reason=error.message))
    if not results:
        first = unread[0].reason if unread else f"{' '.join(arguments)} names no result"
        more = f" (nor {len(unread) - 1} more)" if len(unread) > 1 else ""
        raise UnreadableError(f"nothing could be read{more}: {first}", "name files that a verb kept with -o")
    return results, unread


def result_paths(arguments: Sequence[str]) -> Iterator[Path]:
    """Every file that is named, each once."""
    seen: set[Path] = set()
    for argument in arguments:
        for path in _of_argument(argument):
            if path not in seen:
                seen.add(path)
                yield path


def _of_argument(argument: str) -> list[Path]:
    path = Path(argument)
    try:
        if path.is_dir():
            return sorted(each for each in path.iterdir() if each.name.endswith(_ENDINGS) and each.is_file())
        if not path.exists() and glob.has_magic(argument):
            return sorted(Path(each) for each in glob.iglob(argument) if Path(each).is_file())  # noqa: PTH207
    except OSError as error:
        raise UnreadableError(f"cannot read {argument}: {error.strerror or error}") from error
    return [path]
