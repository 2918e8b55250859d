"""Whatever a report holds, it can be shown."""

from __future__ import annotations

import io

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from profiler.render import markdown, table
from profiler.report.records import Report
from tests.property.report_strategy import reports

any_report = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@any_report
@given(reports(), st.integers(min_value=60, max_value=200))
def test_no_report_breaks_the_table_or_the_width_of_the_terminal(report: Report, width: int) -> None:
    text = io.StringIO()
    table.render(report, Console(file=text, width=width, color_system=None))
    assert max(map(cell_len, text.getvalue().split("\n"))) <= width


@any_report
@given(reports())
def test_no_report_breaks_the_markdown(report: Report) -> None:
    for line in markdown.render(report).split("\n"):
        assert not line.startswith("| ") or line.endswith(" |")
