"""Which null numbers of a report have no reason beside them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.inspect import FloatType, IntType, StructType, UnionType, type_info

from profiler.report.evidence import CleanTimes, KernelFacts, Peaks
from profiler.report.records import Report
from profiler.report.source import Source

# They qualify a number that stands beside them: an interval, a window, a second opinion. What their absence means is
# the same for all reports, so docs/report.md says it once.
QUALIFIERS = {"low", "high", "low_ms", "high_ms", "peak", "window_ms", "datasheet"}
# A refused verdict gives its reasons in `evidence`, and an advice without a prediction in `why`.
REASONED_BY = {"Verdict": "evidence", "Advice": "why"}
# What a report keeps so that it can be judged again: what is unknown in it was so for the judgement, too.
KEPT_TO_JUDGE = (CleanTimes, KernelFacts, Peaks)


def numbers_without_reason(report: Report) -> list[str]:
    """The paths of null numbers that neither `sources` nor `missing` explains."""
    return list(_walk(report, "report"))


def _walk(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, (Source, *KEPT_TO_JUDGE)):
        return
    if isinstance(value, Struct):
        info = type_info(type(value))
        assert isinstance(info, StructType)
        for field in info.fields:
            inner = getattr(value, field.name)
            if inner is None and _is_number(field.type) and field.name not in QUALIFIERS:
                if not _has_reason(value, field.encode_name):
                    yield f"{path}.{field.encode_name}"
            else:
                yield from _walk(inner, f"{path}.{field.encode_name}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _walk(item, f"{path}[{number}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _walk(item, f"{path}[{key}]")


def _is_number(kind: msgspec.inspect.Type) -> bool:
    kinds = kind.types if isinstance(kind, UnionType) else (kind,)
    return any(isinstance(member, IntType | FloatType) for member in kinds)


def _has_reason(record: Struct, name: str) -> bool:
    source = getattr(record, "sources", {}).get(name)
    if source is not None and source.missing:
        return True
    other = REASONED_BY.get(type(record).__name__)
    return bool(getattr(record, "missing", None) or (other and getattr(record, other)))
