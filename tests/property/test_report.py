"""What holds for every report, not only for the sample."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profiler.errors import UnreadableError
from profiler.report.json_text import json_text
from profiler.report.kinds import RECORDS, decode_result
from profiler.report.records import Report
from profiler.report.store import decode, encode
from tests.property.report_strategy import reports, results

any_report = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@any_report
@given(reports())
def test_every_report_comes_back_as_it_was(report: Report) -> None:
    assert decode(encode(report)) == report


@pytest.mark.parametrize("kind", [kind for kind in RECORDS if kind not in ("", "capture", "profile")])
@settings(any_report, max_examples=12)
@given(data=st.data())
def test_every_result_of_every_kind_comes_back_as_it_was(kind: str, data: st.DataObject) -> None:
    result = data.draw(results(kind))
    assert decode_result(json_text(result)) == result


@any_report
@given(reports(), st.data())
def test_a_report_cut_short_is_refused_and_never_read_as_another(report: Report, data: st.DataObject) -> None:
    whole = encode(report)
    end = data.draw(st.integers(min_value=0, max_value=len(whole.rstrip()) - 1))
    try:
        decode(whole[:end])
    except UnreadableError:
        return
    raise AssertionError("half a report was read")


@any_report
@given(st.binary(max_size=200))
def test_no_bytes_at_all_break_the_reader(data: bytes) -> None:
    try:
        decode(data)
    except UnreadableError:
        return
    raise AssertionError("random bytes were read as a report")
