"""`bottleneck schema`: the JSON Schema of a report, or of another result."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Kind(StrEnum):
    """What has a schema."""

    REPORT = "report"
    WHATIF = "whatif"


def schema(
    kind: Annotated[Kind, typer.Argument(metavar="[KIND]", help="report, or whatif for what that verb writes.")] = (
        Kind.REPORT
    ),
) -> None:
    """Print the JSON Schema of a report, or of another result."""
    import json

    from profiler.report.store import json_schema
    from profiler.report.whatif import whatif_schema

    found = json_schema() if kind is Kind.REPORT else whatif_schema()
    typer.echo(json.dumps(found, indent=2))
