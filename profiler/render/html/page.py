"""The page: one file, self-contained, that may run nothing but its own scripts and load nothing at all."""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Iterable
from functools import cache
from html import escape
from importlib.resources import files

import msgspec

from profiler.printable import printable
from profiler.render.document import Block, Heading
from profiler.render.html.figure import Figure
from profiler.render.html.kernel_table import KernelTable, kernel_table
from profiler.render.html.markup import markup
from profiler.render.html.sections import Piece, Section, sections_of
from profiler.report.kinds import Result

_SCRIPTS = ("vendor/d3-7.9.2.min.js", "vendor/plot-0.6.17.umd.min.js", "page.js")
# What would end the element or open a comment in it, and what JavaScript once took for the end of a line.
_IN_SCRIPT = str.maketrans({sign: f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"})

_LONGEST_TEXT = 1 << 18


def render(result: Result) -> str:
    """The page of a result of any kind, as HTML."""
    title, sections = sections_of(result)
    data: list[object] = []
    body = "\n".join(_section(section, number, data) for number, section in enumerate(sections))
    links = "".join(
        f'<li><a href="#s{number}">{escape(printable(section.title))}</a></li>'
        for number, section in enumerate(sections)
        if section.title
    )
    scripts = [_text(name) for name in _SCRIPTS]
    return _PAGE.format(
        policy=_policy(scripts),
        title=escape(printable(title)),
        style=_text("page.css"),
        links=links,
        body=body,
        data=_data(msgspec.json.encode(data)),
        scripts="\n".join(f"<script>{script}</script>" for script in scripts),
    )


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the verdict</a>
<header><h1>{title}</h1><nav aria-label="Sections"><ul>{links}</ul></nav></header>
<main id="main" tabindex="-1">
{body}
</main>
<noscript><p>The figures are drawn by scripts in this file. Without them, all tables are here.</p></noscript>
{data}
{scripts}
</body>
</html>
"""


def _data(text: bytes) -> str:
    """The data as an element: what is long is packed, since names of kernels go on and on and are much alike."""
    if len(text) > _LONGEST_TEXT:
        packed = base64.b64encode(gzip.compress(text, compresslevel=6, mtime=0)).decode()
        return f'<script type="application/gzip" id="data">{packed}</script>'
    return f'<script type="application/json" id="data">{text.decode().translate(_IN_SCRIPT)}</script>'


def _section(section: Section, number: int, data: list[object]) -> str:
    label = f' aria-label="{escape(printable(section.title))}"' if section.title else ""
    return f'<section id="s{number}"{label}>\n{"".join(_pieces(section.pieces, data))}\n</section>'


def _pieces(pieces: Iterable[Piece], data: list[object]) -> Iterable[str]:
    run: list[Block] = []
    for piece in pieces:
        if isinstance(piece, Figure):
            yield markup(run)
            run = []
            yield _figure(piece, len(data))
            data.append({"kind": piece.kind, "title": printable(piece.title), **piece.data})
        elif isinstance(piece, KernelTable):
            yield markup([*run, Heading("Kernels", 2)])
            run = []
            yield kernel_table(piece, len(data))
            data.append({"kind": "kernels", **piece.columns})
        else:
            run.append(piece)
    yield markup(run)


def _figure(figure: Figure, number: int) -> str:
    title, said = escape(printable(figure.title)), escape(printable(figure.description))
    return (
        f'<figure id="f{number}" aria-labelledby="t{number}" aria-describedby="d{number}">'
        f'<h3 id="t{number}">{title}</h3><div class="plot" data-figure="{number}"></div>'
        f'<figcaption id="d{number}">{said}</figcaption></figure>'
    )


def _policy(scripts: list[str]) -> str:
    """Nothing is loaded from anywhere, and only these scripts run. Styles are inline: the plots set them."""
    allowed = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    return f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


@cache
def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
