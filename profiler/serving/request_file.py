"""Logs of requests from files: CSV with a header or JSON lines, with the column names of several public traces."""

from __future__ import annotations

import csv
import gzip
import io
import math
import re
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import chain, repeat
from pathlib import Path
from shlex import quote
from typing import Any

import msgspec

from profiler.errors import UnreadableError
from profiler.serving.log import MOST_REQUESTS, RequestLog, Rows
from profiler.serving.text_lines import MAX_BYTES, MOST_OF_A_LINE, TextLines

STDIN = Path("-")
_GZIP_MAGIC = b"\x1f\x8b"
_NO_NUMBER = "without a usable number"
_BEFORE_ZERO = "arriving before 0"
_A_LOG = "a CSV file with a header, or JSON lines"
_COLUMNS = "columns arrival_s,prompt_tokens,output_tokens"
# What looks like this is a name, and no content: only such is repeated to whoever reads an error.
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,63}", re.ASCII)
_Row = Mapping[str, Any]


def _seconds(value: Any) -> int:
    return _scaled(value, 10**9)


def _milliseconds(value: Any) -> int:
    return _scaled(value, 10**6)


def _timestamp(value: Any) -> int:
    """Azure's are dates, with up to nine decimals of a second; Mooncake's are milliseconds."""
    if not isinstance(value, str) or ":" not in value:
        return _milliseconds(value)
    whole, _, rest = value.strip().partition(".")
    digits = len(rest) - len(rest.lstrip("0123456789"))
    moment = datetime.fromisoformat(whole + rest[digits:])
    since = moment.replace(tzinfo=moment.tzinfo or UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 10**9 + int(rest[:digits][:9].ljust(9, "0"))


# Names in lower case, the first that is there counts. Azure: ContextTokens, GeneratedTokens, TIMESTAMP. Mooncake:
# input_length, output_length, timestamp. Servers' own logs: input_toks, output_toks, arrival_time.
_ARRIVAL: dict[str, Callable[[Any], int]] = {
    "arrival_s": _seconds,
    "arrival_ms": _milliseconds,
    "arrival_ns": lambda value: _scaled(value, 1),
    "arrival_time": _seconds,
    "arrival": _seconds,
    "timestamp": _timestamp,
}
_PROMPT = ("prompt_tokens", "contexttokens", "input_length", "input_toks", "input_tokens")
_OUTPUT = ("output_tokens", "generatedtokens", "output_length", "output_toks", "generated_tokens")
# A tenant is named as it is given. A user may be somebody's name or address: users are numbered.
_TENANT, _USER, _PRIORITY = "tenant", "user", "priority"


def read_requests(path: Path, max_bytes: int = MAX_BYTES) -> RequestLog:
    """The requests of a file or of `STDIN`, plain or gzipped. Rows that hold none are counted by their cause.

    Raises `UnreadableError` where the file cannot be read, has no such columns, holds no request, too many of them, or
    more than `max_bytes` of text.
    """
    columns: _Columns | None = None
    rows = Rows()
    for line, row in request_rows(path, max_bytes):
        if row is None:
            rows.leave_out("that is no record", line)
            continue
        if columns is None:
            columns = _Columns(row, path)
        columns.add_to(rows, row, line)
        if len(rows) > MOST_REQUESTS:
            raise UnreadableError(f"{_named(path)} holds more than {MOST_REQUESTS:,} requests", "a part of it")
    return rows.log(_named(path))


def request_rows(path: Path, max_bytes: int = MAX_BYTES) -> Iterator[tuple[int, _Row | None]]:
    """Each row with its line's number and its names in lower case; None for one that is no record, or too long.

    Raises `UnreadableError`.
    """
    try:
        with _opened(path) as raw:
            file = gzip.GzipFile(fileobj=raw) if raw.peek(2).startswith(_GZIP_MAGIC) else raw
            text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
            yield from _rows(TextLines(text, _named(path), max_bytes), path)
    except OSError as error:
        raise UnreadableError(f"cannot read {_named(path)}: {error.strerror or error}") from error
    except (EOFError, UnicodeDecodeError, csv.Error, zlib.error) as error:
        raise UnreadableError(f"{_named(path)} is no log of requests: {error}", _A_LOG) from error


def _opened(path: Path) -> io.BufferedReader:
    return open(sys.stdin.fileno(), "rb", closefd=False) if path == STDIN else path.open("rb")


def _named(path: Path) -> str:
    return "stdin" if path == STDIN else str(path)


def _rows(lines: TextLines, path: Path) -> Iterator[tuple[int, _Row | None]]:
    first = next((line for line in lines if not line.isspace()), "")
    if lines.left_out():
        raise UnreadableError(f"{_named(path)} begins with a line of over {MOST_OF_A_LINE:,} characters", _A_LOG)
    if not first:
        raise UnreadableError(f"{_named(path)} holds no request: it is empty", _A_LOG)
    if first.lstrip().startswith("["):
        file = "" if path == STDIN else f" {quote(str(path))}"
        raise UnreadableError(
            f"{_named(path)} holds a JSON array, not a record a line", f"jq -c '.[]'{file} > log.jsonl"
        )
    found = _json_rows if first.lstrip().startswith("{") else _csv_rows
    for row in found(chain([first], lines), path):
        yield lines.number, row
        yield from ((number, None) for number in lines.left_out())
    yield from ((number, None) for number in lines.left_out())


class _Columns:
    """Which of a file's columns hold what."""

    def __init__(self, row: _Row, path: Path) -> None:
        found = [next((name for name in names if name in row), None) for names in (_ARRIVAL, _PROMPT, _OUTPUT)]
        arrival, prompt, output = found
        if arrival is None or prompt is None or output is None:
            named = shortened(", ".join(row) or "nothing") if all(map(_NAME.fullmatch, row)) else ""
            rest = f", but {named}" if named else ": its first line names none"
            raise UnreadableError(
                f"{_named(path)} has no columns of arrival, prompt tokens and output tokens{rest}", _COLUMNS
            )
        self._arrival, self._prompt, self._output = arrival, prompt, output
        self._group = next((name for name in (_TENANT, _USER) if name in row), None)
        self._priority = _PRIORITY if _PRIORITY in row else None
        self._parse = _ARRIVAL[arrival]
        self._users: dict[str, str] = {}

    def add_to(self, rows: Rows, row: _Row, line: int) -> None:
        try:
            arrival_ns = self._parse(row[self._arrival])
            prompt, output = _whole(row[self._prompt]), _whole(row[self._output])
            priority = _whole(row[self._priority]) if self._priority else 0
        except (KeyError, TypeError, ValueError, OverflowError):
            rows.leave_out(_NO_NUMBER, line)
            return
        if arrival_ns < 0:
            rows.leave_out(_BEFORE_ZERO, line)
            return
        group = row.get(self._group) if self._group else None
        tenant = "" if group is None else self._named(str(group))
        rows.add(arrival_ns, prompt, output, priority, tenant, line=line)

    def _named(self, group: str) -> str:
        if self._group != _USER or not group:
            return group
        return self._users.setdefault(group, f"user {len(self._users) + 1}")


def _json_rows(lines: Iterator[str], _: Path) -> Iterator[_Row | None]:
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    for line in lines:
        if not line or line.isspace():
            continue
        try:
            yield {name.lower(): value for name, value in decode(line).items()}
        except (msgspec.DecodeError, RecursionError):
            yield None


def _csv_rows(lines: Iterator[str], path: Path) -> Iterator[_Row | None]:
    reader = csv.reader(lines)
    names = [name.strip().lower() for name in next(reader, [])]
    empty = True
    for cells in reader:
        if cells:
            empty = False
            yield dict(zip(names, chain(cells, repeat(None)), strict=False))  # a short row has all columns, too
    if empty:
        _Columns(dict.fromkeys(names), path)  # of other columns, that is what to say
        raise UnreadableError(f"{_named(path)} holds no request: it has a header and no rows", _COLUMNS)


def _whole(value: Any) -> int:
    """A whole number, also as text or as a float without a fraction. Raises `ValueError` for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lstrip("+-").isdecimal():
        return int(value)
    number = float(value)
    if isinstance(value, bool) or not number.is_integer():
        raise ValueError(value)
    return int(number)


def _scaled(value: Any, factor: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value * factor
    number = float(value)
    if isinstance(value, bool) or not math.isfinite(number):
        raise ValueError(value)
    # Apart, as seconds since 1970 times a billion are beyond what a float holds exactly.
    whole = math.floor(number)
    return whole * factor + round((number - whole) * factor)


def shortened(text: str, most: int = 80) -> str:
    """The beginning of a text that is too long for a line, on one line."""
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[:most]}..."
