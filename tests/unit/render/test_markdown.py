"""For issues and pull requests."""

from __future__ import annotations

from msgspec.structs import replace

from profiler.render import markdown
from profiler.render.document import Bar, Column, Grid, Heading, Segment
from tests.unit.render import sample


def test_the_answer_comes_first_and_bold() -> None:
    assert markdown.render(sample.report()).startswith("**decode is held back by scheduling: the host.")


def test_tables_have_as_many_cells_in_every_row() -> None:
    tables = [block for block in markdown.render(sample.report()).split("\n\n") if block.startswith("|")]
    assert len(tables) >= 8
    for text in tables:
        assert len({line.replace("\\|", "").count("|") for line in text.splitlines()}) == 1


def test_what_a_model_is_called_is_no_markup() -> None:
    report = sample.report()
    assert report.workload is not None
    text = markdown.render(replace(report, workload=replace(report.workload, model="<img src=x> *a* | b")))
    assert "\\<img src=x\\> \\*a\\* \\| b" in text


def test_commands_can_be_copied() -> None:
    assert "`bottleneck profile llama-3.1-8b --weights random --mode graph`" in markdown.render(sample.report())


def test_verdict_states_are_told_apart() -> None:
    text = markdown.render(sample.report())
    assert "**Inconclusive:** prefill" in text
    assert "**No verdict:** load" in text


def test_a_table_below_a_bar_keeps_their_heading_and_a_bar_alone_leaves_none() -> None:
    bar, table = Bar((Segment("memory", 1.0),)), Grid((Column("part"),), (("kernels",),))
    text = markdown.render_blocks([Heading("Span", 2), bar, table, Heading("Picture", 2), bar, Heading("More", 2)])
    assert [line for line in text.splitlines() if line.startswith("#")] == ["### Span", "### More"]
    assert "### Part by part" in markdown.render(sample.report())
    assert "Where the time goes" not in markdown.render(sample.report())
