from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiler.endpoint.knee import Step, knee_record, saturation, search
from profiler.report.endpoint import ClientHealth, EndpointPartName, Saturation
from profiler.serving.outcome import Slo
from tests.unit.endpoint.stand_ins import HEALTHY, LIMITED, server


def step(rate: float, kept: int = 100, client: ClientHealth = HEALTHY) -> Step:
    return Step(
        rate_per_s=rate,
        requests=100,
        kept=kept,
        well=100,
        seconds=100 / rate,
        ttft_p99_ms=100.0,
        tpot_p50_ms=10.0,
        server=server(),
        client=client,
        parts={EndpointPartName.QUEUE: 0.6, EndpointPartName.DECODE: 0.3},
    )


def searched(begin: float, carries: float, client_carries: float = float("inf")) -> list[Step]:
    async def measure(rate: float) -> Step:
        return step(rate, 100 if rate <= carries else 10, HEALTHY if rate <= client_carries else LIMITED)

    steps: list[Step] = []
    asyncio.run(search(begin, measure, steps))
    return steps


@given(st.floats(4, 16), st.floats(1, 50))
def test_the_knee_is_found_from_below_and_from_above(begin: float, carries: float) -> None:
    found = knee_record(searched(begin, carries), Slo(100.0), 10.0)
    assert found.rate_per_s is not None
    assert found.beyond_per_s is not None
    assert found.rate_per_s <= carries < found.beyond_per_s
    assert found.beyond_per_s / found.rate_per_s == pytest.approx(2 ** (1 / 8))  # three times halved


def test_a_server_that_carries_everything_has_no_knee_and_the_search_ends() -> None:
    found = knee_record(searched(1.0, float("inf")), Slo(100.0), 10.0)
    assert len(found.steps) == 12
    assert (found.beyond_per_s, found.saturates) == (None, None)
    assert "every rate" in (found.sources["beyond_per_s"].missing or "")


def test_a_server_that_carries_nothing_has_none_and_the_search_ends() -> None:
    found = knee_record(searched(1.0, 0.0), Slo(100.0), 10.0)
    assert found.rate_per_s is None
    assert "no rate" in (found.sources["rate_per_s"].missing or "")
    assert min(tried.rate_per_s for tried in found.steps) == 1 / 16  # slower ones would take too long


def test_the_search_ends_where_nothing_is_served_any_more() -> None:
    tried: list[Step] = []

    async def measure(rate: float) -> Step:
        dead = rate >= 4 or len(tried) > 3
        return replace(step(rate, kept=0), well=0) if dead else step(rate)

    asyncio.run(search(1.0, measure, tried))
    assert [each.rate_per_s for each in tried] == pytest.approx([1.0, 2.0, 4.0, 8**0.5, 128**0.25])
    at_once: list[Step] = []
    asyncio.run(search(8.0, measure, at_once))
    assert len(at_once) == 1


def test_a_client_that_gives_up_first_is_what_saturates() -> None:
    found = knee_record(searched(1.0, carries=100.0, client_carries=10.0), Slo(100.0), 10.0)
    assert found.saturates is Saturation.CLIENT
    assert found.rate_per_s is not None
    assert found.rate_per_s <= 10.0


def test_what_saturates_is_named() -> None:
    usual = step(8.0, kept=10)
    assert saturation(usual, 10.0)[0] is Saturation.QUEUE
    full = replace(usual, server=server(peak_kv_usage_waiting_ratio=1.0))
    assert saturation(full, 10.0)[0] is Saturation.KV_CACHE
    slow = replace(usual, parts={EndpointPartName.QUEUE: 0.1, EndpointPartName.DECODE: 0.8}, tpot_p50_ms=40.0)
    assert saturation(slow, 10.0)[0] is Saturation.INTERFERENCE
    failing = replace(usual, well=50)
    assert saturation(failing, 10.0)[0] is Saturation.ERRORS


def test_goodput_counts_what_kept_the_promise_over_the_time_it_took() -> None:
    found = knee_record([step(10.0, kept=50)], Slo(100.0), None).steps[0]
    assert found.goodput_requests_per_s == pytest.approx(5.0)
    assert found.goodput_ratio == 0.5
    assert not found.holds
