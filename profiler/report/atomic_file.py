"""Files that are replaced whole: whenever their writer is killed, there is the old one or the new one."""

from __future__ import annotations

import fcntl
import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from profiler.errors import UsageError

# What a writer that was killed leaves behind begins so; the next one who writes the same file removes it.
_PREFIX = ".bottleneck-"


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file as `replacing` does."""
    with replacing(path) as file:
        file.write(data)


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to, which takes the place of `path` when the block ends, unless it fails.

    A symbolic link stays, the file that it points to is replaced. Raises `UsageError` where that cannot be done.
    """
    target = Path(os.path.realpath(path))
    prefix = f"{_PREFIX}{zlib.crc32(os.fsencode(target.name)):08x}-"
    try:
        _remove_what_was_left(target.parent, prefix)
        file, temporary = _locked(target.parent, prefix)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}", "name a file in a folder of yours") from error
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UsageError(f"cannot write {path}: {error.strerror}", "free some space or name another place") from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _locked(folder: Path, prefix: str) -> tuple[IO[bytes], Path]:
    """A new file, locked for as long as it is open: a lock ends with its process, however that ends."""
    while True:
        handle, name = tempfile.mkstemp(dir=folder, prefix=prefix)
        file = os.fdopen(handle, "wb")
        with suppress(OSError):  # not every file system has locks; there, nobody removes it
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:  # or it was taken for one that was left, before it was locked
            return file, Path(name)
        file.close()


def _remove_what_was_left(folder: Path, prefix: str) -> None:
    with os.scandir(folder) as entries:
        left = [entry.path for entry in entries if entry.name.startswith(prefix)]
    for path in left:
        with suppress(OSError), Path(path).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises where somebody still writes it
            Path(path).unlink()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
