"""Two real servers, simulated: costs from their first 100 requests, held against the other 200."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from profiler.errors import UnreadableError
from profiler.serving.fit import fitted_costs, read_measured
from profiler.serving.fleet import serve
from profiler.serving.policies.policy import Limits
from profiler.serving.surface import SurfaceCosts
from tests.unit.serving.requests import real_log

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
    arrival, rest = measured.log.arrival_ns, slice(100, None)
    theirs = np.diff([arrival, measured.start_ns, measured.first_token_ns, measured.finish_ns], axis=0)[:, rest]
    ours = np.diff([arrival, *(ledger.column(each) for each in ("start", "first_token", "finish"))], axis=0)[:, rest]
    shares = [split.sum(axis=1) / split.sum() for split in (ours, theirs)]
    assert shares[0] == pytest.approx(shares[1], abs=0.1)
    assert ours.sum() == pytest.approx(theirs.sum(), rel=0.15)


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
