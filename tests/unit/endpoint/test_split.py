from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from profiler.endpoint.baseline import Unloaded, fitted_baseline
from profiler.endpoint.split import BY_SERVER, INFERRED, MIXED, split_of, summed
from profiler.report.endpoint import EndpointPartName
from tests.unit.endpoint.stand_ins import MS, exchange, server

IDLE = Unloaded(round_trip_ns=2 * MS, fixed_ns=10.0 * MS, ns_per_token=1.0 * MS)
times = st.integers(0, 10_000)


def test_the_queue_is_what_the_first_token_took_beyond_an_idle_server() -> None:
    found = split_of(exchange(waits_ms=7, connect_ms=3, ttft_ms=100, gaps_ms=(10, 15), prompt_tokens=50), IDLE)
    assert (found.client, found.network, found.queue, found.prefill, found.decode) == (
        7 * MS,
        5 * MS,
        35 * MS,
        60 * MS,
        25 * MS,
    )


@given(times, times, times, times, st.lists(times, max_size=5).map(tuple), st.integers(1, 20_000))
def test_the_parts_of_a_request_sum_to_its_latency_and_none_is_negative(
    due: int, waits: int, connect: int, ttft: int, gaps: tuple[int, ...], tokens: int
) -> None:
    one = exchange(due_ms=due, waits_ms=waits, connect_ms=connect, ttft_ms=ttft, gaps_ms=gaps, prompt_tokens=tokens)
    found = split_of(one, IDLE)
    assert found.network + found.queue + found.prefill + found.decode == one.e2e_ns
    assert min(found.client, found.network, found.queue, found.prefill, found.decode) >= 0


def test_latencies_are_as_vllm_defines_them() -> None:
    one = exchange(waits_ms=500, ttft_ms=100, gaps_ms=(10, 30))
    assert one.ttft_ns == 100 * MS  # from when it left, not from when it was due
    assert one.e2e_ns == 140 * MS
    assert one.tpot_ns == 20 * MS
    one.said_output_tokens = 5  # several tokens came in one chunk
    assert one.tpot_ns == 10 * MS
    assert exchange(gaps_ms=()).tpot_ns is None


def test_the_sums_of_the_server_stand_where_it_has_them_and_the_rest_is_the_way() -> None:
    both = [exchange(0), exchange(1, waits_ms=5)]
    how, parts = summed(both, [split_of(each, IDLE) for each in both], server(queue_ms=60.0, prefill_ms=30.0))
    assert how == BY_SERVER
    assert parts[EndpointPartName.QUEUE] == 120 * MS
    assert parts[EndpointPartName.PREFILL] == 60 * MS
    assert parts[EndpointPartName.NETWORK] == 20 * MS
    assert sum(parts.values()) == sum(each.last_ns - each.due_ns for each in both)


def test_tokens_that_a_front_end_hands_on_late_are_on_the_way_and_not_faster_decoded() -> None:
    late = [exchange(ttft_ms=140, gaps_ms=(0, 0))]  # all at once, when the engine was done
    known = server(queue_ms=60.0, prefill_ms=30.0, decode_ms=40.0)
    _, parts = summed(late, [split_of(each, IDLE) for each in late], known)
    assert parts[EndpointPartName.DECODE] == 40 * MS
    assert parts[EndpointPartName.NETWORK] == 10 * MS
    assert sum(parts.values()) == 140 * MS


def test_a_server_that_knows_its_queue_alone_leaves_prefill_to_the_client() -> None:
    one = [exchange()]
    how, parts = summed(one, [split_of(one[0], IDLE)], server(engine="tgi", prefill_ms=None))
    assert how == MIXED
    assert parts[EndpointPartName.QUEUE] == 60 * MS
    assert parts[EndpointPartName.PREFILL] == 38 * MS
    assert sum(parts.values()) == one[0].e2e_ns


def test_without_metrics_all_is_inferred() -> None:
    one = [exchange()]
    how, parts = summed(one, [split_of(one[0], IDLE)], None)
    assert how == INFERRED
    assert sum(parts.values()) == one[0].e2e_ns


def test_metrics_that_contradict_the_client_show_as_a_negative_part() -> None:
    one = [exchange()]
    _, parts = summed(one, [split_of(one[0], IDLE)], server(queue_ms=500.0))
    assert parts[EndpointPartName.NETWORK] < 0
    assert sum(parts.values()) == one[0].e2e_ns


def test_the_idle_server_is_a_line_over_the_prompt() -> None:
    alone = [exchange(ttft_ms=12 + 2 * tokens, prompt_tokens=tokens) for tokens in (1, 10, 40)]
    found = fitted_baseline(alone, 2 * MS)
    assert round(found.fixed_ns) == 10 * MS
    assert round(found.ns_per_token) == 2 * MS
    assert found.prefill_ns(100) == 210 * MS


@given(st.lists(st.tuples(times, st.integers(1, 5000)), min_size=1, max_size=8))
def test_the_line_never_takes_less_than_no_time(seen: list[tuple[int, int]]) -> None:
    found = fitted_baseline([exchange(ttft_ms=ttft, prompt_tokens=tokens) for ttft, tokens in seen], MS)
    assert found.fixed_ns >= 0
    assert found.ns_per_token >= 0
