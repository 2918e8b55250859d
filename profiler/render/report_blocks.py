"""The whole report as blocks, in the order in which they are read: the answer first, the ground it stands on last."""

from __future__ import annotations

from profiler.render.advice_words import advice_words, ranked
from profiler.render.answer import answer, cause_words, request_fractions, share_words, throttle_reason
from profiler.render.cost_blocks import cost_blocks
from profiler.render.document import (
    Block,
    Bullets,
    Column,
    Fact,
    Facts,
    Footnotes,
    Grid,
    Heading,
    Statement,
)
from profiler.render.numbers import MISSING, compact_count, count, duration, interval, number, percent, size
from profiler.render.phase_blocks import phase_blocks
from profiler.render.words import sentence
from profiler.report.ceilings import Ceiling, Ceilings
from profiler.report.records import Phase, Report, ReportWarning, Verdict
from profiler.report.workload import Capacity, Workload


def report_blocks(report: Report) -> list[Block]:
    """What every output for people shows."""
    notes = Footnotes()
    fractions = request_fractions(report)
    blocks: list[Block] = [*answer(report), *_what_ran(report)]
    if report.phases:
        blocks += [Heading("Verdicts", 2), verdict_grid(report, report.phases, fractions)]
    blocks += _advice(report, fractions)
    blocks += _warnings(report)
    for phase in report.phases:
        blocks += phase_blocks(
            phase,
            of_request=fractions.get(phase.name),
            throttle_reason=throttle_reason(report),
            notes=notes,
        )
    if report.capacity is not None:
        blocks += [Heading("Capacity"), _capacity(report.capacity, notes)]
    if report.costs is not None:
        blocks += cost_blocks(report.costs, notes)
    blocks += ceiling_blocks(report.ceilings, notes)
    blocks += footnote_blocks(notes)
    return blocks


def footnote_blocks(notes: Footnotes) -> list[Block]:
    """Why numbers are missing."""
    if not notes.reasons:
        return []
    return [Heading(f"Why some numbers are missing ({MISSING})"), Bullets(tuple(notes.reasons), mark="[{}]")]


def ceiling_blocks(ceilings: Ceilings, notes: Footnotes) -> list[Block]:
    """What the device was measured to reach, beside what its maker says."""
    if not ceilings.ceilings:
        return []
    columns = (
        Column("ceiling", flexible=True, shortest=20),
        Column("measured", numeric=True),
        Column("low–high", numeric=True, drop=2),
        Column("unit"),
        Column("datasheet", numeric=True),
        Column("reached", numeric=True, drop=1),
    )
    rows = tuple(_ceiling_row(ceiling, notes) for ceiling in ceilings.ceilings)
    when = f", measured {ceilings.measured_at}" if ceilings.measured_at else ""
    kept = " (kept from then)" if ceilings.from_cache else ""
    return [Heading("What this device can reach"), Statement(f"{ceilings.device}{when}{kept}"), Grid(columns, rows)]


def _ceiling_row(ceiling: Ceiling, notes: Footnotes) -> tuple[str, ...]:
    value, sheet = ceiling.value, ceiling.datasheet
    return (
        ceiling.name.replace("_", " ").replace(".", " "),
        number(value) if value is not None else notes.missing(ceiling.missing),
        interval(ceiling.low, ceiling.high) if ceiling.low is not None else "",
        ceiling.unit,
        number(sheet) if sheet is not None else "",
        percent(value / sheet) if value is not None and sheet else "",
    )


def _what_ran(report: Report) -> list[Block]:
    where = report.environment
    facts = []
    if report.workload is not None:
        facts += _workload_facts(report.workload)
    versions = [f"driver {where.driver}"] if where.driver else []
    versions += [f"CUDA {where.cuda}"] if where.cuda else []
    versions += [f"torch {where.torch}", f"bottleneck {where.tool_version}"]
    memory = f" ({size(where.device_memory_bytes)})" if where.device_memory_bytes is not None else ""
    facts.append(Fact("device", f"{where.device}{memory}", ", ".join(versions)))
    if report.workload is not None and report.workload.command:
        facts.append(Fact("command", report.workload.command))
    return [Facts(tuple(facts))]


def _workload_facts(workload: Workload) -> list[Fact]:
    details = [workload.dtype, workload.mode, f"attention {workload.attention}", f"{workload.weights} weights"]
    if workload.offload != "none":
        details.append(f"offloaded to {workload.offload}")
    if workload.trust_remote_code:
        details.append("remote code trusted")
    model = workload.model
    if workload.parameters is not None:
        active = workload.active_parameters
        sparse = active is not None and active != workload.parameters
        model += f" ({count(workload.parameters)} parameters{f', {count(active or 0)} active' if sparse else ''})"
    lengths = f"{count(workload.prompt_tokens)} prompt + {count(workload.new_tokens)} new tokens"
    return [Fact("model", model, ", ".join(details)), Fact("request", f"batch {workload.batch_size}, {lengths}")]


def verdict_grid(report: Report, phases: list[Phase], fractions: dict[str, float]) -> Grid:
    """What holds each phase back and, where there is one, the request."""
    columns = (
        Column("phase"),
        Column("time", numeric=True),
        Column("of request", numeric=True, drop=2),
        Column("held back by", flexible=True, shortest=18, wraps=True),
        Column("share", numeric=True, drop=1),
        Column("verdict"),
    )
    rows = [
        (
            phase.name,
            duration(phase.clean.wall_ms.median),
            percent(fractions[phase.name]) if phase.name in fractions else "",
            *_verdict_cells(phase.verdict),
        )
        for phase in phases
    ]
    if fractions:
        rows.append(("request", "", "", *_verdict_cells(report.verdict)))
    return Grid(columns, tuple(rows))


def _verdict_cells(verdict: Verdict) -> tuple[str, str, str]:
    held = MISSING if verdict.class_ is None else f"{verdict.class_}{cause_words(verdict)}"
    state = f"{verdict.state}{', throttled' if verdict.throttled else ''}"
    return held, share_words(verdict), state


def _advice(report: Report, fractions: dict[str, float]) -> list[Block]:
    if not report.advice:
        return []
    advice = ranked(report.advice, fractions)
    items = tuple(advice_words(item, fractions) for item in advice)
    return [Heading("What to do"), Bullets(items, "{}.", tuple(item.command or "" for item in advice))]


def _warnings(report: Report) -> list[Block]:
    items = warning_words(report)
    return [Heading("Warnings"), Bullets(items)] if items else []


def warning_words(report: Report) -> tuple[str, ...]:
    """Each message once, with the phases that it holds for."""
    phases: dict[tuple[str, str], list[str]] = {}
    said: list[ReportWarning] = [*report.warnings]
    for phase in report.phases:
        said += [ReportWarning(code=w.code, message=w.message, phase=w.phase or phase.name) for w in phase.warnings]
    for warning in said:
        names = phases.setdefault((warning.code, warning.message), [])
        if warning.phase and warning.phase not in names:
            names.append(warning.phase)
    return tuple(f"{', '.join(names)}: {text}" if names else text for (_, text), names in phases.items())


def _capacity(capacity: Capacity, notes: Footnotes) -> Block:
    def shown(value: int | None, name: str) -> str | None:
        if value is not None:
            return None
        source = capacity.sources.get(name)
        return notes.missing(source.missing if source is not None else capacity.note)

    batch = shown(capacity.largest_batch, "largest_batch") or compact_count(capacity.largest_batch or 0)
    context = shown(capacity.largest_context, "largest_context") or compact_count(capacity.largest_context or 0)
    free = f" into {size(capacity.free_bytes)} of free memory" if capacity.free_bytes is not None else ""
    text = f"Fits{free}: batch {batch} at this length, or a context of {context} tokens at this batch."
    return Statement(f"{text} {sentence(capacity.note)}" if capacity.note else text)
