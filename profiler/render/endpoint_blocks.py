"""What a load on a live server says, as blocks: what holds its requests back, then the split, latencies and endings."""

from __future__ import annotations

from profiler.render.answer import cause_words, verdict_statements
from profiler.render.document import (
    Beside,
    Block,
    Bullets,
    Column,
    Fact,
    Facts,
    Footnotes,
    Grid,
    Heading,
    Mark,
    Statement,
    Tone,
)
from profiler.render.engine_trace_blocks import engine_trace_blocks
from profiler.render.numbers import MISSING, aligned, duration, number, percent
from profiler.render.server_gpu_blocks import server_gpu_blocks
from profiler.render.serving_words import ENDINGS, ENDPOINT_PARTS, SATURATIONS
from profiler.render.words import sentence
from profiler.report.endpoint import Ending, Endpoint, Knee
from profiler.report.simulation import Percentiles

_NS_PER_MS = 1e6
_UNKNOWN = "unknown"
_SPLITS = {
    "server": "queue, prefill and decode by the server's metrics",
    "server_queue": "the queue by the server's metrics, prefill and decode by the client",
    "inferred": "the queue is inferred: what first tokens took beyond those of the idle server",
}


def endpoint_blocks(answer: Endpoint) -> list[Block]:
    """What every output for people shows."""
    blocks: list[Block] = []
    if not answer.complete:
        ended = sum(each.count for each in answer.endings)
        text = f"Stopped early: {ended:,} requests had ended, and only these are here."
        blocks.append(Statement(text, Tone.INCOMPLETE))
    blocks += _verdict(answer)
    if answer.knee is not None:
        blocks.append(Statement(_knee_words(answer.knee), Tone.ANSWER))
    blocks.append(Facts(tuple(_facts(answer))))
    if answer.parts:
        blocks.append(Beside(tuple(_parts(answer)), tuple(_latencies(answer))))
    if answer.trace is not None:
        blocks += engine_trace_blocks(answer.trace)
    for gpu in answer.gpus:
        blocks += server_gpu_blocks(gpu)
    blocks += _endings(answer)
    if answer.knee is not None:
        blocks += _steps(answer.knee)
    if answer.warnings:
        told = tuple(sentence(warning.message) for warning in answer.warnings)
        blocks += [Heading("Before you trust this", 2), Bullets(told)]
    return blocks


def _verdict(answer: Endpoint) -> list[Statement]:
    """The verdict; where a phase leads and its class is in doubt, what is known of it and why it is."""
    if answer.doubt is None:
        return verdict_statements("The server", answer.verdict)
    known = " ".join(map(sentence, answer.verdict.evidence[:1]))
    text = f"The server is probably held back by {answer.verdict.class_}{cause_words(answer.verdict)}"
    return [Statement(f"{text}, but {answer.doubt}. {known}", Tone.INCONCLUSIVE)]


def _facts(answer: Endpoint) -> list[Fact]:
    target, load, client = answer.target, answer.load, answer.client
    engine = f", {target.engine}" if target.engine else ""
    facts = [Fact("server", target.url, f"{target.model}, {target.api}{engine}"), Fact("load", *_load(answer))]
    facts.append(
        Fact(
            "served",
            f"{number(answer.requests_per_s)} requests/s",
            f"{number(answer.output_tokens_per_s)} output tokens/s over {duration(answer.seconds * 1e3)}",
        )
    )
    if answer.goodput_requests_per_s is not None and answer.goodput_ratio is not None:
        kept = f"{percent(answer.goodput_ratio)} of the requests kept the SLO: {_slo(answer)}"
        facts.append(Fact("goodput", f"{number(answer.goodput_requests_per_s)} requests/s", kept))
    if answer.baseline is not None:
        idle = answer.baseline
        pace = f", {duration(idle.tpot_ms.p50)} a token" if idle.tpot_ms is not None else ""
        trip = f"{duration(idle.round_trip_ms)} there and back"
        facts.append(Fact("idle server", f"{duration(idle.ttft_ms.p50)} TTFT", f"{trip}{pace}"))
    server = answer.server
    if server is not None and server.peak_waiting is not None and server.peak_running is not None:
        full = "" if server.peak_kv_usage_ratio is None else f"; KV cache {percent(server.peak_kv_usage_ratio)} full"
        facts.append(
            Fact("at most", f"{server.peak_waiting:,.0f} waited", f"{server.peak_running:,.0f} ran{full}, as sampled")
        )
    late = "" if client.loop_lag_ms is None else f", its event loop {duration(client.loop_lag_ms.mean)} late"
    held = "it was the bottleneck" if client.limited else "it kept up"
    facts.append(Fact("client", f"{percent(client.cpu_ratio)} of a CPU", f"{held}{late}"))
    return facts if load.requests else facts[:1]


def _load(answer: Endpoint) -> tuple[str, str]:
    load = answer.load
    if load.loop == "closed":
        how = f"{load.concurrency:,} at once" if load.concurrency is not None else "closed loop"
    else:
        how = f"{number(load.rate_per_s)} requests/s" if load.rate_per_s is not None else "all at once"
        if load.concurrency is not None:
            how += f", at most {load.concurrency:,} at once"
    return how, f"{load.requests:,} requests of {load.log}"


def _slo(answer: Endpoint | Knee) -> str:
    promises = (("TTFT", answer.slo_ttft_ms), ("TPOT", answer.slo_tpot_ms), ("e2e", answer.slo_e2e_ms))
    return ", ".join(f"{name} {duration(limit)}" for name, limit in promises if limit is not None)


def _parts(answer: Endpoint) -> list[Block]:
    columns = (
        Column(""),
        Column("part", flexible=True, shortest=22),
        Column("mean ms", numeric=True),
        Column("%", numeric=True),
    )
    whole = sum(part.mean_ms for part in answer.parts)
    rows = tuple(
        (
            Mark(part.class_.value if part.class_ is not None else _UNKNOWN),
            ENDPOINT_PARTS[part.part],
            aligned(part.mean_ms, whole),
            percent(part.fraction),
        )
        for part in answer.parts
    )
    total = ("", "sum (of a request)", aligned(whole, whole), percent(sum(part.fraction for part in answer.parts)))
    note = Statement(f"{sentence(_SPLITS.get(answer.split, answer.split))}", Tone.FAINT)
    return [Heading("Where the requests' time went", 2), Grid(columns, (*rows, total), total=True), note]


def _latencies(answer: Endpoint) -> list[Block]:
    notes = Footnotes()
    columns = (Column("latency"), *(Column(each, numeric=True) for each in ("mean", "p50", "p90", "p99", "max")))
    rows: list[tuple[str, ...]] = []
    for label, name in (("TTFT", "ttft_ms"), ("TPOT", "tpot_ms"), ("ITL", "itl_ms"), ("e2e", "e2e_ms")):
        spread: Percentiles | None = getattr(answer, name)
        if spread is None:
            source = answer.sources.get(name)
            rows.append((label, notes.missing(source.missing if source is not None else None), "", "", "", ""))
            continue
        rows.append(
            (label, *(duration(time) for time in (spread.mean, spread.p50, spread.p90, spread.p99, spread.max)))
        )
    blocks: list[Block] = [Heading("Latencies", 2), Grid(columns, tuple(rows))]
    if notes.reasons:
        blocks.append(Bullets(tuple(notes.reasons), mark="[{}]"))
    return blocks


def _endings(answer: Endpoint) -> list[Block]:
    if all(each.ending is Ending.OK for each in answer.endings):
        return []
    columns = (
        Column("ended"),
        Column("requests", numeric=True),
        Column("the first of them", flexible=True, wraps=True),
    )
    rows = tuple((ENDINGS[each.ending], f"{each.count:,}", each.first) for each in answer.endings)
    return [Heading("How requests ended", 2), Grid(columns, rows)]


def _knee_words(knee: Knee) -> str:
    if knee.rate_per_s is None:
        text = f"No rate held, down to {number(min(step.rate_per_s for step in knee.steps))} requests/s"
    else:
        text = f"It carries {number(knee.rate_per_s)} requests/s"
    if knee.beyond_per_s is None or knee.saturates is None:
        return sentence(f"{text}, and no rate that was tried was too much")
    why = f": {knee.evidence[0]}" if knee.evidence else ""
    return sentence(f"{text}; at {number(knee.beyond_per_s)} {SATURATIONS[knee.saturates]}{why}")


def _steps(knee: Knee) -> list[Block]:
    columns = (
        Column("requests/s", numeric=True),
        Column("sent", numeric=True),
        Column("goodput", numeric=True),
        Column("kept", numeric=True),
        Column("TTFT p99", numeric=True),
        Column("TPOT p50", numeric=True),
        Column("queue", numeric=True, drop=1),
        Column("waited", numeric=True, drop=2),
        Column(""),
    )
    rows = tuple(
        (
            number(step.rate_per_s),
            f"{step.requests:,}",
            f"{number(step.goodput_requests_per_s)}/s",
            percent(step.goodput_ratio),
            MISSING if step.ttft_p99_ms is None else duration(step.ttft_p99_ms),
            MISSING if step.tpot_p50_ms is None else duration(step.tpot_p50_ms),
            MISSING if step.queue_share is None else percent(step.queue_share),
            MISSING if step.peak_waiting is None else f"{step.peak_waiting:,.0f}",
            "holds" if step.holds else "client" if step.client_limited else "too much",
        )
        for step in sorted(knee.steps, key=lambda step: step.rate_per_s)
    )
    note = f"A rate holds if 90% of its requests keep {_slo(knee)}. What stands above is of the last rate tried."
    return [Heading("Up to which load", 2), Grid(columns, rows), Statement(note, Tone.FAINT)]
