"""What a simulation says, as blocks: who is held back by what, side by side, then each policy by itself."""

from __future__ import annotations

from profiler.render.answer import verdict_statements
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
    Slots,
    SlotSpan,
    Statement,
    Tone,
)
from profiler.render.numbers import MISSING, aligned, count, duration, number, percent, ratio, size
from profiler.render.serving_words import SERVING_PARTS
from profiler.render.words import sentence
from profiler.report.cost_surface import CostSurface
from profiler.report.simulation import Percentiles, SimulatedPolicy, Simulation
from profiler.report.vocabulary import VerdictState

_NS_PER_MS = 1e6
_FEW_REQUESTS = 16
_TOLD_IN_TIMES = 2
_UNKNOWN = "unknown"


def simulation_blocks(answer: Simulation) -> list[Block]:
    """What every output for people shows."""
    blocks: list[Block] = []
    if not answer.complete:
        blocks.append(Statement("Interrupted: only the policies that were done before are here.", Tone.INCOMPLETE))
    for policy in answer.policies:
        doubt = policy.verdict.evidence[-1] if policy.verdict.runner_up is None else None
        blocks += verdict_statements(_title(policy.policy), policy.verdict, doubt=doubt)
    blocks.append(Facts(tuple(_facts(answer))))
    blocks += _side_by_side(answer)
    blocks += _held_out(answer)
    for policy in answer.policies:
        blocks += [Heading(_title(policy.policy)), *_policy(policy)]
    if answer.warnings:
        told = tuple(sentence(warning.message) for warning in answer.warnings)
        blocks += [Heading("Before you trust this", 2), Bullets(told)]
    return blocks


def _title(policy: str) -> str:
    return policy.capitalize()


def _between_points(surface: CostSurface | None) -> str:
    """How far costs are off between the points that were measured, where that was tested."""
    errors = {
        "prefill": surface.prefill_error_ratio if surface else None,
        "decode": surface.decode_error_ratio if surface else None,
    }
    said = [f"{phase} {percent(error)}" for phase, error in errors.items() if error is not None]
    return f"off between its points: {', '.join(said)}" if said else ""


def _facts(answer: Simulation) -> list[Fact]:
    setup, costs = answer.setup, answer.costs
    tokens = f"{count(answer.prompt_tokens)} prompt and {count(answer.output_tokens)} output tokens"
    facts = [Fact("requests", f"{answer.requests:,}", f"{tokens}, arriving within {duration(answer.span_ms)}")]
    if costs.prefill_tokens_per_s is not None and costs.decode_tokens_per_s is not None:
        speeds = f"{number(costs.prefill_tokens_per_s)} and {number(costs.decode_tokens_per_s)} tokens/s"
        facts.append(Fact("costs", speeds, "prefill and decode of each stream, constant"))
    else:
        origin = "fitted to the log" if costs.kind == "fitted" else "measured, from the report"
        facts.append(Fact("costs", origin, _between_points(costs.surface)))
    if setup.replicas > 1:
        facts.append(Fact("replicas", str(setup.replicas), "each request goes to the one with the fewest unfinished"))
    if setup.kv_tokens is not None:
        facts.append(Fact("KV cache", f"{setup.kv_tokens:,} tokens", "of each replica"))
    if costs.weight_bytes is not None:
        facts.append(Fact("weights", size(costs.weight_bytes), "read again in every step"))
    promises = (("TTFT", setup.slo_ttft_ms), ("TPOT", setup.slo_tpot_ms), ("e2e", setup.slo_e2e_ms))
    if promised := [f"{name} {duration(limit)}" for name, limit in promises if limit is not None]:
        facts.append(Fact("SLO", ", ".join(promised)))
    return facts


def _side_by_side(answer: Simulation) -> list[Block]:
    columns = (
        Column("policy"),
        Column("makespan", numeric=True),
        Column("queue", numeric=True),
        Column("prefill", numeric=True, drop=1),  # stands with the policy, too
        Column("decode", numeric=True),
        Column("holes", numeric=True),
        Column("TTFT p50", numeric=True, drop=4),
        Column("TTFT p99", numeric=True, drop=3),
        Column("TPOT p50", numeric=True, drop=5),
        Column("e2e p50", numeric=True, drop=6),
        Column("e2e p99", numeric=True),
        Column("tokens/s", numeric=True, drop=2),
        Column("goodput", numeric=True),
        Column("carries", numeric=True),
    )
    rows = tuple(
        (
            policy.policy,
            duration(policy.makespan_ms),
            percent(policy.queue_share),
            percent(policy.prefill_share),
            percent(policy.decode_share),
            ratio(policy.hole_ratio),
            duration(policy.ttft_ms.p50),
            duration(policy.ttft_ms.p99),
            MISSING if policy.tpot_ms is None else duration(policy.tpot_ms.p50),
            duration(policy.e2e_ms.p50),
            duration(policy.e2e_ms.p99),
            number(policy.output_tokens_per_s),
            "" if policy.goodput_ratio is None else percent(policy.goodput_ratio),
            f"{number(policy.load.most_requests_per_s)}/s",
        )
        for policy in answer.policies
    )
    note = "Carries: requests like these a second, above which the queue grows without end."
    return [Heading("Side by side", 2), Grid(columns, rows), Statement(note, Tone.FAINT)]


def _held_out(answer: Simulation) -> list[Block]:
    """The simulation against the server's own times, where the log has them."""
    held = answer.held_out
    if held is None:
        return []
    columns = (
        Column(held.policy),
        *(Column(each, numeric=True) for each in ("queue", "prefill", "decode", "mean e2e")),
    )
    rows = tuple(
        (
            name,
            percent(times.queue_share),
            percent(times.prefill_share),
            percent(times.decode_share),
            duration(times.mean_e2e_ms),
        )
        for name, times in (("simulated", held.simulated), ("measured", held.measured))
    )
    title = f"Against the server's own times: the {held.requests:,} requests that were not fitted"
    return [Heading(title, 2), Grid(columns, rows)]


def _policy(policy: SimulatedPolicy) -> list[Block]:
    blocks: list[Block] = [
        Facts(tuple(_policy_facts(policy))),
        Beside(tuple(_parts(policy)), tuple(_latencies(policy))),
        *_why(policy),
        *_timeline(policy),
    ]
    if len(policy.requests) <= _FEW_REQUESTS and not policy.requests_left_out:
        blocks += _requests(policy)
    return [*blocks, *_fairness(policy)]


def _policy_facts(policy: SimulatedPolicy) -> list[Fact]:
    load, requests = policy.load, len(policy.requests) + policy.requests_left_out
    offered = (
        f"{number(load.offered_requests_per_s)} arrive, {_of_it(load.utilisation_ratio)}"
        if load.offered_requests_per_s is not None and load.utilisation_ratio is not None
        else "here they come in one burst"
    )
    facts = [
        Fact("carries", f"{number(load.most_requests_per_s)} requests/s", offered),
        Fact(
            "slots",
            f"{policy.slots:,}",
            f"{percent(policy.slot_occupancy_ratio)} taken, {percent(policy.busy_ratio)} busy",
        ),
        Fact("holes", ratio(policy.hole_ratio), "of the slot-steps of its batches"),
        Fact("head of line", duration(policy.head_of_line_ms / requests), "behind longer requests, on average"),
    ]
    if policy.preemptions:
        facts.append(Fact("preemptions", f"{policy.preemptions:,}", "the KV cache was full; computed again"))
    if policy.weights_gb_per_s is not None:
        facts.append(Fact("weights", f"{number(policy.weights_gb_per_s)} GB/s", "read again while it decodes"))
    if policy.goodput_requests_per_s is not None and policy.goodput_ratio is not None:
        kept = f"{percent(policy.goodput_ratio)} of the requests kept the SLO"
        facts.append(Fact("goodput", f"{number(policy.goodput_requests_per_s)} requests/s", kept))
    return facts


def _of_it(utilisation_ratio: float) -> str:
    return (
        f"{number(utilisation_ratio)} times it"
        if utilisation_ratio >= _TOLD_IN_TIMES
        else f"{percent(utilisation_ratio)} of it"
    )


def _parts(policy: SimulatedPolicy) -> list[Block]:
    columns = (
        Column(""),
        Column("part", flexible=True, shortest=28),
        Column("ms", numeric=True),
        Column("%", numeric=True),
    )
    whole = sum(part.ns for part in policy.parts) / _NS_PER_MS
    rows = tuple(
        (
            Mark(part.class_.value if part.class_ is not None else _UNKNOWN),
            SERVING_PARTS[part.part],
            aligned(part.ns / _NS_PER_MS, whole),
            percent(part.fraction),
        )
        for part in policy.parts
        if part.ns
    )
    total = ("", "sum (of all requests)", aligned(whole, whole), percent(sum(part.fraction for part in policy.parts)))
    return [Heading("Where the requests' time went", 2), Grid(columns, (*rows, total), total=True)]


def _latencies(policy: SimulatedPolicy) -> list[Block]:
    notes = Footnotes()
    columns = (Column("latency"), *(Column(each, numeric=True) for each in ("mean", "p50", "p90", "p95", "p99", "max")))
    rows: list[tuple[str, ...]] = []
    for label, name in (("TTFT", "ttft_ms"), ("TPOT", "tpot_ms"), ("ITL", "itl_ms"), ("e2e", "e2e_ms")):
        spread: Percentiles | None = getattr(policy, name)
        if spread is None:
            source = policy.sources.get(name)
            rows.append((label, notes.missing(source.missing if source is not None else None), "", "", "", "", ""))
            continue
        times = (spread.mean, spread.p50, spread.p90, spread.p95, spread.p99, spread.max)
        rows.append((label, *(duration(time) for time in times)))
    blocks: list[Block] = [Heading("Latencies", 2), Grid(columns, tuple(rows))]
    if notes.reasons:
        blocks.append(Bullets(tuple(notes.reasons), mark="[{}]"))
    return blocks


def _why(policy: SimulatedPolicy) -> list[Block]:
    """What the first lines left out of the verdict's evidence."""
    told = policy.verdict.evidence if policy.verdict.state is VerdictState.INCONCLUSIVE else policy.verdict.evidence[1:]
    if not told or policy.verdict.state is VerdictState.REFUSED:
        return []
    return [Heading("Why", 2), Bullets(tuple(sentence(text) for text in told))]


def _timeline(policy: SimulatedPolicy) -> list[Block]:
    timeline = policy.timeline
    if not timeline.rows:
        return []
    several = len({row.replica for row in timeline.rows}) > 1
    rows = tuple(
        (
            f"{row.replica}:{row.slot}" if several else f"slot {row.slot}",
            tuple(SlotSpan(span.state.value, str(span.request + 1), span.begin_ms, span.end_ms) for span in row.spans),
        )
        for row in timeline.rows
    )
    more = f", and {timeline.slots_left_out:,} more slots" if timeline.slots_left_out > 0 else ""
    title = f"The slots until {duration(timeline.end_ms)}{more}"
    return [Heading(title, 2), Slots(timeline.end_ms, rows, tuple(timeline.waiting))]


def _requests(policy: SimulatedPolicy) -> list[Block]:
    columns = (
        Column("request"),
        Column("prompt", numeric=True),
        Column("output", numeric=True),
        Column("queue", numeric=True),
        Column("prefill", numeric=True),
        Column("decode", numeric=True),
        Column("TTFT", numeric=True),
        Column("e2e", numeric=True),
        Column("behind longer", numeric=True, drop=1),
    )
    rows = tuple(
        (
            str(each.request + 1),
            f"{each.prompt_tokens:,}",
            f"{each.output_tokens:,}",
            *(duration(time) for time in (each.queue_ms, each.prefill_ms, each.decode_ms, each.ttft_ms, each.e2e_ms)),
            duration(each.head_of_line_ms),
        )
        for each in policy.requests
    )
    return [Heading("Request by request", 2), Grid(columns, rows)]


def _fairness(policy: SimulatedPolicy) -> list[Block]:
    fairness = policy.fairness
    if len(fairness.groups) < 2:
        return []
    columns = (
        Column(fairness.by),
        Column("requests", numeric=True),
        Column("mean queue", numeric=True),
        Column("mean e2e", numeric=True),
        Column("e2e over alone", numeric=True),
    )
    rows = tuple(
        (
            group.name,
            f"{group.requests:,}",
            duration(group.mean_queue_ms),
            duration(group.mean_e2e_ms),
            f"{number(group.mean_slowdown)}x",
        )
        for group in fairness.groups
    )
    title = f"Who is slowed: fairness {ratio(fairness.index)} (1 is even)"
    return [Heading(title, 2), Grid(columns, rows)]
