"""`bottleneck schema`: the report's JSON Schema."""

from __future__ import annotations

import typer


def schema() -> None:
    """Print the JSON Schema of a report."""
    import json

    from profiler.report.store import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))
