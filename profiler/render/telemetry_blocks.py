"""What the driver and the host said while a phase ran, one line a series."""

from __future__ import annotations

from collections.abc import Sequence

from profiler.render.document import Block, Column, Footnotes, Grid, Heading, Statement, Tone
from profiler.render.numbers import count, interval, number, percent, size
from profiler.render.words import sentence
from profiler.report.telemetry import Series, Telemetry

# Said better elsewhere (energy per token), or too coarse to act on: in the JSON report only.
_IN_JSON_ONLY = {"energy", "memory_clock", "nvml_gpu_busy", "host_memory_used", "dram_utilization"}
# Of interest only where there is any.
_ONLY_IF_ANY = {"nvlink_rx", "nvlink_tx", "disk_read"}
# So many series that are missing for one reason share a line.
_MANY = 3
# NVML's clock-event reasons (nvml.h, nvmlClocksEventReasons).
_CLOCK_EVENTS = {
    0x1: "idle",
    0x2: "clocks set by the user",
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "software thermal",
    0x40: "hardware thermal",
    0x80: "power brake",
    0x100: "display clocks",
}


def telemetry_blocks(telemetry: Telemetry, notes: Footnotes) -> list[Block]:
    """The series that matter; those left out are named."""
    title = f"Telemetry over {number(telemetry.seconds)} s, {count(telemetry.iterations)} iterations"
    blocks = series_blocks(telemetry.series, notes)
    return [Heading(title, 2), *blocks] if blocks else []


def series_blocks(every: Sequence[Series], notes: Footnotes) -> list[Block]:
    """The series that matter, as a table, and what is left out of it."""
    shown = [series for series in every if _matters(series)]
    if not shown:
        return []
    unread: dict[str, list[str]] = {}
    for series in shown:
        if series.value is None and series.missing is not None:
            unread.setdefault(series.missing, []).append(_words(series.name))
    together = {reason: names for reason, names in unread.items() if len(names) >= _MANY}
    rows = tuple(_row(series, notes) for series in shown if series.missing not in together)
    columns = (
        Column("telemetry", flexible=True),
        Column("median", numeric=True),
        Column("low–high", numeric=True, drop=2),
        Column("peak", numeric=True, drop=3),
        Column("n", numeric=True, drop=4),
        Column("tier", drop=1),
    )
    blocks: list[Block] = [Grid(columns, rows)] if rows else []
    blocks += [Statement(f"Not read: {', '.join(names)}. {sentence(reason)}") for reason, names in together.items()]
    if hidden := [_words(series.name) for series in every if not _matters(series)]:
        blocks.append(Statement(f"In the JSON report besides: {', '.join(hidden)}.", Tone.FAINT))
    return blocks


def _matters(series: Series) -> bool:
    return series.name not in _IN_JSON_ONLY and (series.name not in _ONLY_IF_ANY or bool(series.value))


def _row(series: Series, notes: Footnotes) -> tuple[str, ...]:
    def shown(value: float) -> str:
        match series.unit:
            case "ratio":
                return percent(value)
            case "bytes":
                return size(value)
            case "bitmask":
                return _clock_events(int(value))
            case unit:
                return f"{number(value)} {unit}"

    value = shown(series.value) if series.value is not None else notes.missing(series.missing)
    peak = shown(series.peak) if series.peak is not None and series.unit != "bitmask" else ""
    spread = interval(series.low, series.high, shown) if series.unit != "bitmask" else ""
    return (_words(series.name), value, spread, peak, count(series.samples), series.tier.value)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _clock_events(bits: int) -> str:
    return ", ".join(text for bit, text in _CLOCK_EVENTS.items() if bits & bit) or "none"
