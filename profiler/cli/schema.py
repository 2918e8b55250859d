"""`bottleneck schema`: the JSON Schema of a report, or of another result."""

from enum import StrEnum
from typing import Annotated

import typer


class Kind(StrEnum):
    """What has a schema."""

    REPORT = "report"
    WHATIF = "whatif"
    ANALYZE = "analyze"
    ANALYZE_COMPARISON = "analyze-comparison"
    SIMULATE = "simulate"
    ENDPOINT = "endpoint"
    CHECK = "check"
    COMPARE = "compare"
    HISTORY = "history"


def schema(
    kind: Annotated[
        Kind,
        typer.Argument(
            metavar="KIND",
            help="What profile writes is a report; of the others, each by its verb.",
        ),
    ] = (Kind.REPORT),
) -> None:
    """Print the JSON Schema of a report, or of another result.

    [bold]Examples[/bold]

      bottleneck schema > report.schema.json

      bottleneck schema analyze
    """
    import json

    from profiler.cli.output import write
    from profiler.report.analysis import analysis_schema
    from profiler.report.analysis_comparison import comparison_schema
    from profiler.report.check import check_schema
    from profiler.report.comparison import change_schema
    from profiler.report.endpoint import endpoint_schema
    from profiler.report.history import history_schema
    from profiler.report.simulation import simulation_schema
    from profiler.report.store import json_schema
    from profiler.report.whatif import whatif_schema

    schemas = {
        Kind.REPORT: json_schema,
        Kind.WHATIF: whatif_schema,
        Kind.ANALYZE: analysis_schema,
        Kind.ANALYZE_COMPARISON: comparison_schema,
        Kind.SIMULATE: simulation_schema,
        Kind.ENDPOINT: endpoint_schema,
        Kind.CHECK: check_schema,
        Kind.COMPARE: change_schema,
        Kind.HISTORY: history_schema,
    }
    write(json.dumps(schemas[kind](), indent=2).encode() + b"\n")
