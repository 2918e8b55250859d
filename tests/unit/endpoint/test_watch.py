from __future__ import annotations

import asyncio

from profiler.endpoint.watch import Watch, client_health
from tests.unit.endpoint.stand_ins import MS, exchange
from tests.virtual_time import VirtualLoop, now_ns, run_virtually


def watched(blocks_s: float) -> Watch:
    """A second of a loop, in which somebody holds it up for so long at a time."""
    watch = Watch(now_ns, cpu_s=lambda: 0.25 * now_ns() / 1e9)

    async def work() -> None:
        task = asyncio.create_task(watch.run())
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        while loop.now_s < 1.0:
            await asyncio.sleep(0.05)
            loop.now_s += blocks_s
        task.cancel()

    run_virtually(work())
    return watch


def test_a_loop_that_nobody_holds_up_is_never_late() -> None:
    watch = watched(0.0)
    assert len(watch.lag_ns) > 90
    assert max(watch.lag_ns) <= 1  # of rounding
    assert round(watch.cpu_ratio, 3) == 0.25


def test_a_loop_that_is_held_up_is_as_late() -> None:
    assert max(watched(0.03).lag_ns) // MS in (29, 30)


def test_a_client_that_keeps_up_is_not_blamed() -> None:
    found = client_health([MS // 2] * 50, 0.3, [exchange(number) for number in range(9)], capped=False)
    assert not found.limited
    assert found.reasons == []


def test_a_client_without_cpu_left_is_blamed() -> None:
    assert "97% of a CPU" in client_health([0], 0.97, [exchange()], capped=False).reasons[0]


def test_a_late_loop_is_blamed_by_what_it_adds_to_a_request() -> None:
    late = [20 * MS] * 50
    assert client_health(late, 0.3, [exchange()], capped=False).limited  # 20 ms of 120
    slow = exchange(ttft_ms=10_000)
    assert not client_health(late, 0.3, [slow], capped=False).limited


def test_requests_that_leave_late_are_blamed_on_the_client_unless_it_was_told_to_hold_them() -> None:
    late = [exchange(waits_ms=50)]
    assert "left 50 ms late" in client_health([0], 0.3, late, capped=False).reasons[0]
    assert not client_health([0], 0.3, late, capped=True).limited


def test_a_load_without_a_sample_has_no_numbers_but_reasons() -> None:
    found = client_health([], 0.0, [], capped=False)
    assert (found.loop_lag_ms, found.send_delay_ms, found.limited) == (None, None, False)
    assert found.sources.keys() == {"loop_lag_ms", "send_delay_ms"}
