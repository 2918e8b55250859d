"""Two real servers, simulated: costs from their first 100 requests, held against the other 200."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from profiler.errors import UnreadableError
from profiler.serving.fit import MeasuredLog, fitted_costs, held_out, read_measured
from profiler.serving.fleet import serve
from profiler.serving.ledger import Ledger
from profiler.serving.log import RequestLog
from profiler.serving.policies.policy import Limits
from profiler.serving.surface import SurfaceCosts
from tests.unit.serving.requests import SECOND, SPEEDS, log_of, real_log

# What each server's own record says of it: the KV cache and the sequences at once, and how many replicas.
SERVERS = [
    ("RTX4090_Llama-3.1-8B", Limits(slots=256, token_budget=2048, kv_tokens=41_408), 1),
    ("RTXPRO6000_Qwen3-30B-A3B-Instruct-2507", Limits(slots=128, token_budget=2048), 2),
]


@pytest.mark.parametrize(("name", "limits", "replicas"), SERVERS)
def test_continuous_batching_gives_the_other_requests_the_times_that_they_had(
    name: str, limits: Limits, replicas: int
) -> None:
    measured = read_measured(real_log(f"vllm_measured_{name}_vllm_requests.jsonl"))
    surface = fitted_costs(measured, 100, limits, replicas)
    ledger = serve("continuous", measured.log, SurfaceCosts(surface), limits, replicas)
    held = held_out(measured, "continuous", ledger, 100)
    assert held is not None
    assert (held.fitted_requests, held.requests, held.holds) == (100, 200, True)
    ours, theirs = (
        (times.queue_share, times.prefill_share, times.decode_share) for times in (held.simulated, held.measured)
    )
    assert ours == pytest.approx(theirs, abs=0.1)
    assert held.simulated.mean_e2e_ms == pytest.approx(held.measured.mean_e2e_ms, rel=0.15)


def measured_as(ledger: Ledger, log: RequestLog, later_ns: int = 0) -> MeasuredLog:
    """A server that did what the simulation does, and gave every last token so much later."""
    start, first, finish = (ledger.column(name) for name in ("start", "first_token", "finish"))
    return MeasuredLog(log, start, first, finish + later_ns)


def test_only_requests_that_were_not_fitted_are_held_against_their_times() -> None:
    log = log_of(*((2 * number, 10, 50) for number in range(6)))
    ledger = serve("continuous", log, SPEEDS, Limits())
    measured = measured_as(ledger, log)
    measured.finish_ns[:4] += 10**12
    held = held_out(measured, "continuous", ledger, 4)
    assert held is not None
    assert (held.fitted_requests, held.requests, held.holds) == (4, 2, True)
    assert held.simulated == held.measured
    assert held.measured.mean_e2e_ms == pytest.approx(1000.5)
    # Ten tokens at 20,000/s, then fifty at 50/s, of which the first ends the prefill.
    assert (held.measured.queue_share, held.measured.decode_share) == (0, pytest.approx(980 / 1000.5))


@pytest.mark.parametrize(("later_ns", "holds"), [(SECOND // 10, True), (SECOND // 2, False)])
def test_a_simulation_holds_where_the_mean_latency_is_about_right(later_ns: int, holds: bool) -> None:
    log = log_of(*((2 * number, 10, 50) for number in range(6)))
    ledger = serve("continuous", log, SPEEDS, Limits())
    held = held_out(measured_as(ledger, log, later_ns), "continuous", ledger, 3)
    assert held is not None
    assert held.holds is holds


def test_a_simulation_whose_shares_are_others_does_not_hold() -> None:
    log = log_of(*((2 * number, 10, 50) for number in range(6)))
    ledger = serve("continuous", log, SPEEDS, Limits())
    measured = measured_as(ledger, log)
    queued = replace(
        measured, start_ns=measured.start_ns + SECOND // 2, first_token_ns=measured.first_token_ns + SECOND // 2
    )
    held = held_out(queued, "continuous", ledger, 3)
    assert held is not None
    assert held.simulated.mean_e2e_ms == held.measured.mean_e2e_ms
    assert held.measured.queue_share == pytest.approx(500 / 1000.5)
    assert not held.holds


def test_nothing_is_held_against_the_log_where_nothing_is_left_or_another_policy_was_simulated() -> None:
    log = log_of(*((2 * number, 10, 50) for number in range(6)))
    ledger = serve("continuous", log, SPEEDS, Limits())
    measured = measured_as(ledger, log)
    assert held_out(measured, "continuous", ledger, 6) is None
    assert held_out(measured, "serial", ledger, 3) is None
    nothing = MeasuredLog(log, log.arrival_ns, log.arrival_ns, log.arrival_ns)
    assert held_out(nothing, "continuous", ledger, 3) is None


def test_the_known_shares_of_both_servers_are_read() -> None:
    for (name, *_), known in zip(SERVERS, ((0.753, 0.003, 0.244), (0.029, 0.004, 0.966)), strict=True):
        measured = read_measured(real_log(f"vllm_measured_{name}_vllm_requests.jsonl"))
        times = [measured.log.arrival_ns, measured.start_ns, measured.first_token_ns, measured.finish_ns]
        split = np.diff(times, axis=0)
        assert split.sum(axis=1) / split.sum() == pytest.approx(known, abs=0.001)


def row(number: int, **changed: object) -> str:
    times = {name: number + place for place, name in enumerate(("queued_ts", "scheduled_ts", "first_token_ts"))}
    whole = {"arrival_time": number, "input_toks": 5, "output_toks": 6, **times, "last_token_ts": number + 9}
    return json.dumps({name: value for name, value in (whole | changed).items() if value is not None})


def test_costs_are_fitted_to_those_that_fit_into_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(row(number, input_toks=900 if number % 3 == 0 else 5) for number in range(30)))
    measured = read_measured(path)
    kept = measured.that_fit(100)
    assert len(kept.log) == 20
    assert kept.log.arrival_ns[0] == 0
    assert (kept.finish_ns - kept.log.arrival_ns == 9 * 10**9).all()
    surface = fitted_costs(measured, 20, Limits(kv_tokens=100, slots=8), 1)
    assert surface == fitted_costs(kept, 20, Limits(kv_tokens=100, slots=8), 1)
    with pytest.raises(UnreadableError, match="cannot be fitted to 0 requests"):
        fitted_costs(measured, 20, Limits(kv_tokens=9), 1)


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ([row(1, first_token_ts=None)], "no measured times"),
        ([row(1, first_token_ts="x")], "no measured times"),
        ([row(1, first_token_ts=10**400)], "no measured times"),
        ([row(1, last_token_ts=1e300)], "make no sense"),
        ([row(1, last_token_ts="inf")], "make no sense"),
        ([row(1, last_token_ts=0)], "make no sense"),
        ([row(1), row(2, input_toks=-1)], "make no sense"),
        ([row(1), row(2)], "cannot be fitted to 2 requests"),
    ],
)
def test_a_log_without_usable_times_is_refused(tmp_path: Path, rows: list[str], what: str) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(rows))
    with pytest.raises(UnreadableError, match=what):
        fitted_costs(read_measured(path), 100, Limits(), 1)
