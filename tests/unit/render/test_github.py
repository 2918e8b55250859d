"""For GitHub Actions: what its runner makes of our lines is what was meant, whatever the report calls its kernels."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiler.render.document import Bullets, Heading, Statement, Tone
from profiler.render.github import Annotation, Level, annotation_lines, annotations_of, summary
from profiler.render.report_blocks import report_blocks
from tests.unit.render import sample
from tests.workflow_commands import commands


def test_the_answer_is_a_notice_and_what_is_wrong_with_it_a_warning() -> None:
    blocks = [
        Statement("This run did not finish.", Tone.INCOMPLETE),
        Statement("decode is held back by memory.", Tone.ANSWER),
        Statement("by the way", Tone.FAINT),
        Heading("Below"),
        Statement("no verdict there", Tone.REFUSED),
    ]
    assert annotations_of(blocks, "report.json") == [
        Annotation(Level.WARNING, "report.json", "This run did not finish."),
        Annotation(Level.NOTICE, "report.json", "decode is held back by memory."),
    ]


def test_where_nothing_stands_before_the_first_heading_each_section_has_its_own() -> None:
    blocks = [block for n in range(12) for block in (Heading(f"model {n}"), Statement(f"it is {n}", Tone.ANSWER))]
    assert [each.text for each in annotations_of(blocks, "history.json")] == [f"it is {n}" for n in range(10)]


def test_an_annotation_is_read_as_it_was_meant() -> None:
    [line] = annotation_lines([Annotation(Level.ERROR, "a:b,c", "100% of it, at 3::4")]).splitlines()
    assert commands(line) == [("error", {"title": "a:b,c"}, "100% of it, at 3::4")]


@given(
    st.text(st.characters(exclude_categories=("Cs",)), min_size=1), st.text(st.characters(exclude_categories=("Cs",)))
)
def test_no_text_makes_another_command(title: str, text: str) -> None:
    lines = annotation_lines([Annotation(Level.WARNING, f"t{title}", text)])
    [(name, properties, _)] = commands(lines)
    assert name == "warning"
    assert set(properties) == {"title"}


@pytest.mark.parametrize("evil", ["x%0A::error::y", "x\n::error::y", "x\r\n::add-mask::y", "##[add-mask]y", "%250A"])
def test_planted_commands_are_text(evil: str) -> None:
    [(name, properties, data)] = commands(annotation_lines([Annotation(Level.NOTICE, evil, evil)]))
    assert name == "notice"
    assert "\n" not in data + properties["title"]


def test_a_long_message_is_shortened() -> None:
    line = annotation_lines([Annotation(Level.NOTICE, "n" * 10**6, "m" * 10**6)])
    assert len(line) < 3_000


def test_the_summary_is_the_markdown_of_all_blocks() -> None:
    text = summary(report_blocks(sample.report()))
    assert text.startswith("**decode is held back by scheduling: the host.")
    assert "| phase |" in text


def test_a_summary_is_never_longer_than_github_takes_and_says_that_it_was_cut() -> None:
    blocks = [Statement("the answer", Tone.ANSWER), *(Bullets(("ä" * 500,) * 40) for _ in range(60))]
    text = summary(blocks)
    assert len(text.encode()) <= 1 << 20
    assert text.startswith("**the answer**")
    assert text.endswith("the rest is left out._\n")
