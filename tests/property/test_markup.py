"""Any line of text is shown by Markdown as that text, and as nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from profiler.printable import printable
from profiler.render.markup import code, escaped, fenced

PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
UNSEEN = "\u200b"
MARKS = [
    "`",
    "``",
    "*",
    "_",
    "[",
    "](",
    ")",
    "<b>",
    "&lt;",
    "|",
    "~~",
    "\\",
    "#",
    "# ",
    "- ",
    "1. ",
    "---",
    "===",
    "> ",
    "+",
]
WORDS = ["http://a.b", "www.a.b", "@me", "#1", "GH-1", "$x$", "!", " ", "a", "0", "é", "mailto:a@b.c", "```", "    "]
PIECES = st.sampled_from([*MARKS, *WORDS])
LINES = st.one_of(st.lists(PIECES, max_size=8).map("".join), st.text(st.characters(exclude_categories=("Cs",)))).map(
    lambda text: " ".join(printable(text).split())
)


@given(LINES)
def test_an_escaped_line_is_one_paragraph_of_just_that_text(line: str) -> None:
    tokens = PARSER.parse(escaped(line))
    if not line:
        return
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    children = tokens[1].children or []
    assert {child.type for child in children} <= {"text", "text_special"}
    assert "".join(child.content for child in children).replace(UNSEEN, "") == line.replace(UNSEEN, "").strip()


@given(LINES)
def test_code_is_one_span_of_just_that_text(line: str) -> None:
    if not line:
        return
    (child,) = PARSER.parse(f"- {code(line)}")[3].children or []
    assert (child.type, child.content) == ("code_inline", line)


@given(st.lists(LINES, max_size=4))
def test_lines_whose_spaces_count_stay_one_block(rows: list[str]) -> None:
    (token,) = PARSER.parse(fenced(rows))
    assert token.type == "fence"
    assert token.content == "".join(f"{row}\n" for row in rows)
