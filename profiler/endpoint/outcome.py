"""What a load came to: latencies, goodput, endings and requests, as records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from profiler.endpoint.exchange import Exchange, ended_well
from profiler.endpoint.split import Split
from profiler.report.endpoint import EndingCount, EndpointRequest
from profiler.report.simulation import LogFinding, Percentiles
from profiler.report.source import Source, Sources
from profiler.serving.outcome import Slo
from profiler.serving.spread import percentiles

_MS = 1e6


@dataclass(frozen=True, slots=True)
class Latencies:
    """Of the requests that ended well. ITL is of all gaps between chunks of a stream, as in vLLM's benchmark."""

    ttft_ms: Percentiles | None
    tpot_ms: Percentiles | None
    itl_ms: Percentiles | None
    e2e_ms: Percentiles | None

    @classmethod
    def of(cls, exchanges: Iterable[Exchange]) -> Latencies:
        """Of those that ended well among these."""
        well = [each for each in exchanges if each.ok]
        gaps = [np.diff(np.array(each.token_ns, np.float64)) for each in well]
        return cls(
            ttft_ms=percentiles(np.array([each.ttft_ns for each in well], np.int64)),
            tpot_ms=percentiles(np.array([each.tpot_ns for each in well if each.tpot_ns is not None], np.float64)),
            itl_ms=percentiles(np.concatenate(gaps) if gaps else np.zeros(0)),
            e2e_ms=percentiles(np.array([each.e2e_ns for each in well], np.int64)),
        )


def keeps(exchange: Exchange, slo: Slo) -> bool:
    """Whether a request ended well and got all that was promised; one token has no TPOT, and keeps that promise."""
    return exchange.ok and all(
        promise is None or time <= promise * _MS
        for promise, time in (
            (slo.ttft_ms, exchange.ttft_ns),
            (slo.tpot_ms, exchange.tpot_ns or 0.0),
            (slo.e2e_ms, exchange.e2e_ns),
        )
    )


def endings(exchanges: Iterable[Exchange]) -> list[EndingCount]:
    """Each way in which requests ended, the most frequent first."""
    found: dict[str, list[Exchange]] = {}
    for exchange in exchanges:
        found.setdefault(exchange.ending, []).append(exchange)
    ranked = sorted(found.values(), key=len, reverse=True)
    return [EndingCount(ending=group[0].ending, count=len(group), first=group[0].detail) for group in ranked]


def findings(exchanges: Sequence[Exchange]) -> list[LogFinding]:
    """What was odd about requests that ended well."""
    well = ended_well(exchanges)
    counts = {
        "got more tokens than max_tokens": sum(each.output_tokens > each.most_tokens for each in well),
        "got fewer tokens than asked for": sum(each.output_tokens < each.most_tokens for each in well),
        "without usage: tokens are chunks that came": sum(each.said_output_tokens is None for each in well),
    }
    return [LogFinding(cause=cause, count=count) for cause, count in counts.items() if count]


def request_record(exchange: Exchange, split: Split | None, begin_ns: int) -> EndpointRequest:
    """One request; `split` is None unless it ended well."""
    well = exchange.ok
    tpot = exchange.tpot_ns if well else None
    record = EndpointRequest(
        request=exchange.request,
        due_ms=(exchange.due_ns - begin_ns) / _MS,
        ending=exchange.ending,
        status=exchange.status,
        prompt_tokens=exchange.input_tokens,
        output_tokens=exchange.output_tokens if well else None,
        client_queue_ms=(exchange.began_ns - exchange.due_ns) / _MS,
        connect_ms=exchange.connect_ns / _MS,
        ttft_ms=exchange.ttft_ns / _MS if well else None,
        tpot_ms=None if tpot is None else tpot / _MS,
        e2e_ms=exchange.e2e_ns / _MS if well else None,
        network_ns=split.network if split else None,
        queue_ns=split.queue if split else None,
        prefill_ns=split.prefill if split else None,
        decode_ns=split.decode if split else None,
        e2e_ns=exchange.e2e_ns if well else None,
    )
    _explain(record, well)
    return record


def _explain(record: EndpointRequest, well: bool) -> None:
    reasons: Sources = record.sources
    for name in record.__struct_fields__:
        if getattr(record, name) is None:
            if name == "status":
                reason = "no answer came"
            elif not well:
                reason = "it did not end well"
            elif name == "tpot_ms":
                reason = "it had a single token"
            else:
                reason = "no request ran on the idle server"
            reasons[name] = Source(missing=reason)
