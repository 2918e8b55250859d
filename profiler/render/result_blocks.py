"""Whatever a verb kept, as blocks. The blocks of a kind are imported only when there is one of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from profiler.report.analysis import Analysis
from profiler.report.analysis_comparison import AnalysisComparison
from profiler.report.check import Check
from profiler.report.comparison import Comparison
from profiler.report.endpoint import Endpoint
from profiler.report.history import History
from profiler.report.records import Report
from profiler.report.simulation import Simulation
from profiler.report.whatif import WhatIf

if TYPE_CHECKING:
    from profiler.render.document import Block
    from profiler.report.kinds import Result


def result_blocks(result: Result) -> list[Block]:
    """What every output for people shows of a result."""
    match result:
        case Report():
            from profiler.render.report_blocks import report_blocks

            return report_blocks(result)
        case WhatIf():
            from profiler.render.whatif_blocks import whatif_blocks

            return whatif_blocks(result)
        case Analysis():
            from profiler.render.analysis_blocks import analysis_blocks

            return analysis_blocks(result)
        case AnalysisComparison():
            from profiler.render.comparison_blocks import comparison_blocks

            return comparison_blocks(result)
        case Simulation():
            from profiler.render.simulation_blocks import simulation_blocks

            return simulation_blocks(result)
        case Endpoint():
            from profiler.render.endpoint_blocks import endpoint_blocks

            return endpoint_blocks(result)
        case Check():
            from profiler.render.check_blocks import check_blocks

            return check_blocks(result)
        case Comparison():
            from profiler.render.change_blocks import change_blocks

            return change_blocks(result)
        case History():
            from profiler.render.history_blocks import history_blocks

            return history_blocks(result)
    assert_never(result)
