"""Text from elsewhere in GitHub-flavoured Markdown: shown as it is; never markup, a link, a mention or a picture."""

from __future__ import annotations

import re

_MARKUP = re.compile(r"[\\`*_|<>\[\]~$&]")
# What begins a block where a line does: a heading, an item of a list, a rule, the line below a heading.
_BLOCK = re.compile(r"^(\s*)(#+(?=\s|$)|[+-](?=\s|$)|[=-]+(?=\s*$)|\d{1,9}(?=[.)](?:\s|$)))")
# GitHub tells who is mentioned, and what: something that nobody sees comes between.
_MENTION = re.compile(r"(?<=@)(?=[\w-])|(?<=#)(?=\d)|(?<=\bGH-)(?=\d)", re.IGNORECASE)
_UNSEEN = "\u200b"
# It makes links of what looks like one, but not across an escaped sign.
_ADDRESS = re.compile(r":(?=//)|(?<=\bwww)\.|(?<=\bmailto):|(?<=\bxmpp):", re.IGNORECASE)
_RUN = re.compile("`+")


def escaped(text: str) -> str:
    """Text in which nothing is markup."""
    text = _MARKUP.sub(r"\\\g<0>", text)
    text = _BLOCK.sub(_escaped_block, text)
    return _MENTION.sub(_UNSEEN, _ADDRESS.sub(r"\\\g<0>", text))


def code(text: str) -> str:
    """Text to be copied, on one line, whatever backticks it has."""
    fence = "`" * (_longest_run(text) + 1)
    padding = " " if text.startswith(("`", " ")) or text.endswith(("`", " ")) else ""
    return f"{fence}{padding}{text}{padding}{fence}"


def fenced(rows: list[str]) -> str:
    """Lines whose spaces count."""
    fence = "`" * max(3, *(_longest_run(row) + 1 for row in rows), 0)
    return "\n".join([f"{fence}text", *rows, fence])


def _escaped_block(found: re.Match[str]) -> str:
    space, sign = found[1], found[2]
    return f"{space}{sign}\\" if sign.isdigit() else f"{space}\\{sign}"


def _longest_run(text: str) -> int:
    return max(map(len, _RUN.findall(text)), default=0)
