"""What claims to be a result and is made to exhaust its reader is refused in one line, before it is taken apart."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from profiler.errors import UnreadableError
from profiler.report.kinds import load_result
from profiler.report.store import load_report
from profiler.trace.trace_file import MAX_BYTES
from tests.results import PATHS

DEEP = 100_000
KINDS = [*PATHS]
LOADERS = [load_result, load_report]


def text_of(kind: str) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(gzip.decompress(PATHS[kind].read_bytes()))
    return whole


def refusal(load: Callable[[Path], object], path: Path) -> str:
    with pytest.raises(UnreadableError) as caught:
        load(path)
    message = caught.value.message
    assert "\n" not in message
    assert len(message) < 500 + len(str(path))
    return message


def with_field(kind: str, field: str, value: bytes) -> bytes:
    """The result with this, as it stands, in a field, known or not."""
    text = json.dumps({key: each for key, each in text_of(kind).items() if key != field})
    return b'{"%b":%b,%b' % (field.encode(), value, text[1:].encode())


@pytest.mark.parametrize("load", LOADERS)
def test_a_small_gzip_that_claims_ten_gigabytes_is_not_unpacked(tmp_path: Path, load: Callable[[Path], object]) -> None:
    path = tmp_path / "bomb.json.gz"
    member = gzip.compress(bytes(64 << 20), compresslevel=9)
    path.write_bytes(member * 160)
    assert 160 * (64 << 20) > MAX_BYTES > path.stat().st_size
    assert "more than 256 MiB of text" in refusal(load, path)


@pytest.mark.parametrize("load", LOADERS)
@pytest.mark.parametrize("opening", [b"[", b'{"a":'], ids=["lists", "objects"])
@pytest.mark.parametrize("field", ["phases", "not_a_field", "schema_version", "kind"])
def test_a_hundred_thousand_levels_are_refused(
    tmp_path: Path, load: Callable[[Path], object], field: str, opening: bytes
) -> None:
    path = tmp_path / "deep.json"
    inner = b"1" if opening != b"[" else b""
    closing = b"]" if opening == b"[" else b"}"
    path.write_bytes(with_field("profile", field, opening * DEEP + inner + closing * DEEP))
    refusal(load, path)


@pytest.mark.parametrize("load", LOADERS)
def test_nothing_but_levels_is_refused(tmp_path: Path, load: Callable[[Path], object]) -> None:
    path = tmp_path / "deep.json"
    path.write_bytes(b"[" * DEEP)
    refusal(load, path)


@pytest.mark.parametrize("kind", KINDS)
def test_levels_in_any_kind_are_refused(tmp_path: Path, kind: str) -> None:
    for field in [*text_of(kind), "not_a_field"]:
        path = tmp_path / "deep.json"
        path.write_bytes(with_field(kind, field, b"[" * DEEP + b"]" * DEEP))
        refusal(load_result, path)


@pytest.mark.parametrize("number", [b"1" * 10**6, b"-" + b"9" * 10**6, b"1e" + b"9" * 10**6, b"0." + b"3" * 10**6])
@pytest.mark.parametrize("kind", KINDS)
def test_a_number_of_a_million_digits_is_no_number_of_ours(tmp_path: Path, kind: str, number: bytes) -> None:
    path = tmp_path / "long.json"
    path.write_bytes(with_field(kind, "schema_version", number))
    refusal(load_result, path)


def test_a_number_of_a_million_digits_within_is_refused_or_read_as_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "long.json"
    whole = text_of("profile")
    whole["phases"][0]["clean"]["wall_ms"]["median"] = "HERE"
    path.write_bytes(json.dumps(whole).encode().replace(b'"HERE"', b"1" * 10**6))
    refusal(load_report, path)


@pytest.mark.parametrize("field", ["kind", "schema_version"])
def test_a_text_of_megabytes_is_not_repeated_in_the_error(tmp_path: Path, field: str) -> None:
    path = tmp_path / "long.json"
    path.write_bytes(with_field("profile", field, b'"%b"' % (b"9" * (8 << 20))))
    refusal(load_result, path)


def test_a_device_that_never_ends_is_refused() -> None:
    assert "more than 256 MiB" in refusal(load_result, Path("/dev/zero"))
