"""Costs fitted to a log whose server wrote down when it scheduled each request, and when its tokens came.

The four numbers (five where batches are large) of an engine's iteration: what it takes with nothing in it, each token
of a prompt, each sequence of the batch, each token of context. They are those with which the simulation of the log
gives the first requests the times that they had: least squares over the logarithms, by Levenberg and Marquardt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from profiler.errors import UnreadableError
from profiler.report.cost_surface import CostSurface, DecodeCost, PrefillCost
from profiler.report.simulation import HeldOut, PhaseShares
from profiler.report.vocabulary import Tier
from profiler.serving.fleet import serve
from profiler.serving.ledger import Ledger
from profiler.serving.log import MOST_NS, RequestLog
from profiler.serving.policies.policy import Limits
from profiler.serving.request_file import read_requests, request_rows
from profiler.serving.surface import SurfaceCosts
from profiler.serving.text_lines import MAX_BYTES

# A simulation holds for a server if no share is further off, nor the mean end-to-end latency.
MOST_SHARE_OFF, MOST_E2E_OFF_RATIO = 0.10, 0.15
_POLICY = "continuous"  # that of the servers whose logs have such times
_TIMES = ("queued_ts", "scheduled_ts", "first_token_ts", "last_token_ts")
_NS_PER_S, _NS_PER_MS = 10**9, 1e6
# Where to begin, in ms: any engine of today is within a factor of e^5 of it.
_EMPTY_MS, _PROMPT_TOKEN_MS, _CONTEXT_TOKEN_MS, _SEQUENCE_MS = 15.0, 0.1, 1e-4, 0.1
# A sequence costs less in a small batch of a mixture of experts, where it brings experts with it, or more.
_BEND = 16
_CONTEXTS = (0, 4096)
# A prefill of a few ms is known to about one iteration; its logarithm counts for less, and from there on.
_PREFILL_WEIGHT, _ITERATION_NS = 0.3, 2e7
_ROUNDS, _TRIES, _STEP = 15, 6, 0.03
_LEAST_REQUESTS = 10
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MeasuredLog:
    """A log with what a server measured, in ns since its first request was queued."""

    log: RequestLog
    start_ns: NDArray[np.int64]
    first_token_ns: NDArray[np.int64]
    finish_ns: NDArray[np.int64]

    def first(self, number: int) -> MeasuredLog:
        """The requests that were queued first, so many of them."""
        times = (times[:number] for times in (self.start_ns, self.first_token_ns, self.finish_ns))
        return MeasuredLog(self.log.first(number), *times)

    def that_fit(self, kv_tokens: int | None) -> MeasuredLog:
        """Without those that are longer than the KV memory: a server that has no more never served them."""
        if kv_tokens is None or not len(self.log):
            return self
        places = np.flatnonzero(self.log.prompt_tokens + self.log.output_tokens <= kv_tokens)
        begin = self.log.arrival_ns[places[:1]]
        arrival, start, first, finish = (
            times[places] - begin for times in (self.log.arrival_ns, self.start_ns, self.first_token_ns, self.finish_ns)
        )
        return MeasuredLog(self.log.taken(places, arrival), start, first, finish)


def read_measured(path: Path, max_bytes: int = MAX_BYTES) -> MeasuredLog:
    """A file whose rows have `queued_ts`, `scheduled_ts`, `first_token_ts` and `last_token_ts`, in seconds.

    Raises `UnreadableError` where they have not.
    """
    log = read_requests(path, max_bytes)
    rows = request_rows(path, max_bytes)
    try:
        seconds = np.array([[float(row[name]) for name in _TIMES] for _, row in rows if row is not None])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        hint = f"a log whose rows have {', '.join(_TIMES)}"
        raise UnreadableError(f"{path} holds no measured times to fit costs to", hint) from error
    sane = np.isfinite(seconds).all() and float(np.ptp(seconds)) * _NS_PER_S <= MOST_NS
    if log.findings or len(seconds) != len(log) or not sane or not (np.diff(seconds, axis=1) >= 0).all():
        raise UnreadableError(f"{path} has rows that make no sense, so costs cannot be fitted to it")
    order = np.argsort(seconds[:, 0], kind="stable")
    times = np.rint((seconds - seconds[:, 0].min()) * _NS_PER_S).astype(np.int64)[order]
    queued = log.taken(order, times[:, 0])
    return MeasuredLog(queued, times[:, 1], times[:, 2], times[:, 3])


def fitted_costs(
    measured: MeasuredLog,
    number: int,
    limits: Limits,
    replicas: int,
    tried: Callable[[], None] = lambda: None,
) -> CostSurface:
    """The surface with which the first `number` requests come out as they were measured.

    All requests of the log that fit into the KV memory arrive; only the times of these are looked at. `tried` is called
    for each simulation. Raises `UnreadableError` for fewer than ten.
    """
    measured = measured.that_fit(limits.kv_tokens)
    number = min(number, len(measured.log))
    if number < _LEAST_REQUESTS:
        raise UnreadableError(f"costs cannot be fitted to {number} requests", f"at least {_LEAST_REQUESTS}")
    knots = (_BEND, limits.slots) if limits.slots > _BEND else (limits.slots,)

    def distances(logs: Floats) -> Floats:
        tried()
        surface = _surface(np.exp(logs), knots)
        return _distances(measured, serve(_POLICY, measured.log, SurfaceCosts(surface), limits, replicas), number)

    begin = np.log([_EMPTY_MS, _PROMPT_TOKEN_MS, _CONTEXT_TOKEN_MS, *(_SEQUENCE_MS for _ in knots)])
    return _surface(np.exp(_least_squares(distances, begin)), knots, number)


def held_out(measured: MeasuredLog, policy: str, ledger: Ledger, fitted: int) -> HeldOut | None:
    """The requests after the `fitted` first, held against their measured times.

    None where no such request is left, or took any time, and for another policy than that which was fitted.
    """
    if policy != _POLICY:
        return None
    arrival = measured.log.arrival_ns
    own_times = [arrival, *(ledger.column(name) for name in ("start", "first_token", "finish"))]
    real_times = [arrival, measured.start_ns, measured.first_token_ns, measured.finish_ns]
    ours, theirs = (np.diff(times, axis=0)[:, fitted:] for times in (own_times, real_times))
    if not ours.sum() or not theirs.sum():
        return None
    simulated, real = _phase_shares(ours), _phase_shares(theirs)
    off = [abs(getattr(simulated, name) - getattr(real, name)) for name in PhaseShares.__struct_fields__[:3]]
    return HeldOut(
        policy=policy,
        fitted_requests=min(fitted, len(arrival)),
        requests=ours.shape[1],
        simulated=simulated,
        measured=real,
        holds=max(off) <= MOST_SHARE_OFF and abs(simulated.mean_e2e_ms / real.mean_e2e_ms - 1) <= MOST_E2E_OFF_RATIO,
    )


def _phase_shares(split_ns: NDArray[np.int64]) -> PhaseShares:
    queue, prefill, decode = (split_ns.sum(axis=1) / split_ns.sum()).tolist()
    mean_ms = float(split_ns.sum(axis=0).mean()) / _NS_PER_MS
    return PhaseShares(queue_share=queue, prefill_share=prefill, decode_share=decode, mean_e2e_ms=mean_ms)


def _distances(measured: MeasuredLog, ledger: Ledger, number: int) -> Floats:
    """Of decode, prefill and end-to-end times, in logarithms."""
    arrival = measured.log.arrival_ns
    start, first, finish = (ledger.column(name) for name in ("start", "first_token", "finish"))
    pairs = (
        (finish - first, measured.finish_ns - measured.first_token_ns, 0.0, 1.0),
        (first - start, measured.first_token_ns - measured.start_ns, _ITERATION_NS, _PREFILL_WEIGHT),
        (finish - arrival, measured.finish_ns - arrival, 0.0, 1.0),
    )
    return np.concatenate(
        [
            weight * np.log((np.maximum(ours, 1) + offset) / (np.maximum(theirs, 1) + offset))[:number]
            for ours, theirs, offset, weight in pairs
        ]
    )


def _least_squares(distances: Callable[[Floats], Floats], at: Floats) -> Floats:
    """Levenberg and Marquardt's method, with derivatives from two points."""
    damping, now = 1e-2, distances(at)
    for _ in range(_ROUNDS):
        sides = [(distances(at + step), distances(at - step)) for step in _STEP * np.eye(len(at))]
        slopes = np.stack([(above - below) / (2 * _STEP) for above, below in sides], axis=1)
        square, before = slopes.T @ slopes, float(now @ now)
        for _ in range(_TRIES):
            damped = square + damping * np.diag(np.diag(square) + 1e-6)
            further = at - np.clip(np.linalg.solve(damped, slopes.T @ now), -1, 1)
            there = distances(further)
            if there @ there < before:
                at, now, damping = further, there, damping / 4
                break
            damping *= 4
        if float(now @ now) > before * (1 - 1e-4):
            break
    return at


def _surface(numbers: Floats, knots: tuple[int, ...], requests: int = 0) -> CostSurface:
    empty, prompt_token, context_token, *sequences = (float(number) for number in numbers)
    above, batches, last = 0.0, [(1, empty)], 0
    for knot, each in zip(knots, sequences, strict=True):
        above, last = above + each * (knot - last), knot
        if knot > 1:
            batches.append((knot, empty + above))
    return CostSurface(
        tier=Tier.HOST,
        prefill=[
            PrefillCost(batch_size=1, prompt_tokens=tokens, ms=empty + prompt_token * tokens) for tokens in (1, 2048)
        ],
        decode=[
            DecodeCost(batch_size=size, context_tokens=context, ms=ms + context_token * size * context)
            for size, ms in batches
            for context in _CONTEXTS
        ],
        prefill_error_ratio=None,
        decode_error_ratio=None,
        missing=f"fitted to the first {requests} requests of the log: no points of it were measured",
    )
