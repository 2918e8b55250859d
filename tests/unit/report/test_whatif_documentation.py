"""docs/report.md explains every field of what the verbs but `profile` write, and no more."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from profiler.report.analysis import Analysis, Family, PartName, analysis_schema
from profiler.report.analysis_comparison import comparison_schema
from profiler.report.check import Check, check_schema
from profiler.report.comparison import Comparison, change_schema
from profiler.report.endpoint import Ending, Endpoint, EndpointPartName, Saturation, endpoint_schema
from profiler.report.history import History, history_schema
from profiler.report.simulation import ServingPartName, Simulation, SlotState, simulation_schema
from profiler.report.store import json_schema
from profiler.report.whatif import WhatIf, whatif_schema

PAGE = (Path(__file__).parents[3] / "docs" / "report.md").read_text(encoding="utf-8")
SHARED = json_schema()["$defs"]
RECORDS = {
    name: kind["properties"]
    for schema in (
        whatif_schema(),
        analysis_schema(),
        comparison_schema(),
        simulation_schema(),
        endpoint_schema(),
        check_schema(),
        change_schema(),
        history_schema(),
    )
    for name, kind in schema["$defs"].items()
    if "properties" in kind and name not in SHARED
}


def rows(name: str) -> dict[str, list[str]]:
    match = re.search(rf"^### {name}\n(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert match is not None, f"docs/report.md has no section {name}"
    lines = [line for line in match.group(1).splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {row[0].strip("` "): row[1:] for row in cells}


@pytest.mark.parametrize("record", RECORDS)
def test_every_field_of_a_record_is_explained_and_no_other(record: str) -> None:
    assert list(rows(record)) == list(RECORDS[record])
    assert all(kind and meaning for kind, _unit, meaning in rows(record).values())


@pytest.mark.parametrize("record", RECORDS)
def test_what_may_be_null_is_said_to_be(record: str) -> None:
    for field, (kind, *_) in rows(record).items():
        assert kind.endswith("null") == ({"type": "null"} in RECORDS[record][field].get("anyOf", []))


def test_no_section_is_about_a_record_that_is_gone() -> None:
    assert set(re.findall(r"^### (\w+)$", PAGE, re.MULTILINE)) == RECORDS.keys()


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        (whatif_schema(), WhatIf),
        (analysis_schema(), Analysis),
        (simulation_schema(), Simulation),
        (endpoint_schema(), Endpoint),
        (check_schema(), Check),
        (change_schema(), Comparison),
        (history_schema(), History),
    ],
)
def test_the_schema_is_that_of_the_records(schema: dict[str, object], kind: type) -> None:
    assert schema["$ref"] == f"#/$defs/{msgspec.inspect.type_info(kind).cls.__name__}"  # type: ignore[attr-defined]


def test_every_part_and_family_of_an_analysis_is_explained() -> None:
    for record, field, words in (("TracePart", "part", PartName), ("FamilyTime", "family", Family)):
        for word in words:
            assert f"`{word.value}`" in rows(record)[field][2]


def test_every_part_and_state_of_a_simulation_is_explained() -> None:
    for record, field, words in (("ServingPart", "part", ServingPartName), ("SlotSpan", "state", SlotState)):
        for word in words:
            assert f"`{word.value}`" in rows(record)[field][2]


def test_every_ending_part_and_saturation_of_a_live_server_is_explained() -> None:
    for record, field, words in (
        ("EndingCount", "ending", Ending),
        ("EndpointPart", "part", EndpointPartName),
        ("Knee", "saturates", Saturation),
    ):
        for word in words:
            assert f"`{word}`" in rows(record)[field][-1]
