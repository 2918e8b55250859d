"""Which commands the runner of GitHub Actions finds in the output of a step, after its ActionCommand.cs."""

from __future__ import annotations

import re

_NAMES = frozenset(
    [
        "add-mask",
        "add-matcher",
        "add-path",
        "debug",
        "echo",
        "endgroup",
        "error",
        "group",
        "internal-set-repo-path",
        "notice",
        "remove-matcher",
        "save-state",
        "set-env",
        "set-output",
        "stop-commands",
        "warning",
    ]
)
Command = tuple[str, dict[str, str], str]


def commands(text: str) -> list[Command]:
    """Each line's command, if there is one: its name, its properties and its data, unescaped."""
    return [found for line in re.split(r"\r\n|\r|\n", text) if (found := _second(line) or _first(line))]


def _second(line: str) -> Command | None:
    """`::name key=value,...::data`, where a line begins."""
    told, separator, data = line.lstrip()[2:].partition("::") if line.lstrip().startswith("::") else ("", "", "")
    return _command(told, ",", data, ("%3A", "%2C")) if separator else None


def _first(line: str) -> Command | None:
    """`##[name key=value;...]data`, anywhere in it."""
    told, separator, data = line.partition("##[")[2].partition("]")
    return _command(told, ";", data, ("%3B", "%5D")) if separator else None


def _command(told: str, between: str, data: str, of_properties: tuple[str, str]) -> Command | None:
    name, _, properties = told.partition(" ")
    if name.lower() not in _NAMES:
        return None
    pairs = (pair.split("=", 1) for pair in properties.split(between) if "=" in pair)
    return name, {key.strip(): _unescaped(value, *of_properties) for key, value in pairs}, _unescaped(data)


def _unescaped(text: str, *more: str) -> str:
    for code in ("%0D", "%0A", *more, "%25"):
        text = text.replace(code, chr(int(code[1:], 16)))
    return text
