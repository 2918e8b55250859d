"""The traces in a .tar or .tar.gz, from its start to its end: of an archive nothing is held but what is read of it."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Self, cast

from profiler.errors import UnreadableError
from profiler.session.trace_inputs import TRACE_ENDINGS, TraceInput
from profiler.session.trace_stream import MORE, LookedAt, TraceStream
from profiler.trace.gunzip import gunzipped

_GZIP_MAGIC = b"\x1f\x8b"
# Where POSIX's and GNU's headers are marked: every archive since 1988 has it.
_TAR_MAGIC, _TAR_MAGIC_AT = b"ustar", 257
# A packed header of 512 bytes takes 200, and what stands before it in a gzip file is its name.
LOOK_BYTES = 4096
# What `tarfile` reads at once. Its usual 10 KiB make it copy what is left of each piece that was unpacked many times.
_BLOCK_BYTES = 256 << 10
# Names and attributes that are too long for a header's block come before it, and `tarfile` reads them whole.
_BEFORE_A_HEADER = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)
_LONGEST_NAME_BYTES = 1 << 20  # Linux takes paths of 4 KiB; pax headers hold other attributes, too
_DAMAGED = (tarfile.TarError, EOFError, zlib.error)


def archived_traces(path: Path, max_bytes: int) -> Iterator[TraceInput]:
    """Each trace in the archive of this name, as of one that is piped. Raises `OSError`, too, where it is not there."""
    with path.open("rb") as file:
        yield from traces_of_archive(str(path), LookedAt(file, len(_GZIP_MAGIC)), max_bytes)


def is_archive(start: bytes) -> bool:
    """Whether a file that begins so is a .tar, or a .tar.gz; `start` are its first `LOOK_BYTES`, or all there are."""
    if start.startswith(_GZIP_MAGIC):
        try:
            start = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(start, tarfile.BLOCKSIZE)
        except zlib.error:
            return False
    return start[_TAR_MAGIC_AT:].startswith(_TAR_MAGIC)


def traces_of_archive(name: str, packed: LookedAt, max_bytes: int) -> Iterator[TraceInput]:
    """Each trace in an archive, in the order in which they lie in it, to be read before the next is asked for.

    Raises `UnreadableError` where it is damaged or holds no trace. That a trace of it could not be read to its end is
    said by its stream, and ends the archive.
    """
    found = False
    try:
        with tarfile.open(fileobj=_unpacked(packed), mode="r|*", bufsize=_BLOCK_BYTES, tarinfo=_Header) as archive:
            for member in archive:
                if not member.isfile() or not member.name.endswith(TRACE_ENDINGS):
                    continue
                found = True
                each = _of_member(archive, member, name, max_bytes)
                yield each
                if isinstance(each.source, TraceStream) and each.source.failure is not None:
                    return
    except _DAMAGED as error:
        raise _damaged(name, error) from error
    if not found:
        raise UnreadableError(f"{name} holds no trace", "a trace's name ends in .json or .json.gz")


def _of_member(archive: tarfile.TarFile, member: tarfile.TarInfo, within: str, max_bytes: int) -> TraceInput:
    """One file of an archive; that it is too large says nothing of the next."""
    name = f"{within}:{member.name}"
    file = archive.extractfile(member)
    if file is None or member.size > max_bytes:
        return TraceInput(name, UnreadableError(f"{name} holds more than {max_bytes} bytes", MORE))
    return TraceInput(name, _Member(name, file, max_bytes, within))


class _Header(tarfile.TarInfo):
    """A file's header, and what comes before it, which may be no longer than a name can be meant to be."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """What a block says."""
        header = super().frombuf(buf, encoding, errors)
        if header.type in _BEFORE_A_HEADER and header.size > _LONGEST_NAME_BYTES:
            raise tarfile.ReadError(f"a name in it takes {header.size} bytes")
        return header


class _Member(TraceStream):
    """A file of an archive, whose end may be missing."""

    def __init__(self, name: str, file: IO[bytes], max_bytes: int, archive: str) -> None:
        super().__init__(name, file, max_bytes)
        self._archive = archive

    def _next(self, size: int) -> bytes:
        try:
            return super()._next(size)
        except _DAMAGED as error:
            raise _damaged(self._archive, error) from error


class _Unpacked:
    """A gzip file's text. A small one may unpack to any length, so it is unpacked by the piece."""

    def __init__(self, packed: LookedAt) -> None:
        self._pieces = gunzipped(packed)

    def read(self, _: int) -> bytes:
        """The next piece, which may be longer than was asked for; none at its end."""
        return next(self._pieces, b"")


def _unpacked(packed: LookedAt) -> IO[bytes]:
    """`tarfile` calls nothing but `read`."""
    return cast(IO[bytes], _Unpacked(packed) if packed.start.startswith(_GZIP_MAGIC) else packed)


def _damaged(name: str, error: Exception) -> UnreadableError:
    return UnreadableError(f"{name} is a damaged archive: {error}", "copy it again")
