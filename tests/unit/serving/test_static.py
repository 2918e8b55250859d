"""Static batching: windows, sizes, padding and holes."""

from __future__ import annotations

import pytest

from profiler.serving.delays import delays
from profiler.serving.fleet import serve
from profiler.serving.policies.policy import Limits
from profiler.serving.surface import SurfaceCosts
from tests.unit.serving.requests import SECOND, SPEEDS, log_of, surface

MS = 10**6


def test_a_full_batch_starts_at_once() -> None:
    ledger = serve("static", log_of((0, 10, 5), (0.3, 10, 5)), SPEEDS, Limits(batch_size=2, window_ns=SECOND))
    assert ledger.start.tolist() == [300 * MS] * 2


def test_a_batch_that_does_not_fill_waits_for_its_window() -> None:
    ledger = serve("static", log_of((0, 10, 5), (0.3, 10, 5), (5, 10, 5)), SPEEDS, Limits(window_ns=SECOND))
    assert ledger.start.tolist() == [SECOND, SECOND, 6 * SECOND]


def test_without_a_window_it_takes_who_is_there() -> None:
    ledger = serve("static", log_of((0, 10, 50), (0.1, 10, 5), (0.2, 10, 5)), SPEEDS, Limits())
    assert ledger.start.tolist() == [0, ledger.released[0], ledger.released[0]]


def test_nobody_joins_before_the_longest_has_ended() -> None:
    ledger = serve("static", log_of((0, 10, 5), (0, 10, 50), (0.01, 10, 5)), SPEEDS, Limits(batch_size=2))
    assert ledger.finish[0] < ledger.finish[1] == ledger.released[0] == ledger.start[2]


def test_who_has_ended_leaves_holes_behind() -> None:
    sums = serve("static", log_of((0, 10, 40), (0, 10, 60), (0, 10, 400)), SPEEDS, Limits()).replicas[0]
    assert (sums.hole_steps, sums.slot_steps) == (700, 1200)


def test_where_the_prefill_gives_a_token_a_step_less_is_taken() -> None:
    costs = SurfaceCosts(surface())
    ledger = serve("static", log_of((0, 100, 4), (0, 100, 2)), costs, Limits())
    sums = ledger.replicas[0]
    assert (sums.decode_steps, sums.hole_steps, sums.slot_steps) == (3, 2, 6)
    assert ledger.first_token.tolist() == ledger.prefilled.tolist()


def test_padding_computes_every_prompt_as_if_it_were_the_longest() -> None:
    log, costs = log_of((0, 100, 2), (0, 1100, 2)), SurfaceCosts(surface())
    padded, tight = (serve("static", log, costs, Limits(padded=padded)).prefilled[0] for padded in (True, False))
    assert padded == 230 * MS  # as one prefill of 2,200 tokens; two of 1,100 are 240
    assert tight == 130 * MS  # as one of 1,200; two of 600 are 140


def test_a_batch_of_one_is_served_as_one_by_one() -> None:
    # 21 ms of prefill, then ten steps of 10 ms and 0.01 ms for each of 101 to 110 tokens.
    costs = SurfaceCosts(surface(prefill=[(1, 100, 21.0)], decode=[(1, 0, 10.0), (1, 1000, 20.0)]))
    for policy in ("serial", "static"):
        assert serve(policy, log_of((0, 100, 11)), costs, Limits()).finish.tolist() == [131_550_000]


# Padded 2 x 900 and 2 x 900; else 900 + 100 and 2 x 900.
@pytest.mark.parametrize(
    ("padded", "kv_tokens", "batches"), [(True, 3600, 1), (True, 3599, 2), (False, 2800, 1), (False, 2799, 2)]
)
def test_a_batch_holds_every_prompt_and_the_longest_output_for_each(padded: bool, kv_tokens: int, batches: int) -> None:
    limits = Limits(kv_tokens=kv_tokens, padded=padded)
    ledger = serve("static", log_of((0, 900, 100), (0, 100, 900)), SPEEDS, limits)
    assert len(set(ledger.start)) == batches
    assert ledger.replicas[0].peak_kv_tokens == (kv_tokens if batches == 1 else 1000)


def test_who_only_memory_left_behind_waits_for_memory() -> None:
    log, limits = log_of(*((0, 900, 100) for _ in range(6))), Limits(kv_tokens=1000)
    for policy in ("static", "continuous"):
        ledger = serve(policy, log, SPEEDS, limits)
        delay = delays(log, ledger, SPEEDS.alone_ns(log.prompt_tokens, log.output_tokens))
        assert delay.memory.tolist() == ledger.start.tolist() == [turn * 2045 * MS for turn in range(6)]


def test_who_a_full_batch_or_a_window_left_behind_does_not() -> None:
    log, limits = log_of(*((0, 900, 100) for _ in range(6))), Limits(kv_tokens=2000, batch_size=2)
    assert not serve("static", log, SPEEDS, limits).replicas[0].memory_begin
    late = log_of((0, 900, 100), (0.5, 900, 100), (0.6, 900, 100))
    sums = serve("static", late, SPEEDS, Limits(kv_tokens=2000, window_ns=SECOND)).replicas[0]
    # Two go together after a second, until 3.045 s; from then on memory has room for the third.
    assert (sums.memory_begin.tolist(), sums.memory_end.tolist()) == ([SECOND], [3045 * MS])


def test_a_batch_is_no_larger_than_memory_at_its_full_length() -> None:
    log = log_of(*((0, 60, 40) for _ in range(5)))
    ledger = serve("static", log, SPEEDS, Limits(kv_tokens=250))
    assert [int(start > 0) + int(start > ledger.released[0]) for start in ledger.start] == [0, 0, 1, 1, 2]
