from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.truth import accuracy
from benchmarks.truth.results import write_section
from benchmarks.truth.section import Claim, Section, Table
from benchmarks.truth.text import markdown_table, summary


def section(name: str = "swap", *holds: bool | None, device: str = "NVIDIA H100 80GB HBM3") -> Section:
    return Section(
        name=name,
        title="A title",
        environment={"date": "2026-11-22", "device": device, "driver": None},
        claims=[Claim(f"claim {number}", one, f"measured {number}") for number, one in enumerate(holds)],
        tables=[Table("Times", ("what", "ms"), [("a|b", "1.0")]), Table("Nothing", ("what",), [])],
        notes=["a note"],
    )


@pytest.mark.parametrize(
    ("holds", "whole"),
    [([True, True], True), ([True, None], True), ([True, False], False), ([None], False), ([], False)],
)
def test_a_section_holds_if_a_claim_was_tested_and_none_fails(holds: list[bool | None], whole: bool) -> None:
    assert section("swap", *holds).holds is whole


def test_a_claim_that_fails_is_on_the_page_as_one() -> None:
    page = accuracy.page([section("swap", True, False, None)])
    assert "| claim 0 | **holds** | measured 0 |" in page
    assert "| claim 1 | **FAILS** | measured 1 |" in page
    assert "| claim 2 | **not tested** | measured 2 |" in page
    assert "| [swap](#swap) | 1 | 1 | 1 | NVIDIA H100 80GB HBM3 | 2026-11-22 |" in page


def test_tables_notes_and_environment_are_on_the_page_and_empty_ones_are_not() -> None:
    page = accuracy.page([section("swap", True)])
    assert "| a\\|b | 1.0 |" in page
    assert "- a note" in page
    assert "Measured with: date 2026-11-22, device NVIDIA H100 80GB HBM3." in page
    assert "Nothing\n" not in page


def test_sections_come_in_the_pages_order_and_the_later_folder_counts(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    write_section(first, section("repeatability", True))
    write_section(first, section("swap", False))
    write_section(second, section("swap", True, device="NVIDIA H200"))

    found = accuracy.read_sections([first, second])

    assert [one.name for one in found] == ["swap", "repeatability"]
    assert found[0].environment["device"] == "NVIDIA H200"


def test_the_page_is_written_from_folders(tmp_path: Path) -> None:
    write_section(tmp_path / "run", section("zoo", True))
    assert accuracy.main([str(tmp_path / "run"), "-o", str(tmp_path / "accuracy.md")]) == 0
    assert (tmp_path / "accuracy.md").read_text().startswith("# Accuracy\n")


def test_a_folder_without_results_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert accuracy.main([str(tmp_path), "-o", str(tmp_path / "accuracy.md")]) == 1
    assert not (tmp_path / "accuracy.md").exists()
    assert "python -m benchmarks.truth" in capsys.readouterr().out


def test_a_file_that_holds_no_section_is_named(tmp_path: Path) -> None:
    (tmp_path / "zoo.json").write_text("{}")
    with pytest.raises(SystemExit, match=r"zoo\.json holds no section"):
        accuracy.read_sections([tmp_path])


def test_the_claims_stand_at_the_end_of_what_a_terminal_shows() -> None:
    text = summary(section("swap", True, False))
    assert text.index("a|b") < text.index("holds       claim 0: measured 0") < text.index("FAILS       claim 1")
    assert text.endswith("note: a note")


def test_every_row_of_a_markdown_table_has_as_many_cells() -> None:
    lines = markdown_table(Table("", ("a", "b"), [("1", "2"), ("x|y", "3")]))
    assert [line.replace("\\|", "").count("|") for line in lines] == [3, 3, 3, 3]
