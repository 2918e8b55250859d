"""What one policy made of a log: the record, from the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from profiler.report.records import Verdict
from profiler.report.simulation import (
    CarriedLoad,
    RequestTimes,
    ServingPart,
    ServingPartName,
    SimulatedPolicy,
)
from profiler.report.source import Source, Sources
from profiler.serving.costs import NS_PER_S
from profiler.serving.delays import Delays, delays
from profiler.serving.evidence import evidence
from profiler.serving.fairness import fairness
from profiler.serving.ledger import Ledger
from profiler.serving.log import RequestLog
from profiler.serving.picture import slot_timeline
from profiler.serving.profiled_phase import ProfiledPhase
from profiler.serving.spread import percentiles, weighted_percentiles
from profiler.serving.verdict import part_class, serving_verdict

_NS_PER_MS = 1e6


@dataclass(frozen=True, slots=True)
class Slo:
    """What a request is promised, in ms; None promises nothing."""

    ttft_ms: float | None = None
    tpot_ms: float | None = None
    e2e_ms: float | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing is promised."""
        return self.ttft_ms is None and self.tpot_ms is None and self.e2e_ms is None


@dataclass(frozen=True)
class Outcome:
    """One policy's run. `alone_ns` is what each request would take alone."""

    policy: str
    log: RequestLog
    ledger: Ledger
    alone_ns: NDArray[np.float64]

    @cached_property
    def queue_ns(self) -> NDArray[np.int64]:
        """From arrival to the first iteration."""
        found: NDArray[np.int64] = self.ledger.column("start") - self.log.arrival_ns
        return found

    @cached_property
    def prefill_ns(self) -> NDArray[np.int64]:
        """From the first iteration to the end of the prompt."""
        found: NDArray[np.int64] = self.ledger.column("prefilled") - self.ledger.column("start")
        return found

    @cached_property
    def decode_ns(self) -> NDArray[np.int64]:
        """From the end of the prompt to the last token."""
        found: NDArray[np.int64] = self.ledger.column("finish") - self.ledger.column("prefilled")
        return found

    @cached_property
    def e2e_ns(self) -> NDArray[np.int64]:
        """From arrival to the last token."""
        found: NDArray[np.int64] = self.ledger.column("finish") - self.log.arrival_ns
        return found

    @cached_property
    def ttft_ns(self) -> NDArray[np.int64]:
        """From arrival to the first token."""
        found: NDArray[np.int64] = self.ledger.column("first_token") - self.log.arrival_ns
        return found

    @cached_property
    def delays(self) -> Delays:
        """What they waited for."""
        return delays(self.log, self.ledger, self.alone_ns)

    def record(
        self,
        load: CarriedLoad,
        slo: Slo,
        weight_bytes: int | None,
        profiled: Mapping[str, ProfiledPhase],
        most_requests: int,
    ) -> SimulatedPolicy:
        """All of it. At most so many requests are listed one by one."""
        log, replicas = self.log, self.ledger.replicas
        makespan_ns = int(self.ledger.column("finish").max())
        whole = int(self.e2e_ns.sum())
        phases = {"queue": self.queue_ns, "prefill": self.prefill_ns, "decode": self.decode_ns}
        shares = {name: int(times.sum()) / whole for name, times in phases.items()}
        phase_verdicts = self._phase_verdicts(profiled)
        parts = self._parts(phase_verdicts, whole)
        good = None if slo.empty else int(self._kept(slo).sum())
        decode_ns, decode_steps = (
            sum(getattr(each, name) for each in replicas) for name in ("decode_ns", "decode_steps")
        )
        slot_steps, holes = (sum(getattr(each, name) for each in replicas) for name in ("slot_steps", "hole_steps"))
        hole_ratio = holes / slot_steps if slot_steps else 0.0
        why = evidence(shares, parts, load, hole_ratio)
        gaps, tokens = (
            np.concatenate([np.frombuffer(getattr(each, name), np.int64) for each in replicas])
            for name in ("gap_ns", "gap_tokens")
        )
        several = log.output_tokens > 1
        tpot = (self.e2e_ns - self.ttft_ns)[several] / (log.output_tokens[several] - 1)
        seconds = makespan_ns / NS_PER_S
        held_ns = int((self.ledger.column("released") - self.ledger.column("seated")).sum())
        held_ns += sum(stay.end_ns - stay.begin_ns for stay in self.ledger.stays)
        e2e, ttft = percentiles(self.e2e_ns), percentiles(self.ttft_ns)
        assert e2e is not None  # a log is never empty
        assert ttft is not None
        rate = None if weight_bytes is None or not decode_ns else weight_bytes * decode_steps / decode_ns
        return SimulatedPolicy(
            policy=self.policy,
            slots=self.ledger.slots,
            makespan_ms=makespan_ns / _NS_PER_MS,
            queue_share=shares["queue"],
            prefill_share=shares["prefill"],
            decode_share=shares["decode"],
            hole_ratio=hole_ratio,
            head_of_line_ms=float(self.delays.head_of_line.sum()) / _NS_PER_MS,
            verdict=serving_verdict(parts, phase_verdicts, load, hole_ratio, why),
            queue_ms=int(self.queue_ns.sum()) / _NS_PER_MS,
            prefill_ms=int(self.prefill_ns.sum()) / _NS_PER_MS,
            decode_ms=int(self.decode_ns.sum()) / _NS_PER_MS,
            parts=parts,
            ttft_ms=ttft,
            tpot_ms=percentiles(tpot),
            itl_ms=weighted_percentiles(gaps, tokens),
            e2e_ms=e2e,
            goodput_requests_per_s=None if good is None else good / seconds,
            goodput_ratio=None if good is None else good / len(log),
            requests_per_s=len(log) / seconds,
            prompt_tokens_per_s=int(log.prompt_tokens.sum()) / seconds,
            output_tokens_per_s=int(log.output_tokens.sum()) / seconds,
            busy_ratio=sum(each.busy_ns for each in replicas) / (makespan_ns * len(replicas)),
            slot_occupancy_ratio=held_ns / (makespan_ns * self.ledger.slots * len(replicas)),
            weights_gb_per_s=rate,
            iterations=sum(each.iterations for each in replicas),
            decode_steps=decode_steps,
            preemptions=sum(each.preemptions for each in replicas),
            peak_kv_tokens=max(each.peak_kv_tokens for each in replicas),
            fairness=fairness(log, self.queue_ns, self.e2e_ns, self.alone_ns),
            load=load,
            timeline=slot_timeline(log, self.ledger, self.ledger.slots),
            requests=self._requests(min(len(log), most_requests)),
            requests_left_out=max(len(log) - most_requests, 0),
            sources=_missing(bool(several.any()), good, rate, weight_bytes),
        )

    def _phase_verdicts(self, profiled: Mapping[str, ProfiledPhase]) -> dict[str, Verdict]:
        """What is known of the phases at the sizes that they had here: of a prompt, and of a step, which is a token."""
        by_prefill = self.ledger.column("first_token") <= self.ledger.column("prefilled")
        tokens = int((self.log.output_tokens - by_prefill).sum())
        busy_ns = sum(each.decode_ns for each in self.ledger.replicas)
        found = {}
        if "prefill" in profiled:
            length = f"with --prompt-tokens {self.log.prompt_tokens.mean():.0f}"
            found["prefill"] = profiled["prefill"].served(float(self.prefill_ns.mean()) / _NS_PER_MS, length)
        if "decode" in profiled and tokens and busy_ns:
            decode_ns = int(self.decode_ns.sum())
            batch = f"with --batch-size {max(round(decode_ns / busy_ns), 1)}"  # those that decode, over time
            found["decode"] = profiled["decode"].served(decode_ns / tokens / _NS_PER_MS, batch)
        return found

    def _kept(self, slo: Slo) -> NDArray[np.bool_]:
        """Who got all that was promised. One token has no TPOT, and keeps that promise."""
        kept = np.ones(len(self.log), bool)
        gaps = np.maximum(self.log.output_tokens - 1, 1)
        for promise, times in (
            (slo.ttft_ms, self.ttft_ns),
            (slo.tpot_ms, (self.e2e_ns - self.ttft_ns) / gaps),
            (slo.e2e_ms, self.e2e_ns),
        ):
            if promise is not None:
                kept &= times <= promise * _NS_PER_MS
        return kept

    def _parts(self, phase_verdicts: Mapping[str, Verdict], whole: int) -> list[ServingPart]:
        found, replicas = self.delays, self.ledger.replicas
        preempted = int(self.ledger.column("preempted").sum())
        of_prefill = sum(each.preempted_prefill_ns for each in replicas)
        memory, holes = int(found.memory.sum()), round(float(found.holes.sum()))
        queue = int(self.queue_ns.sum()) - memory
        holes = min(holes, queue)
        ahead = min(round(float(found.avoidable.sum())), queue - holes)
        times = {
            ServingPartName.QUEUE: queue - holes - ahead,
            ServingPartName.BATCH_HOLES: holes,
            ServingPartName.HEAD_OF_LINE: ahead,
            ServingPartName.CAPACITY: memory + preempted,
            ServingPartName.PREFILL: int(self.prefill_ns.sum()) - of_prefill,
            ServingPartName.DECODE: int(self.decode_ns.sum()) - (preempted - of_prefill),
        }
        return [
            ServingPart(part=name, class_=part_class(name, phase_verdicts), ns=ns, fraction=ns / whole)
            for name, ns in times.items()
        ]

    def _requests(self, number: int) -> list[RequestTimes]:
        log, ledger, found = self.log, self.ledger, self.delays
        records = []
        for i in range(number):
            queue, prefill, decode = int(self.queue_ns[i]), int(self.prefill_ns[i]), int(self.decode_ns[i])
            e2e, ttft, output = int(self.e2e_ns[i]), int(self.ttft_ns[i]), int(log.output_tokens[i])
            records.append(
                RequestTimes(
                    request=i,
                    arrival_ms=int(log.arrival_ns[i]) / _NS_PER_MS,
                    prompt_tokens=int(log.prompt_tokens[i]),
                    output_tokens=output,
                    tenant=log.tenants[log.tenant[i]] if log.tenants else None,
                    replica=ledger.replica[i],
                    slot=ledger.slot[i],
                    queue_ms=queue / _NS_PER_MS,
                    prefill_ms=prefill / _NS_PER_MS,
                    decode_ms=decode / _NS_PER_MS,
                    ttft_ms=ttft / _NS_PER_MS,
                    tpot_ms=(e2e - ttft) / (output - 1) / _NS_PER_MS if output > 1 else None,
                    e2e_ms=e2e / _NS_PER_MS,
                    head_of_line_ms=float(found.head_of_line[i]) / _NS_PER_MS,
                    preempted_ms=ledger.preempted[i] / _NS_PER_MS,
                    hole_ms=(ledger.released[i] - ledger.finish[i]) / _NS_PER_MS,
                    queue_ns=queue,
                    prefill_ns=prefill,
                    decode_ns=decode,
                    e2e_ns=e2e,
                )
            )
        return records


def _missing(gaps: bool, good: int | None, rate: float | None, weight_bytes: int | None) -> Sources:
    sources: Sources = {}
    if not gaps:
        reason = Source(missing="every request has a single token, so there are no gaps")
        sources |= dict.fromkeys(("tpot_ms", "itl_ms"), reason)
    if good is None:
        reason = Source(missing="no SLO was given: --slo-ttft-ms, --slo-tpot-ms, --slo-e2e-ms")
        sources |= dict.fromkeys(("goodput_requests_per_s", "goodput_ratio"), reason)
    if weight_bytes is None:
        sources["weights_gb_per_s"] = Source(missing="the size of the weights is not known: --weights-gb")
    elif rate is None:
        sources["weights_gb_per_s"] = Source(missing="nothing was decoded")
    return sources
