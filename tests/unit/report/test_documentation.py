"""docs/report.md explains every field of the schema, and none that is gone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from profiler.report.records import SCHEMA_VERSION
from profiler.report.store import json_schema
from profiler.report.vocabulary import Cause, Resource, Tier, VerdictState

PAGE = (Path(__file__).parents[3] / "docs" / "report.md").read_text(encoding="utf-8")
RECORDS = {name: kind["properties"] for name, kind in json_schema()["$defs"].items() if "properties" in kind}


def section(name: str) -> str:
    match = re.search(rf"^## {name}\n(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert match is not None, f"docs/report.md has no section {name}"
    return match.group(1)


def rows(name: str) -> dict[str, list[str]]:
    lines = [line for line in section(name).splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {row[0].strip("` "): row[1:] for row in cells}


@pytest.mark.parametrize("record", RECORDS)
def test_every_field_of_a_record_is_explained_and_no_other(record: str) -> None:
    assert list(rows(record)) == list(RECORDS[record])
    for field, (kind, _unit, meaning, _tier) in rows(record).items():
        assert kind, f"{record}.{field} has no type"
        assert meaning, f"{record}.{field} has no meaning"


@pytest.mark.parametrize("record", RECORDS)
def test_what_may_be_null_is_said_to_be(record: str) -> None:
    for field, (kind, *_) in rows(record).items():
        nullable = {"type": "null"} in RECORDS[record][field].get("anyOf", [])
        assert kind.endswith("null") == nullable, f"{record}.{field}"


def test_the_table_of_versions_ends_with_the_one_that_is_written() -> None:
    table = PAGE[PAGE.index("| schema version |") : PAGE.index("## Report")]
    assert re.findall(r"^\| (\d+\.\d+) \|", table, re.MULTILINE)[-1] == SCHEMA_VERSION


def test_no_section_is_about_a_record_that_is_gone() -> None:
    sections = set(re.findall(r"^## (\w+)$", PAGE, re.MULTILINE))
    assert sections == RECORDS.keys() | {"BottleneckClass", "Cause", "Resource", "Tier", "VerdictState"}


def test_every_word_of_the_vocabulary_is_explained() -> None:
    for name, words in (("Cause", Cause), ("Resource", Resource), ("Tier", Tier), ("VerdictState", VerdictState)):
        for word in words:
            assert f"`{word.value}`" in section(name)


def test_links_lead_somewhere() -> None:
    targets = {name.lower() for name in re.findall(r"^## (\w+)$", PAGE, re.MULTILINE)}
    assert set(re.findall(r"\]\(#(\w+)\)", PAGE)) <= targets
