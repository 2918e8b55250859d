"""Whatever a verb kept is read as what it is, and everything else is refused in one line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from profiler.errors import UnreadableError
from profiler.report.json_text import json_text
from profiler.report.kinds import decode_result, load_result

RESULTS = Path(__file__).resolve().parents[2] / "data" / "results"
KEPT = sorted(RESULTS.glob("*.json.gz"))


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.name)
def test_what_a_verb_kept_is_read_as_its_kind_and_comes_back_from_what_is_written(path: Path) -> None:
    result = load_result(path)
    assert result.kind == path.name.removesuffix(".json.gz")
    assert decode_result(json_text(result)) == result


def test_a_kind_that_is_not_known_is_named_and_refused() -> None:
    with pytest.raises(UnreadableError, match="calls itself 'divination'") as raised:
        decode_result(b'{"kind": "divination", "schema_version": "1.0"}')
    assert "\n" not in raised.value.message


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.name)
def test_a_version_of_the_future_is_refused_by_its_number(path: Path) -> None:
    data = json.loads(gzip.decompress(path.read_bytes()))
    data["schema_version"] = "9.0"
    with pytest.raises(UnreadableError, match=r"schema version 9\.0, this tool reads 1\."):
        decode_result(json.dumps(data).encode())


def test_the_file_is_named_before_what_is_wrong_with_it(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    path.write_text('{"kind": "analyze", "schema_version": "1.0", "ranks": 3}')
    with pytest.raises(UnreadableError, match=r"kept\.json: this is not a bottleneck report: .*ranks"):
        load_result(path)
