"""What was achieved against what the ceilings allow; what is missing says why."""

from __future__ import annotations

import pytest

from profiler.attribute.rates import NeededWork, Rates, rates

WORK = NeededWork(flops=2e12, weight_bytes=10e9, kv_bytes=2e9)


def found(
    work: NeededWork = WORK,
    wall_ms: float = 10.0,
    flops_per_s: float | None = 800e12,
    bytes_per_s: float | None = 3e12,
) -> Rates:
    return rates(
        work, wall_ms, flops_per_s=flops_per_s, bytes_per_s=bytes_per_s, no_flops="no trace", no_bytes="no trace"
    )


def test_rates_are_shares_of_the_measured_ceilings():
    assert found().mfu == pytest.approx(2e12 / 800e12 / 0.010)
    assert found().mbu == pytest.approx(12e9 / 3e12 / 0.010)
    assert found().weights_gb_per_s == pytest.approx(1000)
    assert found().kv_cache_gb_per_s == pytest.approx(200)


def test_the_ideal_time_is_the_larger_of_both():
    assert found().ideal_ms == pytest.approx(4.0)
    assert found(NeededWork(8e12, 10e9, 2e9)).ideal_ms == pytest.approx(10.0)


def test_activations_count_among_the_bytes():
    assert NeededWork(1.0, 10.0, 2.0, 3.0).bytes == 15
    assert NeededWork(1.0, None, None, 3.0).bytes == 3
    assert NeededWork(1.0, None, None).bytes is None


@pytest.mark.parametrize("missing", ["mfu", "ideal_ms"])
def test_without_a_ceiling_there_is_no_rate_but_a_reason(missing: str):
    assert getattr(found(flops_per_s=None), missing) is None
    assert found(flops_per_s=None).sources[missing].missing == "the GEMM ceiling was not measured on this device"
    assert found(flops_per_s=None).mbu is not None


def test_without_known_work_there_is_no_rate_but_a_reason():
    unknown = found(NeededWork(None, None, None))
    for name in ("mfu", "mbu", "ideal_ms"):
        assert getattr(unknown, name) is None
        assert unknown.sources[name].missing == "no trace"
    for name in ("weights_gb_per_s", "kv_cache_gb_per_s"):
        assert getattr(unknown, name) is None
        assert unknown.sources[name].missing


def test_an_iteration_of_no_time_has_no_rates_but_a_reason():
    instant = found(wall_ms=0.0)
    for name in ("mfu", "mbu", "ideal_ms", "weights_gb_per_s", "kv_cache_gb_per_s"):
        assert getattr(instant, name) is None
        assert "no time" in (instant.sources[name].missing or "")


def test_every_rate_that_is_there_has_its_tier():
    assert all(source.tier is not None for source in found().sources.values())
