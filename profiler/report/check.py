"""What `bottleneck check` answers: a result held against a budget, rule by rule. docs/report.md has every field."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from profiler.report.json_text import json_text, schema_of
from profiler.report.outcome import CountsAs, Outcome
from profiler.report.vocabulary import BottleneckClass, Cause, VerdictState

CHECK_SCHEMA_VERSION = "1.0"


class CheckedRule(Struct, frozen=True, kw_only=True):
    """One rule, and what was held against it: a number with its interval, or a verdict (`found`)."""

    rule: str
    of: str
    unit: str
    measured: float | None
    low: float | None
    high: float | None
    limit: float | None
    found: str | None
    words: list[str]
    outcome: Outcome
    why: str | None = None


class CheckedVerdict(Struct, frozen=True, kw_only=True):
    """The verdict of what was checked."""

    class_: BottleneckClass | None = field(name="class")
    cause: Cause | None
    state: VerdictState


class Check(Struct, frozen=True, kw_only=True):
    """The whole answer. `holds` is whether no rule fails, inconclusive ones counted as `inconclusive_counts_as`."""

    kind: str = "check"
    schema_version: str = CHECK_SCHEMA_VERSION
    tool_version: str
    checked: str
    budget: str | None
    baseline: str | None
    holds: bool
    inconclusive_counts_as: CountsAs
    passed: int
    failed: int
    inconclusive: int
    verdict: CheckedVerdict | None
    rules: list[CheckedRule]


def encode_check(answer: Check) -> bytes:
    """The answer as JSON, indented by two spaces, with a newline at its end."""
    return json_text(answer)


def check_schema() -> dict[str, Any]:
    """The JSON Schema of an answer."""
    return schema_of(Check)
