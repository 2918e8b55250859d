"""One phase, as blocks: how long, where the time went, what would help, and what it ran."""

from __future__ import annotations

from collections.abc import Mapping

from profiler.render.answer import certainty, verdict_statements
from profiler.render.counter_blocks import counter_blocks
from profiler.render.document import (
    Bar,
    Beside,
    Block,
    Bullets,
    Column,
    Fact,
    Facts,
    Footnotes,
    Gauge,
    Grid,
    Heading,
    Mark,
    Segment,
    Statement,
    Tone,
)
from profiler.render.doubt import phase_doubt
from profiler.render.kernel_blocks import kernel_blocks, module_blocks
from profiler.render.numbers import (
    aligned,
    compact_count,
    count,
    duration,
    interval,
    number,
    percent,
    ratio,
    size,
    times,
)
from profiler.render.telemetry_blocks import telemetry_blocks
from profiler.render.words import CAUSES, RESOURCES, listed, sentence
from profiler.report.records import Copies, Growth, LoadLeg, Phase, Share, Streams
from profiler.report.source import Sources
from profiler.report.vocabulary import BottleneckClass, Resource

# A resource whose share and its upper end stay below this is named in one line instead of a row.
_SHARE_SMALLEST = 0.01
# So many numbers that are missing for one reason share a line.
_MANY_MISSING = 3
_WORTH_SAYING = 1.05  # of the time at full host speed: less lies within what runs differ by


def phase_blocks(
    phase: Phase, *, of_request: float | None, throttle_reason: str | None, notes: Footnotes
) -> list[Block]:
    """Everything that is known of a phase; `of_request` is its part of a request's time."""
    blocks: list[Block] = [Heading(phase_title(phase, of_request))]
    refused = phase.verdict.class_ is None
    doubt = phase_doubt(phase)
    blocks += verdict_statements(phase.name, phase.verdict, reason=throttle_reason, doubt=doubt, with_evidence=False)
    if words := certainty(phase.verdict):
        blocks.append(Statement(words))
    if phase.verdict.evidence and not refused:  # a refusal has said it all
        blocks.append(Bullets(tuple(sentence(text) for text in phase.verdict.evidence)))
    blocks += [Heading("Measured", 2), Facts(tuple(_facts(phase, notes)))]
    blocks += _legs(phase.legs, notes)
    if phase.parts:
        blocks += [Heading("Where the time goes", 2), Bar(segments(phase))]
    blocks += side_by_side(part_blocks(phase), share_blocks(phase.shares))
    blocks += kernel_blocks(phase.kernels, notes)
    telemetry = telemetry_blocks(phase.telemetry, notes) if phase.telemetry is not None else []
    blocks += side_by_side(module_blocks(phase.modules), telemetry)
    blocks += counter_blocks(phase.counters) if phase.counters is not None else []
    blocks += _copies(phase.copies, notes)
    if phase.streams is not None and len(phase.streams.streams) > 1:
        blocks += _streams(phase.streams)
    return blocks


def phase_title(phase: Phase, of_request: float | None) -> str:
    """What the heading above a phase says; `of_request` is its part of a request's time."""
    return phase.name if of_request is None else f"{phase.name}, {percent(of_request)} of the request"


def side_by_side(left: list[Block], right: list[Block]) -> list[Block]:
    """Both, beside each other where there is room."""
    return [Beside(tuple(left), tuple(right))] if left and right else [*left, *right]


def _facts(phase: Phase, notes: Footnotes) -> list[Fact]:
    wall, each = phase.clean.wall_ms, " a step" if phase.name == "decode" else ""
    spread = f"another run: {interval(wall.low, wall.high)}, " if wall.low is not None and wall.high is not None else ""
    steady = "" if phase.clean.steady else ", not steady"
    facts = [Fact("time", f"{duration(wall.median)}{each}", f"{spread}n {len(wall.samples)}{steady}")]
    full, slowdown = phase.clean.full_speed_ms, phase.clean.host_slowdown
    if full is not None and slowdown is not None and wall.median > _WORTH_SAYING * full.median:
        spread = (
            f"another run: {interval(full.low, full.high)}, " if full.low is not None and full.high is not None else ""
        )
        facts.append(
            Fact(
                "at full host speed", f"{duration(full.median)}{each}", f"{spread}the host was {slowdown:.2f}x as slow"
            )
        )
    if phase.clean.gpu_ms is not None:
        facts.append(Fact("device span", duration(phase.clean.gpu_ms.median), "between events on the device"))

    missing: dict[str | None, list[str]] = {}

    def add(label: str, name: str, text: str | None, note: str = "") -> None:
        source = phase.sources.get(name)
        if text is not None:
            tier = source.tier if source is not None and source.tier is not None else ""
            facts.append(Fact(label, text, ", ".join(part for part in (note, tier) if part)))
        elif source is not None or phase.name != "load":
            missing.setdefault(source.missing if source is not None else None, []).append(label)

    def shown(value: float | None, unit: str) -> str | None:
        return None if value is None else f"{number(value)} {unit}"

    add("rate", "tokens_per_s", shown(phase.tokens_per_s, "tokens/s"))
    ideal = phase.ideal_ms
    gap = f"{times(wall.median / ideal)} faster at the ceilings" if ideal and wall.median >= ideal else ""
    add("ideal", "ideal_ms", None if ideal is None else f"{duration(ideal)}{each}", gap)
    add("MFU", "mfu", None if phase.mfu is None else percent(phase.mfu))
    add("MBU", "mbu", None if phase.mbu is None else percent(phase.mbu))
    add("weights", "weights_gb_per_s", shown(phase.weights_gb_per_s, "GB/s"))
    add("KV cache", "kv_cache_gb_per_s", shown(phase.kv_cache_gb_per_s, "GB/s"))
    add("energy", "joules_per_token", shown(phase.joules_per_token, "J/token"))
    if phase.growth is not None:
        facts.append(_growth(phase.growth, notes))
    for reason, labels in missing.items():
        together = len(labels) >= _MANY_MISSING
        mark = notes.missing(reason)
        facts += [Fact("missing", f"{', '.join(labels)} {mark}")] if together else [Fact(n, mark) for n in labels]
    return facts


def _growth(growth: Growth, notes: Footnotes) -> Fact:
    if growth.ms_per_1000_tokens is None:
        return Fact("growth", notes.missing(growth.missing))
    lengths = " and ".join(compact_count(tokens) for tokens in growth.context_tokens)
    spread = f"{interval(growth.low, growth.high)}, " if growth.low is not None and growth.high is not None else ""
    sign = "+" if growth.ms_per_1000_tokens >= 0 else ""
    return Fact("growth", f"{sign}{number(growth.ms_per_1000_tokens)} ms per 1,000 tokens", f"{spread}from {lengths}")


def class_fractions(phase: Phase) -> dict[BottleneckClass, float]:
    """How much of the phase's time each class takes, in the order of the vocabulary; without those that take none."""
    totals: dict[BottleneckClass, float] = {}
    for part in phase.parts:
        totals[part.class_] = totals.get(part.class_, 0.0) + part.fraction
    return {kind: totals[kind] for kind in BottleneckClass if totals.get(kind, 0.0) > 0}


def segments(phase: Phase) -> tuple[Segment, ...]:
    """The same as pieces of a bar."""
    return tuple(Segment(kind, fraction) for kind, fraction in class_fractions(phase).items())


def part_blocks(phase: Phase) -> list[Block]:
    """All parts, largest first within each class, and their sum."""
    if not phase.parts:
        return []
    columns = (
        Column(""),
        Column("class"),
        Column("cause", flexible=True, shortest=34),
        Column("ms", numeric=True),
        Column("%", numeric=True),
        Column("low–high", numeric=True, drop=1),
        Column("tier", drop=2),
    )
    # Classes in the order of the bar, so that it can be read downwards; within one, the largest first.
    order, whole_ms = list(BottleneckClass), sum(part.ms for part in phase.parts)

    def text(milliseconds: float) -> str:
        return aligned(milliseconds, whole_ms)

    rows = tuple(
        (
            Mark(part.class_),
            part.class_.value,
            CAUSES[part.cause],
            text(part.ms),
            percent(part.fraction),
            interval(part.low_ms, part.high_ms, text),
            part.tier.value,
        )
        for part in sorted(phase.parts, key=lambda part: (order.index(part.class_), -part.ms))
    )
    median, whole = text(phase.clean.wall_ms.median), sum(part.fraction for part in phase.parts)
    total = ("", "sum", f"(clean median {median})", text(whole_ms), percent(whole), "", "")
    return [Heading("Part by part", 2), Grid(columns, (*rows, total), total=True)]


def share_blocks(
    shares: list[Share], title: str = "What would help", names: Mapping[Resource, str] = RESOURCES
) -> list[Block]:
    """The shares of all resources that have any; the others in one line. `names` are what resources are called."""
    if not shares:
        return []
    columns = (
        Column("if faster"),
        Column("of that gain you get", drop=2),
        Column("share", numeric=True),
        Column("low–high", numeric=True),
        Column("class", drop=1),
    )
    ranked = sorted(shares, key=lambda share: -share.share)
    shown = [share for share in ranked if max(abs(share.share), share.high) >= _SHARE_SMALLEST]
    rows = tuple(
        (
            names[share.resource],
            Gauge(share.share, share.low, share.high),
            ratio(share.share),
            interval(share.low, share.high, ratio),
            share.class_.value,
        )
        for share in shown
    )
    steps = listed(times(step) for step in sorted({share.step for share in shares}))
    hidden = [names[share.resource] for share in ranked if share not in shown]
    text = f"Replayed with each speed at {steps}."
    text += f" No effect: {listed(hidden)}." if hidden else ""
    return [Heading(title, 2), *([Grid(columns, rows)] if rows else []), Statement(text, Tone.FAINT)]


def _copies(copies: list[Copies], notes: Footnotes) -> list[Block]:
    if not copies:
        return []
    columns = (
        Column("copy"),
        Column("memory"),
        Column("copies", numeric=True, drop=1),
        Column("bytes", numeric=True),
        Column("busy", numeric=True),
        Column("exposed", numeric=True),
        Column("GB/s", numeric=True),
    )
    rows = []
    for row in copies:

        def missing(name: str, sources: Sources = row.sources) -> str:
            source = sources.get(name)
            return notes.missing(source.missing if source is not None else None)

        moved = size(row.bytes) if row.bytes is not None else missing("bytes")
        speed = number(row.gb_per_s) if row.gb_per_s is not None else missing("gb_per_s")
        exposed, busy = duration(row.exposed_ms), duration(row.busy_ms)
        rows.append((row.direction, row.memory, count(row.copies), moved, busy, exposed, speed))
    return [Heading("Copies between host and device", 2), Grid(columns, tuple(rows))]


def _streams(streams: Streams) -> list[Block]:
    columns = (
        Column("stream"),
        Column("busy ms", numeric=True),
        Column("kernels", numeric=True),
        Column("copies", numeric=True),
    )
    ranked = sorted(streams.streams, key=lambda stream: -stream.busy_ms)
    rows = [(row.stream, number(row.busy_ms), count(row.kernels), count(row.copies)) for row in ranked]
    words = []
    if streams.copy_overlap_ratio is not None:
        words.append(f"{percent(streams.copy_overlap_ratio)} of the copying runs under kernels")
    if streams.imbalance_ratio is not None:
        words.append(f"imbalance {percent(streams.imbalance_ratio)}")
    blocks: list[Block] = [Heading("Streams", 2), Grid(columns, tuple(rows))]
    return [*blocks, Statement(f"{'; '.join(words)}.", Tone.FAINT)] if words else blocks


def _legs(legs: list[LoadLeg], notes: Footnotes) -> list[Block]:
    if not legs:
        return []
    columns = (
        Column("leg"),
        Column("bytes", numeric=True),
        Column("time", numeric=True),
        Column("GB/s", numeric=True),
        Column("tier", drop=1),
    )
    rows = [
        (
            leg.leg,
            size(leg.bytes) if leg.bytes is not None else notes.missing(leg.missing),
            duration(leg.seconds * 1e3) if leg.seconds is not None else notes.missing(leg.missing),
            number(leg.gb_per_s) if leg.gb_per_s is not None else notes.missing(leg.missing),
            leg.tier.value if leg.tier is not None else "",
        )
        for leg in legs
    ]
    return [Heading("Load, leg by leg", 2), Grid(columns, tuple(rows))]
