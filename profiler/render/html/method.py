"""How the numbers of a report came about, for those who were handed only the page."""

from __future__ import annotations

from profiler.render.document import Block, Bullets, Heading, Statement
from profiler.render.numbers import count, duration
from profiler.render.words import listed
from profiler.report.records import Phase, Report

_PASSES = (
    "Times are those of a clean pass with nothing attached. Telemetry, trace and counters each had a pass of its own.",
    "A traced step was scaled to the clean time of the same step. Its parts are cut from that, and sum to it.",
    "Shares are found by replaying the step with one resource a little faster: how much of that gain arrives.",
    "An interval holds the median of another run with 95% probability, as far as repeats of this one can tell.",
    "A verdict is clear where its share lies above all others over every reading of the evidence; else inconclusive; "
    "and refused where the evidence cannot carry one.",
)


def method_blocks(report: Report) -> list[Block]:
    """The method, and what was measured how often."""
    measured = tuple(_measured(phase) for phase in report.phases if len(phase.clean.wall_ms.samples) > 1)
    where = report.environment
    versions = f"schema {report.schema_version}, Python {where.python}, torch {where.torch}"
    when = f", {report.created_at}" if report.created_at else ""
    return [
        Heading("How this was measured"),
        Bullets((*_PASSES, *measured)),
        Statement(f"Made by bottleneck {where.tool_version}, {versions}{when}, on {where.platform}."),
    ]


def _measured(phase: Phase) -> str:
    samples = phase.clean.wall_ms.samples
    said = [
        f"{count(len(samples))} clean iterations of {duration(phase.clean.wall_ms.median)} after "
        f"{count(phase.clean.warmup_iterations)} to warm up"
    ]
    if phase.telemetry is not None:
        said.append(f"{phase.telemetry.seconds:.1f} s of telemetry over {count(phase.telemetry.iterations)} iterations")
    if phase.timeline is not None:
        said.append(f"one traced step of {count(len(phase.timeline.device.start_us))} activities")
    return f"{phase.name}: {listed(said)}."
