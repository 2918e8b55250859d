"""Any report at all, drawn from the types of its records."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st

from profiler.report.kinds import RECORDS, Result
from profiler.report.records import SCHEMA_VERSION, Report

_LONGEST = 3
_LARGEST = 1e18  # sums and ratios of what a report holds stay finite


def reports() -> st.SearchStrategy[Report]:
    """Reports of this schema version with any content that the types allow."""
    drawn = _strategy(msgspec.inspect.type_info(Report))
    return drawn.map(lambda report: msgspec.structs.replace(report, schema_version=SCHEMA_VERSION))


def results(kind: str) -> st.SearchStrategy[Result]:
    """Results of this kind and its schema version with any content that the types allow."""
    record, version = RECORDS[kind]
    drawn = _strategy(msgspec.inspect.type_info(record))
    return drawn.map(lambda result: msgspec.structs.replace(result, kind=kind, schema_version=version))


def _strategy(kind: Any) -> st.SearchStrategy[Any]:
    match kind:
        case (
            msgspec.inspect.StructType(cls=record, fields=fields)
            | msgspec.inspect.DataclassType(cls=record, fields=fields)
        ):
            return st.builds(record, **{field.name: _strategy(field.type) for field in fields})
        case msgspec.inspect.ListType(item_type=item):
            return st.lists(_strategy(item), max_size=_LONGEST)
        case msgspec.inspect.TupleType(item_types=items):
            return st.tuples(*map(_strategy, items))
        case msgspec.inspect.DictType(key_type=key, value_type=value):
            return st.dictionaries(_strategy(key), _strategy(value), max_size=_LONGEST)
        case msgspec.inspect.UnionType(types=types):
            return st.one_of(*map(_strategy, types))
        case msgspec.inspect.EnumType(cls=members):
            return st.sampled_from(members)
        case msgspec.inspect.NoneType():
            return st.none()
        case msgspec.inspect.BoolType():
            return st.booleans()
        case msgspec.inspect.IntType():
            return st.integers(min_value=-(2**53), max_value=2**53)
        case msgspec.inspect.FloatType():
            return st.floats(min_value=-_LARGEST, max_value=_LARGEST)
        case msgspec.inspect.StrType():
            return st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
        case _:
            raise TypeError(f"no strategy for {kind}")
