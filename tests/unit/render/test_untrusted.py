"""A result is data from elsewhere: no text in any field of it, of any kind, commands what shows it."""

from __future__ import annotations

import io
import re
from functools import cache
from html.parser import HTMLParser
from typing import Any, get_args
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from profiler.render import markdown, table
from profiler.render.github import annotation_lines, annotations_of, summary
from profiler.render.html import page
from profiler.render.junit import junit
from profiler.render.result_blocks import result_blocks
from profiler.render.summary_blocks import summary_blocks
from profiler.report.json_text import json_text
from profiler.report.kinds import Result, decode_result
from tests.results import PATHS, result, with_text
from tests.workflow_commands import commands

HARMLESS = "harmless"
EVIL = {
    "script": "<script>alert(1)</script></script><img src=x onerror=alert(1)>\"'><svg/onload=alert(1)><!-- --></style>",
    "terminal": "\x1b[2J\x1b]0;owned\x07\x1b]8;;http://evil.test\x1b\\click\x1b]8;;\x1b\\ \x9b2J \x7f \r \b end",
    "bidi": "\u202egpj.exe\u2066x\u2069 \u200f\u061c\u2028 \u2029 line\nbreak",
    "command": "::error file=a.py,line=1::owned\n::add-mask::x\r\n##[error]owned %0A::warning::owned ##[add-mask]x",
    "markdown": "![x](http://evil.test/a.png) [y](javascript:alert(1)) `code` | a | **bold** <https://evil.test> ```",
    "links": "https://evil.test www.evil.test @everyone #123 a@evil.test $x^2$ ~~gone~~ &lt;b&gt; &#60;",
    "block": "# heading\n\n- item\n\n---\n\n```\n| a |\n|---|\n> quote",
    "rich": "[bold red]x[/] [link=http://evil.test]y[/link] [[/]] \\[a] {0} %s $HOME `id` $(id)",
}
KINDS = [*PATHS]


@cache
def planted(kind: str, text: str) -> Any:
    """A result of which every text, but what says what it is, is this one. Other records of it stay as they are."""
    return with_text(result(kind), lambda place, _: text)


def as_table(result: Any, width: int, **options: Any) -> str:
    text = io.StringIO()
    table.render(result, Console(file=text, width=width, **options))
    return text.getvalue()


def obeyed(text: str) -> list[str]:
    """What a terminal would do more than show."""
    return re.findall("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]", text)


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize("kind", KINDS)
def test_a_table_commands_neither_a_terminal_nor_a_runner(kind: str, evil: str) -> None:
    for width in (80, 160):
        text = as_table(planted(kind, EVIL[evil]), width, color_system=None)
        assert obeyed(text) == []
        assert commands(text) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_coloured_table_has_colours_and_no_links(kind: str) -> None:
    text = as_table(planted(kind, EVIL["terminal"] + EVIL["rich"]), 120, force_terminal=True, color_system="standard")
    assert obeyed(re.sub(r"\x1b\[[\d;]*m", "", text)) == []


@pytest.mark.parametrize("evil", EVIL)
def test_a_report_in_short_commands_nobody(evil: str) -> None:
    text = io.StringIO()
    blocks = summary_blocks(planted("profile", EVIL[evil]), "See all.")
    table.render_blocks(blocks, Console(file=text, width=80, color_system=None))
    assert obeyed(text.getvalue()) == []
    assert commands(text.getvalue()) == []


@pytest.mark.parametrize("evil", EVIL)
def test_junit_is_xml_with_the_same_elements_whatever_the_text(evil: str) -> None:
    found, expected = (ElementTree.fromstring(junit(planted("check", text))) for text in (EVIL[evil], HARMLESS))
    assert [element.tag for element in found.iter()] == [element.tag for element in expected.iter()]
    texts = [text for element in found.iter() for text in (element.text, *element.attrib.values())]
    assert not [text for text in texts if obeyed((text or "").strip())]


def structure(text: str) -> list[str]:
    """What a reader of Markdown sees beside text: tables, headings, lists, code; with links and raw HTML, if any."""
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    found = []
    for token in parser.parse(text):
        found.append(token.type)
        found += [child.type for child in token.children or [] if child.type not in ("text", "text_special")]
    return found


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize("kind", KINDS)
def test_markdown_has_the_same_structure_whatever_the_text(kind: str, evil: str) -> None:
    text = markdown.render(planted(kind, EVIL[evil]))
    assert obeyed(text) == []
    assert commands(text) == []
    expected = structure(markdown.render(planted(kind, HARMLESS)))
    assert not {"html_block", "html_inline", "link_open", "image", "s_open"} & set(structure(text))
    assert without_code(structure(text)) == without_code(expected)


def without_code(tokens: list[str]) -> list[str]:
    """Commands are shown as code where there are any, and a text that is empty when trimmed is none."""
    return [token for token in tokens if token not in ("code_inline", "softbreak")]


@pytest.mark.parametrize("kind", KINDS)
def test_markdown_makes_no_link_and_mentions_nobody(kind: str) -> None:
    text = markdown.render(planted(kind, EVIL["links"]))
    shown = re.sub(r"(`+).*?\1", "", text, flags=re.DOTALL)  # code is code
    assert not re.search(r"https?://|www\.|@[\w-]|#\d", shown)


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize("kind", KINDS)
def test_annotations_are_ours_and_the_summary_is_safe_markdown(kind: str, evil: str) -> None:
    blocks = result_blocks(planted(kind, EVIL[evil]))
    lines = annotation_lines(annotations_of(blocks, EVIL[evil]))
    found = commands(lines)
    assert len(found) == len(lines.splitlines()) == len(annotations_of(blocks, HARMLESS))
    assert {name for name, *_ in found} <= {"notice", "warning"}
    assert summary(blocks) == markdown.render_blocks(blocks)


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize("kind", KINDS)
def test_json_is_the_same_result_and_commands_nobody(kind: str, evil: str) -> None:
    written = json_text(planted(kind, EVIL[evil]))
    assert decode_result(written) == planted(kind, EVIL[evil])
    assert obeyed(written.decode()) == []
    assert commands(written.decode()) == []


class Tags(HTMLParser):
    """Elements with the names of their attributes, and where addresses lead."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.leads: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(sorted(name for name, _ in attrs))))
        self.leads |= {
            value or "" for name, value in attrs if name in ("href", "src", "action", "formaction", "xlink:href")
        }


def tags(text: str) -> Tags:
    found = Tags()
    found.feed(text)
    found.close()
    return found


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize("kind", KINDS)
def test_a_page_has_the_same_elements_whatever_the_text(kind: str, evil: str) -> None:
    found, expected = (tags(page.render(planted(kind, text))) for text in (EVIL[evil], HARMLESS))
    assert {tag for tag, _ in found.found} <= {tag for tag, _ in expected.found} | {"code"}
    assert not [name for _, names in found.found for name in names if name.startswith("on")]
    assert sum(tag == "script" for tag, _ in found.found) == sum(tag == "script" for tag, _ in expected.found)
    assert not [each for each in found.leads if not each.startswith(("#", "data:"))]


@pytest.mark.parametrize("kind", KINDS)
def test_names_of_a_megabyte_are_shown_in_part(kind: str) -> None:
    seen: set[str] = set()
    long = "<b>`|" * 200_000

    def once(place: str, text: str) -> str:
        seen.add(place) if (is_new := place not in seen) else None
        return long if is_new else text

    planted_once = with_text(result(kind), once)
    assert len(seen) > 3
    assert len(markdown.render(planted_once)) < 3 << 20
    assert len(as_table(planted_once, 80, color_system=None)) < 3 << 20
    assert len(summary(result_blocks(planted_once)).encode()) <= 1 << 20


def test_every_kind_is_held_to_this() -> None:
    assert {type(result(kind)) for kind in KINDS} == set(get_args(Result))
