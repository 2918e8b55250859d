"""How a result is written to stdout."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """For people, for programs, for documents."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"


class CheckFormat(StrEnum):
    """The same, and for a job of GitHub Actions."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"
    GITHUB = "github"


class ShowFormat(StrEnum):
    """What a kept result can be rendered as."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"
    HTML = "html"
    GITHUB = "github"
    PERFETTO = "perfetto"
