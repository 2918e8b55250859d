from __future__ import annotations

import pytest

from profiler.endpoint.metrics import ENGINES, Gauges, engine_of, parsed, server_times
from profiler.endpoint.verdict import kv_cache_is_full
from profiler.report.endpoint import ServerTimes

VLLM = """# HELP vllm:num_requests_running x
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{{engine="0",model_name="m"}} {running}
vllm:num_requests_waiting{{engine="0",model_name="m"}} 3.0
vllm:kv_cache_usage_perc{{engine="0"}} 0.5
vllm:num_preemptions_total{{engine="0"}} 2.0
vllm:request_queue_time_seconds_sum{{engine="0"}} {queue}
vllm:request_queue_time_seconds_count{{engine="0"}} {count}
vllm:e2e_request_latency_seconds_sum{{engine="0"}} 9.0
vllm:e2e_request_latency_seconds_count{{engine="0"}} {count}
"""


def test_means_are_differences_over_the_load_not_over_the_servers_life() -> None:
    before = parsed(VLLM.format(running=1, queue=100.0, count=10))
    after = parsed(VLLM.format(running=1, queue=103.0, count=12))
    engine = engine_of(after)
    assert engine is not None
    found = server_times(engine, before, after, Gauges())
    assert (found.engine, found.requests, found.queue_ms) == ("vllm", 2, 1500.0)
    assert found.preemptions == 0


def test_what_the_server_does_not_say_is_missing_with_a_reason() -> None:
    text = parsed(VLLM.format(running=1, queue=1.0, count=1))
    engine = engine_of(text)
    assert engine is not None
    found = server_times(engine, text, text, Gauges())
    assert found.queue_ms is None
    assert "nothing ended" in (found.sources["queue_ms"].missing or "")
    assert found.peak_running is None


def test_gauges_are_kept_at_their_peak() -> None:
    engine = engine_of(parsed(VLLM.format(running=1, queue=1, count=1)))
    assert engine is not None
    gauges = Gauges()
    for running in (2, 9, 4):
        gauges.add(engine, parsed(VLLM.format(running=running, queue=1, count=1)))
    found = server_times(engine, {}, {}, gauges)
    assert (found.peak_running, found.peak_waiting, found.peak_kv_usage_ratio) == (9.0, 3.0, 0.5)
    assert found.samples == 3


def peaks(*samples: tuple[float, float]) -> ServerTimes:
    """Of samples of how full the KV cache is, and of how many wait."""
    gauges = Gauges()
    for kv_usage, waiting in samples:
        gauges.add(ENGINES[0], {"vllm:kv_cache_usage_perc": kv_usage, "vllm:num_requests_waiting": waiting})
    return server_times(ENGINES[0], {}, {}, gauges)


def test_the_kv_cache_and_those_who_wait_are_looked_at_in_the_same_sample() -> None:
    apart, together = peaks((0.97, 0), (0.1, 5)), peaks((0.1, 0), (0.97, 5))
    assert (apart.peak_kv_usage_ratio, apart.peak_kv_usage_waiting_ratio) == (0.97, 0.1)
    assert (together.peak_kv_usage_ratio, together.peak_kv_usage_waiting_ratio) == (0.97, 0.97)
    assert not kv_cache_is_full(apart)
    assert kv_cache_is_full(together)


def test_where_nobody_waits_that_is_why_nothing_is_said_of_the_kv_cache_meanwhile() -> None:
    found = peaks((0.97, 0))
    assert found.peak_kv_usage_waiting_ratio is None
    assert found.sources["peak_kv_usage_waiting_ratio"].missing == "no sample has requests that wait"


def test_replicas_are_added_up_and_ranks_of_one_are_not() -> None:
    text = """sglang:num_queue_reqs{tp_rank="0",dp_rank="0"} 3
sglang:num_queue_reqs{tp_rank="1",dp_rank="0"} 3
sglang:num_queue_reqs{tp_rank="0",dp_rank="1"} 4
"""
    assert parsed(text) == {"sglang:num_queue_reqs": 7.0}


@pytest.mark.parametrize(
    ("name", "replica"),
    [
        ("vllm:kv_cache_usage_perc", "engine"),
        ("vllm:gpu_cache_usage_perc", "engine"),
        ("sglang:token_usage", "dp_rank"),
    ],
)
def test_of_replicas_the_fullest_kv_cache_counts_and_not_the_sum(name: str, replica: str) -> None:
    assert parsed(f'{name}{{{replica}="0"}} 0.5\n{name}{{{replica}="1"}} 0.4\n') == {name: 0.5}


def test_sglang_says_prefill_and_decode_by_what_else_it_says() -> None:
    after = parsed(
        "sglang:queue_time_seconds_sum 1\nsglang:queue_time_seconds_count 2\n"
        "sglang:time_to_first_token_seconds_sum 3\nsglang:time_to_first_token_seconds_count 2\n"
        "sglang:e2e_request_latency_seconds_sum 7\nsglang:e2e_request_latency_seconds_count 2\n"
    )
    engine = engine_of(after)
    assert engine is not None
    found = server_times(engine, {}, after, Gauges())
    assert (found.queue_ms, found.prefill_ms, found.decode_ms) == (500.0, 1000.0, 2000.0)
    assert found.sources["prefill_ms"].note == "TTFT less queue"


@pytest.mark.parametrize(
    ("text", "name"),
    [("tgi_queue_size 3", "tgi"), ("sglang:token_usage 0.1", "sglang"), ("vllm:num_requests_running 0", "vllm")],
)
def test_engines_are_known_by_their_prefix(text: str, name: str) -> None:
    engine = engine_of(parsed(text))
    assert engine is not None
    assert engine.name == name


def test_other_programs_metrics_and_broken_lines_are_passed_over() -> None:
    found = parsed('python_info 1\nnonsense\nx{a="b"} NaN\ny abc\nz 2 1700000000\n\x00')
    assert found == {"python_info": 1.0, "z": 2.0}
    assert engine_of(found) is None
