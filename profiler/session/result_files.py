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
    """What could be read, each with its name, and what could not. Raises `UnreadableError` where nothing is left."""
    unread: list[Unread] = []
    results = list(each_result(arguments, unread))
    if not results:
        raise nothing_read(arguments, unread)
    return results, unread


def each_result(arguments: Sequence[str], unread: list[Unread]) -> Iterator[tuple[str, Result]]:
    """One result after the other with its name; what cannot be read is added to `unread`, with the reason.

    In folders what ends in .json or .json.gz is taken, sorted by name.
    """
    for path in result_paths(arguments):
        name = printable(str(path))
        try:
            yield name, load_result(path)
        except UnreadableError as error:
            unread.append(Unread(name=name, reason=error.message.removeprefix(f"{path}: ")))


def nothing_read(arguments: Sequence[str], unread: Sequence[Unread]) -> UnreadableError:
    """What to say where no result is left."""
    first = f"{' '.join(arguments)} holds none"
    if unread:
        name, reason = unread[0].name, unread[0].reason
        first = reason if name in reason else f"{name}: {reason}"
    more = f" (nor {len(unread) - 1} more)" if unread[1:] else ""
    return UnreadableError(f"no result could be read{more}: {first}", "name files that a verb kept with -o")


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
