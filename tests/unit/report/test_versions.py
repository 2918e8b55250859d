"""Reports of every version that was ever released stay readable, and say what they said."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from profiler.errors import UnreadableError
from profiler.render import markdown, table
from profiler.render.html import page
from profiler.report import kinds
from profiler.report.json_text import json_text
from profiler.report.kinds import decode_result, load_result

DATA = Path(__file__).parents[2] / "data"
KEPT = DATA / "report_versions"
# Reports of a version stay as its tool wrote them: these are never recorded anew.
FILES = {
    ("profile", "1.0"): DATA / "own/smollm135m-graph.json.gz",
    ("profile", "1.1"): DATA / "truth/counted_report_h100.json.gz",
    ("profile", "1.2"): DATA / "sweep/llama-3.1-8b_graph_h100.json.gz",
    **{tuple(path.name.removesuffix(".json.gz").rsplit("-", 1)): path for path in sorted(KEPT.glob("*.json.gz"))},
}
VERSIONS = pytest.mark.parametrize(("kind", "version"), FILES)


def text_of(kind: str, version: str) -> bytes:
    return gzip.decompress(FILES[kind, version].read_bytes())


def lost(before: Any, after: Any, place: str = "") -> list[str]:
    """What stood in the first and does not stand in the second."""
    match before, after:
        case dict(), dict():
            missing = [f"{place}.{key}" for key in before if key not in after]
            return missing + [
                each for key in before if key in after for each in lost(before[key], after[key], f"{place}.{key}")
            ]
        case list(), list() if len(before) == len(after):
            return [
                each for n, pair in enumerate(zip(before, after, strict=True)) for each in lost(*pair, f"{place}[{n}]")
            ]
    return [] if before == after else [place]


@VERSIONS
def test_a_report_of_an_old_version_is_what_its_name_says(kind: str, version: str) -> None:
    told = json.loads(text_of(kind, version))
    assert (told["kind"], told["schema_version"]) == (kind, version)


@VERSIONS
def test_nothing_of_an_old_report_is_lost(kind: str, version: str) -> None:
    before = json.loads(text_of(kind, version))
    after = json.loads(json_text(load_result(FILES[kind, version])))
    assert lost(before, after) == []


@VERSIONS
def test_an_old_report_can_be_shown_in_every_format(kind: str, version: str) -> None:
    result = load_result(FILES[kind, version])
    shown = io.StringIO()
    table.render(result, Console(file=shown, width=80, color_system=None))
    assert shown.getvalue().strip()
    assert markdown.render(result).strip()
    assert "<html" in page.render(result)


def test_a_report_of_every_version_is_kept() -> None:
    for kind, (_, current) in kinds.RECORDS.items():
        if kind in ("", "capture"):  # of the same record as `profile`
            continue
        major, minor = map(int, current.split("."))
        assert major == 1, "a second major version needs a reader of the first"
        assert {version for of, version in FILES if of == kind} == {f"1.{number}" for number in range(minor + 1)}


@VERSIONS
@pytest.mark.parametrize("future", ["2.0", "10.3", "0.9", "", "one", "1x"])
def test_a_version_that_nobody_knows_is_refused_in_one_line(kind: str, version: str, future: str) -> None:
    told = {**json.loads(text_of(kind, version)), "schema_version": future, "shape": "unknown"}
    with pytest.raises(UnreadableError) as caught:
        decode_result(json.dumps(told).encode())
    assert "schema version" in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.hint


@VERSIONS
def test_a_later_minor_version_is_read_as_far_as_it_is_known(kind: str, version: str) -> None:
    told = json.loads(text_of(kind, version))
    later = decode_result(json.dumps({**told, "schema_version": "1.999", "of_the_future": {"a": [1]}}).encode())
    assert later.schema_version == "1.999"
    assert type(later) is type(load_result(FILES[kind, version]))
